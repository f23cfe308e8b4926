using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.Rounds;

/// <summary>Who spoils a sum by what it has signed itself trains no more, and no f seats can say that of anybody else.</summary>
public sealed class BlameTests
{
    [Fact]
    public void WhomEnoughSeatsBlame_LosesTheRightToTrain_AndTheAttemptEnds()
    {
        var (ledger, _) = HybridRoundTests.Lying();
        var plain = ledger.Plan("plain") with { Masks = false, Masking = null };
        ledger.Activate(plain);
        Assert.Equal(Rejection.None, ledger.Send("va", new RoundOpen(plain.ComputeDigest(), 1, plain.InitialModel)));
        var blame = new BlameDealer(ledger.AgreementName, 1, 1, 0);
        Assert.Equal(Rejection.MissingRole, ledger.Send("p001", blame));
        Assert.Equal(Rejection.None, ledger.Send("va", blame));
        Assert.Equal(Rejection.AlreadyExists, ledger.Send("va", blame));
        // One of four may lie, and so it is nothing that one says.
        Assert.Equal((Phase.Aggregate, Roles.Trainer), (ledger.Round.Phase, RolesOf(ledger, "p000") & Roles.Trainer));
        Assert.Equal(Rejection.None, ledger.Send("cleveland", blame with { Position = 1 }));
        Assert.Equal(Phase.Aggregate, ledger.Round.Phase);
        Assert.Equal(Rejection.None, ledger.Send("cleveland", blame));
        Assert.Equal((Phase.Failed, RoundFailure.SumSpoilt), (ledger.Round.Phase, ledger.Round.Failure));
        Assert.Equal((Roles.DataOwner, Roles.Trainer | Roles.DataOwner), (RolesOf(ledger, "p000"), RolesOf(ledger, "p001")));
        Assert.Contains(LedgerState.Of(ledger.Shard.Head).Events.SelectMany(events => events), item => item is { Type: "TrainerExcluded", Key: "participants/p000" });

        // Nor where updates go without masks.
        Assert.Equal(Rejection.MissingRole, ledger.Send("p000", new InputCommit(plain.ComputeDigest(), 1, 1, plain.InitialModel, Digest.Of("update"u8))));
        Assert.Equal(Rejection.None, ledger.Send("p001", new InputCommit(plain.ComputeDigest(), 1, 1, plain.InitialModel, Digest.Of("update"u8))));

        // All survivors have their sum about this model: the run is over. The next agreement is without it, until a quorum gives its role back.
        Assert.Equal(RoundFailure.SumSpoilt, ledger.Run.Failure);
        var next = ledger.Plan("next");
        Assert.Equal(Rejection.MissingRole, ledger.Send("p001", new ProposeAgreement(next)));
        Assert.Equal(Rejection.None, ledger.Send("p001", new ProposeAgreement(next with { Datasets = [.. next.Datasets.Skip(1)] })));
        foreach (var seat in TestShard.Hospitals.Take(3)) ledger.Send(seat, new Admit(ParticipantId.Parse("p000"), "p000", Roles.Trainer, TestShard.Key("p000").Public));
        Assert.Equal(Rejection.None, ledger.Send("p001", new ProposeAgreement(next)));
    }

    [Fact]
    public void OnlyWhoMaskedInAGroupThatStands_IsBlamed_AndOnlyWhileThereIsNoSum()
    {
        var (ledger, _) = HybridRoundTests.Attempt(who: [.. Enumerable.Range(0, 9)], silent: -1, before: ledger =>
        {
            Assert.Equal(Rejection.WrongPhase, ledger.Send("va", new BlameDealer(ledger.AgreementName, 1, 1, 0)));
            // p008 shares nothing.
            ledger.Bring(Phase.ShareKeys, ledger.Everybody);
            ledger.Bring(Phase.AcknowledgeShares, Enumerable.Range(0, 8));
        });
        Assert.Equal(Phase.Aggregate, ledger.Round.Phase);
        Assert.Equal(Rejection.NotInCohort, ledger.Send("va", new BlameDealer(ledger.AgreementName, 1, 1, 8)));
        Assert.Equal(Rejection.NotInCohort, ledger.Send("va", new BlameDealer(ledger.AgreementName, 1, 1, 9)));
        Assert.Equal(Rejection.NotFound, ledger.Send("va", new BlameDealer(ledger.AgreementName, 1, 2, 0)));
        Assert.Equal(Rejection.BadArguments, ledger.Send("va", new BlameDealer(ledger.AgreementName, 1, 1, Limits.Participants)));
    }

