using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Protocol.Privacy;
using Orleans.Training.Simulation;
using Xunit.Abstractions;

namespace Orleans.Training.Tests.Rounds;

/// <summary>No round opens that would cost a data set more than its owner allows, and what was revealed is paid for, whatever happened to its model.</summary>
public sealed class BudgetTests(ITestOutputHelper output)
{
    private const long Noise = 400_000;
    private const int Delta = 6;

    private static PrivacyCost Cost(MaskedLedger ledger) => ledger.Agreement.RoundCost!;

    private static BudgetRecord Of(MaskedLedger ledger, int who) => ledger.Shard.State.Find<BudgetRecord>(BudgetRecord.Key(ParticipantId.Parse(ledger.Names[who]), "heart")) ?? BudgetRecord.Untouched;

    // ε of so many rounds, to the millionth.
    private static long EpsilonOf(MaskedLedger ledger, int rounds) => PrivacyBudget.EpsilonOf(Enumerable.Repeat(Cost(ledger), rounds).Aggregate(PrivacyCost.None, (sum, cost) => sum.Plus(cost)), Delta);

    // What a seat looks at before it asks for an opening.
    private static MaskedAttempt Next(MaskedLedger ledger) =>
        new(key => ledger.Shard.State.Find<StateRecord>(key), ledger.Terms, new RoundRecord(ledger.Terms.Digest, 1, ledger.Run.Attempts + 1, ledger.Agreement.InitialModel, Phase.AdvertiseKeys, 0, [], null, [], null));

    private static Rejection Set(MaskedLedger ledger, int who, long epsilon) => ledger.Send(ledger.Names[who], new SetBudget("heart", new PrivacyBudget(epsilon, Delta)));

    /// <summary>Rounds with noise until one participant's budget is spent.</summary>
    internal static MaskedLedger Example()
    {
        var ledger = new MaskedLedger(5, noise: Noise);
        Assert.Equal(Rejection.None, Set(ledger, 1, EpsilonOf(ledger, 1)));
        ledger.Open();
        ledger.Bring(Phase.Aggregate, ledger.Everybody.Skip(1));
        return ledger;
    }

    [Fact]
    public void Cost_IsThatOfTheNoiseOfTheSmallestHonestCohort()
    {
        var ledger = new MaskedLedger(7, corrupt: 2, minimum: 5, noise: Noise / 2);
        var clip = SkellamMechanism.ClipOf(ledger.Agreement.FixedPoint);
        Assert.Equal(new SkellamMechanism(clip, MaskedLedger.Length, 3 * Noise / 2).Cost(), Cost(ledger));
        Assert.Equal(ledger.Agreement.FixedPoint.Levels, (int)clip);
        Assert.All(ledger.Terms.Weights, weight => Assert.Equal(FixedPoint.WeightOne, weight));
        Assert.Null(new MaskedLedger(5).Agreement.RoundCost);
    }

    [Fact]
    public void Attempt_ReservesAtItsOpening_SpendsAtTheOrder_AndGivesBackToWhoIsNotInIt()
    {
        var ledger = new MaskedLedger(5, noise: Noise);
        ledger.Open();
        Assert.All(ledger.Everybody, i => Assert.Equal((PrivacyCost.None, Cost(ledger)), (Of(ledger, i).Spent, Of(ledger, i).Reserved)));
        ledger.Bring(Phase.Input, ledger.Everybody.Skip(1));
        Assert.All(ledger.Everybody, i => Assert.Equal(Cost(ledger), Of(ledger, i).Reserved));
        ledger.Bring(Phase.ConsistencyCheck, ledger.Everybody.Skip(1));
        Assert.Equal([1, 2, 3, 4], ledger.Masked.Survivors.Positions);
        Assert.All(ledger.Everybody, i => Assert.Equal((i == 0 ? PrivacyCost.None : Cost(ledger), PrivacyCost.None), (Of(ledger, i).Spent, Of(ledger, i).Reserved)));
    }

    [Fact]
    public void AttemptWithoutOrder_GivesEverythingBack()
    {
        var ledger = new MaskedLedger(5, noise: Noise);
        ledger.Open();
        ledger.Bring(Phase.Input, ledger.Everybody);
        ledger.Expire();
        Assert.Equal(RoundFailure.TooFewInputs, ledger.Round.Failure);
        Assert.All(ledger.Everybody, i => Assert.Equal((PrivacyCost.None, PrivacyCost.None), (Of(ledger, i).Spent, Of(ledger, i).Reserved)));
        // And the next attempt reserves again.
        Assert.Equal(Rejection.None, ledger.Open());
        Assert.All(ledger.Everybody, i => Assert.Equal(Cost(ledger), Of(ledger, i).Reserved));
    }

