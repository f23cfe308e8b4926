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
    /// <summary>Its checkpoint is accepted, but is not shown to belong to the history that was seen before.</summary>
    NotConsistent,
    /// <summary>Two accepted checkpoints of one size have different roots: those who signed both have signed two histories.</summary>
    SplitView,
}

/// <summary>One log, how it fares, its checkpoint if there is one, and a line for people.</summary>
public sealed record LogFinding(Uri Log, LogHealth Health, SignedNote? Note, string Text);

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
            var health = before is null ? LogHealth.Good : await Compare(before, checkpoint, cancellationToken);
            if (health is LogHealth.Good && (before is null || checkpoint.Size > before.Size)) known = note;
            findings[i] = new LogFinding(logs[i].Prefix, health, note, $"{health}: {checkpoint.Size} leaves, root {checkpoint.Root}");
        }

        return (findings, known);

        async Task<(SignedNote Note, Checkpoint Checkpoint)?> Read(LogReader log, int i)
        {
            try
            {
                var newest = await log.Newest(cancellationToken);
                if (policy.Accepts(newest.Note) is var check and not ReceiptCheck.Good)
                {
                    findings[i] = new LogFinding(log.Prefix, LogHealth.NotTrusted, newest.Note, $"{LogHealth.NotTrusted}: OT-{(int)check} {check}");
                    return null;
                }

                return newest;
            }
            catch (LogException exception)
            {
                findings[i] = new LogFinding(log.Prefix, LogHealth.Unreadable, null, $"{LogHealth.Unreadable}: {exception.Message}");
                return null;
            }
        }
    }

    // Any server that reaches far enough may show it: a proof is good or not, whoever gives it.
    private async Task<LogHealth> Compare(Checkpoint known, Checkpoint seen, CancellationToken cancellationToken)
    {
        if (seen.Origin != known.Origin) return LogHealth.NotTrusted;
        if (seen.Size == known.Size) return seen.Root == known.Root ? LogHealth.Good : LogHealth.SplitView;
        var (first, second) = seen.Size < known.Size ? (seen, known) : (known, seen);
        if (first.Size == 0) return LogHealth.Good;
        foreach (var log in logs)
        {
            try
            {
                if (MerkleProof.VerifyConsistency(first.Size, second.Size, await log.Prove(first.Size, second.Size, cancellationToken), first.Root, second.Root)) return LogHealth.Good;
            }
            catch (LogException)
            {
                // Another may have it.
            }
        }

        return LogHealth.NotConsistent;
    }
}
