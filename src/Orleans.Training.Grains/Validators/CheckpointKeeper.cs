using System.Text;
using Orleans.Training.Grains.History;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>
/// Cosigns final checkpoints, collects the other seats' lines, and keeps the newest checkpoint that a quorum cosigned (docs/spec/receipt.md). A line
/// for a size that is not final here yet is kept, one a seat, and looked at again. Used by one thread at a time.
/// </summary>
internal sealed class CheckpointKeeper(Genesis genesis, ValidatorSet validators, int seat, ISigner log, ISigner cosign, CommittedChain chain)
{
    private const int OpenSizes = 64;
    private const ulong RenewAfterSeconds = 30;
    private const ulong LateSeconds = 2;
    private const int AnswersPerLine = 5;
    private readonly NoteKey _log = new(genesis.Origin, NoteKeyKind.Log, log.PublicKey);
    private readonly NoteKey[] _cosigners = [.. validators.Seats.Select(TrustPolicy.CosignKey)];
    private readonly SortedDictionary<long, NoteSignature?[]> _lines = [];
    private readonly CosignatureMessage?[] _early = new CosignatureMessage?[validators.Count];
    private readonly (NoteSignature? Line, int Answers)[] _repeated = new (NoteSignature?, int)[validators.Count];
    private CosignatureMessage? _own;
    private ulong _ownSeconds;
    private long _newestSize;
    private ulong _newestSeconds;

    /// <summary>The newest checkpoint with one log line and a quorum of cosignatures; null before the first.</summary>
    public SignedNote? Newest { get; private set; }

    /// <summary>What this seat has told everybody about the head and a quorum has not confirmed yet; null when it has, and before the first.</summary>
    public CosignatureMessage? Unconfirmed => _own is not null && _own.TreeSize > _newestSize ? _own : null;

    /// <summary>Cosigns the head, which must be durable; gives what to tell the others. Cosigned anew while nothing happens, it shows that nothing has happened.</summary>
    public async ValueTask<CosignatureMessage> Cosign(DateTimeOffset now, CancellationToken cancellationToken)
    {
        var state = LedgerState.Of(chain.Head);
        var text = new Checkpoint(genesis.Origin, state.Tree.Size, state.Tree.Root).Text;
        var seconds = (ulong)now.ToUnixTimeSeconds();
        var line = SignedNote.Cosignature(_cosigners[seat], seconds, await cosign.Sign(SignedNote.CosignatureMessage(text, seconds), cancellationToken));
        _ownSeconds = seconds;
        _own = new CosignatureMessage(state.Tree.Size, Encoding.UTF8.GetBytes(line.ToString().TrimEnd('\n')));
        await Add(seat, state.Tree.Size, line, text, cancellationToken);
        for (var i = 0; i < _early.Length; i++)
        {
            if (_early[i] is not { } early || early.TreeSize > state.Tree.Size) continue;
            _early[i] = null;
            await Receive(i, early, cancellationToken);
        }

        return _own;
    }

    /// <summary>
    /// Takes another seat's line; whatever is not a good signature on our own checkpoint is ignored. Gives our own line when that seat may lack it: it comes late to a head
    /// that we told everybody about, or says again what we know while we have a quorum.
    /// </summary>
    public async ValueTask<CosignatureMessage?> Receive(int from, CosignatureMessage message, CancellationToken cancellationToken)
    {
        if (from == seat || (uint)from >= (uint)_cosigners.Length || message.TreeSize < _newestSize) return null;
        if (chain.RootAt(message.TreeSize) is not { } root)
        {
            if (_early[from] is null || _early[from]!.TreeSize < message.TreeSize) _early[from] = message;
            return null;
        }

        var text = new Checkpoint(genesis.Origin, message.TreeSize, root).Text;
        if (!NoteSignature.TryParse(Encoding.UTF8.GetString(message.Line.Span), out var line) || line!.Name != _cosigners[from].Name || line.KeyId != _cosigners[from].Id) return null;
        if (_lines.GetValueOrDefault(message.TreeSize)?[from] is { } known && known.CosignedAt >= line.CosignedAt) return AnswerAgain(from, message.TreeSize, known);
        if (!SignedNote.Verify(text, _cosigners[from], line)) return null;
        await Add(from, message.TreeSize, line, text, cancellationToken);
        return _own?.TreeSize == message.TreeSize && line.CosignedAt > _ownSeconds + LateSeconds ? _own : null;
    }

    // A few times for each line, so that two who have a quorum do not answer each other for ever.
    private CosignatureMessage? AnswerAgain(int from, long size, NoteSignature line)
    {
        if (_own?.TreeSize != size || _newestSize != size) return null;
        var answers = _repeated[from].Line == line ? _repeated[from].Answers + 1 : 1;
        _repeated[from] = (line, answers);
        return answers <= AnswersPerLine ? _own : null;
    }

    private async ValueTask Add(int from, long size, NoteSignature line, string text, CancellationToken cancellationToken)
    {
        if (size < _newestSize) return;
        if (!_lines.TryGetValue(size, out var lines)) _lines[size] = lines = new NoteSignature?[_cosigners.Length];
        lines[from] = line;
        var quorum = validators.Quorum;
        var newest = lines.OfType<NoteSignature>().OrderByDescending(one => one.CosignedAt).Take(quorum).ToArray();
        if (newest.Length == quorum && (size > _newestSize || newest[^1].CosignedAt > _newestSeconds + RenewAfterSeconds))
        {
            var logLine = new NoteSignature(_log.Name, _log.Id, await log.Sign(SignedNote.LogMessage(text), cancellationToken));
            // In the order of the seats.
            Newest = new SignedNote(text, [logLine, .. lines.OfType<NoteSignature>().Where(newest.Contains)]);
            (_newestSize, _newestSeconds) = (size, newest[^1].CosignedAt);
            foreach (var old in _lines.Keys.Where(key => key < size).ToArray()) _lines.Remove(old);
        }

        while (_lines.Count > OpenSizes) _lines.Remove(_lines.Keys.First());
    }
}