    [Fact]
    public void AttemptThatFailsAfterTheOrder_IsPaidFor()
    {
        var ledger = new MaskedLedger(5, noise: Noise);
        ledger.Open();
        ledger.Bring(Phase.ConsistencyCheck, ledger.Everybody);
        ledger.Expire();
        Assert.Equal(RoundFailure.ConfirmsMissing, ledger.Round.Failure);
        Assert.All(ledger.Everybody, i => Assert.Equal((Cost(ledger), PrivacyCost.None), (Of(ledger, i).Spent, Of(ledger, i).Reserved)));
    }

    [Fact]
    public void Open_IsRefused_WhenOneMillionthIsMissing_AndNobodyHasReservedAnything()
    {
        var ledger = new MaskedLedger(5, noise: Noise);
        Assert.Equal(Rejection.None, Set(ledger, 2, EpsilonOf(ledger, 1) - 1));
        Assert.Equal(Rejection.BudgetExceeded, ledger.Open());
        Assert.False(Next(ledger).IsAffordable);
        Assert.All(ledger.Everybody, i => Assert.Equal(PrivacyCost.None, Of(ledger, i).Reserved));
        Assert.Equal(Rejection.None, Set(ledger, 2, EpsilonOf(ledger, 1)));
        Assert.True(Next(ledger).IsAffordable);
        Assert.Equal(Rejection.None, ledger.Open());
    }

    [Fact]
    public void OpenAttempts_OfOtherAgreements_CountWhileTheyAreOpen()
    {
        var ledger = new MaskedLedger(5, noise: Noise);
        var other = ledger.Plan("other", noise: Noise);
        ledger.Activate(other);
        Assert.Equal(Rejection.None, Set(ledger, 3, EpsilonOf(ledger, 1)));
        var first = ledger.Agreement;
        Assert.Equal(Rejection.None, ledger.Open());
        ledger.Follow(other);
        Assert.Equal(Rejection.BudgetExceeded, ledger.Open());
        // Its participants say nothing: the reservation comes back.
        ledger.Follow(first, attempt: 1);
        ledger.Expire();
        Assert.Equal(RoundFailure.TooFewKeys, ledger.Round.Failure);
        ledger.Follow(other);
        Assert.Equal(Rejection.None, ledger.Open());
    }

    [Fact]
    public void Owner_MayRaiseOrLowerItsBudget_AndNobodyElse()
    {
        var ledger = Example();
        Assert.Equal(Rejection.DatasetUnknown, ledger.Send(ledger.Names[0], new SetBudget("kidneys", new PrivacyBudget(1, Delta))));
        Assert.Equal(Rejection.None, Set(ledger, 1, EpsilonOf(ledger, 2)));
        Assert.Equal(Rejection.None, Set(ledger, 1, 1));
        Assert.Equal(Cost(ledger), Of(ledger, 1).Spent);
        Assert.Equal(new PrivacyBudget(1, Delta), Of(ledger, 1).Budget);
        Assert.Null(Of(ledger, 2).Budget);
    }

    [Fact]
    public void DataSetWithABudget_IsNotForAgreementsWithoutNoise_NorTheOtherWayRound()
    {
        var ledger = new MaskedLedger(5, noise: Noise);
        var bare = ledger.Plan("bare");
        var proposed = ledger.Plan("before");
        Assert.Equal(Rejection.None, ledger.Send(ledger.Names[0], new ProposeAgreement(proposed)));
        Assert.Equal(Rejection.None, Set(ledger, 1, 5_000_000));
        Assert.Equal(Rejection.BudgetExceeded, ledger.Send(ledger.Names[0], new ProposeAgreement(bare)));
        Assert.Equal(Rejection.BudgetExceeded, ledger.Send(ledger.Names[0], new AcceptAgreement(proposed.ComputeDigest(), Policy.Open)));

        var exposed = new MaskedLedger(5);
        Assert.All(exposed.Everybody, i => Assert.True(Of(exposed, i).IsExposed));
        Assert.Equal(Rejection.DatasetExposed, Set(exposed, 0, 5_000_000));
        // With noise they may go on; nothing is promised to their owners.
        var late = exposed.Plan("late", noise: Noise);
        exposed.Activate(late);
        exposed.Follow(late);
        Assert.Equal(Rejection.None, exposed.Open());
    }

