using CsCheck;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Privacy;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.Rounds;

/// <summary>Rounds whose participants are divided: each group is an instance of FedMask, one that fails is left out, and a robust rule makes the model of the others' means.</summary>
public sealed class GroupedRoundTests
{
    internal static readonly GroupTerms Median = new(4, 3, new CoordinateMedian());

    /// <summary>Four groups of three; in one of them somebody has dropped out and it is left out, in the others everybody has revealed.</summary>
    internal static MaskedLedger Example()
    {
        var ledger = Begun(1, 12, Median);
        var gone = ledger.Whole.Groups[1].Everybody.First();
        ledger.Bring(Phase.Aggregate, ledger.Everybody.Where(i => i != gone));
        return ledger;
    }

    // An attempt with a real initial model and random updates within the lanes.
    internal static MaskedLedger Begun(ulong seed, int count, GroupTerms groups, int minimum = 3, long noise = 0)
    {
        var ledger = new MaskedLedger(count, seed, minimum: minimum, activate: false, noise: noise, groups: groups);
        ledger.Follow(ledger.Agreement with { InitialModel = Digest.Of(RoundAggregate.InitialModelOf(ledger.Agreement)) });
        ledger.Activate(ledger.Agreement);
        ledger.Draw();
        Assert.Equal(Rejection.None, ledger.Open());
        foreach (var i in ledger.Everybody) ledger.Lanes[i] = [.. ledger.Lanes[i].Select(lane => lane / 2)];
        return ledger;
    }

    private static MaskFault Compute(MaskedLedger ledger, out RoundAggregate? aggregate) =>
        MaskedAggregate.TryCompute(ledger.Whole, RoundAggregate.InitialModelOf(ledger.Agreement), ledger.Read, out aggregate, out _);

    // What the rule makes of the plain updates of these groups' survivors.
    private static RobustMean Expected(MaskedLedger ledger, IReadOnlyList<MaskedGroup> groups) =>
        ledger.Agreement.Groups!.Rule.Apply(new GroupSums([.. groups.Select(group => (ReadOnlyMemory<int>)ledger.PlainSum(group.Survivors.Positions))], [.. groups.Select(group => group.Survivors.Count)]));

    // One binary32 number for each parameter, written out with nothing but the page's formula.
    private static void AssertModel(MaskedLedger ledger, RoundAggregate aggregate, RobustMean mean)
    {
        var spec = ModelSpec.Logistic(10);
        Assert.True(ModelBlob.TryRead(spec, RoundAggregate.InitialModelOf(ledger.Agreement), out var before));
        Assert.True(ModelBlob.TryRead(spec, aggregate.ModelBytes, out var after));
        for (var i = 0; i < before.Length; i++) Assert.Equal((float)(before[i] + (ledger.Agreement.FixedPoint.Step * ((double)mean.Numerators.Span[i] / mean.Denominator))), after[i]);
    }

    [Fact]
    public void Model_FollowsFromTheGroupsThatStand_WhoeverDropsOutOrFallsSilent() =>
        Gen.Select(Gen.ULong, Gen.Int[0, 1], Gen.Int[0, 3]).Sample((seed, dropped, silent) =>
        {
            // Groups of seven, t = 5: the last loses two before the order, which is too many; group 2 loses as many as are drawn.
            var ledger = Begun(seed, 35, new GroupTerms(5, 3, new CoordinateMedian()));
            var groups = ledger.Whole.Groups;
            int[] droppedOut = [.. groups[0].Everybody.Take(1), .. groups[2].Everybody.Take(dropped), .. groups[4].Everybody.Take(2)];
            int[] fallenSilent = [.. groups[1].Everybody.TakeLast(1), .. groups[2].Everybody.TakeLast(silent)];
            ledger.Bring(Phase.Input, ledger.Everybody);
            ledger.Bring(Phase.Unmask, ledger.Everybody.Except(droppedOut));
            int[] speaking = [.. ledger.Everybody.Except(droppedOut).Except(fallenSilent)];
            ledger.Bring(Phase.RevealSilent, speaking);
            if (ledger.Round.Phase is Phase.RevealSilent)
            {
                // Where nobody fell silent nobody has anything to open.
                var other = speaking.First(groups[0].Members.Contains);
                Assert.Equal(Rejection.NotInCohort, ledger.Send(ledger.Names[other], new RevealSilentMasks(ledger.Agreement.ComputeDigest(), 1, 1, groups[0].Order!.Order.ComputeDigest(), Digest.Zero)));
                foreach (var i in speaking) ledger.Act(i);
                ledger.HoldAll();
            }

            Assert.Equal(Phase.Aggregate, ledger.Round.Phase);
            MaskedGroup[] standing = [.. ledger.Whole.Standing];
            Assert.Equal(RoundFailure.TooManyDropped, ledger.Whole.Groups[4].Fixed.Failure);
            // Whose secrets are opened needs five of its six neighbours.
            var isOpened = silent == 0 || dropped + silent <= 2;
            Assert.Equal(isOpened ? null : RoundFailure.RevealsMissing, ledger.Whole.Groups[2].Fixed.Failure);
            Assert.Equal(isOpened ? [0, 1, 2, 3] : [0, 1, 3], standing.Select(group => group.Index));
            Assert.Equal(MaskFault.None, Compute(ledger, out var aggregate));
            AssertModel(ledger, aggregate!, Expected(ledger, standing));
            Assert.Equal(standing.Sum(group => group.Survivors.Count), MaskedAggregate.ReadMetrics(ledger.Terms, aggregate!.Sum)!.Value.Count);
            Assert.Equal(standing.Sum(group => group.Survivors.Count), ledger.Whole.Counted.Count);
        }, iter: 16, threads: 1);

