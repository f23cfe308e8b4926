using System.Diagnostics;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Simulation;
using Orleans.Training.Tests.Ledger;
using Xunit.Abstractions;

namespace Orleans.Training.Tests.Rounds;

/// <summary>Rounds with more participants than share with all: the graph is drawn once keys are final, and the sum is exact whoever drops out.</summary>
public sealed class SparseRoundTests(ITestOutputHelper output)
{
    private static readonly Digest Value = Digest.Of("value"u8);

    [Theory]
    [InlineData(131, FaultBound.Corrupt330Dropped100, 3)]
    [InlineData(200, FaultBound.Corrupt100Dropped100, 12)]
    public void Sum_IsExact_WhoeverDropsOutInEachPhase(int count, FaultBound bound, int lost)
    {
        var ledger = new MaskedLedger(count, seed: 7, minimum: 20, isTrusting: true, bound: bound);
        ledger.Open();
        // A third of those who are lost sends nothing, a third no update, and a third no openings.
        int[] gone = [.. Enumerable.Range(0, lost).Select(i => i * (count / lost))];
        int[] first = [.. gone.Where((_, i) => i % 3 == 0)], second = [.. gone.Where((_, i) => i % 3 == 1)], third = [.. gone.Where((_, i) => i % 3 == 2)];
        var members = ledger.Everybody.Except(first).ToArray();
        ledger.Bring(Phase.DrawGraph, members);
        Assert.Equal((Phase.DrawGraph, null), (ledger.Round.Phase, ledger.Masked.Fixed.Cohort));
        ledger.Bring(Phase.Input, members);
        Assert.Equal(GraphParameters.For(members.Length, bound), new(ledger.Masked.Graph.Neighbours((ushort)members[0]).Length, ledger.Masked.Graph.Threshold));
        Assert.All(members, member => Assert.Equal(ledger.Masked.Graph.Neighbours((ushort)member).ToArray(), ledger.Masked.NeighboursOf(member)));
        ledger.Bring(Phase.Unmask, members.Except(second));
        ledger.Bring(Phase.Aggregate, members.Except(second).Except(third));
        if (ledger.Round.Phase is Phase.Unmask) ledger.Expire();
        foreach (var i in members.Except(second).Except(third)) ledger.Act(i);
        ledger.HoldAll();
        Assert.Equal(Phase.Aggregate, ledger.Round.Phase);
        Assert.Equal(second, ledger.Masked.Order!.Dropped.Positions);
        Assert.Equal(third, ledger.Masked.Silent.Positions);
        Assert.Equal(ledger.PlainSum(members.Except(second)), ledger.Sum(out var fault));
        Assert.Equal(MaskFault.None, fault);
    }

    [Fact]
    public void ALoss_BeyondTheBound_IsRefusedByName()
    {
        var ledger = new MaskedLedger(140, minimum: 20, isTrusting: true, bound: FaultBound.Corrupt100Dropped100);
        ledger.Open();
        ledger.Bring(Phase.Input, ledger.Everybody);
        ledger.Bring(Phase.ConsistencyCheck, ledger.Everybody.Where(i => i % 2 == 0));
        Assert.Equal((Phase.Failed, RoundFailure.TooManyDropped), (ledger.Round.Phase, ledger.Round.Failure));
    }

