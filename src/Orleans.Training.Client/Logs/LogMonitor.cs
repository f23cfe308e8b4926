using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Client.Logs;

/// <summary>What a look at one log has shown.</summary>
public enum LogHealth
{
    /// <summary>Its checkpoint is accepted and continues what was seen before.</summary>
    Good,
    /// <summary>It cannot be read.</summary>
    Unreadable,
    /// <summary>The trust policy does not accept its checkpoint, or it is another log's.</summary>
    NotTrusted,
    /// <summary>Its checkpoint is accepted, but nobody shows that it belongs to the history that was seen before, or that it does not.</summary>
    NotConsistent,
    /// <summary>Its checkpoint is accepted and of another history than was seen before: those who signed both are named by evidence.</summary>
    SplitView,
}

/// <summary>One log, how it fares, its checkpoint if there is one, a line for people, and for a split view the proof against each key that signed both histories.</summary>
public sealed record LogFinding(Uri Log, LogHealth Health, SignedNote? Note, string Text, IReadOnlyList<SplitView> Evidence);

/// <summary>
/// Compares what several servers of one ledger show, now and over time: every accepted checkpoint must belong to one history. Whoever runs it needs no part in the ledger; its memory is one checkpoint.
/// </summary>
/// <param name="policy">Whose signatures count.</param>
/// <param name="logs">Where the ledger's log is served.</param>
public sealed class LogMonitor(TrustPolicy policy, IReadOnlyList<LogReader> logs)
{
    /// <summary>Looks once.</summary>
    /// <param name="known">The largest accepted checkpoint so far; null at first.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>A finding for each log, and the largest checkpoint of the history that was seen first.</returns>
    public async Task<(IReadOnlyList<LogFinding> Findings, SignedNote? Known)> Look(SignedNote? known, CancellationToken cancellationToken)
    {
        var findings = new LogFinding[logs.Count];
        var seen = await Task.WhenAll(logs.Select((log, i) => Read(log, i)));
        // The smallest first: each that is larger must continue it.
        foreach (var i in Enumerable.Range(0, logs.Count).Where(i => seen[i] is not null).OrderBy(i => seen[i]!.Value.Checkpoint.Size))
        {
            var (note, checkpoint) = seen[i]!.Value;
            var before = known is null ? null : Checkpoint.TryParse(known.Text, out var parsed) ? parsed : throw new ArgumentException("The known checkpoint does not parse.", nameof(known));
            var (health, evidence) = before is null ? (LogHealth.Good, []) : await Compare(known!, before, note, checkpoint, cancellationToken);
            if (health is LogHealth.Good && (before is null || checkpoint.Size > before.Size)) known = note;
            findings[i] = new LogFinding(logs[i].Prefix, health, note, $"{health}: {checkpoint.Size} leaves, root {checkpoint.Root}", evidence);
        }

        return (findings, known);

        async Task<(SignedNote Note, Checkpoint Checkpoint)?> Read(LogReader log, int i)
        {
            try
            {
                var newest = await log.Newest(cancellationToken);
                if (policy.Accepts(newest.Note) is var check and not ReceiptCheck.Good)
                {
                    findings[i] = new LogFinding(log.Prefix, LogHealth.NotTrusted, newest.Note, $"{LogHealth.NotTrusted}: OT-{(int)check} {check}", []);
                    return null;
                }

                return newest;
            }
            catch (LogException exception)
            {
                findings[i] = new LogFinding(log.Prefix, LogHealth.Unreadable, null, $"{LogHealth.Unreadable}: {exception.Message}", []);
                return null;
            }
        }
    }

    // Any server that reaches far enough may show it: a proof is good or not, whoever gives it.
    private async Task<(LogHealth Health, IReadOnlyList<SplitView> Evidence)> Compare(SignedNote known, Checkpoint before, SignedNote seen, Checkpoint now, CancellationToken cancellationToken)
    {
        if (now.Origin != before.Origin) return (LogHealth.NotTrusted, []);
        if (now.Size == before.Size) return now.Root == before.Root ? (LogHealth.Good, []) : (LogHealth.SplitView, Charge(key => new SplitView(key, known, seen)));
        var (smaller, larger) = now.Size < before.Size ? (now, before) : (before, now);
        if (smaller.Size == 0) return (LogHealth.Good, []);
        foreach (var log in logs)
        {
            try
            {
                var (root, proof) = await log.Begin(smaller.Size, larger.Size, cancellationToken);
                if (!MerkleProof.VerifyConsistency(smaller.Size, larger.Size, proof, root, larger.Root)) continue;
                if (root == smaller.Root) return (LogHealth.Good, []);
                // The larger tree begins with another one than was signed.
                var (first, second) = now.Size < before.Size ? (seen, known) : (known, seen);
                return (LogHealth.SplitView, Charge(key => new SplitView(key, first, second) { Root = root, Proof = proof }));
            }
            catch (LogException)
            {
                // Another may have it.
            }
        }

        return (LogHealth.NotConsistent, []);
    }

    private List<SplitView> Charge(Func<NoteKey, SplitView> of) => [.. policy.Logs.Concat(policy.Witnesses).Select(of).Where(view => view.Check() is not FaultKind.None)];
}