    /// <summary>With groups the others go on, and wherever it has agreed to train nobody waits for it.</summary>
    [Fact]
    public void InGroups_TheOthersGoOn_WithoutWhomWasBlamed()
    {
        var groups = new GroupTerms(4, 3, new CoordinateMedian());
        var ledger = GroupedRoundTests.Begun(3, 16, groups);
        var other = ledger.Plan("other", groups: groups);
        ledger.Activate(other, draw: true);
        ledger.Bring(Phase.Aggregate, ledger.Everybody);
        foreach (var seat in TestShard.Hospitals.Take(2)) Assert.Equal(Rejection.None, ledger.Send(seat, new BlameDealer(ledger.AgreementName, 1, 1, 5)));
        Assert.Equal((Phase.Aggregate, Roles.DataOwner), (ledger.Round.Phase, RolesOf(ledger, "p005")));

        ledger.Follow(other);
        ledger.Consumed.Clear();
        Assert.Equal(Rejection.None, ledger.Open());
        Assert.Equal(Rejection.MissingRole, ledger.Act(5));
        foreach (var i in ledger.Everybody.Where(i => i != 5)) Assert.Equal(Rejection.None, ledger.Act(i));
        Assert.Equal(Phase.ShareKeys, ledger.Round.Phase);
        ledger.Bring(Phase.Aggregate, ledger.Everybody.Where(i => i != 5));
        Assert.Equal(15, ledger.Whole.Counted.Count);
    }

    [Fact]
    public async Task Seats_BlameWhoSpoiltTheSum_AndTheRunEndsAtOnce()
    {
        await using var seats = new MaskedSeats(7, windowMs: 6_000, exchange: KeyExchange.Hybrid);
        seats.Acts = (who, _, state) => who != 0 || state.Phase < MaskPhase.Acked;
        seats.Sends = (who, message) => who == 0 && message is CommitShares shares ? Spoil(shares) : message;
        await seats.Start(0, 1, 2, 3);
        await seats.Until(_ => seats.Run.Failure is not null || seats.Run.PublishedRounds > 0);
        Assert.Equal((0, RoundFailure.SumSpoilt), (seats.Run.PublishedRounds, seats.Run.Failure));
        Assert.Equal(Roles.DataOwner, seats.State.Contracts.Find<ParticipantRecord>(ParticipantRecord.Key(ParticipantId.Parse("p000")))!.Roles);
        Assert.All(seats.Names.Skip(1), name => Assert.True((seats.State.Contracts.Find<ParticipantRecord>(ParticipantRecord.Key(ParticipantId.Parse(name)))!.Roles & Roles.Trainer) != 0));
    }

    /// <summary>A shard on which one seat has blamed a dealer.</summary>
    internal static MaskedLedger Example()
    {
        var (ledger, _) = HybridRoundTests.Lying();
        Assert.Equal(Rejection.None, ledger.Send("va", new BlameDealer(ledger.AgreementName, 1, 1, 0)));
        return ledger;
    }

    // The last ciphertext, which is for the largest position, is another's.
    private static CommitShares Spoil(CommitShares shares)
    {
        var bytes = shares.Blob.ToArray();
        bytes.AsSpan(bytes.Length - (2 * XWing.CiphertextBytes), XWing.CiphertextBytes).CopyTo(bytes.AsSpan(bytes.Length - XWing.CiphertextBytes));
        return shares with { Commit = shares.Commit with { BlobRoot = ChunkedBlob.Root(bytes) }, Blob = bytes };
    }

    private static Roles RolesOf(MaskedLedger ledger, string name) => ledger.Shard.State.Find<ParticipantRecord>(ParticipantRecord.Key(ParticipantId.Parse(name)))!.Roles;
}
