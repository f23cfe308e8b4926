using Orleans.Training.Grains.Contracts;
using Orleans.Training.Grains.Participants;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Tests.Cluster;

namespace Orleans.Training.Tests.Rounds;

/// <summary>A round with control variates under masks, and what a participant takes from it into the next.</summary>
public sealed class ScaffoldRoundTests : IDisposable
{
    private const int Gone = 4;
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Model_AndVariate_FollowFromTheMaskedSum_OfThoseWhoAreLeft()
    {
        var ledger = Begun();
        ledger.Bring(Phase.Input, ledger.Everybody);
        ledger.Bring(Phase.Aggregate, ledger.Everybody.Where(i => i != Gone));
        var before = RoundAggregate.InitialModelOf(ledger.Agreement);
        Assert.Equal(MaskFault.None, MaskedAggregate.TryCompute(ledger.Whole, before, ledger.Read, out var aggregate, out _));
        var spec = ModelSpec.Logistic(10);
        Assert.True(ModelBlob.TryRead(spec, before, out var model, out var variate));
        Assert.True(ModelBlob.TryRead(spec, aggregate!.ModelBytes, out var next, out var nextVariate));
        int[] left = [.. ledger.Everybody.Where(i => i != Gone)];
        var (sum, step) = (ledger.PlainSum(left), ledger.Agreement.FixedPoint.Step);
        var (some, all) = (left.Sum(i => ledger.Terms.Weights[i]) / (double)FixedPoint.WeightOne, ledger.Everybody.Sum(i => (long)ledger.Terms.Weights[i]) / (double)FixedPoint.WeightOne);
        Assert.Equal(2 * model.Length, sum.Length);
        for (var i = 0; i < model.Length; i++)
        {
            Assert.Equal((float)(model[i] + (0.5 * (step * sum[i] / some))), next[i]);
            Assert.Equal((float)(variate[i] + (step * sum[model.Length + i] / all)), nextVariate[i]);
        }
    }

    [Fact]
    public async Task Participant_GoesOnFromTheNewestRound_WhoseSumHasItsUpdate()
    {
        var ledger = Begun();
        ledger.Bring(Phase.Input, ledger.Everybody);
        ledger.Bring(Phase.Aggregate, ledger.Everybody.Where(i => i != Gone));
        var (contracts, published) = (new StateReader(ledger), ledger.Round);
        var second = published with { Number = 2, Attempt = 1, Phase = Phase.AdvertiseKeys };
        // Not before it is published.
        Assert.Null(await contracts.FindLastCounted(ledger.Terms, second, 0));
        MaskedRoundTests.Publish(ledger);
        Assert.Equal((1, 1), await contracts.FindLastCounted(ledger.Terms, second, 0) is { } counted ? (counted.Number, counted.Attempt) : (0, 0));
        Assert.Null(await contracts.FindLastCounted(ledger.Terms, second, Gone));
        Assert.NotNull(await contracts.FindLastCounted(ledger.Terms, second with { Number = 9 }, 0));
        Assert.Null(await contracts.FindLastCounted(ledger.Terms, published, 0));
    }

    [Fact]
    public void Variates_AreReadAsWritten_OrNotAtAll()
    {
        var files = new VariateFiles(_folder["variates"]);
        files.Clear(5, null);
        Assert.Null(files.Find(1, 1, 3));
        files.Write(1, 1, [1f, -2f, float.Epsilon]);
        files.Write(1, 2, [7f, 7f, 7f]);
        files.Write(2, 1, [8f, 8f, 8f]);
        Assert.Equal([1f, -2f, float.Epsilon], files.Find(1, 1, 3)!);
        Assert.Null(files.Find(1, 1, 2));
        // Every byte counts.
        var path = Directory.GetFiles(_folder["variates"]).Order(StringComparer.Ordinal).First();
        var bytes = File.ReadAllBytes(path);
        for (var i = 0; i < bytes.Length; i++)
        {
            bytes[i] ^= 1;
            File.WriteAllBytes(path, bytes);
            Assert.Null(files.Find(1, 1, 3));
            bytes[i] ^= 1;
        }

        File.WriteAllBytes(path, bytes);
        files.Clear(2, (1, 1));
        Assert.Equal((true, false, true), (files.Find(1, 1, 3) is not null, files.Find(1, 2, 3) is not null, files.Find(2, 1, 3) is not null));
        files.Clear(3, null);
        Assert.Empty(Directory.GetFiles(_folder["variates"]));
    }

    private static MaskedLedger Begun()
    {
        var ledger = new MaskedLedger(7, activate: false);
        var plan = ledger.Agreement with { Strategy = new(ServerRule.Scaffold, 500_000) };
        ledger.Follow(plan with { InitialModel = Digest.Of(RoundAggregate.InitialModelOf(plan)) });
        ledger.Activate(ledger.Agreement);
        Assert.Equal(Rejection.None, ledger.Open());
        return ledger;
    }

    private sealed class StateReader(MaskedLedger ledger) : IContractsGrain
    {
        public Task<byte[]?> Find(string key) => Task.FromResult(ledger.Shard.State.Find<StateRecord>(key)?.Encode());
        public Task<StateItem[]> List(string prefix, string? after, int first) => throw new NotSupportedException();
        public Task<long> Count(string prefix) => throw new NotSupportedException();
    }
}
