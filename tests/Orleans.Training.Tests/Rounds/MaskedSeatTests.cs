using Orleans.Training.Grains.Blobs;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;

namespace Orleans.Training.Tests.Rounds;

/// <summary>Whole runs with masks by real validators: what they hold, add up and attest, and what they do not.</summary>
public sealed class MaskedSeatTests
{
    [Fact]
    public async Task Rounds_ArePublished_WithTheModelsThatTheSameUpdatesGiveWithoutMasks()
    {
        await using var seats = new MaskedSeats(5, windowMs: 60_000, rounds: 3);
        await seats.Start(0, 1, 2, 3);
        await seats.Until(_ => seats.Run.PublishedRounds == 3 || seats.Run.Attempts > 0);
        var model = RoundAggregate.InitialModelOf(seats.Agreement);
        for (var number = 1; number <= 3; number++)
        {
            var (published, plain) = (Model(seats, number), seats.Plain(number, model, [0, 1, 2, 3, 4]));
            Assert.Equal((plain.Model, plain.ModelRoot), (published.Model, published.Root));
            Assert.True(System.Numerics.BitOperations.PopCount(published.Attesters) >= 3);
            // Whoever attests can also serve: the sum with its metrics, and the model.
            for (var seat = 0; seat < 4; seat++)
            {
                if ((published.Attesters >> seat & 1) == 0) continue;
                Assert.NotNull(await seats.Stores[seat].Find(published.Root, default));
                var sum = new MemoryStream();
                await seats.Stores[seat].CopyTo(published.SumRoot, sum, default);
                Assert.Equal(plain.Sum, sum.ToArray()[..^LaneLayout.TailBytes]);
                Assert.Equal((5, new MaskTail((int)published.SumWeight, 35, 25, 45, 5, 0, 0)), MaskedAggregate.ReadMetrics(seats.Terms, sum.ToArray()));
            }

            model = plain.ModelBytes;
        }
    }

    [Fact]
    public async Task Groups_AreDrawnByTheSeats_AndTheirRoundsArePublished_WithoutTheGroupThatALiarIsIn()
    {
        await using var seats = new MaskedSeats(12, windowMs: 60_000, rounds: 2, new GroupTerms(4, 3, new CoordinateMedian()));
        seats.Sends = (who, message) => who == 5 && message is CommitInput { Bytes: { } bytes } input && seats.Run.PublishedRounds == 0 ? Spoilt(input, bytes.ToArray()) : message;
        await seats.Start(0, 1, 2);
        await seats.Until(_ => seats.Run.PublishedRounds == 2 || seats.Run.Attempts > 0);
        Assert.Equal((2, 0), (seats.Run.PublishedRounds, seats.Run.Attempts));

        var (terms, model) = (seats.Terms, RoundAggregate.InitialModelOf(seats.Agreement));
        var groups = terms.Groups();
        for (var number = 1; number <= 2; number++)
        {
            // What the rule makes of the plain updates of all groups, but in the first round of that of the liar.
            int[] counted = [.. Enumerable.Range(0, 4).Where(group => number == 2 || !groups[group].Contains(5))];
            var sums = counted.Select(group => (ReadOnlyMemory<int>)groups[group].Positions.Select(i => seats.Lanes[(number, i)]).Aggregate((sum, lanes) => [.. sum.Zip(lanes, (a, b) => a + b)])).ToArray();
            var mean = new CoordinateMedian().Apply(new GroupSums(sums, [.. counted.Select(group => groups[group].Count)]));
            Assert.True(ModelBlob.TryRead(ModelSpec.Logistic(10), model, out var before));
            Assert.True(ModelStep.TryApply(ServerStrategy.FedAvg, before, [], mean, seats.Agreement.FixedPoint, out var next, out _));
            model = ModelBlob.Write(ModelSpec.Logistic(10), next);
            Assert.Equal(Digest.Of(model), Model(seats, number).Model);
        }

        Assert.Contains(seats.Told, told => told.Contains("has no sum in", StringComparison.Ordinal));
    }

    [Fact]
    public async Task OneSeatIsDown_OneDropsOut_OneFallsSilent_AndTheRoundIsPublished()
    {
        await using var seats = new MaskedSeats(7, windowMs: 6_000);
        seats.Acts = (who, _, state) => who switch { 0 => state.Phase < MaskPhase.Acked, 1 => state.Phase < MaskPhase.Confirmed, _ => true };
        await seats.Start(0, 1, 3);
        await Over(seats);
        AssertPublished(seats, dropped: [0], silent: [1]);
    }

