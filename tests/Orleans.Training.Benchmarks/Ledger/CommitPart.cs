using System.Diagnostics;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Benchmarks;

/// <summary>What four validators commit when clients give them all they take, how long a transaction takes at a fixed load and alone, and how long its receipt.</summary>
internal static class CommitPart
{
    private const int Window = 4_000;
    private const int Connections = 64;
    private const int FewestSamples = 6;
    private static readonly TimeSpan Together = TimeSpan.FromMilliseconds(5);
    private const int Offered = 500;
    // More than the processors can commit.
    private const int SignedPerSecond = 6_000;

    /// <summary>The state of all clocks when a block was seen.</summary>
    private readonly record struct Sample(long Timestamp, long Entries, double Servers, double Clients);

    public static async Task<Standing> Run(ValidatorCluster cluster, LedgerPlan plan)
    {
        await Idle(cluster, plan);
        var (perSecond, processor) = await Saturation(cluster, plan);
        await FixedLoad(cluster, plan);
        var alone = await Alone(cluster, plan);
        return new Standing("four validators", "transactions with a signature each, checked and executed by all four, any one of whom may lie", perSecond, processor, alone);
    }

    /// <summary>Loads a cluster until the time is over, and gives the entries a second and the processor seconds of an entry between the first second and the end.</summary>
    internal static async Task<(double PerSecond, double Processor, double ClientProcessor, double Busy, double Least, double Most, long Blocks, long Entries)> Saturate(ValidatorCluster cluster, TimeSpan time)
    {
        var transactions = await cluster.Transactions((int)(SignedPerSecond * (time.TotalSeconds + 3)));
        var samples = new List<Sample>();
        var (watch, before) = (cluster.Watch, cluster.Watch.Entries);
        void Look(int entries)
        {
            var now = new Sample(Stopwatch.GetTimestamp(), watch.Entries, cluster.ProcessorSeconds, ProcessorClock.Own);
            // Blocks that become final together come together: they are one sample.
            lock (samples)
            {
                if (samples.Count > 0 && Stopwatch.GetElapsedTime(samples[^1].Timestamp, now.Timestamp) < Together) samples[^1] = now; else samples.Add(now);
            }
        }

        watch.Committed += Look;
        using var over = new CancellationTokenSource();
        var load = new Client(cluster.Validators, Connections).Saturate(transactions, Window, watch, over.Token);
        await Lines.Pass(TimeSpan.FromSeconds(1));
        // Blocks under load are large: a few are needed however short the time is.
        var (begun, enough) = (Stopwatch.GetTimestamp(), samples.Count + FewestSamples);
        await Lines.Pass(time);
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        while (!load.IsCompleted && samples.Count < enough && watch.Entries >= before) await pause.WaitForNextTickAsync();
        await over.CancelAsync();
        var submitted = await load;
        Sample[] measured;
        lock (samples) measured = [.. samples.SkipWhile(sample => sample.Timestamp < begun)];
        while (watch.Entries < before + submitted) await pause.WaitForNextTickAsync();
        watch.Committed -= Look;
        if (measured.Length < 2) throw new InvalidOperationException($"Almost no blocks were made in {time.TotalSeconds} s: measure for longer.");
        var (first, last) = (measured[0], measured[^1]);
        var (entries, seconds) = (last.Entries - first.Entries, Stopwatch.GetElapsedTime(first.Timestamp, last.Timestamp).TotalSeconds);
        var (servers, clients) = (last.Servers - first.Servers, last.Clients - first.Clients);
        var thirds = Enumerable.Range(0, 4).Select(third => measured.Last(sample => sample.Timestamp <= first.Timestamp + third * (last.Timestamp - first.Timestamp) / 3)).ToArray();
        var rates = thirds.Zip(thirds.Skip(1), (from, to) => (to.Entries - from.Entries) / Math.Max(1e-3, Stopwatch.GetElapsedTime(from.Timestamp, to.Timestamp).TotalSeconds)).ToArray();
        return (entries / seconds, servers / entries, clients / entries, servers / seconds, rates.Min(), rates.Max(), watch.Arrivals.Count(arrival => arrival.Timestamp > first.Timestamp && arrival.Timestamp <= last.Timestamp), entries);
    }

