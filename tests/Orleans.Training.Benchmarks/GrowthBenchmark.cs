using System.Diagnostics;
using System.Globalization;
using Orleans.Training.Grains.History;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Benchmarks;

/// <summary>
/// <c>./run bench growth [--entries N]</c>: what one validator spends on an entry, a proof and its memory while its ledger grows from 1,000 entries to N (default 100,000), and how long it then takes to start: from
/// its snapshot, and by executing its whole journal.
/// </summary>
internal static class GrowthBenchmark
{
    private const int Batch = 1_000;
    private const int Stretch = 8_000;

    public static async Task<int> Run(string[] options)
    {
        var most = 100_000L;
        if (options is not [] && !(options is ["--entries", var text] && long.TryParse(text, CultureInfo.InvariantCulture, out most) && most >= Stretch))
        {
            Console.Error.WriteLine($"use: ./run bench growth [--entries N], with N from {Stretch} on");
            return 2;
        }

        Say($"{Environment.ProcessorCount} processors; one validator, its journal synced before each vote, transactions signed one by one");
        await using var shard = await LocalShard.Start(1);
        await Write(shard, 2 * Batch);
        foreach (var size in Sizes(most))
        {
            while (LocalShard.EntriesOf(shard[0]) < size - Stretch) await Write(shard, Batch);
            await Measure(shard);
        }

        await Restarts(shard);
        return 0;
    }

    // Four to each power of ten.
    private static IEnumerable<long> Sizes(long most)
    {
        for (long size = 10_000; size < most; size *= 10) yield return size;
        yield return most;
    }

    private static async Task Measure(LocalShard shard)
    {
        var used = 0.0;
        var count = 0;
        while (count < Stretch)
        {
            // Signing is the client's.
            var transactions = await shard.Transactions(Batch);
            var before = LocalShard.EntriesOf(shard[0]);
            var processor = LocalShard.ProcessorTime;
            await shard[0].Submit(transactions);
            await shard.Entries(0, before, Batch);
            used += (LocalShard.ProcessorTime - processor).TotalSeconds;
            count += Batch;
        }

        var chain = shard[0].Chain;
        var size = chain.Head.Block.Header.TreeSize;
        var random = new Random(7);
        var indices = Enumerable.Range(0, 4_000).Select(_ => random.NextInt64(size)).ToArray();
        foreach (var index in indices) chain.InclusionProof(index, size);
        var proofs = Stopwatch.StartNew();
        foreach (var index in indices) chain.InclusionProof(index, size);
        var proof = proofs.Elapsed.TotalMicroseconds / indices.Length;
        proofs.Restart();
        foreach (var index in indices) chain.Locate(index);
        var located = proofs.Elapsed.TotalMicroseconds / indices.Length;
        GC.Collect();
        Say($"{LocalShard.EntriesOf(shard[0]),10:N0} entries: {1e6 * used / count:F0} µs CPU an entry; proof made and checked in {proof:F1} µs, entry with its block read in {located:F0} µs; {GC.GetTotalMemory(forceFullCollection: true) / 1e6:F0} MB of objects; journal {Size(shard.FolderOf(0, "journal")) / (double)size:F0}, archive {Size(shard.FolderOf(0, "history")) / (double)size:F0} bytes an entry");
    }

    private static async Task Restarts(LocalShard shard)
    {
        var (folder, clock) = (shard.FolderOf(0, "history"), LocalShard.ProcessorTime);
        var newest = new Snapshots(folder).Read().First();
        var reading = (LocalShard.ProcessorTime - clock).TotalSeconds;
        clock = LocalShard.ProcessorTime;
        var bytes = Snapshot.Write(newest).Sum(part => (long)part.Length);
        Say($"snapshot: {bytes / 1e6:F1} MB, of them {LedgerState.Of(newest).Recent.Count:N0} transactions that have not expired; made in {(LocalShard.ProcessorTime - clock).TotalSeconds:F2} CPU-s, read in {reading:F2}");
        foreach (var withHistory in new[] { true, false })
        {
            var (watch, processor) = (Stopwatch.StartNew(), LocalShard.ProcessorTime);
            await shard.Restart(0, withHistory);
            var head = shard[0].Chain.Head.Block.Header;
            Say($"start {(withHistory ? "from the snapshot" : "by executing the journal")}: {watch.Elapsed.TotalSeconds:F2} s, {(LocalShard.ProcessorTime - processor).TotalSeconds:F2} s CPU; height {head.Height}, of which {shard[0].StartedFrom} were not executed again");
            await Write(shard, Batch);
        }
    }

    private static async Task Write(LocalShard shard, int count)
    {
        var before = LocalShard.EntriesOf(shard[0]);
        await shard[0].Submit(await shard.Transactions(count));
        await shard.Entries(0, before, count);
    }

    private static long Size(string folder) => new DirectoryInfo(folder).EnumerateFiles().Sum(file => file.Length);

    private static void Say(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));
}