    [Fact]
    public void PublishedSums_AreTheGroupsOwn_AndMetricsThoseOfAll()
    {
        var ledger = Example();
        Assert.Equal(MaskFault.None, Compute(ledger, out var aggregate));
        var groups = ledger.Whole.Groups;
        Assert.Equal([0, 2, 3], GroupSumsBlob.GroupsOf(aggregate!.Sum));
        var part = (sizeof(int) * MaskedLedger.Length) + LaneLayout.TailBytes;
        Assert.Equal(8 + (3 * part), aggregate.Sum.Length);
        foreach (var (group, place) in groups.Where(group => group.Index != 1).Select((group, place) => (group, place)))
            Assert.Equal(UpdateBlob.Write(ledger.PlainSum(group.Everybody)), aggregate.Sum.AsSpan(8 + (place * part), sizeof(int) * MaskedLedger.Length).ToArray());
        Assert.Equal((9, MaskTail.Of(9 * FixedPoint.WeightOne)), MaskedAggregate.ReadMetrics(ledger.Terms, aggregate.Sum));
        Assert.Null(MaskedAggregate.ReadMetrics(ledger.Terms, aggregate.Sum.AsMemory(1)));
        Assert.Null(MaskedAggregate.ReadMetrics(ledger.Terms, new byte[aggregate.Sum.Length]));
        Assert.Null(MaskedAggregate.ReadMetrics(ledger.Terms, new byte[8]));
        // Nothing is asked for but what the groups in it named, and nobody of the other has said a word that could open it.
        var asked = new HashSet<Digest>();
        MaskedAggregate.TryCompute(ledger.Whole, RoundAggregate.InitialModelOf(ledger.Agreement), root => { asked.Add(root); return ledger.Read(root); }, out _, out _);
        Assert.Equal(ledger.Whole.SumBlobs.Order(), asked.Order());
        Assert.All(groups[1].Everybody, i => Assert.Null(ledger.Whole.SelfOf(i)));
        MaskedRoundTests.Publish(ledger);
    }

    [Fact]
    public void GroupThatIsLeftOut_IsToldSo_AndConsumesNothing()
    {
        var ledger = Example();
        var left = ledger.Whole.Groups[1];
        Assert.Equal(RoundFailure.TooFewKeys, left.Fixed.Failure);
        Assert.All(left.Everybody, i => Assert.False(ledger.Whole.IsConsumed(i)));
        Assert.All(ledger.Everybody.Except(left.Everybody), i => Assert.True(ledger.Whole.IsConsumed(i)));
        foreach (var i in left.Everybody.Skip(1))
        {
            ledger.Step(i);
            Assert.Equal(MaskPhase.Done, ledger.States[i].Phase);
        }

        // What it could have said is no longer taken.
        var early = Begun(1, 12, Median);
        var (whose, gone) = (early.Whole.Groups[1].Everybody.Last(), early.Whole.Groups[1].Everybody.First());
        early.Bring(Phase.ShareKeys, early.Everybody.Where(i => i != gone));
        Assert.Equal(Rejection.WrongPhase, early.Send(early.Names[whose], new CommitMaskShares(early.Agreement.ComputeDigest(), 1, 1, Digest.Zero, Digest.Zero, Digest.Zero)));
        // Nor is it taken about another group's context.
        var (a, b) = (early.Whole.Groups[0], early.Whole.Groups[2]);
        Assert.NotEqual(a.Fixed.Cohort, b.Fixed.Cohort);
        Assert.Equal(Rejection.WrongContext, early.Send(early.Names[a.Everybody.First()], new CommitMaskShares(early.Agreement.ComputeDigest(), 1, 1, b.Fixed.Cohort!.Value, Digest.Zero, Digest.Zero)));
    }