    [Fact]
    public async Task WhoOpensAnotherShare_IsNotHeld_AndCountsAsSilent()
    {
        await using var seats = new MaskedSeats(7, windowMs: 6_000);
        seats.Acts = (who, _, state) => who != 0 || state.Phase < MaskPhase.Acked;
        seats.Sends = (who, message) => who == 1 && message is Reveal reveal ? reveal with { Openings = OfAnotherShare(reveal.Openings) } : message;
        await seats.Start(0, 1, 2, 3);
        await Over(seats);
        AssertPublished(seats, dropped: [0], silent: [1]);
        Assert.Contains(seats.Told, told => told.Contains("Openings of p001", StringComparison.Ordinal) && told.Contains("OT-5219 HolderFault", StringComparison.Ordinal));
    }

    [Fact]
    public async Task WhoseMaskedUpdateReachesOneSeatOnly_HasDroppedOut()
    {
        await using var seats = new MaskedSeats(7, windowMs: 6_000);
        seats.Reaches = (who, message) => who == 6 && message is CommitInput ? [2] : [0, 1, 2, 3];
        // Seat 2 has added it to its sum and must begin again: without its verdict there is no quorum.
        await seats.Start(0, 2, 3);
        await Over(seats);
        AssertPublished(seats, dropped: [6], silent: []);
    }

    [Fact]
    public async Task ProposalOfAnotherSum_IsAttestedByNobody_AndTheRightOneIsPublished()
    {
        await using var seats = new MaskedSeats(5, windowMs: 60_000);
        // Seat 1, whose turn the first round is, is down: the others wait for it before they propose, and the wrong proposal is there first.
        await seats.Start(0, 2, 3);
        await seats.Until(_ => seats.Attempt(1, 1)?.Round.InputsDigest is not null);
        var round = seats.Attempt(1, 1)!.Round;
        var wrong = new AggregateProposal(round.Agreement, 1, 1, round.InputsDigest!.Value, Digest.Of("sum"u8), Digest.Of("model"u8), Digest.Of("root"u8));
        await seats.Send("p002", wrong);
        await Over(seats);
        AssertPublished(seats, dropped: [], silent: []);
        var refused = seats.Attempt(1, 1)!.Round.Proposals.Single(proposal => proposal.Digest == wrong.ProposalDigest);
        Assert.Equal((0u, true), (refused.Ok, System.Numerics.BitOperations.PopCount(refused.Wrong) >= 2));
    }

    [Fact]
    public async Task SpoiltSum_IsProposedByNobody_AndTheAttemptEndsAtItsDeadline()
    {
        await using var seats = new MaskedSeats(5, windowMs: 8_000);
        seats.Sends = (who, message) => who == 3 && message is CommitInput { Bytes: { } y } input ? Spoilt(input, y.ToArray()) : message;
        await seats.Start(0, 1, 2, 3);
        await Over(seats);
        Assert.Equal((0, RoundFailure.AggregateLate), (seats.Run.PublishedRounds, seats.Run.Failure));
        Assert.Empty(seats.Attempt(1, 1)!.Round.Proposals);
        Assert.Contains(seats.Told, told => told.Contains("OT-5223 CanaryMismatch", StringComparison.Ordinal) && told.Contains("nobody can tell which", StringComparison.Ordinal));
    }

    private static Task Over(MaskedSeats seats) => seats.Until(_ => seats.Run.PublishedRounds == 1 || seats.Run.Attempts > 0);

    private static ModelRecord Model(MaskedSeats seats, int number) => seats.State.Contracts.Find<ModelRecord>(ModelRecord.Key(seats.Agreement.ComputeDigest(), number))!;

    private static void AssertPublished(MaskedSeats seats, int[] dropped, int[] silent)
    {
        var masked = seats.Attempt(1, 1)!;
        Assert.Equal((Phase.Published, null), (masked.Round.Phase, masked.Round.Failure));
        Assert.Equal(dropped, masked.Groups[0].Order!.Dropped.Positions);
        Assert.Equal(silent, masked.Groups[0].Silent.Positions);
        var plain = seats.Plain(1, RoundAggregate.InitialModelOf(seats.Agreement), masked.Survivors.Positions);
        Assert.Equal((plain.Model, plain.ModelRoot), (Model(seats, 1).Model, Model(seats, 1).Root));
    }

    private static CommitInput Spoilt(CommitInput input, byte[] y)
    {
        y[70]++;
        return input with { Bytes = y, Root = ChunkedBlob.Root(y) };
    }

    private static ShareOpenings OfAnotherShare(ShareOpenings openings)
    {
        var bytes = openings.Bytes.ToArray();
        bytes[10] ^= 1;
        return ShareOpenings.TryRead(bytes, out var others) ? others : throw new InvalidDataException("no openings");
    }
}
