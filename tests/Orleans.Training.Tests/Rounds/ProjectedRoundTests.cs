using Orleans.Training.Client.Exports;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Tests.Exports;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.Rounds;

/// <summary>Rounds whose sums are checked by images of the updates (docs/spec/projection.md): what the contract takes, what a seat decides, and who is named afterwards.</summary>
public sealed class ProjectedRoundTests
{
    private static readonly Digest Nothing = Digest.Zero;

    [Fact]
    public void UpdatesCount_OnceTwoSeatsHoldThem_AndTheSumIsPublished_OnceItsImagesAreAgreed()
    {
        var (ledger, model) = Bring();
        var aggregate = MaskedExportTests.Compute(ledger, model);
        var proposal = Propose(ledger, aggregate);
        var seats = TestShard.Hospitals;
        Assert.Equal(Rejection.NotProjected, Attest(ledger, seats[0], proposal, true, Nothing));
        var images = Images(ledger, proposal, Nothing);
        Assert.Equal(Rejection.WrongPhase, ledger.Send(seats[0], images));

        Assert.Equal(Rejection.MissingRole, ledger.Send("p001", Challenge(ledger, proposal, 1)));
        Assert.Equal(Rejection.NotFound, ledger.Send(seats[0], Challenge(ledger, Nothing, 1)));
        Assert.Equal(Rejection.None, ledger.Send(seats[0], Challenge(ledger, proposal, 1)));
        Assert.Equal(Rejection.AlreadyExists, ledger.Send(seats[0], Challenge(ledger, proposal, 2)));
        Assert.Null(Sum(ledger, proposal).FindBeacon(1));
        Assert.Equal(Rejection.None, ledger.Send(seats[3], Challenge(ledger, proposal, 3)));
        Assert.Equal(Rejection.Late, ledger.Send(seats[1], Challenge(ledger, proposal, 4)));
        var beacon = Sum(ledger, proposal).FindBeacon(1)!.Value;

        images = Images(ledger, proposal, beacon);
        Assert.Equal(Rejection.MissingRole, ledger.Send("p001", images));
        Assert.Equal(Rejection.NotInCohort, ledger.Send(seats[0], images with { Images = [(0, images.Images[0].Image)] }));
        Assert.Equal(Rejection.BadArguments, ledger.Send(seats[0], images with { Images = [(1, new byte[319])] }));
        Assert.Equal(Rejection.None, ledger.Send(seats[0], images));
        Assert.Equal(Rejection.AlreadyExists, ledger.Send(seats[0], images));
        // A liar's image and a good one: nobody knows which it is until a third seat says.
        Assert.Equal(Rejection.None, ledger.Send(seats[1], images with { Images = [.. images.Images.Select(item => (item.Position, item.Position == 3 ? Wrong(item.Image) : item.Image))] }));
        Assert.Equal([3], Sum(ledger, proposal).Missing(1));
        Assert.Equal(Rejection.NotProjected, Attest(ledger, seats[0], proposal, true, Nothing));
        Assert.Equal(Rejection.None, ledger.Send(seats[2], images));
        Assert.True(Sum(ledger, proposal).IsProjected(1));
        Assert.Equal(Rejection.Late, ledger.Send(seats[3], images));

        Assert.True(IsRight(ledger, model, proposal, aggregate.Sum, out var work));
        foreach (var seat in seats.Take(3)) Assert.Equal(Rejection.None, Attest(ledger, seat, proposal, true, RoundAggregate.WorkOf(ParticipantId.Parse(seat), work.ToArray())));
        Assert.Equal(Phase.Published, ledger.Round.Phase);
        Assert.Equal(Rejection.WrongPhase, ledger.Send(seats[3], Challenge(ledger, proposal, 5)));

    }

    /// <summary>A stranger finds the liar, in its own words, and who did not compute the masks.</summary>
    [Fact]
    public void LiesOfOneSeat_AreFoundInTheExport_ThoughTheyChangedNothing()
    {
        var liar = ParticipantId.Parse(TestShard.Hospitals[0]);
        var report = Published().Verify();
        Assert.Equal([(liar, (ParticipantId?)ParticipantId.Parse("p001"))], report.FalseWork.Select(lie => (lie.Actor, lie.Update)));
        Assert.Contains($"{liar} told an image of p001's update in round 1", report.FalseWork[0].ToString(), StringComparison.Ordinal);
        Assert.Equal([(liar, ParticipantId.Parse("p001")), (liar, null)], Published(lazy: 1).Verify().FalseWork.Select(lie => (lie.Actor, lie.Update)));
        Assert.Equal(ExportFault.WorkNotDone, Assert.Throws<ExportException>(() => Published(lazy: 2).Verify()).Fault);
    }

