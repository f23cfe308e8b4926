using System.Diagnostics;
using System.Globalization;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Benchmarks;

/// <summary><c>./run bench ledger</c>: what four validators commit, how long it takes until a transaction is final, and what a receipt costs.</summary>
internal static class LedgerBenchmark
{
    private const int Saturation = 30_000;
    private const int Offered = 1_000;
    private const int Seconds = 10;

    public static async Task<int> Run()
    {
        Say($"{Environment.ProcessorCount} processors; 4 validators in one process, a journal each, synced before each vote");
        var verify = Limit("Ed25519 verification", 5_000, Verification());
        await using var shard = await LocalShard.Start();
        var parts = await Parts(shard, verify);
        await Throughput(shard, verify, parts);
        await Latency(shard);
        await Receipts(shard);
        return 0;
    }

    private static async Task Throughput(LocalShard shard, double verifyMicroseconds, IReadOnlyList<(string Name, double Microseconds)> parts)
    {
        var warm = await shard.Transactions(4_000);
        await shard[0].Submit(warm);
        await shard.Entries(0, 0, warm.Length);

        var transactions = await shard.Transactions(Saturation);
        var before = LocalShard.EntriesOf(shard[0]);
        var (processor, watch) = (LocalShard.ProcessorTime, Stopwatch.StartNew());
        // Four clients, one at each validator, as many transactions in flight as the pools take.
        await Task.WhenAll(transactions.Chunk(Saturation / 4).Select(async (part, seat) =>
        {
            foreach (var batch in part.Chunk(500)) await shard[seat].Submit(batch);
        }));
        await shard.Entries(0, before, Saturation);
        var (wall, used) = (watch.Elapsed.TotalSeconds, (LocalShard.ProcessorTime - processor).TotalSeconds);
        var blocks = shard[0].Chain.Head.Block.Header.Height;
        var each = 1e6 * used / Saturation / 4;
        Say($"individually signed, {transactions[0].Encoded.Length} bytes: {Saturation / wall:F0} tx/s committed; {4 * each:F0} µs CPU per transaction for all four, {each:F0} µs per validator; {used / wall:F2} processors busy; {blocks} blocks so far");
        Say($"of the {each:F0} µs: {string.Join(", ", parts.Select(part => string.Create(CultureInfo.InvariantCulture, $"{part.Name} {part.Microseconds:F1} ({part.Microseconds / each:P0})")))}; the rest is gossip, the pool, memory and threads");
        var bound = 1e6 * Environment.ProcessorCount / (4 * verifyMicroseconds);
        Say($"signature checks alone would let these processors commit {bound:F0} tx/s: {Saturation / wall / bound:P0} of that is reached");
    }

    // What one transaction costs one validator, part by part, on this thread.
    private static async Task<IReadOnlyList<(string Name, double Microseconds)>> Parts(LocalShard shard, double verifyMicroseconds)
    {
        var transactions = await shard.Transactions(2_000);
        var machine = new LedgerMachine(shard.Genesis, static (_, _, _) => true);
        var genesis = machine.CreateGenesis();
        var time = genesis.Block.Header.TimeMs + 1;
        var block = machine.Build(genesis, time, 0, transactions);
        var decoding = Each(() =>
        {
            foreach (var transaction in transactions) Transaction.TryParse(transaction.Encoded, out _);
        });
        var admission = Each(() =>
        {
            foreach (var transaction in transactions) machine.Check(genesis, transaction, time);
        });
        var execution = Each(() => machine.Execute(genesis, block.Block));
        var folder = Directory.CreateTempSubdirectory("otrain-bench-").FullName;
        double writing;
        await using (var journal = FileValidatorStore.Open(new FileValidatorStoreOptions { Folder = folder, Validator = "bench" }))
        {
            await foreach (var _ in journal.Read(CancellationToken.None)) throw new InvalidOperationException("A new journal is not empty.");
            writing = Each(() => journal.Append([new JournalRecord(JournalRecordKind.Block, block.Block.Encode())], CancellationToken.None).AsTask().GetAwaiter().GetResult());
        }

        Directory.Delete(folder, recursive: true);
        return [("signature check", verifyMicroseconds), ("decoding at ingress or from gossip", decoding), ("admission", admission), ("execution of its block", execution), ("journal", writing)];

        double Each(Action all)
        {
            for (var i = 0; i < 10; i++) all();
            var before = LocalShard.ProcessorTime;
            for (var i = 0; i < 20; i++) all();
            return 1e6 * (LocalShard.ProcessorTime - before).TotalSeconds / 20 / transactions.Length;
        }
    }

