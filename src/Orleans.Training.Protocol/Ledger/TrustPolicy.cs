using System.Globalization;
using System.Text;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>
/// Whom a verifier believes: logs, witnesses and the quorum among them, in the C2SP tlog-policy format. It comes from outside whatever is verified.
/// </summary>
public sealed class TrustPolicy
{
    private const int MaxLines = 512;
    private readonly Dictionary<string, Rule> _rules = new(StringComparer.Ordinal);
    private Rule? _quorum;
    private readonly List<NoteKey> _logs = [];
    private readonly List<NoteKey> _witnesses = [];
    private readonly Dictionary<NoteKey, Uri> _addresses = [];

    private TrustPolicy()
    {
    }

    /// <summary>The log keys, any of which suffices.</summary>
    public IReadOnlyList<NoteKey> Logs => _logs;

    /// <summary>The witness keys, in order.</summary>
    public IReadOnlyList<NoteKey> Witnesses => _witnesses;

    /// <summary>Where a witness takes checkpoints, if the policy says so: its submission prefix.</summary>
    public Uri? AddressOf(NoteKey witness) => _addresses.GetValueOrDefault(witness);

    /// <summary>Parses a policy file; on failure says which line is wrong and why.</summary>
    public static bool TryParse(string text, out TrustPolicy? policy, out string problem)
    {
        policy = null;
        var parsed = new TrustPolicy();
        var lines = text.Split('\n');
        if (lines.Length > MaxLines)
        {
            problem = $"more than {MaxLines} lines";
            return false;
        }

        for (var i = 0; i < lines.Length; i++)
        {
            var items = lines[i].Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            if (items.Length == 0 || items[0].StartsWith('#')) continue;
            if (parsed.AddLine(items) is { } reason)
            {
                problem = string.Create(CultureInfo.InvariantCulture, $"line {i + 1}: {reason}");
                return false;
            }
        }

        problem = parsed._quorum is null ? "no quorum line" : "";
        policy = parsed._quorum is null ? null : parsed;
        return policy is not null;
    }

    /// <summary>The policy that <see cref="Text"/> spells.</summary>
    public static TrustPolicy Of(string origin, ValidatorSet validators) =>
        TryParse(Text(origin, validators), out var policy, out var problem) ? policy! : throw new ArgumentException(problem, nameof(validators));

    /// <summary>The policy of a validator set: every seat's log, and its quorum of cosignatures.</summary>
    public static string Text(string origin, ValidatorSet validators)
    {
        var text = new StringBuilder();
        foreach (var seat in validators.Seats) text.Append(CultureInfo.InvariantCulture, $"log {new NoteKey(origin, NoteKeyKind.Log, seat.LogKey)}\n");
        for (var i = 0; i < validators.Count; i++) text.Append(CultureInfo.InvariantCulture, $"witness v{i} {CosignKey(validators.Seats[i])}\n");
        text.Append(CultureInfo.InvariantCulture, $"group validators {validators.Quorum} {string.Join(' ', Enumerable.Range(0, validators.Count).Select(i => $"v{i}"))}\nquorum validators\n");
        return text.ToString();
    }

    /// <summary>The key under which a seat cosigns checkpoints: named after its organisation.</summary>
    public static NoteKey CosignKey(Validator seat) => new($"{seat.Organisation}/validator", NoteKeyKind.Cosignature, seat.CosignKey);

    /// <summary>Checks a checkpoint's log line, whose name must be the origin, and its quorum of cosignatures.</summary>
    public ReceiptCheck Accepts(SignedNote note)
    {
        if (!Checkpoint.TryParse(note.Text, out var checkpoint)) return ReceiptCheck.NoCheckpoint;
        if (!_logs.Any(log => log.Name == checkpoint!.Origin && note.IsSignedBy(log))) return ReceiptCheck.UnknownLog;
        return _quorum!(new Question(note)) ? ReceiptCheck.Good : ReceiptCheck.QuorumMissing;
    }

    private string? AddLine(string[] items) => items[0] switch
    {
        "log" => AddLog(items),
        "witness" => AddWitness(items),
        "group" => AddGroup(items),
        "quorum" => SetQuorum(items),
        _ => $"'{items[0]}' is not log, witness, group or quorum",
    };

    private string? AddLog(string[] items)
    {
        if (items.Length is not (2 or 3) || !NoteKey.TryParse(items[1], out var key) || key!.Kind is not NoteKeyKind.Log) return "not 'log <vkey> [<url>]' with an Ed25519 log key (type 0x01)";
        if (_logs.Any(log => log.Key == key.Key)) return "this log key stands twice";
        _logs.Add(key);
        return null;
    }

    private string? AddWitness(string[] items)
    {
        if (items.Length is not (3 or 4) || !NoteKey.TryParse(items[2], out var key) || key!.Kind is not NoteKeyKind.Cosignature) return "not 'witness <name> <vkey> [<url>]' with an Ed25519 cosignature key (type 0x04)";
        if (_witnesses.Any(witness => witness.Key == key.Key)) return "this witness key stands twice";
        if (!Define(items[1], question => question.Note.IsSignedBy(key))) return $"the name '{items[1]}' is taken";
        _witnesses.Add(key);
        if (items is [_, _, _, var url] && Uri.TryCreate(url, UriKind.Absolute, out var address)) _addresses[key] = address;
        return null;
    }

    private string? AddGroup(string[] items)
    {
        if (items.Length < 4) return "not 'group <name> <threshold|any|all> <name>…'";
        var members = new List<Rule>();
        foreach (var name in items[3..].Distinct(StringComparer.Ordinal))
        {
            if (!_rules.TryGetValue(name, out var member)) return $"'{name}' is not defined above";
            members.Add(member);
        }

        if (members.Count != items.Length - 3) return "a member stands twice";
        var threshold = items[2] switch
        {
            "any" => 1,
            "all" => members.Count,
            _ => int.TryParse(items[2], NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0,
        };
        if (threshold < 1 || threshold > members.Count) return $"the threshold '{items[2]}' is not any, all or 1 to {members.Count}";
        return Define(items[1], question => members.Count(member => member(question)) >= threshold) ? null : $"the name '{items[1]}' is taken";
    }

    private string? SetQuorum(string[] items)
    {
        if (items.Length != 2 || _quorum is not null) return "not one line 'quorum <name>'";
        if (items[1] == "none") _quorum = _ => true;
        else if (_rules.TryGetValue(items[1], out var rule)) _quorum = rule;
        else return $"'{items[1]}' is not defined above";
        return null;
    }

    private bool Define(string name, Rule rule) => name != "none" && _rules.TryAdd(name, question => question.Ask(name, rule));

    private delegate bool Rule(Question question);

    // Groups may share members at every level: each name is asked once.
    private sealed class Question(SignedNote note)
    {
        private readonly Dictionary<string, bool> _answers = new(StringComparer.Ordinal);

        public SignedNote Note => note;

        public bool Ask(string name, Rule rule) => _answers.TryGetValue(name, out var answer) ? answer : _answers[name] = rule(this);
    }
}