    private static async Task<(double PerSecond, double Processor)> Saturation(ValidatorCluster cluster, LedgerPlan plan)
    {
        await Saturate(cluster, TimeSpan.FromSeconds(plan.IsQuick ? 1 : 4));
        var result = await Saturate(cluster, TimeSpan.FromSeconds(plan.Seconds));
        var size = (await cluster.Transactions(1))[0].Encoded.Length;
        var thirds = plan.Seconds < 10 ? "" : FormattableString.Invariant($" (thirds of the time: {result.Least:F0} to {result.Most:F0})");
        Lines.Say($"signed one by one, {size} bytes, one in an HTTP request, {Connections} connections to each validator, {Window} in flight: {result.PerSecond:F0} tx/s final{thirds} in {result.Blocks} blocks of {(double)result.Entries / result.Blocks:F0}");
        Lines.Say($"  {1e6 * result.Processor:F0} µs CPU per transaction for all four, {1e6 * result.Processor / 4:F0} µs per validator; {result.Busy:F2} processors busy with validators; the clients took {1e6 * result.ClientProcessor:F0} µs per transaction beside");
        Lines.Say($"  batches that a client signs once are not in the protocol yet, so none are measured");
        return (result.PerSecond, result.Processor);
    }

    private static async Task FixedLoad(ValidatorCluster cluster, LedgerPlan plan)
    {
        var transactions = await cluster.Transactions(Offered * plan.Seconds);
        var (before, clock) = (cluster.ProcessorSeconds, Stopwatch.StartNew());
        var final = await new Client(cluster.Validators, 1).Offer(transactions, Offered, cluster.Watch);
        var used = cluster.ProcessorSeconds - before;
        Lines.Say($"finality at {Offered} tx/s offered, open loop, from submission until the block is at a client: {Lines.Delays([.. final.Select(each => each.Milliseconds)])}; {1e6 * used / transactions.Length:F0} µs CPU per transaction, {used / clock.Elapsed.TotalSeconds:F2} processors busy");
    }

    // One client, one transaction at a time, each with its receipt.
    private static async Task<double> Alone(ValidatorCluster cluster, LedgerPlan plan)
    {
        var transactions = await cluster.Transactions(plan.IsQuick ? 30 : 300);
        var (validator, policy) = (cluster[0], TrustPolicy.Of(cluster.Genesis.Origin, cluster.Genesis.Validators));
        using var connection = await HttpConnection.Open(validator.Address, validator.SubmitPath);
        var (finality, receipts, before) = (new List<double>(), new List<double>(), cluster.ProcessorSeconds);
        foreach (var transaction in transactions)
        {
            var expected = cluster.Watch.Expect(transaction);
            await connection.Post(transaction.Encoded);
            var final = await expected;
            finality.Add(final.Milliseconds);
            var since = Stopwatch.GetTimestamp();
            byte[]? text;
            while ((text = await validator.Get(FormattableString.Invariant($"receipts/{final.Index}"), CancellationToken.None)) is null) await Task.Yield();
            receipts.Add(Stopwatch.GetElapsedTime(since).TotalMilliseconds);
            if (!Receipt.TryParse(System.Text.Encoding.UTF8.GetString(text), out var receipt) || receipt!.Verify(policy) is not ReceiptCheck.Good) throw new InvalidOperationException("A receipt does not verify.");
        }

        Lines.Say($"finality of one client, one at a time: {Lines.Delays(finality)}; {1e3 * (cluster.ProcessorSeconds - before) / transactions.Length:F1} ms CPU per transaction, reading included");
        Lines.Say($"a receipt with a quorum's cosignatures, verified, from the sight of the final block on: {Lines.Delays(receipts)}");
        return Lines.Percentile(finality, 0.5);
    }

    private static async Task Idle(ValidatorCluster cluster, LedgerPlan plan)
    {
        var (before, clock) = (cluster.ProcessorSeconds, Stopwatch.StartNew());
        await Lines.Pass(TimeSpan.FromSeconds(Math.Min(plan.Seconds, 10)));
        Lines.Say($"nothing to do: {1e2 * (cluster.ProcessorSeconds - before) / clock.Elapsed.TotalSeconds / 4:F2} % of a processor and {cluster.Validators.Average(validator => ProcessorClock.Memory(validator.Id)) / 1e6:F0} MB each");
    }
}
