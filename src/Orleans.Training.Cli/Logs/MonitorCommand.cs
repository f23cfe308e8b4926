using System.CommandLine;
using Orleans.Training.Client.Logs;
using Orleans.Training.Grains;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Cli.Logs;

/// <summary><c>otrain monitor</c>: whether all who serve a ledger's log show one history, now and since the last look.</summary>
internal static class MonitorCommand
{
    private const int MaximumBytes = 64 * 1024;

    public static Command Create()
    {
        var logs = new Argument<string[]>("logs") { Description = "Where the log is served: prefixes such as https://validator.example/shards/ID.", Arity = ArgumentArity.OneOrMore };
        var trust = Trust();
        var state = new Option<string>("--state") { Description = "The file that remembers the newest checkpoint from look to look. What contradicts it is written beside it.", Required = true };
        var key = new Option<string?>("--key-file") { Description = "A file with an API key that may read; one line for each log, or one for all." };
        var every = Repetition.Every();
        logs.Validators.Add(result => { if (result.GetValue(logs)?.All(log => PrefixOf(log) is not null) != true) result.AddError("A log's prefix begins with https:// or http://."); });
        var command = new Command("monitor", "Watches a ledger without being part of it: every server of its log must show one history. Ends with 1 as soon as one does not.") { logs, trust, state, key, every };
        command.SetAction((parsed, cancellationToken) => Run([.. parsed.GetValue(logs)!.Select(log => PrefixOf(log)!)], parsed.GetValue(trust)!, parsed.GetValue(state)!, parsed.GetValue(key), TimeSpan.FromSeconds(parsed.GetValue(every)), cancellationToken));
        return command;
    }

    /// <summary>Where a log is served; null for what is no such address.</summary>
    internal static Uri? PrefixOf(string text) => Uri.TryCreate(text, UriKind.Absolute, out var prefix) && (prefix.Scheme == Uri.UriSchemeHttp || prefix.Scheme == Uri.UriSchemeHttps) ? prefix : null;

    /// <summary>The log that a command is about.</summary>
    internal static Argument<string> Log()
    {
        var log = new Argument<string>("log") { Description = "Where the ledger's log is served, such as https://validator.example/shards/ID." };
        log.Validators.Add(result => { if (result.GetValue(log) is not { } text || PrefixOf(text) is null) result.AddError("A log's prefix begins with https:// or http://."); });
        return log;
    }

    /// <summary>Under which policy its checkpoints are believed.</summary>
    internal static Option<string> Trust() => new("--trust") { Description = "The ledger's trust policy (C2SP tlog-policy).", Required = true };

    /// <summary>What it is read with.</summary>
    internal static Option<string?> KeyFile() => new("--key-file") { Description = "A file with an API key that may read there." };

    /// <summary>The policy in a file.</summary>
    /// <exception cref="OperationalException">OT-7004: there is none in it.</exception>
    internal static TrustPolicy PolicyIn(string file) => TrustPolicy.TryParse(Read(file), out var policy, out var problem) ? policy! : throw new OperationalException("OT-7004", $"{file} is no trust policy: {problem}");

    private static async Task<int> Run(Uri[] prefixes, string trust, string state, string? keyFile, TimeSpan every, CancellationToken cancellationToken)
    {
        var policy = PolicyIn(trust);
        string[] keys = keyFile is null ? [] : [.. Read(keyFile).Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)];
        if (keys.Length > 1 && keys.Length != prefixes.Length) throw new OperationalException("OT-7072", $"{keyFile} has {keys.Length} keys for {prefixes.Length} logs: give one for all, or one for each in their order.");
        var readers = prefixes.Select((prefix, i) => new LogReader(prefix, keys.Length == 0 ? null : keys[Math.Min(i, keys.Length - 1)])).ToArray();
        try
        {
            var monitor = new LogMonitor(policy, readers);
            return await Repetition.Run(every, () => Look(monitor, policy, state, cancellationToken), cancellationToken);
        }
        finally
        {
            foreach (var reader in readers) reader.Dispose();
        }
    }

    private static async Task<int> Look(LogMonitor monitor, TrustPolicy policy, string state, CancellationToken cancellationToken)
    {
        var known = File.Exists(state) ? Known(state, policy) : null;
        var (findings, newest) = await monitor.Look(known, cancellationToken);
        foreach (var finding in findings) Console.WriteLine($"  {finding.Log} {finding.Text}");
        var bad = findings.FirstOrDefault(finding => finding.Health is LogHealth.SplitView or LogHealth.NotConsistent);
        if (bad is not null)
        {
            // Both are signed: whoever has the files can show them to anybody.
            await File.WriteAllTextAsync(state + ".first", newest!.ToString(), cancellationToken);
            await File.WriteAllTextAsync(state + ".second", bad.Note!.ToString(), cancellationToken);
            Console.WriteLine($"NOT ONE HISTORY\n  {state}.first and {state}.second are two checkpoints {(bad.Health is LogHealth.SplitView ? "of two histories" : "that nobody shows to belong together")}");
            for (var i = 0; i < bad.Evidence.Count; i++)
            {
                var file = string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{state}.{i + 1}.evidence");
                await File.WriteAllBytesAsync(file, bad.Evidence[i].Encode(), cancellationToken);
                Console.WriteLine($"  {bad.Evidence[i].Key.Name} has signed both: ./run verify {file}");
            }

            return ExitCode.CheckFailed;
        }

        if (newest is not null && newest != known)
        {
            await File.WriteAllTextAsync(state + ".new", newest.ToString(), cancellationToken);
            File.Move(state + ".new", state, overwrite: true);
        }

        if (findings.Any(finding => finding.Health is not LogHealth.Good)) return ExitCode.NotReachable;
        Console.WriteLine("ONE HISTORY");
        return ExitCode.Ok;
    }

    private static SignedNote Known(string state, TrustPolicy policy) =>
        SignedNote.TryParse(Read(state), out var note) && policy.Accepts(note!) is ReceiptCheck.Good ? note! : throw new OperationalException("OT-7072", $"{state} is no checkpoint that the policy accepts: it was changed, or the ledger's keys are others now. Look what became of it before you begin anew with another file.");

    /// <summary>The text of a file.</summary>
    /// <exception cref="OperationalException">OT-7072: there is none, or it is too large.</exception>
    internal static string Read(string file) =>
        !File.Exists(file) ? throw new OperationalException("OT-7072", $"There is no file {file}.")
        : new FileInfo(file).Length > MaximumBytes ? throw new OperationalException("OT-7072", $"{file} has more than {MaximumBytes} bytes.")
        : File.ReadAllText(file);
}
