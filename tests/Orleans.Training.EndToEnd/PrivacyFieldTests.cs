using Orleans.Training.Gateway.Graph;
using Orleans.Training.Gateway.Reading;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Privacy;
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
        var shown = new Dataset(new FederationReader(_federation.Genesis, null!, _state), dataset);
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
        TrainingAgreement Shown(AgreementRecord record) => new(new FederationReader(_federation.Genesis, null!, _state), record);
        var before = Shown(terms).Masking!;
        Assert.Equal((0, 77L), (before.CorruptLimit, before.NoiseVariance));
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