    [Fact]
    public void KeysOfAnotherGroup_AreRefused_AsThoseOfTheOwnAre()
    {
        var ledger = Begun(10, 12, Median);
        var (first, second) = (ledger.Whole.Groups[0].Everybody.First(), ledger.Whole.Groups[1].Everybody.First());
        Assert.Equal(Rejection.None, ledger.Act(first));
        var copied = ledger.Whole.Advert(first)!;
        Assert.Equal(Rejection.KeyInUse, ledger.Send(ledger.Names[second], new AdvertiseMaskKeys(ledger.Agreement.ComputeDigest(), 1, 1, ledger.Whole.GroupOf(second).Fixed.Attempt, copied.MaskKey, copied.EnvelopeKey, Digest.Zero)));
    }

    [Fact]
    public void WithTooFewGroups_TheAttemptFails_ByTheNameOfWhatTheyLacked()
    {
        var ledger = Begun(2, 12, Median);
        int[] gone = [ledger.Whole.Groups[0].Everybody.First(), ledger.Whole.Groups[2].Everybody.First()];
        ledger.Bring(Phase.ShareKeys, ledger.Everybody.Except(gone));
        Assert.Equal((Phase.Failed, RoundFailure.TooFewKeys), (ledger.Round.Phase, ledger.Round.Failure));
        // Nobody was opened: the next attempt is everybody's.
        Assert.Equal(Rejection.None, ledger.Open());
        ledger.Bring(Phase.ConsistencyCheck, ledger.Everybody);
        Assert.Equal(12, ledger.Whole.Survivors.Count);
        // Two groups do not confirm; with what is consumed by then, no other attempt can follow.
        int[] mute = [.. ledger.Whole.Groups[0].Everybody.Take(2), .. ledger.Whole.Groups[3].Everybody.Take(2)];
        ledger.Bring(Phase.Unmask, ledger.Everybody.Except(mute));
        Assert.Equal((Phase.Failed, RoundFailure.ConfirmsMissing), (ledger.Round.Phase, ledger.Round.Failure));
        Assert.Equal(RoundFailure.ConfirmsMissing, ledger.Run.Failure);
        Assert.Equal(Rejection.RunEnded, ledger.Open());
    }

    [Fact]
    public void GroupThatDoesNotConfirm_IsLeftOut_AndTheOthersReveal()
    {
        var ledger = Begun(3, 12, Median);
        ledger.Bring(Phase.ConsistencyCheck, ledger.Everybody);
        var mute = ledger.Whole.Groups[2].Everybody.Take(2).ToArray();
        ledger.Bring(Phase.Aggregate, ledger.Everybody.Except(mute));
        Assert.Equal(Phase.Aggregate, ledger.Round.Phase);
        Assert.Equal(RoundFailure.ConfirmsMissing, ledger.Whole.Groups[2].Fixed.Failure);
        Assert.Null(ledger.Whole.SelfOf(ledger.Whole.Groups[2].Everybody.Last()));
        Assert.Equal(MaskFault.None, Compute(ledger, out var aggregate));
        AssertModel(ledger, aggregate!, Expected(ledger, [.. ledger.Whole.Standing]));
    }

