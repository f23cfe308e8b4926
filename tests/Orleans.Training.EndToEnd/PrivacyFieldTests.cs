using Orleans.Training.Gateway.Graph;
using Orleans.Training.Gateway.Reading;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Privacy;
using Orleans.Training.Tests.Cluster;
using TrainingAgreement = Orleans.Training.Gateway.Graph.TrainingAgreement;

namespace Orleans.Training.EndToEnd;

/// <summary>Budgets, masks and groups as the API shows them, from the records of the ledger.</summary>
public sealed class PrivacyFieldTests : IDisposable
{
    private readonly TestFederation _federation = new("privacy");
    private readonly TestRecords _state = new();

    public void Dispose() => _federation.Dispose();

    [Fact]
    public async Task Budget_IsWhatIsAllowedSpentAndReserved()
    {
        var dataset = new DatasetRecord(ParticipantId.Parse("va"), "heart", Digest.Zero, 10, "age");
        var shown = new Dataset(new FederationReader(_federation.Genesis, null!, _state, null!), dataset);
        Assert.Null(await shown.Budget());
        var cost = new SkellamMechanism(1024, 100, 26_214_400).Cost();
        _state.Put(BudgetRecord.Key(dataset.Owner, "heart"), new BudgetRecord(new PrivacyBudget(2_500_000, 5), false, PrivacyCost.None, PrivacyCost.None));
        Assert.Equal((2.5, 1e-5, 0, 0), Of(await shown.Budget()));
        _state.Put(BudgetRecord.Key(dataset.Owner, "heart"), new BudgetRecord(new PrivacyBudget(2_500_000, 5), false, cost, cost.Plus(cost)));
        var (_, _, spent, reserved) = Of(await shown.Budget());
        Assert.Equal((PrivacyBudget.EpsilonOf(cost, 5) / 1e6, PrivacyBudget.EpsilonOf(cost.Plus(cost).Plus(cost), 5) / 1e6), (spent, reserved));
        Assert.True(0 < spent && spent < reserved);

        static (double, double, double, double) Of(DataBudget? budget) => (budget!.Epsilon, budget.Delta, budget.Spent, budget.Reserved);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Metrics_AreThoseOfTheSumsTails_WhereverTheyLie(int groups)
    {
        // 4 · 16,383 bytes of lanes: the tail begins in the first chunk and ends in the second.
        var plan = TestFederation.Plan("metrics", rounds: 1) with
        {
            ModelSpec = ModelSpec.Logistic(16_382).Encoded,
            FixedPoint = FixedPoint.Create(10, 12),
            Datasets = [.. Enumerable.Range(0, 12).Select(i => new AgreedDataset(ParticipantId.Parse($"p{i:D3}"), "heart"))],
            Masks = true,
            Masking = new MaskingTerms(0, 1, 1, 1, 1, 1, 1, Groups: groups > 1 ? new GroupTerms(groups, 3, new CoordinateMedian()) : null),
        };
        var terms = new AgreementRecord(plan, plan.ComputeDigest(), [], [], null);
        _state.Put(AgreementRecord.Key(terms.Digest), terms);
        using var folder = new TemporaryFolder();
        var blobs = new FileBlobStore(folder["blobs"]);
        var tail = new byte[LaneLayout.TailBytes];
        foreach (var (lane, value) in new[] { (0, 3), (1, 3), (2, 3), (3, 1_000_000), (4, 2048), (5, 30), (6, 40), (7, 2) }) System.Buffers.Binary.BinaryPrimitives.WriteInt32LittleEndian(tail.AsSpan(4 * lane), value);
        byte[] part = [.. new byte[4 * 16_383], .. tail];
        byte[] sum = groups > 1 ? [.. new byte[8], .. part, .. part, .. part] : part;
        var stored = await blobs.Put(new MemoryStream(sum), null, default);
        var shown = new ModelVersion(new FederationReader(_federation.Genesis, null!, _state, blobs), new ModelRecord(Digest.Zero, Digest.Zero, terms.Digest, 1, Digest.Zero, stored.Name, 1, 7));
        var metrics = await shown.Metrics();
        Assert.Equal((3 * groups, 40 * groups, 0.05, 0.75, 2 * groups), (metrics!.Updates, metrics.Samples, metrics.Loss, metrics.Accuracy, metrics.Unclipped));

        // Neither a sum that is not here nor one of another length has any.
        ModelVersion Of(Digest root) => new(new FederationReader(_federation.Genesis, null!, _state, blobs), new ModelRecord(Digest.Zero, Digest.Zero, terms.Digest, 1, Digest.Zero, root, 1, 7));
        Assert.Null(await Of(Digest.Of("nothing"u8)).Metrics());
        Assert.Null(await Of((await blobs.Put(new MemoryStream(sum[4..]), null, default)).Name).Metrics());
        Assert.Null(await Of((await blobs.Put(new MemoryStream(new byte[sum.Length]), null, default)).Name).Metrics());
        _state.Put(AgreementRecord.Key(terms.Digest), terms with { Agreement = plan with { Masks = false, Masking = null } });
        Assert.Null(await Of(stored.Name).Metrics());
    }

    [Fact]
    public void WithNoise_NobodyTellsAnything()
    {
        var metrics = new TrainingMetrics(5, MaskTail.Of(7));
        Assert.Equal((5, 0, null, null, null), (metrics.Updates, metrics.Samples, metrics.Loss, metrics.Accuracy, metrics.Unclipped));
    }

    [Fact]
    public void Groups_AreThoseThatWereDrawn_AndNoneBefore()
    {
        var plan = TestFederation.Plan("privacy", rounds: 1) with
        {
            FixedPoint = FixedPoint.Create(10, 4),
            Datasets = [.. Enumerable.Range(0, 13).Select(i => new AgreedDataset(ParticipantId.Parse($"p{i:D3}"), "heart"))],
            Masks = true,
            Masking = new MaskingTerms(0, 1, 1, 1, 1, 1, 1, 77, new GroupTerms(4, 1, new FlTrust(), Trusted: 5)),
        };
        var terms = new AgreementRecord(plan, plan.ComputeDigest(), [], [], null);
        TrainingAgreement Shown(AgreementRecord record) => new(new FederationReader(_federation.Genesis, null!, _state, null!), record);
        var before = Shown(terms).Masking!;
        Assert.Equal((0, 77L, false), (before.CorruptLimit, before.NoiseVariance, before.IsProjected));
        Assert.True(Shown(terms with { Agreement = plan with { Masking = plan.Masking with { Groups = null, Check = SumCheck.Projected } } }).Masking!.IsProjected);
        Assert.Equal((1, "fltrust", "p005"), (before.Groups!.Least, before.Groups.Rule, before.Groups.Trusted!.Name));
        Assert.Null(before.Groups.Drawn);
        var drawn = terms with { Draw = Digest.Of("draw"u8) };
        var groups = Shown(drawn).Masking!.Groups!.Drawn!.ToList();
        Assert.Equal(drawn.Groups().Select((group, index) => (index, string.Join(' ', group.Positions.Select(i => $"p{i:D3}")))), groups.Select(group => (group.Index, string.Join(' ', group.Participants.Select(who => who.Name)))));
        Assert.Equal(12, groups.Sum(group => group.Participants.Count()));
        Assert.Null(Shown(terms with { Agreement = plan with { Masking = plan.Masking with { Groups = null } } }).Masking!.Groups);
        Assert.Null(Shown(terms with { Agreement = plan with { Masks = false, Masking = null } }).Masking);
    }
}
