using System.Diagnostics;

namespace Orleans.Training.Benchmarks;

/// <summary>
/// What many quiet ledgers cost. <c>otrain validator run</c> serves one, so the shards live in this process, as a silo hosts them: all four seats of each, a journal and a history for every seat.
/// </summary>
internal static class IdlePart
{
    public static async Task Run(LedgerPlan plan)
    {
        var shards = new LocalShard[plan.IsQuick ? 25 : 100];
        var memory = Memory();
        for (var i = 0; i < shards.Length; i++) shards[i] = await LocalShard.Start();
        // Each has had something to do before it is quiet.
        foreach (var shard in shards)
        {
            await shard[0].Submit(await shard.Transactions(1));
            await shard.Entries(0, 0, 1);
        }

        await Lines.Pass(TimeSpan.FromSeconds(1));
        var (used, clock) = (ProcessorClock.Own, Stopwatch.StartNew());
        await Lines.Pass(TimeSpan.FromSeconds(Math.Min(plan.Seconds, 10)));
        var share = (ProcessorClock.Own - used) / clock.Elapsed.TotalSeconds;
        var bytes = Memory() - memory;
        Lines.Say($"{shards.Length} idle shards in one process, all four seats of each: {1e2 * share:F2} % of a processor, {bytes / 1e6:F0} MB of objects; a seat {1e6 * share / shards.Length / 4:F0} µs CPU a second, {bytes / 1e3 / shards.Length / 4:F0} kB");
        foreach (var shard in shards) await shard.DisposeAsync();
    }

    private static long Memory() => GC.GetTotalMemory(forceFullCollection: true);
}