    [Theory]
    [InlineData(64, MaskFault.CanaryMismatch)]
    [InlineData(72, MaskFault.CanaryMismatch)]
    [InlineData(76, MaskFault.WeightOutOfRange)]
    public void WhoSendsWhatIsNoUpdate_SpoilsItsGroupOnly(int at, MaskFault alone)
    {
        var ledger = Begun(4, 12, Median);
        ledger.Bring(Phase.Input, ledger.Everybody);
        var liars = ledger.Whole.Groups.Take(2).Select(group => group.Everybody.First()).ToArray();
        SendSpoilt(ledger, liars[0], at);
        ledger.Bring(Phase.Aggregate, ledger.Everybody);
        Assert.Equal(4, ledger.Whole.Standing.Count());
        Assert.Equal(MaskFault.None, Compute(ledger, out var aggregate));
        Assert.Equal([1, 2, 3], GroupSumsBlob.GroupsOf(aggregate!.Sum));
        AssertModel(ledger, aggregate, Expected(ledger, [.. ledger.Whole.Groups.Skip(1)]));

        // Without groups, or with one liar more than the rule bears, there is no sum.
        var second = Begun(4, 12, Median);
        second.Bring(Phase.Input, second.Everybody);
        foreach (var liar in liars) SendSpoilt(second, liar, at);
        second.Bring(Phase.Aggregate, second.Everybody);
        Assert.Equal(alone, Compute(second, out var none));
        Assert.Null(none);
    }

    [Fact]
    public void OnePoisonedGroup_CarriesThePlainMeanAway_AndNoLaneOfTheMedianOutOfTheHonestOnes()
    {
        var ledger = Begun(5, 12, Median);
        var attacked = ledger.Whole.Groups[2];
        // As far as lanes go, all in one direction.
        foreach (var i in attacked.Everybody) ledger.Lanes[i] = [.. Enumerable.Repeat(ledger.Agreement.FixedPoint.Levels, MaskedLedger.Length)];
        ledger.Bring(Phase.Aggregate, ledger.Everybody);
        Assert.Equal(MaskFault.None, Compute(ledger, out var aggregate));
        Assert.True(ModelBlob.TryRead(ModelSpec.Logistic(10), aggregate!.ModelBytes, out var model));
        Assert.True(ModelBlob.TryRead(ModelSpec.Logistic(10), RoundAggregate.InitialModelOf(ledger.Agreement), out var before));
        int[][] honest = [.. ledger.Whole.Groups.Where(group => group.Index != 2).Select(group => ledger.PlainSum(group.Everybody))];
        var (step, outside) = (ledger.Agreement.FixedPoint.Step, 0);
        for (var lane = 0; lane < MaskedLedger.Length; lane++)
        {
            var (low, high) = (honest.Min(sum => sum[lane]) / 3.0, honest.Max(sum => sum[lane]) / 3.0);
            Assert.InRange(model[lane] - before[lane], (step * low) - 1e-6, (step * high) + 1e-6);
            if (ledger.PlainSum(ledger.Everybody)[lane] / 12.0 > high) outside++;
        }

        Assert.True(outside > 0, "the attack does nothing to the plain mean");
    }

    // Twelve in four groups, and one more that all trust.
    internal static MaskedLedger Trusting(ulong seed, long noise = 0) => Begun(seed, 13, new GroupTerms(4, 1, new FlTrust(), Trusted: 6), noise: noise);

    /// <summary>An attempt with a trusted participant, as far as its sums go.</summary>
    internal static MaskedLedger TrustingExample()
    {
        var ledger = Trusting(6);
        Assert.Equal(Rejection.None, ledger.Refer(6, ledger.ShortUpdate));
        ledger.Bring(Phase.Aggregate, ledger.Everybody.Where(i => i != 6));
        return ledger;
    }

    [Fact]
    public void FlTrust_GoesOutFromTheUpdateOfTheTrustedParticipant_WhichIsInNoGroup()
    {
        var ledger = TrustingExample();
        Assert.Equal(Phase.Aggregate, ledger.Round.Phase);
        Assert.Null(ledger.Whole.FindGroup(6));
        Assert.Equal(12, ledger.Whole.Groups.Sum(group => group.Members.Count));
        Assert.Equal(MaskFault.None, Compute(ledger, out var aggregate));
        var groups = ledger.Whole.Groups;
        AssertModel(ledger, aggregate!, new FlTrust().Apply(new GroupSums([.. groups.Select(group => (ReadOnlyMemory<int>)ledger.PlainSum(group.Survivors.Positions))], [.. groups.Select(group => group.Survivors.Count)]), ledger.ShortUpdate));
        Assert.Contains(ledger.Whole.Reference!.Value, ledger.Whole.SumBlobs);
        // Without its bytes there is no verdict.
        Assert.Equal(MaskFault.BlobMissing, MaskedAggregate.TryCompute(ledger.Whole, RoundAggregate.InitialModelOf(ledger.Agreement), root => root == ledger.Whole.Reference ? null : ledger.Read(root), out _, out _));
        // What is proposed names it.
        var other = Trusting(6);
        other.Refer(6, [.. other.ShortUpdate.Select(lane => -lane)]);
        other.Bring(Phase.Aggregate, other.Everybody.Where(i => i != 6));
        Assert.NotEqual(ledger.Round.InputsDigest, other.Round.InputsDigest);
        MaskedRoundTests.Publish(ledger);
    }