    [Fact]
    public void Seats_ShowTheirNumbers_OnlyWhenNobodyCanChooseKeysAnyMore()
    {
        var ledger = new MaskedLedger(129, minimum: 20, isTrusting: true);
        var seats = TestShard.Hospitals;
        ledger.Open();
        var ctx = ledger.Masked.Fixed.Attempt;
        CommitLot Commit(string seat, int number = 1) => new(ctx, number, DrawContract.Commit(ctx, number, TestShard.Key(seat).Public.Id, Value));
        RevealLot Show(int number = 1) => new(ctx, number, Value);
        // There is nothing to commit to before the cohort is fixed, so nothing can be shown either.
        Assert.Equal(Rejection.NotFound, ledger.Send(seats[0], Commit(seats[0])));
        ledger.Bring(Phase.DrawGraph, ledger.Everybody);
        Assert.Equal(Phase.DrawGraph, ledger.Round.Phase);
        Assert.Equal(Rejection.Late, ledger.Send("p000", new AdvertiseMaskKeys(ledger.AgreementName, 1, 1, ctx, new byte[32], new byte[32], Value)));
        Assert.Equal(Rejection.WrongPhase, ledger.Send("p000", new CommitMaskShares(ledger.AgreementName, 1, 1, Value, Value, Value)));
        Assert.Equal(Rejection.MissingRole, ledger.Send("p000", Commit(seats[0])));
        foreach (var seat in seats.Take(2)) Assert.Equal(Rejection.None, ledger.Send(seat, Commit(seat)));
        Assert.Equal(Rejection.WrongPhase, ledger.Send(seats[0], Show()));
        Assert.Equal(Rejection.None, ledger.Send(seats[2], Commit(seats[2])));
        Assert.Equal(Rejection.NotInCohort, ledger.Send(seats[3], Show()));
        Assert.Equal(Rejection.WrongSecret, ledger.Send(seats[0], Show() with { Value = Digest.Zero }));
        Assert.Equal(Rejection.None, ledger.Send(seats[0], Show()));
        Assert.Null(ledger.Masked.Fixed.Cohort);
        // One seat in three shows nothing, and cannot stop it.
        Assert.Equal(Rejection.None, ledger.Send(seats[2], Show()));
        Assert.Equal(Phase.ShareKeys, ledger.Round.Phase);
        Assert.Equal(MaskBeacon.Derive(ledger.Masked.Attempt, [Value, Value], ledger.Masked.Adverts), ledger.Masked.Beacon);
        Assert.Equal(Rejection.Late, ledger.Send(seats[1], Show()));
    }

    [Fact]
    public void ADrawThatTooFewFinish_BeginsAnew_AndWithoutAny_TheAttemptFailsByName()
    {
        var ledger = new MaskedLedger(129, minimum: 20, isTrusting: true);
        ledger.Open();
        ledger.Bring(Phase.DrawGraph, ledger.Everybody);
        var ctx = ledger.Masked.Fixed.Attempt;
        foreach (var seat in TestShard.Hospitals.Take(3)) Assert.Equal(Rejection.None, ledger.Send(seat, new CommitLot(ctx, 1, DrawContract.Commit(ctx, 1, TestShard.Key(seat).Public.Id, Value))));
        DrawRecord Record() => ledger.Shard.State.Find<DrawRecord>(DrawRecord.Key(ctx))!;
        Assert.Equal(Rejection.None, ledger.Send(TestShard.Hospitals[0], new RevealLot(ctx, 1, Value)));
        ledger.Expire();
        Assert.Equal((Phase.Failed, RoundFailure.GraphNotDrawn), (ledger.Round.Phase, ledger.Round.Failure));
        // Nothing was unmasked: who drew too slowly may draw again in the next attempt, and nobody for the last one.
        ledger.Shard.Commit(DrawContract.WindowMs + 1);
        Assert.Equal(1, Record().Number);
        Assert.Equal(Rejection.Late, ledger.Send(TestShard.Hospitals[1], new RevealLot(ctx, 1, Value)));
        Assert.Equal(Rejection.None, ledger.Open());
        Assert.NotEqual(ctx, ledger.Masked.Fixed.Attempt);
        ledger.Bring(Phase.ShareKeys, ledger.Everybody);
        Assert.Equal(Phase.ShareKeys, ledger.Round.Phase);
    }