    /// <summary>A16 and A20: one lane, its top bit, an update left out or counted twice. The images are honest, f seats lie as they like.</summary>
    [Theory]
    [InlineData("lane"), InlineData("top bit"), InlineData("two lanes"), InlineData("left out"), InlineData("twice")]
    public void AnotherSum_IsFoundByItsImages_AndRefused(string how)
    {
        var (ledger, model) = Bring();
        var honest = MaskedExportTests.Compute(ledger, model);
        var lanes = new int[MaskedLedger.Length];
        LittleEndian.Read(honest.Sum.AsSpan(..^64), lanes);
        switch (how)
        {
            case "lane": lanes[4]++; break;
            case "top bit": lanes[4] += lanes[4] < 0 ? 1 << 14 : -(1 << 14); break;
            case "two lanes": (lanes[4], lanes[5]) = (lanes[4] + 1, lanes[5] - 1); break;
            case "left out": lanes = [.. lanes.Zip(ledger.Lanes[2], (sum, lane) => sum - lane)]; break;
            default: lanes = [.. lanes.Zip(ledger.Lanes[2], (sum, lane) => sum + lane)]; break;
        }

        byte[] forged = [.. UpdateBlob.Write(lanes), .. honest.Sum[^64..]];
        // By itself it can be a sum: nothing but the images shows that it is another.
        Assert.Equal(MaskFault.None, MaskedAggregate.TryFollow(ledger.Whole, model, forged, [], out _, out var aggregate));
        var proposal = Propose(ledger, aggregate!);
        Agree(ledger, proposal);
        Assert.False(IsRight(ledger, model, proposal, forged, out _));
        // One liar's ok does not publish it, and two honest seats refuse it. Then the right one can be proposed, by another.
        Assert.Equal(Rejection.None, Attest(ledger, TestShard.Hospitals[0], proposal, true, Nothing));
        foreach (var seat in TestShard.Hospitals.Skip(1).Take(2)) Assert.Equal(Rejection.None, Attest(ledger, seat, proposal, false, Nothing));
        Assert.Equal(Rejection.ProposalRefused, ledger.Send(TestShard.Hospitals[0], Images(ledger, proposal, Nothing)));
        Assert.Equal(Rejection.ProposalRefused, ledger.Send(TestShard.Hospitals[0], Challenge(ledger, proposal, 9)));
        var second = Propose(ledger, honest, "p002");
        Agree(ledger, second);
        Assert.True(IsRight(ledger, model, second, honest.Sum, out _));
        foreach (var seat in TestShard.Hospitals.Skip(1)) Assert.Equal(Rejection.None, Attest(ledger, seat, second, true, Nothing));
        Assert.Equal(Phase.Published, ledger.Round.Phase);
    }

    /// <summary>The beacon is drawn for one proposal: another one has another, so that a sum cannot be made to fit a beacon that is known.</summary>
    [Fact]
    public void EachProposal_HasAChallengeOfItsOwn()
    {
        var (ledger, model) = Bring();
        var honest = MaskedExportTests.Compute(ledger, model);
        var first = Propose(ledger, honest);
        Agree(ledger, first);
        var second = Propose(ledger, honest with { SumRoot = Nothing }, "p002");
        Assert.Null(Sum(ledger, second).FindBeacon(1));
        Assert.Equal(Rejection.WrongPhase, ledger.Send(TestShard.Hospitals[0], Images(ledger, second, Nothing)));
        // The very numbers of the first.
        foreach (var seat in TestShard.Hospitals.Take(2)) Assert.Equal(Rejection.None, ledger.Send(seat, Challenge(ledger, second, seat[0])));
        Assert.NotEqual(Sum(ledger, first).FindBeacon(1), Sum(ledger, second).FindBeacon(1));
    }

    [Fact]
    public void WhereSumsAreRecomputed_NobodyChallenges()
    {
        var (ledger, model) = MaskedExportTests.Attempt();
        var proposal = Propose(ledger, MaskedExportTests.Compute(ledger, model));
        Assert.Equal(Rejection.WrongCheck, ledger.Send(TestShard.Hospitals[0], Challenge(ledger, proposal, 1)));
        Assert.Equal(Rejection.WrongCheck, ledger.Send(TestShard.Hospitals[0], Images(ledger, proposal, Nothing)));
    }

