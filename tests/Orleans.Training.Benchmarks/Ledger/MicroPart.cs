using System.Diagnostics;
using System.Globalization;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Benchmarks;

/// <summary>The same four validators in one process, with messages through memory: what is left without HTTP, links and processes. And what single steps and receipts cost.</summary>
internal static class MicroPart
{
    public static async Task Run(LedgerPlan plan)
    {
        await using var shard = await LocalShard.Start();
        var parts = await Parts(shard);
        await Throughput(shard, plan.IsQuick ? 4_000 : 30_000, parts);
        Receipts(shard);
    }

    private static async Task Throughput(LocalShard shard, int count, IReadOnlyList<(string Name, double Microseconds)> parts)
    {
        var warm = await shard.Transactions(4_000);
        await shard[0].Submit(warm);
        await shard.Entries(0, 0, warm.Length);

        var transactions = await shard.Transactions(count);
        var before = LocalShard.EntriesOf(shard[0]);
        var (processor, watch) = (LocalShard.ProcessorTime, Stopwatch.StartNew());
        // Four clients, one at each validator, as many transactions in flight as the pools take.
        await Task.WhenAll(transactions.Chunk(count / 4).Select(async (part, seat) =>
        {
            foreach (var batch in part.Chunk(500)) await shard[seat].Submit(batch);
        }));
        await shard.Entries(0, before, count);
        var (wall, used) = (watch.Elapsed.TotalSeconds, (LocalShard.ProcessorTime - processor).TotalSeconds);
        var each = 1e6 * used / count / 4;
        Lines.Say($"the same in one process, a journal each, messages through memory: {count / wall:F0} tx/s final; {4 * each:F0} µs CPU per transaction for all four, {each:F0} µs per validator, clients included; {used / wall:F2} processors busy");
        Lines.Say($"  of the {each:F0} µs, measured one by one on one thread: {string.Join(", ", parts.Select(part => string.Create(CultureInfo.InvariantCulture, $"{part.Name} {part.Microseconds:F1}")))}");
    }

    // What one transaction costs one validator, part by part, on this thread.
    private static async Task<IReadOnlyList<(string Name, double Microseconds)>> Parts(LocalShard shard)
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
        return [("signature check", 1e6 * PhysicalBounds.Verification()), ("decoding at ingress or from gossip", decoding), ("admission", admission), ("execution of its block", execution), ("journal", writing)];

        double Each(Action all)
        {
            for (var i = 0; i < 10; i++) all();
            var before = LocalShard.ProcessorTime;
            for (var i = 0; i < 20; i++) all();
            return 1e6 * (LocalShard.ProcessorTime - before).TotalSeconds / 20 / transactions.Length;
        }
    }

    private static void Receipts(LocalShard shard)
    {
        var (head, note) = (LedgerState.Of(shard[0].Chain.Head).Tree.Size, shard[0].Checkpoint ?? throw new InvalidOperationException("There is no checkpoint."));
        if (!Checkpoint.TryParse(note.Text, out var checkpoint)) throw new InvalidOperationException("The checkpoint does not parse.");
        var index = checkpoint!.Size / 2;
        var receipt = shard[0].Chain.Receipt(index, note)!;
        var policy = TrustPolicy.Of(shard.Genesis.Origin, shard.Genesis.Validators);
        if (receipt.Verify(policy) is not ReceiptCheck.Good) throw new InvalidOperationException("The receipt does not verify.");
        var verified = PhysicalBounds.Each(200, () => receipt.Verify(policy));
        var proof = PhysicalBounds.Each(2_000, () => shard[0].Chain.InclusionProof(index, checkpoint.Size));
        Lines.Say($"receipt of one of {head} leaves: {receipt.ToString().Length} bytes, verified offline in {1e6 * verified:F0} µs CPU; its proof made in {1e6 * proof:F1}");
    }
}