    [Fact]
    public void ADraw_ThatTooFewFinishInAMinute_BeginsAnewWhileTheAttemptWaits()
    {
        var ledger = Patient(129);
        ledger.Bring(Phase.DrawGraph, ledger.Everybody);
        var ctx = ledger.Masked.Fixed.Attempt;
        foreach (var seat in TestShard.Hospitals.Take(3)) ledger.Send(seat, new CommitLot(ctx, 1, DrawContract.Commit(ctx, 1, TestShard.Key(seat).Public.Id, Value)));
        ledger.Shard.Commit(DrawContract.WindowMs + 1);
        Assert.Equal((2, 0), (ledger.Shard.State.Find<DrawRecord>(DrawRecord.Key(ctx))!.Number, ledger.Shard.State.Find<DrawRecord>(DrawRecord.Key(ctx))!.Lots.Count));
        foreach (var seat in TestShard.Hospitals.Skip(1)) Assert.Equal(Rejection.None, ledger.Send(seat, new CommitLot(ctx, 2, DrawContract.Commit(ctx, 2, TestShard.Key(seat).Public.Id, Value))));
        foreach (var seat in TestShard.Hospitals.Skip(2)) Assert.Equal(Rejection.None, ledger.Send(seat, new RevealLot(ctx, 2, Value)));
        Assert.Equal(Phase.ShareKeys, ledger.Round.Phase);
    }

    /// <summary>
    /// Who sends its keys last can try nonces until its friends stand around a victim, if the graph follows from nonces alone. With numbers that are shown afterwards a nonce chosen so is as good as any.
    /// </summary>
    [Fact]
    public void NoncesChosenByTheLastOne_PlaceFriendsAroundAVictim_UnlessNumbersComeAfterThem()
    {
        const int count = 200, victim = 17;
        var attempt = AttemptContext.Derive(Value, Value, 1, 1, Value, Value, Value);
        var chance = new Chance(11);
        KeyAdvert Advert(int position, ulong nonce) => KeyAdvert.Create((ushort)position, new byte[32], new byte[32], Digest.Of(BitConverter.GetBytes(nonce)));
        KeyAdvert[] others = [.. Enumerable.Range(0, count - 1).Select(position => Advert(position, chance.Next()))];
        ushort[] members = [.. Enumerable.Range(0, count).Select(position => (ushort)position)];
        int Friends(ulong nonce, Digest[] released)
        {
            var beacon = MaskBeacon.Derive(attempt, released, [.. others, Advert(count - 1, nonce)]);
            // Every fifth is corrupt.
            return MaskGraph.NeighboursOf(victim, members, attempt, beacon, FaultBound.Corrupt200Dropped100).Count(neighbour => neighbour % 5 == 0);
        }

        ulong[] tries = [.. Enumerable.Range(0, 2000).Select(_ => chance.Next())];
        var average = tries.Take(200).Average(nonce => Friends(nonce, []));
        var best = tries.MaxBy(nonce => Friends(nonce, []));
        var ground = Friends(best, []);
        var after = Enumerable.Range(0, 200).Average(i => Friends(best, [Digest.Of([(byte)i])]));
        output.WriteLine($"corrupt neighbours of 50: {average:F1} on average, {ground} with the best of {tries.Length} nonces, {after:F1} with that nonce and a number shown later");
        Assert.True(ground >= average + 6);
        Assert.InRange(after, average - 1, average + 1);
    }

    [Fact]
    public async Task Seats_DrawTheGraph_AndPublishTheModelThatTheSameUpdatesGiveWithoutMasks()
    {
        await using var seats = new MaskedSeats(131, windowMs: 120_000);
        await seats.Start(0, 1, 2, 3);
        await seats.Until(_ => seats.Run.PublishedRounds == 1 || seats.Run.Attempts > 0);
        var plain = seats.Plain(1, RoundAggregate.InitialModelOf(seats.Agreement), Enumerable.Range(0, 131));
        Assert.Equal((1, plain.Model), (seats.Run.PublishedRounds, seats.Run.Model));
        Assert.Equal(68, seats.Attempt(1, 1)!.Groups[0].Graph.Neighbours(0).Length);
    }

