using System.Formats.Cbor;
using Orleans.Training.Client.Exports;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Trainer;

namespace Orleans.Training.EndToEnd.Drills;

/// <summary>What a verified export says, its blocks executed once more.</summary>
internal sealed class ExportFacts
{
    private readonly List<(long Index, string Type, StateRecord Record)> _events = [];
    private readonly HashSet<Digest> _transactions = [];

    private ExportFacts(ExportReport report) => Report = report;

    public ExportReport Report { get; }

    /// <summary>The state after the newest block.</summary>
    public ContractState State { get; private set; } = null!;

    /// <summary>Every event in the order of the ledger: the index of its leaf, its type, its key.</summary>
    public List<(long Index, string Type, string Key)> Events { get; } = [];

    public static ExportFacts Read(string folder, Genesis genesis)
    {
        var report = ExportVerifier.Verify(folder, TrustPolicy.Of(genesis.Origin, genesis.Validators));
        var facts = new ExportFacts(report);
        var machine = new LedgerMachine(genesis, Signatures.Verify);
        var parent = machine.CreateGenesis();
        foreach (var path in Directory.EnumerateFiles(Path.Combine(folder, "blocks")).Order(StringComparer.Ordinal))
        {
            var reader = new CborReader(File.ReadAllBytes(path));
            reader.ReadStartArray();
            Assert.True(Block.TryParse(reader.ReadByteString(), out var block));
            parent = machine.Execute(parent, block!)!;
            facts.Take(block!, LedgerState.Of(parent));
        }

        facts.State = LedgerState.Of(parent).Contracts;

        return facts;
    }

    /// <summary>Every round was opened once, in one attempt, committed to once by everybody, and published once.</summary>
    public void RequireOneAttemptPerRound(TrainingAgreement agreement)
    {
        var rounds = agreement.Rounds;
        for (var number = 1; number <= rounds; number++)
        {
            var opened = Of<RoundRecord>("RoundOpened").Where(round => round.Number == number).ToList();
            Assert.Equal(1, Assert.Single(opened).Attempt);
            Assert.Single(Of<ModelRecord>("ModelPublished"), model => model.Round == number);
            Assert.Equal(agreement.Datasets.Count, agreement.Masks
                ? Events.Count(item => item.Type is "MaskedInputCommitted" && item.Key.Contains($"/{number:D6}/", StringComparison.Ordinal))
                : Of<RoundRecord>("InputCommitted").Count(round => round.Number == number));
        }

        Assert.Equal(rounds, Of<ModelRecord>("ModelPublished").Count());
        Assert.Empty(Of<RoundRecord>("RoundFailed"));
        Assert.Equal(rounds, Report.Rounds);
    }

    /// <summary>Everything that was answered with COMMITTED is on the ledger.</summary>
    public void RequireAll(IEnumerable<Digest> acknowledged) => Assert.DoesNotContain(acknowledged, digest => !_transactions.Contains(digest));

    /// <summary>The records of all events of a type, in order.</summary>
    public IEnumerable<T> Of<T>(string type) where T : StateRecord => _events.Where(item => item.Type == type).Select(item => item.Record).OfType<T>();

    private void Take(Block block, LedgerState state)
    {
        foreach (var bytes in block.Transactions)
        {
            Assert.Equal(Rejection.None, Transaction.TryParse(bytes, out var transaction));
            Assert.True(_transactions.Add(transaction!.Digest), "A transaction stands on the ledger twice.");
        }

        for (var position = 0; position < state.Events.Count; position++)
        {
            foreach (var item in state.Events[position])
            {
                _events.Add((state.FirstIndex + position, item.Type, item.Record));
                Events.Add((state.FirstIndex + position, item.Type, item.Key));
            }
        }
    }
}