    [Fact]
    public void Agreement_OfPackedLanesOrGroups_IsNoneForImages()
    {
        static bool Parses(TrainingAgreement agreement) => TrainingAgreement.TryParse(agreement.Encode(), out _);
        var plan = new MaskedLedger(6, activate: false, check: SumCheck.Projected).Agreement;
        Assert.True(Parses(plan));
        Assert.False(Parses(plan with { Masking = plan.Masking! with { Groups = new GroupTerms(2, 1, new CoordinateMedian()) } }));
        Assert.False(Parses(plan with { Masking = plan.Masking! with { Check = 0 } }));
        Assert.False(Parses(plan with { Masking = plan.Masking! with { Check = (SumCheck)3 } }));
        Assert.True(FixedPoint.TryCreate(1L << 33, 1L << 33, LaneLayout.LevelsFor(21, 6), 6, out var packed));
        Assert.False(Parses(plan with { FixedPoint = packed }));
        Assert.True(Parses(plan with { FixedPoint = packed, Masking = plan.Masking! with { Check = SumCheck.Recomputed } }));
    }

    [Fact]
    public async Task Seats_PublishTheSameModel_AndReadHalfOfTheUpdates()
    {
        const int rounds = 4;
        await using var seats = new MaskedSeats(8, windowMs: 60_000, rounds: rounds, check: SumCheck.Projected);
        await seats.Start(0, 1, 2, 3);
        await seats.Until(_ => seats.Run.PublishedRounds == rounds || seats.Run.Attempts > 0);
        var (model, asShared) = (RoundAggregate.InitialModelOf(seats.Agreement), 0);
        for (var number = 1; number <= rounds; number++)
        {
            var plain = seats.Plain(number, model, Enumerable.Range(0, 8));
            var published = seats.State.Contracts.Find<ModelRecord>(ModelRecord.Key(seats.Agreement.ComputeDigest(), number))!;
            Assert.Equal((plain.Model, plain.ModelRoot), (published.Model, published.Root));
            var round = seats.Attempt(number, 1)!;
            if (Enumerable.Range(0, 4).All(seat => round.HeldBy(seat, MaskBlobKind.Input) == PositionSet.Of(Enumerable.Range(0, 8).Where(position => (position + seat) % 4 <= 1)))) asShared++;
            model = plain.ModelBytes;
        }

        // Where a seat is late others read for it; that none ever is late is not asked of a busy machine.
        Assert.True(asShared > 0, "in no round each seat has read its half alone");
    }

    [Fact]
    public async Task SumThatNobodyCanRead_IsRefused_ByWhoComputesItAgain()
    {
        await using var seats = new MaskedSeats(5, windowMs: 60_000, check: SumCheck.Projected);
        await seats.Start(0, 2, 3);
        await seats.Until(_ => seats.Attempt(1, 1)?.Round.InputsDigest is not null);
        var round = seats.Attempt(1, 1)!.Round;
        var wrong = new AggregateProposal(round.Agreement, 1, 1, round.InputsDigest!.Value, Digest.Of("sum"u8), Digest.Of("model"u8), Digest.Of("root"u8));
        await seats.Send("p002", wrong);
        await seats.Until(_ => seats.Run.PublishedRounds == 1 || seats.Run.Attempts > 0);
        Assert.Equal((1, 0), (seats.Run.PublishedRounds, seats.Run.Attempts));
        var refused = seats.Attempt(1, 1)!.Round.Proposals.Single(proposal => proposal.Digest == wrong.ProposalDigest);
        Assert.Equal((0u, true), (refused.Ok, System.Numerics.BitOperations.PopCount(refused.Wrong) >= 2));
    }

    /// <summary>The same, attested by three seats, of which some have only read the sum.</summary>
    internal static TestExport Published(int lazy = 0) => Publish(Example(), lazy);

    internal static TestExport Publish(MaskedLedger ledger, int lazy)
    {
        var model = RoundAggregate.InitialModelOf(ledger.Agreement);
        var (aggregate, proposal) = (MaskedExportTests.Compute(ledger, model), ledger.Round.Proposals[0].Digest);
        Assert.True(IsRight(ledger, model, proposal, aggregate.Sum, out var work));
        foreach (var (seat, name) in TestShard.Hospitals.Take(3).Index())
            Assert.Equal(Rejection.None, Attest(ledger, name, proposal, true, RoundAggregate.WorkOf(ParticipantId.Parse(name), seat < lazy ? aggregate.Sum : work.ToArray())));
        ledger.Store(aggregate.Sum);
        ledger.Store(aggregate.ModelBytes);
        return new TestExport(ledger.Shard, ledger.Blobs, ModelSpec.Logistic(10), aggregate.ModelBytes);
    }