    [Fact]
    public void AThousand_GoThroughTheContract()
    {
        const int count = 1000;
        var ledger = Patient(count);
        var (before, from) = (Process.GetCurrentProcess().TotalProcessorTime, ledger.Shard.Blocks.Count);
        ledger.Bring(Phase.Input, ledger.Everybody);
        // One in twenty trains and is not heard of again.
        ledger.Bring(Phase.Aggregate, ledger.Everybody.Where(i => i % 20 != 3));
        Assert.Equal(Phase.Aggregate, ledger.Round.Phase);
        Assert.Equal(950, ledger.Masked.Survivors.Count);
        Assert.Equal(ledger.PlainSum(ledger.Masked.Survivors.Positions), ledger.Sum(out _));
        var all = (Process.GetCurrentProcess().TotalProcessorTime - before).TotalSeconds;
        before = Process.GetCurrentProcess().TotalProcessorTime;
        var executed = ledger.Shard.Blocks[from - 1];
        foreach (var block in ledger.Shard.Blocks.Skip(from)) executed = ledger.Shard.Machine.Execute(executed, block.Block)!;
        Assert.Equal(ledger.Shard.Head.Block.Digest, executed.Block.Digest);
        var contract = (Process.GetCurrentProcess().TotalProcessorTime - before).TotalSeconds;
        var transactions = ledger.Shard.Blocks.Skip(from).SelectMany(block => block.Block.Transactions).ToArray();
        output.WriteLine($"{count} participants: {all:F1} CPU-s for all of them and one validator, which spends {contract:F1} on executing {ledger.Shard.Blocks.Count - from} blocks without checking signatures; {transactions.Sum(transaction => (long)transaction.Length) / count} bytes on the ledger for each, {transactions.Length} transactions");
    }

    // Every call is a block of its own, and so many take their time.
    private static MaskedLedger Patient(int count)
    {
        var ledger = new MaskedLedger(count, minimum: 20, isTrusting: true, activate: false, bound: FaultBound.Corrupt100Dropped100);
        const int window = 10 * (int)DrawContract.WindowMs;
        ledger.Follow(ledger.Agreement with { InputWindowMs = window, Masking = ledger.Agreement.Masking! with { AdvertiseWindowMs = window, ShareWindowMs = window, AcknowledgeWindowMs = window, ConfirmWindowMs = window, RevealWindowMs = window } });
        ledger.Activate(ledger.Agreement);
        ledger.Open();
        return ledger;
    }

    [Fact]
    public void Sets_OfPositions_HaveOneEncoding()
    {
        foreach (int[] positions in (int[][])[[], [0], [7], [8], [0, 63, 64, 127, 128], [1023], [.. Enumerable.Range(0, 1024)]])
        {
            var set = PositionSet.Of(positions);
            var bytes = Wire.Encode(set.Write);
            Assert.True(Wire.TryDecode(bytes, 256, PositionSet.Read, out var read));
            Assert.Equal(positions, read.Positions);
            Assert.Equal(positions.Length, read.Count);
            Assert.True(set == read && set.GetHashCode() == read.GetHashCode());
            Assert.All(positions, position => Assert.True(read.Contains(position)));
            Assert.False(set.Contains(-1) || set.Contains(1024));
            Assert.Equal(positions.Where(position => position > 60), set.Without(PositionSet.Of(Enumerable.Range(0, 61))).Positions);
            Assert.Equal(positions.Where(position => position < 64), set.And(PositionSet.Of(Enumerable.Range(0, 64))).Positions);
            Assert.Equal(positions.Append(5).Distinct().Order(), set.Or(PositionSet.Of([5])).Positions);
        }

        Assert.Equal("41", Convert.ToHexString(Wire.Encode(PositionSet.Of([0]).Write))[..2]);
        Assert.False(Wire.TryDecode((byte[])[0x42, 0, 1], 256, PositionSet.Read, out _));
        Assert.False(Wire.TryDecode((byte[])[0x58, 129, 1, .. new byte[128]], 256, PositionSet.Read, out _));
        Assert.Throws<ArgumentOutOfRangeException>(() => PositionSet.Of([1024]));
    }
}