    [Fact]
    public void Agreement_WithMoreNoiseThanItsLanesHold_IsNone()
    {
        var ledger = new MaskedLedger(5);
        // Half of 2¹⁵ is left: five times μ of 536,666 has a tenth of it as its standard deviation.
        bool IsSound(long noise) => TrainingAgreement.TryParse(ledger.Plan("room", noise: noise).Encode(), out _);
        Assert.True(IsSound(536_000));
        Assert.False(IsSound(538_000));
        Assert.False(IsSound(SkellamSampler.LargestVariance + 1));
        Assert.False(IsSound(-1));
    }

    // The largest clip over the smallest bound: its square has 164 bits.
    [Fact]
    public void Agreement_OfAnyClip_HasACost_ThatNoBudgetBears()
    {
        var ledger = new MaskedLedger(5, noise: Noise);
        Assert.True(FixedPoint.TryCreate(FixedPoint.UnitLimit, 1, int.MaxValue / 10, 5, out var parameters));
        var plan = ledger.Plan("wide", noise: Noise) with { FixedPoint = parameters };
        Assert.Equal(Rejection.None, Set(ledger, 0, int.MaxValue));
        ledger.Activate(plan);
        ledger.Follow(plan);
        Assert.Equal(Rejection.BudgetExceeded, ledger.Open());
        Assert.All(plan.RoundCost!.Divergences.ToArray(), divergence => Assert.Equal(UInt128.MaxValue, divergence));
    }

    [Fact]
    public void NoisyUpdates_UnderMasks_AddUpToTheirSum()
    {
        var ledger = new MaskedLedger(5, noise: Noise);
        ledger.Open();
        var sampler = new SkellamSampler(Noise);
        foreach (var i in ledger.Everybody)
        {
            var delta = Enumerable.Range(0, MaskedLedger.Length).Select(coordinate => (float)((i - 2) * coordinate / 20.0)).ToArray();
            Assert.True(NoisyUpdate.TryCreate(ledger.Agreement.FixedPoint, sampler, delta, Key(ledger.Chance), Key(ledger.Chance), out var lanes));
            ledger.Lanes[i] = lanes;
        }

        // Some noise is beyond what an update without it may be.
        Assert.Contains(ledger.Lanes.Values.SelectMany(lanes => lanes), lane => Math.Abs(lane) > 1000);
        ledger.Bring(Phase.Aggregate, ledger.Everybody);
        Assert.Equal(ledger.PlainSum(ledger.Everybody), ledger.Sum(out _));
    }

    [Fact]
    public void RandomSchedules_NeverOverspend_AndCountWhatWasRevealed()
    {
        const int schedules = 150;
        var refused = 0;
        for (var seed = 0UL; seed < schedules; seed++)
        {
            var ledger = new MaskedLedger(4, seed, rounds: 1, noise: Noise);
            var limits = ledger.Everybody.Select(_ => (int)ledger.Chance.Between(0, 4)).ToArray();
            foreach (var i in ledger.Everybody.Where(i => limits[i] > 0)) Assert.Equal(Rejection.None, Set(ledger, i, EpsilonOf(ledger, limits[i])));
            TrainingAgreement[] plans = [ledger.Agreement, ledger.Plan("b", noise: Noise), ledger.Plan("c", noise: Noise)];
            foreach (var plan in plans.Skip(1)) ledger.Activate(plan);
            var orders = new int[4];
            for (var step = 0; step < 6; step++)
            {
                ledger.Follow(plans[ledger.Chance.Between(0, 2)]);
                var answer = ledger.Open();
                if (answer is Rejection.BudgetExceeded) refused++;
                if (answer is not Rejection.None) continue;
                var until = MaskedLedger.Flow[ledger.Chance.Between(0, 6)];
                ledger.Bring(until, ledger.Everybody.Where(_ => ledger.Chance.Between(0, 9) > 0));
                foreach (var i in ledger.Masked.Survivors.Positions) orders[i]++;
                if (ledger.Chance.Between(0, 1) == 0 && ledger.Round.Phase is not (Phase.Failed or Phase.Published)) ledger.Expire();
                foreach (var i in ledger.Everybody)
                {
                    var record = Of(ledger, i);
                    Assert.Equal(Enumerable.Repeat(Cost(ledger), orders[i]).Aggregate(PrivacyCost.None, (sum, cost) => sum.Plus(cost)), record.Spent);
                    if (record.Budget is { } budget) Assert.True(budget.Admits(record.Spent.Plus(record.Reserved)), $"seed {seed}");
                }
            }
        }

        output.WriteLine($"{schedules} schedules, seeds 0 to {schedules - 1}: {refused} openings refused");
        Assert.True(refused > schedules / 10, $"{refused}");
    }

    private static byte[] Key(Chance chance)
    {
        var key = new byte[32];
        chance.Fill(key);
        return key;
    }
}