    /// <summary>A round up to a sum whose images are agreed, one of them against a liar.</summary>
    internal static MaskedLedger Example()
    {
        var (ledger, model) = Bring();
        var proposal = Propose(ledger, MaskedExportTests.Compute(ledger, model));
        foreach (var seat in TestShard.Hospitals.Take(2)) ledger.Send(seat, Challenge(ledger, proposal, seat[0]));
        var images = Images(ledger, proposal, Sum(ledger, proposal).FindBeacon(1)!.Value);
        ledger.Send(TestShard.Hospitals[0], images with { Images = [(1, Wrong(images.Images[0].Image))] });
        foreach (var seat in TestShard.Hospitals.Skip(1)) ledger.Send(seat, images);
        return ledger;
    }

    /// <summary>A verdict before the images are there.</summary>
    internal static Rejection SendEarly()
    {
        var (ledger, model) = Bring();
        return Attest(ledger, TestShard.Hospitals[0], Propose(ledger, MaskedExportTests.Compute(ledger, model)), true, Nothing);
    }

    // Nine participants, of whom 0 drops out and 4 falls silent; only two seats hold the updates.
    private static (MaskedLedger Ledger, byte[] Model) Bring()
    {
        var (ledger, model) = MaskedAggregateTests.Bring(5, 9, [.. Enumerable.Range(1, 8)], 4, check: SumCheck.Projected);
        Assert.Equal(Phase.Aggregate, ledger.Round.Phase);
        return (ledger, model);
    }

    private static Digest Propose(MaskedLedger ledger, RoundAggregate aggregate, string who = "p001")
    {
        var proposal = new AggregateProposal(ledger.AgreementName, 1, ledger.Attempt, ledger.Round.InputsDigest!.Value, aggregate.SumRoot, aggregate.Model, aggregate.ModelRoot);
        Assert.Equal(Rejection.None, ledger.Send(who, proposal));
        return proposal.ProposalDigest;
    }

    private static void Agree(MaskedLedger ledger, Digest proposal)
    {
        foreach (var seat in TestShard.Hospitals.Take(2)) Assert.Equal(Rejection.None, ledger.Send(seat, Challenge(ledger, proposal, seat[0])));
        var images = Images(ledger, proposal, Sum(ledger, proposal).FindBeacon(1)!.Value);
        foreach (var seat in TestShard.Hospitals.Skip(2)) Assert.Equal(Rejection.None, ledger.Send(seat, images));
    }

    private static ProjectedSum Sum(MaskedLedger ledger, Digest proposal) => new(ledger.Whole, ledger.Round.Proposals.Single(item => item.Digest == proposal));

    private static bool IsRight(MaskedLedger ledger, byte[] model, Digest proposal, byte[] sum, out Digest work)
    {
        Assert.Equal(MaskFault.None, MaskedAggregate.TryFollow(ledger.Whole, model, sum, [], out var opened, out _));
        Assert.Equal(MaskFault.None, MaskedUnmasking.Of(ledger.Masked, ledger.Read).TryRemove(out var masks, out _));
        using (masks) return Sum(ledger, proposal).IsRight(opened[0], masks, 1, out work);
    }

    private static ChallengeSum Challenge(MaskedLedger ledger, Digest proposal, int value) => new(ledger.AgreementName, 1, ledger.Attempt, proposal, Digest.Of([(byte)value]));

    private static ProjectInputs Images(MaskedLedger ledger, Digest proposal, Digest beacon)
    {
        using var projection = new SumProjection(ledger.Masked.Layout, beacon);
        int[] positions = [.. ledger.Masked.Survivors.Positions];
        var images = projection.Finish([.. positions.Select(position => projection.Of(ledger.Read(ledger.Masked.RootOf(MaskBlobKind.Input, position)!.Value)!.Value.Span))]);
        return new(ledger.AgreementName, 1, ledger.Attempt, proposal, [.. positions.Zip(images, (position, image) => (position, (ReadOnlyMemory<byte>)image))]);
    }

    private static Rejection Attest(MaskedLedger ledger, string seat, Digest proposal, bool ok, Digest work) => ledger.Send(seat, new Attest(ledger.AgreementName, 1, ledger.Attempt, proposal, ok, work));

    private static ReadOnlyMemory<byte> Wrong(ReadOnlyMemory<byte> image) => (byte[])[(byte)(image.Span[0] ^ 1), .. image.Span[1..]];
}