    [Fact]
    public void TrustedUpdate_ComesFromTheTrusted_Once_BeforeTheOrder_AndIsHeldOnlyIfItIsAdmissible()
    {
        var ledger = Trusting(7);
        Assert.Equal(Rejection.NotInAgreement, ledger.Send(TestShard.Hospitals[0], new CommitReference(ledger.Agreement.ComputeDigest(), 1, 1, Digest.Zero)));
        Assert.Equal(Rejection.NotInCohort, ledger.Refer(5, ledger.ShortUpdate));
        Assert.Equal(Rejection.NotInCohort, ledger.Send(ledger.Names[6], new AdvertiseMaskKeys(ledger.Agreement.ComputeDigest(), 1, 1, Digest.Zero, new byte[32], new byte[32], Digest.Zero)));
        Assert.Equal(Rejection.NotFound, ledger.Send(TestShard.Hospitals[0], new HoldMaskBlobs(ledger.Agreement.ComputeDigest(), 1, 1, MaskBlobKind.Reference, PositionSet.Of([6]))));
        // As long as lanes allow, but beyond the clip.
        Assert.Equal(Rejection.None, ledger.Refer(6, [.. Enumerable.Repeat(ledger.Agreement.FixedPoint.Levels, MaskedLedger.Length)]));
        Assert.Equal(Rejection.AlreadyExists, ledger.Refer(6, ledger.ShortUpdate));
        ledger.Bring(Phase.ConsistencyCheck, ledger.Everybody.Where(i => i != 6));
        Assert.Equal((Phase.Failed, RoundFailure.ReferenceMissing), (ledger.Round.Phase, ledger.Round.Failure));
        // Nobody was opened, so there is another attempt; and there nothing comes after the order.
        Assert.Equal(Rejection.None, ledger.Open());
        ledger.Refer(6, ledger.ShortUpdate);
        ledger.Bring(Phase.ConsistencyCheck, ledger.Everybody.Where(i => i != 6));
        Assert.Equal(Phase.ConsistencyCheck, ledger.Round.Phase);
        Assert.Equal(Rejection.Late, ledger.Refer(6, ledger.ShortUpdate));
        Assert.Equal(Rejection.Late, ledger.Send(TestShard.Hospitals[3], new HoldMaskBlobs(ledger.Agreement.ComputeDigest(), 1, 2, MaskBlobKind.Reference, PositionSet.Of([6]))));
    }

    [Fact]
    public void TrustedDataSet_HasNoBudget_SinceItsUpdateIsSeen()
    {
        var ledger = Trusting(8, noise: 400_000);
        BudgetRecord Of(int who) => ledger.Shard.State.Find<BudgetRecord>(BudgetRecord.Key(ParticipantId.Parse(ledger.Names[who]), "heart"))!;
        Assert.Equal((true, PrivacyCost.None), (Of(6).IsExposed, Of(6).Reserved));
        Assert.Equal((false, ledger.Agreement.RoundCost), (Of(5).IsExposed, Of(5).Reserved));
        Assert.Equal(Rejection.DatasetExposed, ledger.Send(ledger.Names[6], new SetBudget("heart", new PrivacyBudget(1_000_000, 6))));
        // Whose data set has a budget already cannot be trusted so.
        var early = new MaskedLedger(13, activate: false, noise: 400_000, groups: new GroupTerms(4, 1, new FlTrust(), Trusted: 6));
        Assert.Equal(Rejection.None, early.Send(early.Names[6], new SetBudget("heart", new PrivacyBudget(9_000_000, 6))));
        Assert.Equal(Rejection.BudgetExceeded, early.Send(early.Names[0], new ProposeAgreement(early.Agreement)));
    }

