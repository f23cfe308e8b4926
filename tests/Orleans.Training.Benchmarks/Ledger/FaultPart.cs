using System.Diagnostics;

namespace Orleans.Training.Benchmarks;

/// <summary>What a client sees when a validator dies, stands still, comes back, or comes back with an empty disk, while others go on submitting.</summary>
internal static class FaultPart
{
    private const int Offered = 200;

    public static async Task Run(ValidatorCluster cluster, LedgerPlan plan)
    {
        var time = TimeSpan.FromSeconds(Math.Clamp(plan.Seconds, 2, 10));
        var killed = await Silence(cluster, "SIGKILL", "KILL", time);
        await killed.Kill();
        await Restart(cluster, killed);
        await Lines.Pass(TimeSpan.FromSeconds(1));
        var stopped = await Silence(cluster, "SIGSTOP", "STOP", time);
        var clock = Stopwatch.StartNew();
        stopped.Signal("CONT");
        await Reach(stopped, Head(cluster).Height);
        Lines.Say($"  after SIGCONT it had all final blocks in {clock.Elapsed.TotalSeconds:F2} s");
        await LostDisk(cluster);
    }

    // Transactions go to the one that is watched. Another one is silenced when it has just proposed a block.
    private static async Task<ValidatorProcess> Silence(ValidatorCluster cluster, string name, string signal, TimeSpan time)
    {
        var transactions = await cluster.Transactions((int)(Offered * 2 * time.TotalSeconds));
        var load = new Client([cluster[0]], 1).Offer(transactions, Offered, cluster.Watch);
        await Lines.Pass(time);
        var leader = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        void Look(int entries)
        {
            if (cluster.Watch.Arrivals.Last().Header.Proposer is > 0 and var seat) leader.TrySetResult(seat);
        }

        cluster.Watch.Committed += Look;
        var victim = cluster[await leader.Task];
        victim.Signal(signal);
        var since = Stopwatch.GetTimestamp();
        cluster.Watch.Committed -= Look;
        var final = await load;
        var arrivals = cluster.Watch.Arrivals.Select(arrival => arrival.Timestamp).ToArray();
        var (before, after) = (Gap(arrivals.Where(timestamp => timestamp <= since && Stopwatch.GetElapsedTime(timestamp, since) < time)), Gap(arrivals.Where(timestamp => timestamp > since).Prepend(since)));
        Lines.Say($"{name} to the validator that has just proposed a block, {Offered} tx/s to another: longest time without a final block {after:F0} ms (in the {time.TotalSeconds:F0} s before: {before:F0} ms); finality of all {final.Length} transactions, fault included: {Lines.Delays([.. final.Select(each => each.Milliseconds)])}");
        return victim;
    }

    private static double Gap(IEnumerable<long> timestamps)
    {
        var all = timestamps.ToArray();
        return all.Zip(all.Skip(1), (one, next) => Stopwatch.GetElapsedTime(one, next).TotalMilliseconds).DefaultIfEmpty().Max();
    }

    private static async Task Restart(ValidatorCluster cluster, ValidatorProcess validator)
    {
        var clock = Stopwatch.StartNew();
        var ready = await validator.Start(cluster.PeersOf(validator));
        await Reach(validator, Head(cluster).Height);
        Lines.Say($"  started again: ready in {ready.Seconds:F2} s, {ready.ProcessorSeconds:F2} CPU-s, at block {ready.Height}, of which {ready.Snapshot} came from a snapshot; all {Head(cluster).Height} final blocks of {Head(cluster).TreeSize} leaves after {clock.Elapsed.TotalSeconds:F2} s");
    }

    // Its vote key may have signed what it no longer knows: the first start finds that out and destroys the key, the second one follows without a vote.
    private static async Task LostDisk(ValidatorCluster cluster)
    {
        var validator = cluster.Validators[^1];
        await validator.Kill();
        validator.LoseDisk();
        await validator.Start(cluster.PeersOf(validator));
        await validator.Ended();
        validator.LoseDisk();
        var (clock, head) = (Stopwatch.StartNew(), Head(cluster));
        var ready = await validator.Start(cluster.PeersOf(validator));
        await Reach(validator, head.Height);
        var newest = clock.Elapsed.TotalSeconds - ready.Seconds;
        await Reach(validator, 1);
        var (seconds, processor) = (clock.Elapsed.TotalSeconds - ready.Seconds, ProcessorClock.Of(validator.Id) - ready.ProcessorSeconds);
        Lines.Say($"back with an emptied disk: at the newest of {head.Height} blocks {newest:F2} s after its start, {(validator.HasJoined ? "from a snapshot that a quorum has attested" : "without a snapshot")}; all {head.TreeSize} leaves fetched and executed by itself after {seconds:F2} s, {head.TreeSize / seconds:F0} leaves/s, {1e6 * processor / head.TreeSize:F0} µs CPU a leaf");
    }

    private static Protocol.Ledger.BlockHeader Head(ValidatorCluster cluster) => cluster.Watch.Arrivals.Last().Header;

    private static async Task Reach(ValidatorProcess validator, ulong height)
    {
        await foreach (var block in validator.Follow((long)height, CancellationToken.None))
        {
            if (block.Header.Height >= height) return;
        }
    }
}
