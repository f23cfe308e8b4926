using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.Rounds;

/// <summary>Groups are drawn by numbers that seats commit to before any is known, and drawn whoever of f shows nothing.</summary>
public sealed class DrawTests
{
    private static readonly GroupTerms Median = new(4, 3, new CoordinateMedian());
    private readonly MaskedLedger _ledger;

    public DrawTests()
    {
        _ledger = new MaskedLedger(13, activate: false, groups: Median);
        _ledger.Activate(_ledger.Agreement);
    }

    private Digest Agreement => _ledger.Agreement.ComputeDigest();

    private DrawRecord Record => _ledger.Shard.State.Find<DrawRecord>(DrawRecord.Key(Agreement))!;

    private static Digest Value(int seat, int number = 1) => Digest.Of([(byte)seat, (byte)number]);

    private Rejection Commit(int seat, int number = 1, int? value = null) =>
        _ledger.Send(TestShard.Hospitals[seat], new CommitLot(Agreement, number, DrawContract.Commit(Agreement, number, TestShard.Key(TestShard.Hospitals[seat]).Public.Id, Value(value ?? seat, number))));

    private Rejection Reveal(int seat, int number = 1, int? value = null) => _ledger.Send(TestShard.Hospitals[seat], new RevealLot(Agreement, number, Value(value ?? seat, number)));

    [Fact]
    public void Groups_AreDrawn_OnceFPlusOneOfACommittedQuorumHaveShownTheirNumbers()
    {
        Assert.Equal(Rejection.GroupsNotDrawn, _ledger.Open());
        for (var seat = 0; seat < 3; seat++)
        {
            Assert.Equal(Rejection.WrongPhase, Reveal(seat));
            Assert.Equal(Rejection.None, Commit(seat));
        }

        Assert.Equal(Rejection.None, Reveal(2));
        Assert.Null(_ledger.Terms.Draw);
        Assert.Equal(Rejection.None, Reveal(0));
        Assert.NotNull(_ledger.Terms.Draw);
        Assert.Equal(Rejection.Late, Reveal(1));
        Assert.Equal(Rejection.None, _ledger.Open());

        // All are in one group each, and groups are as equal as they can be.
        var groups = _ledger.Terms.Groups();
        Assert.Equal([4, 3, 3, 3], groups.Select(group => group.Count));
        Assert.Equal(13, groups.Aggregate(default(PositionSet), (all, group) => all.Or(group)).Count);
    }

    [Fact]
    public void EveryNumberThatIsShown_Decides_AndNothingElse()
    {
        var draws = new HashSet<Digest?>();
        foreach (var (first, second) in new[] { (0, 1), (1, 0), (0, 2), (1, 2) })
        {
            var test = new DrawTests();
            for (var seat = 0; seat < 3; seat++) test.Commit(seat);
            Assert.Equal(Rejection.None, test.Reveal(first));
            Assert.Equal(Rejection.None, test.Reveal(second));
            draws.Add(test._ledger.Terms.Draw);
        }

        // The order in which they come is the leaders' choice, and changes nothing.
        Assert.Equal(3, draws.Count);
    }

    [Fact]
    public void WhatIsNotInTurn_IsRefused()
    {
        Assert.Equal(Rejection.NotFound, _ledger.Send(TestShard.Hospitals[0], new CommitLot(Digest.Zero, 1, Digest.Zero)));
        Assert.Equal(Rejection.MissingRole, _ledger.Send("p000", new CommitLot(Agreement, 1, Digest.Zero)));
        Assert.Equal(Rejection.WrongPhase, Commit(0, number: 2));
        Assert.Equal(Rejection.None, Commit(0));
        Assert.Equal(Rejection.AlreadyExists, Commit(0, value: 7));
        Commit(1);
        Commit(2);
        // Who comes when numbers may be shown could choose its own by them.
        Assert.Equal(Rejection.Late, Commit(3));
        Assert.Equal(Rejection.NotInCohort, Reveal(3));
        Assert.Equal(Rejection.WrongSecret, Reveal(0, value: 1));
        Assert.Equal(Rejection.None, Reveal(0));
        Assert.Equal(Rejection.AlreadyExists, Reveal(0));
        Assert.Equal(Rejection.MissingRole, _ledger.Send("p000", new RevealLot(Agreement, 1, Digest.Zero)));
        // An agreement without groups has no draw.
        Assert.Equal(Rejection.NotFound, new MaskedLedger(3) is var plain ? plain.Send(TestShard.Hospitals[0], new CommitLot(plain.Agreement.ComputeDigest(), 1, Digest.Zero)) : default);
    }

    [Fact]
    public void ADrawThatTooFewShow_BeginsAnew_WithOtherNumbers()
    {
        for (var seat = 0; seat < 3; seat++) Commit(seat);
        Assert.Equal(_ledger.TimeMs + DrawContract.WindowMs, Record.DeadlineMs);
        Reveal(1);
        _ledger.Shard.Commit(DrawContract.WindowMs);
        Assert.Equal((2, 0, false), (Record.Number, Record.Lots.Count, Record.IsCommitted));
        Assert.Equal(Rejection.Late, Reveal(0));
        Assert.Equal(Rejection.Late, Commit(0));
        for (var seat = 1; seat < 4; seat++) Assert.Equal(Rejection.None, Commit(seat, number: 2));
        Assert.Equal(Rejection.WrongSecret, _ledger.Send(TestShard.Hospitals[1], new RevealLot(Agreement, 2, Value(1))));
        Reveal(1, number: 2);
        Reveal(3, number: 2);
        Assert.NotNull(_ledger.Terms.Draw);
        // And then it is over.
        _ledger.Shard.Commit(2 * DrawContract.WindowMs);
        Assert.Equal(2, Record.Number);
    }

    [Fact]
    public void Groups_OfADraw_AreAlwaysTheSame_AndOfManyDraws_AsLikelyForEverybody()
    {
        var terms = new GroupTerms(4, 3, new CoordinateMedian());
        Assert.Equal(terms.Divide(13, Digest.Of("draw"u8)), terms.Divide(13, Digest.Of("draw"u8)));
        // How often two of twelve meet in a group of three: 2 of 11 times.
        var together = Enumerable.Range(0, 4000).Count(i => terms.Divide(12, Digest.Of(BitConverter.GetBytes(i))).Any(group => group.Contains(0) && group.Contains(11)));
        Assert.InRange(together, 727 - 125, 727 + 125);
    }
}