    private static async Task Latency(LocalShard shard)
    {
        var transactions = await shard.Transactions(Offered * Seconds);
        var submitted = new Dictionary<Digest, long>();
        var delays = new List<double>(transactions.Length);
        var first = shard[0].Chain.Count;
        var processor = LocalShard.ProcessorTime;
        var watch = Stopwatch.StartNew();
        var following = Task.Run(async () =>
        {
            for (var height = first; delays.Count < transactions.Length; height++)
            {
                await shard[0].Chain.WaitFor(height, CancellationToken.None);
                var now = Stopwatch.GetTimestamp();
                foreach (var encoded in shard[0].Chain[height].Block.Transactions)
                {
                    if (Transaction.TryParse(encoded, out var transaction) is not Rejection.None) continue;
                    lock (submitted)
                    {
                        if (submitted.TryGetValue(transaction!.Digest, out var since)) delays.Add(Stopwatch.GetElapsedTime(since, now).TotalMilliseconds);
                    }
                }
            }
        });
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(1));
        for (var i = 0; i < transactions.Length;)
        {
            // Open loop: whatever is due by now is sent now, to the validators in turn.
            var due = Math.Min(transactions.Length, (int)(watch.Elapsed.TotalSeconds * Offered) + 1);
            for (; i < due; i++)
            {
                lock (submitted) submitted[transactions[i].Digest] = Stopwatch.GetTimestamp();
                _ = shard[i % 4].Submit([transactions[i]]);
            }

            await tick.WaitForNextTickAsync();
        }

        await following;
        var used = (LocalShard.ProcessorTime - processor).TotalSeconds / watch.Elapsed.TotalSeconds;
        delays.Sort();
        Say($"finality at {Offered} tx/s offered, open loop: p50 {delays[delays.Count / 2]:F1} ms, p99 {delays[(int)(delays.Count * 0.99)]:F1} ms, max {delays[^1]:F1} ms; {used:F2} processors busy");
    }

    private static async Task Receipts(LocalShard shard)
    {
        SignedNote? note;
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        while ((note = shard[0].Checkpoint) is null) await tick.WaitForNextTickAsync();
        if (!Checkpoint.TryParse(note.Text, out var checkpoint)) throw new InvalidOperationException("The checkpoint does not parse.");
        var index = checkpoint!.Size / 2;
        var (block, position) = shard[0].Chain.Locate(index)!.Value;
        var receipt = new Receipt(block.Leaves[position], index, shard[0].Chain.InclusionProof(index, checkpoint.Size), note);
        var policy = TrustPolicy.Of(shard.Genesis.Origin, shard.Genesis.Validators);
        if (receipt.Verify(policy) is not ReceiptCheck.Good) throw new InvalidOperationException("The receipt does not verify.");
        var microseconds = Limit("receipt verification", 300, () => receipt.Verify(policy));
        var proof = Limit("inclusion proof", 20_000, () => shard[0].Chain.InclusionProof(index, checkpoint.Size));
        Say($"receipt at {checkpoint.Size} leaves: {receipt.ToString().Length} bytes; verified in {microseconds:F0} µs; proof made in {proof:F1} µs");
    }

    private static Action Verification()
    {
        using var signer = new Grains.Keys.Ed25519Signer(new byte[32]);
        var message = new byte[512];
        var signature = signer.Sign(message, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        var key = signer.PublicKey;
        return () => Signatures.Verify(key, message, signature);
    }

    // Microseconds of processor time of one call on this thread, in steady state.
    private static double Limit(string what, int calls, Action call)
    {
        for (var i = 0; i < calls / 4; i++) call();
        var (before, watch) = (LocalShard.ProcessorTime, Stopwatch.StartNew());
        for (var i = 0; i < calls; i++) call();
        var microseconds = 1e6 * (LocalShard.ProcessorTime - before).TotalSeconds / calls;
        Say($"{what}: {microseconds:F1} µs CPU, {1e6 * watch.Elapsed.TotalSeconds / calls:F1} µs wall");
        return microseconds;
    }

    private static void Say(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));
}