    [Fact]
    public void CentredClipping_GoesOnFromTheLastRoundsResult_WhichIsPartOfTheModel()
    {
        var (rule, spec) = (new CentredClipping(4000, 2), ModelSpec.Logistic(10));
        var ledger = Begun(9, 12, new GroupTerms(4, 3, rule));
        Assert.Equal(ModelBlob.Length(spec, 1), RoundAggregate.InitialModelOf(ledger.Agreement).Length);
        ledger.Bring(Phase.Aggregate, ledger.Everybody);
        Assert.Equal(MaskFault.None, Compute(ledger, out var first));
        GroupSums Sums() => new([.. ledger.Whole.Groups.Select(group => (ReadOnlyMemory<int>)ledger.PlainSum(group.Survivors.Positions))], [3, 3, 3, 3]);
        var mean = rule.Apply(Sums(), new int[MaskedLedger.Length]);
        AssertModel(ledger, first!, mean);
        Assert.True(ModelBlob.TryRead(spec, first!.ModelBytes, out var parameters, out var carried));
        Assert.Equal(mean.ToReference(), carried.Select(lane => (int)lane));
        Assert.Contains(carried, lane => lane != 0);

        // The next round, as if the same updates came again: it begins where this one ended, and not at zero.
        var round = ledger.Round with { Number = 2, BaseModel = first.Model };
        var second = RoundAggregate.Of(ledger.Terms, round, first.ModelBytes, Sums(), default, [1])!;
        var next = rule.Apply(Sums(), mean.ToReference());
        Assert.NotEqual(mean.Numerators.ToArray(), next.Numerators.ToArray());
        Assert.True(ModelBlob.TryRead(spec, second.ModelBytes, out var after));
        for (var i = 0; i < after.Length; i++) Assert.Equal((float)(parameters[i] + (ledger.Agreement.FixedPoint.Step * ((double)next.Numerators.Span[i] / next.Denominator))), after[i]);
    }

    [Fact]
    public void Budget_IsThatOfOneGroup()
    {
        const long noise = 400_000;
        var ledger = new MaskedLedger(12, noise: noise, groups: Median);
        Assert.Equal(new SkellamMechanism(SkellamMechanism.ClipOf(ledger.Agreement.FixedPoint), MaskedLedger.Length, 3 * noise).Cost(), ledger.Agreement.RoundCost);
    }

    [Theory]
    [InlineData(12, 3, 2, 3, false)] // the median needs three groups
    [InlineData(12, 3, 4, 3, false)] // more than there are
    [InlineData(12, 4, 3, 4, false)] // groups of three, of which four must survive
    [InlineData(12, 4, 3, 3, true)]
    [InlineData(52, 4, 3, 3, false)] // groups of thirteen
    [InlineData(48, 4, 3, 3, true)]
    [InlineData(12, 1, 1, 3, false)]
    [InlineData(12, 0, 0, 3, false)]
    [InlineData(12, 4, 3, 3, false, 0)] // the median trusts nobody
    public void Agreement_IsSound_OnlyIfItsGroupsCanBe(int participants, int groups, int least, int minimum, bool sound, int? trusted = null)
    {
        var agreement = new MaskedLedger(participants, activate: false, minimum: minimum, groups: new GroupTerms(Math.Max(1, groups), least, new CoordinateMedian(), trusted)).Agreement;
        agreement = agreement with { Masking = agreement.Masking! with { Groups = agreement.Groups! with { Count = groups } } };
        Assert.Equal(sound, TrainingAgreement.TryParse(agreement.Encode(), out _));
    }

    [Theory]
    [InlineData(null, false)]
    [InlineData(12, true)]
    [InlineData(13, false)]
    public void FlTrust_NeedsAParticipantToTrust(int? trusted, bool sound) =>
        Assert.Equal(sound, TrainingAgreement.TryParse(new MaskedLedger(13, activate: false, groups: new GroupTerms(4, 1, new FlTrust(), trusted)).Agreement.Encode(), out _));

    // The participant's host lies: what it commits is not what its state machine made.
    internal static void SendSpoilt(MaskedLedger ledger, int who, int at)
    {
        var y = ((CommitInput)ledger.Step(who)!).Bytes!.Value.ToArray();
        BitConverter.TryWriteBytes(y.AsSpan(at), unchecked((short)(BitConverter.ToInt16(y, at) + 1)));
        ledger.Store(y);
        var group = ledger.Whole.GroupOf(who);
        Assert.Equal(Rejection.None, ledger.Send(ledger.Names[who], new CommitMaskedInput(ledger.Agreement.ComputeDigest(), 1, ledger.Attempt, group.Fixed.Masks!.Value, ChunkedBlob.Root(y))));
        ledger.States[who] = ledger.States[who] with { Input = new((ushort)who, ChunkedBlob.Root(y)) };
    }
}
