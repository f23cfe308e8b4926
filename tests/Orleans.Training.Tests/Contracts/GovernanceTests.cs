using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.Contracts;

/// <summary>Who votes in the next era, and when it begins.</summary>
public sealed class GovernanceTests
{
    private readonly TestShard _shard = new();
    private readonly TestGovernance _governance;

    public GovernanceTests() => _governance = new TestGovernance(_shard);

    private bool IsSealed => _shard.Head.Seals is not null;

    [Fact]
    public void Seat_IsAdded_ByAQuorumOfVotesAndItsOwnWord()
    {
        var newcomer = _governance.Newcomer("newcomer");
        var change = SeatChange.Add(newcomer);
        Assert.Equal(Rejection.None, _shard.Send("va", new ProposeChange(change)));
        Assert.Equal(Rejection.None, _shard.Send("cleveland", new VoteOnChange(change.ComputeDigest(), true)));
        Assert.Equal(ChangeState.Open, _governance.Change(change.ComputeDigest()).State);
        Assert.Equal(Rejection.NotFound, _governance.Ready(newcomer));
        Assert.Equal(Rejection.None, _shard.Send("hungarian", new VoteOnChange(change.ComputeDigest(), true)));
        Assert.Equal(ChangeState.Approved, _governance.Change(change.ComputeDigest()).State);
        Assert.False(IsSealed);

        Assert.Equal(Rejection.None, _governance.Ready(newcomer));

        var header = _shard.Head.Block.Header;
        Assert.Equal((1UL, _shard.Genesis.Validators.Digest, _shard.Head.Seals!.Digest), (header.Era, header.Validators, header.NextValidators!.Value));
        Assert.Equal((2UL, 5, 4), (_shard.Head.Seals.Era, _shard.Head.Seals.Count, _shard.Head.Seals.Quorum));
        Assert.Equal(["EraSealed", "PolicyChanged"], _governance.Events);
        Assert.Equal(ChangeState.Sealed, _governance.Change(change.ComputeDigest()).State);
        Assert.Null(_shard.State.NextDeadlineMs);

        _shard.Commit(10);
        Assert.Equal((2UL, _governance.Validators.Digest, null), (_shard.Head.Block.Header.Era, _shard.Head.Block.Header.Validators, _shard.Head.Block.Header.NextValidators));
        // The new seat has the rights of a seat.
        Assert.Equal(Rejection.None, _shard.Send("newcomer", new ProposeChange(SeatChange.Remove(newcomer.TransactionKey.Id))));
    }

    // One decision, not two: who gets a seat is admitted with it.
    [Fact]
    public void Newcomer_IsAdmitted_ByTheQuorumThatApprovesItsSeat()
    {
        var entry = _governance.Entry("stranger");
        var key = ParticipantRecord.Key(entry.Organisation);
        var change = SeatChange.Add(entry);
        Assert.Equal(Rejection.None, _shard.Send("va", new ProposeChange(change)));
        Assert.Equal(Rejection.None, _shard.Send("cleveland", new VoteOnChange(change.ComputeDigest(), true)));
        Assert.Null(_shard.State.Find<ParticipantRecord>(key));
        var before = _shard.State.Find<CountRecord>(CountRecord.Participants)!.Value;
        Assert.Equal(Rejection.None, _shard.Send("hungarian", new VoteOnChange(change.ComputeDigest(), true)));
        Assert.Equal(["ChangeApproved", "ParticipantAdmitted"], LedgerState.Of(_shard.Head).Events[1].Select(item => item.Type));
        var participant = _shard.State.Find<ParticipantRecord>(key)!;
        Assert.Equal((Roles.Validator, "stranger", entry.TransactionKey), (participant.Roles, participant.DisplayName, Assert.Single(participant.Keys)));
        Assert.Equal(before + 1, _shard.State.Find<CountRecord>(CountRecord.Participants)!.Value);
        Assert.Equal(Rejection.None, _governance.Ready(entry));
        Assert.True(IsSealed);
        Assert.Equal(5, _shard.Head.Seals!.Count);
    }

    // Between proposal and approval somebody else may have taken the key. Then nobody is admitted, and nothing is sealed.
    [Fact]
    public void Newcomer_WhoseKeyHasBecomeAnothers_IsNotAdmitted()
    {
        var entry = _governance.Entry("stranger");
        var change = SeatChange.Add(entry);
        Assert.Equal(Rejection.None, _shard.Send("va", new ProposeChange(change)));
        Assert.Equal(Rejection.None, _shard.Send("switzerland", new AddKey(entry.TransactionKey)));
        foreach (var seat in new[] { "cleveland", "hungarian" }) Assert.Equal(Rejection.None, _shard.Send(seat, new VoteOnChange(change.ComputeDigest(), true)));
        Assert.Equal(ChangeState.Approved, _governance.Change(change.ComputeDigest()).State);
        Assert.Null(_shard.State.Find<ParticipantRecord>(ParticipantRecord.Key(entry.Organisation)));
        Assert.NotEqual(Rejection.None, _shard.Commit(10, _shard.Sign("switzerland", new Ready(2, entry, _governance.Proof(entry, _shard.KeyOf("stranger", "/vote"))), key: _shard.KeyOf("stranger")))[0].Result);
        Assert.False(IsSealed);
    }

    [Fact]
    public void PolicyEvent_NamesTheTextThatClientsMustTrustNext()
    {
        var newcomer = _governance.Newcomer("newcomer");
        _governance.Approve(SeatChange.Add(newcomer));
        Assert.Equal(Rejection.None, _governance.Ready(newcomer));
        var record = Assert.IsType<ValidatorsRecord>(LedgerState.Of(_shard.Head).Events[0][1].Record);
        Assert.Equal(Digest.Of(System.Text.Encoding.UTF8.GetBytes(TrustPolicy.Text(_shard.Genesis.Origin, _shard.Head.Seals!))), record.Policy);
        Assert.True(StateRecord.TryParse(ValidatorsRecord.Key(2), record.Encode(), out var parsed));
        Assert.Equal(record.Encode(), parsed!.Encode());
    }

    [Fact]
    public void Refusal_TakesAsManyVotes_AsLeaveNoQuorum()
    {
        var change = SeatChange.Remove(_shard.KeyOf("va").Public.Id);
        Assert.Equal(Rejection.ChangeImpossible, _shard.Send("va", new ProposeChange(change)));
        var replace = SeatChange.Replace(_shard.KeyOf("va").Public.Id, _governance.Newcomer("newcomer"));
        var digest = replace.ComputeDigest();
        Assert.Equal(Rejection.None, _shard.Send("cleveland", new ProposeChange(replace)));
        Assert.Equal(Rejection.AlreadyVoted, _shard.Send("cleveland", new VoteOnChange(digest, false)));
        Assert.Equal(Rejection.AlreadyExists, _shard.Send("va", new ProposeChange(replace)));
        Assert.Equal(Rejection.None, _shard.Send("va", new VoteOnChange(digest, false)));
        Assert.Equal(ChangeState.Open, _governance.Change(digest).State);
        Assert.Equal(Rejection.None, _shard.Send("hungarian", new VoteOnChange(digest, false)));
        Assert.Equal(ChangeState.Refused, _governance.Change(digest).State);
        Assert.Equal(Rejection.ChangeDecided, _shard.Send("switzerland", new VoteOnChange(digest, true)));
        Assert.Null(_shard.State.NextDeadlineMs);
        Assert.Equal(Rejection.None, _shard.Send("cleveland", new ProposeChange(replace)));
    }

    [Fact]
    public void Readiness_CountsForTenMinutes_AndForOneEra()
    {
        var (one, two) = (_governance.Newcomer("one"), _governance.Newcomer("two"));
        _governance.Approve(SeatChange.Add(one));
        _governance.Approve(SeatChange.Add(two));
        Assert.Equal(Rejection.WrongEra, _governance.Ready(one, era: 3));
        Assert.Equal(Rejection.BadProof, _governance.Ready(one, _shard.KeyOf("two", "/vote")));
        Assert.Equal(Rejection.MissingRole, _shard.Send("va", new Ready(2, one, _governance.Proof(one, _shard.KeyOf("one", "/vote")))));
        Assert.Equal(Rejection.None, _governance.Ready(two));
        Assert.True(IsSealed);
        Assert.Equal(5, _governance.Validators.Count);
        // "one" would be the next; a word for era 2 does not count in it.
        Assert.Equal(Rejection.WrongEra, _shard.Send("one", new Ready(2, one, _governance.Proof(one, _shard.KeyOf("one", "/vote"), 2))));
        Assert.False(IsSealed);
        Assert.Equal(Rejection.None, _governance.Ready(one));
        Assert.True(IsSealed);
        Assert.Equal((3UL, 6), (_governance.Validators.Era, _governance.Validators.Count));
    }

    [Fact]
    public void OldWord_DoesNotSeal()
    {
        PrepareRound();
        var newcomer = _governance.Newcomer("newcomer");
        _governance.Approve(SeatChange.Add(newcomer));
        Assert.Equal(Rejection.None, _governance.Ready(newcomer));
        Assert.False(IsSealed);
        // The round fails after the word has expired: nothing is sealed until it is given again.
        _shard.Commit(Limits.ReadyWindowMs);
        Assert.DoesNotContain(_shard.State.Deadlines, deadline => deadline.Key.StartsWith(RoundRecord.Prefix, StringComparison.Ordinal));
        Assert.False(IsSealed);
        Assert.Equal(Rejection.None, _governance.Ready(newcomer));
        Assert.True(IsSealed);
    }

    [Fact]
    public void Era_EndsWhenNoRoundIsOpen_AndNoneIsOpenedMeanwhile()
    {
        var agreement = PrepareRound();
        Assert.Equal(Rejection.None, _governance.Redelegate("va", "va2"));
        Assert.False(IsSealed);
        _shard.Commit(AgreementTests.Plan().InputWindowMs);
        Assert.True(IsSealed);
        Assert.Equal(["RoundFailed", "EraSealed"], _governance.Events);
        Assert.Equal(Rejection.None, _shard.Send("va", new RoundOpen(agreement, 1, AgreementTests.Plan().InitialModel)));
        _shard.Commit(Limits.RedelegationMs);
        Assert.Equal(Rejection.None, _shard.Send("va", new RoundOpen(agreement, 1, AgreementTests.Plan().InitialModel)));
        Assert.Equal(Rejection.None, _governance.Redelegate("va", "va3"));
        var other = AgreementTests.Plan() with { Name = "other" };
        _shard.Send("va", new ProposeAgreement(other));
        foreach (var hospital in TestShard.Hospitals) Assert.Equal(Rejection.None, _shard.Send(hospital, new AcceptAgreement(other.ComputeDigest(), Policy.Open)));
        Assert.Equal(Rejection.EraEnding, _shard.Send("va", new RoundOpen(other.ComputeDigest(), 1, other.InitialModel)));
    }

    [Fact]
    public void Redelegation_NeedsNoVote_OnceAnHour()
    {
        var before = _governance.Validators;
        var key = _shard.KeyOf("va2", "/vote");
        Assert.Equal(Rejection.BadProof, _shard.Send("va", new Redelegate(key.Public, _governance.Proof(_governance.Seat("va"), key))));
        Assert.Equal(Rejection.KeyInUse, _governance.Redelegate("va", "cleveland"));
        Assert.Equal(Rejection.AlreadyExists, _governance.Redelegate("va", "va"));
        Assert.Equal(Rejection.None, _governance.Redelegate("va", "va2"));
        Assert.True(IsSealed);
        Assert.Equal(["EraSealed"], _governance.Events);
        Assert.Equal(key.Public, _governance.Seat("va").VoteKey);
        Assert.Equal(before.Seats[3] with { VoteKey = key.Public }, _governance.Validators.Seats[3]);
        Assert.Equal(Rejection.TooSoon, _governance.Redelegate("va", "va3"));
        _shard.Commit(Limits.RedelegationMs);
        Assert.Equal(Rejection.None, _governance.Redelegate("va", "va3"));
        Assert.Equal(3UL, _governance.Validators.Era);
    }

    [Fact]
    public void Seats_ChangeTheirVoteKeysTogether_OnlyAsFarAsAQuorumStays()
    {
        PrepareRound();
        Assert.Equal(Rejection.None, _governance.Redelegate("va", "va2"));
        Assert.Equal(Rejection.None, _governance.Redelegate("cleveland", "cleveland2"));
        _shard.Commit(AgreementTests.Plan().InputWindowMs);
        Assert.True(IsSealed);
        Assert.Equal(_shard.KeyOf("va2", "/vote").Public, _governance.Seat("va").VoteKey);
        Assert.Equal(_shard.KeyOf("cleveland", "/vote").Public, _governance.Seat("cleveland").VoteKey);
        // The second follows by itself.
        _shard.Commit(10);
        Assert.True(IsSealed);
        Assert.Equal(_shard.KeyOf("cleveland2", "/vote").Public, _governance.Seat("cleveland").VoteKey);
        _shard.Commit(10);
        Assert.False(IsSealed);
    }

    [Fact]
    public void SeatWithoutAKey_CountsAndCannotVote_AndReturnsByRedelegation()
    {
        Assert.Equal(Rejection.None, _shard.Send("va", new Redelegate(null, default)));
        Assert.True(IsSealed);
        Assert.Null(_governance.Seat("va").VoteKey);
        Assert.Equal((4, 3), (_governance.Validators.Count, _governance.Validators.Quorum));
        Assert.False(_governance.Validators.CanVote(3));
        // Nobody else may give its key up: no quorum would be left.
        Assert.Equal(Rejection.None, _shard.Send("cleveland", new Redelegate(null, default)));
        Assert.False(IsSealed);
        _shard.Commit(Limits.RedelegationMs);
        Assert.Equal(Rejection.None, _governance.Redelegate("va", "va2"));
        // Three others have their keys: the seat is back, and the next may go.
        Assert.True(IsSealed);
        Assert.True(_governance.Validators.CanVote(3) && _governance.Validators.CanVote(0));
        _shard.Commit(10);
        Assert.True(IsSealed);
        Assert.True(_governance.Validators.CanVote(3) && !_governance.Validators.CanVote(0));
    }

    [Fact]
    public void Set_KeepsItsBounds()
    {
        AgreementTests.Admit(_shard, "trainer", Roles.Trainer);
        Assert.Equal(Rejection.KeyInUse, _shard.Send("va", new ProposeChange(SeatChange.Add(_governance.Entry("stranger") with { CosignKey = _shard.KeyOf("trainer").Public }))));
        Assert.Equal(Rejection.KeyInUse, _shard.Send("va", new ProposeChange(SeatChange.Add(_governance.Entry("stranger") with { TransactionKey = _shard.KeyOf("trainer").Public }))));
        Assert.Equal(Rejection.MissingRole, _shard.Send("va", new ProposeChange(SeatChange.Add(_governance.Entry("trainer")))));
        var newcomer = _governance.Newcomer("newcomer");
        Assert.Equal(Rejection.MissingRole, _shard.Send("newcomer", new ProposeChange(SeatChange.Add(newcomer))));
        // A second seat of one organisation is too much while f is 1.
        var second = _shard.KeyOf("va/second");
        Assert.Equal(Rejection.None, _shard.Send("va", new AddKey(second.Public)));
        Assert.Equal(Rejection.ChangeImpossible, _shard.Send("va", new ProposeChange(SeatChange.Add(_governance.Entry("va", "va/second") with { TransactionKey = second.Public }))));
        Assert.Equal(Rejection.ChangeImpossible, _shard.Send("va", new ProposeChange(SeatChange.Add(newcomer with { CosignKey = _governance.Seat("va").CosignKey }))));
        Assert.Equal(Rejection.KeyInUse, _shard.Send("va", new ProposeChange(SeatChange.Add(newcomer with { VoteKey = _shard.KeyOf("trainer").Public }))));
        Assert.Equal(Rejection.ChangeImpossible, _shard.Send("va", new ProposeChange(SeatChange.Remove(default))));
    }

    [Fact]
    public void SmallSets_Grow_WhenEveryMemberIsReady()
    {
        var seats = new ValidatorSet(1, [_governance.Entry("a"), _governance.Entry("b")]);
        var next = new ValidatorSet(2, [.. seats.Seats, _governance.Entry("c")]);
        Assert.False(EraContract.MaySeal(seats, next, seat => seat.Organisation.Name == "c"));
        Assert.True(EraContract.MaySeal(seats, next, _ => true));
        Assert.True(EraContract.MaySeal(next, new ValidatorSet(3, [.. next.Seats, _governance.Entry("d")]), _ => false));
        // Two of three cannot lose a seat, four can lose none, five can.
        Assert.Null(SeatChange.Remove(next.Seats[0].TransactionKey.Id).ApplyTo(next));
        Assert.NotNull(SeatChange.Remove(next.Seats[0].TransactionKey.Id).ApplyTo(new ValidatorSet(1, [.. "abcde".Select(name => _governance.Entry(name.ToString()))])));
    }

    [Fact]
    public void Change_LapsesAfterAWeek()
    {
        var change = _governance.Approve(SeatChange.Add(_governance.Newcomer("newcomer")));
        _shard.Commit(Limits.ChangeWindowMs);
        Assert.Equal(ChangeState.Lapsed, _governance.Change(change).State);
        Assert.Equal(["ChangeLapsed"], _governance.Events);
        Assert.Equal(Rejection.NotFound, _governance.Ready(_governance.Entry("newcomer")));
    }

    [Fact]
    public void OpenChanges_AreLimited()
    {
        for (var i = 0; i < Limits.OpenChanges; i++) Assert.Equal(Rejection.None, _shard.Send("va", new ProposeChange(SeatChange.Add(_governance.Newcomer($"newcomer-{i}")))));
        Assert.Equal(Rejection.LimitReached, _shard.Send("va", new ProposeChange(SeatChange.Add(_governance.Newcomer("one-more")))));
    }

    [Fact]
    public void Votes_OutliveAnEra_AndLeaveWithTheirSeat()
    {
        var (one, two) = (_governance.Newcomer("one"), _governance.Newcomer("two"));
        var open = SeatChange.Add(two);
        Assert.Equal(Rejection.None, _shard.Send("va", new ProposeChange(open)));
        Assert.Equal(Rejection.None, _shard.Send("cleveland", new VoteOnChange(open.ComputeDigest(), true)));
        // A partial admission is older than the era too.
        var admit = new Admit(ParticipantId.Parse("late"), "late", Roles.Trainer, TestShard.Key("late").Public);
        Assert.Equal(Rejection.None, _shard.Send("va", admit));
        Assert.Equal(Rejection.None, _shard.Send("hungarian", admit));
        _governance.Approve(SeatChange.Replace(_shard.KeyOf("va").Public.Id, one));
        Assert.Equal(Rejection.None, _governance.Ready(one));
        Assert.True(IsSealed);
        Assert.Equal(Rejection.None, _shard.Send("hungarian", new VoteOnChange(open.ComputeDigest(), true)));
        Assert.Equal(ChangeState.Open, _governance.Change(open.ComputeDigest()).State);
        Assert.Equal(Rejection.None, _shard.Send("one", new VoteOnChange(open.ComputeDigest(), true)));
        Assert.Equal(ChangeState.Approved, _governance.Change(open.ComputeDigest()).State);
        Assert.Equal(Rejection.None, _shard.Send("one", admit));
        Assert.Null(_shard.State.Find<ParticipantRecord>(ParticipantRecord.Key(admit.Participant)));
        Assert.Equal(Rejection.None, _shard.Send("cleveland", admit));
        Assert.NotNull(_shard.State.Find<ParticipantRecord>(ParticipantRecord.Key(admit.Participant)));
        Assert.Equal(Rejection.MissingRole, _shard.Send("va", new VoteOnChange(open.ComputeDigest(), false)));
    }

    [Fact]
    public void Fixed_InputsMeanTheSame_UnderEveryQuorum()
    {
        var agreement = PrepareRound();
        var update = Digest.Of("update"u8);
        foreach (var hospital in TestShard.Hospitals) Assert.Equal(Rejection.None, _shard.Send(hospital, new InputCommit(agreement, 1, 1, AgreementTests.Plan().InitialModel, update)));
        foreach (var seat in TestShard.Hospitals.Take(3)) Assert.Equal(Rejection.None, _shard.Send(seat, new Held(agreement, 1, 1, [0, 1, 2])));
        Assert.Equal(Rejection.None, _shard.Send("va", new Held(agreement, 1, 1, [3])));
        _shard.Commit(AgreementTests.Plan().InputWindowMs);
        var round = _shard.State.Find<RoundRecord>(RoundRecord.Key(agreement, 1, 1))!;
        Assert.NotNull(round.InputsDigest);
        Assert.All(new[] { 1, 3, 4, 21 }, quorum => Assert.Equal([0, 1, 2], round.Survivors(quorum)));
    }

    private Digest PrepareRound()
    {
        foreach (var hospital in TestShard.Hospitals) AgreementTests.Admit(_shard, hospital, Roles.Trainer | Roles.DataOwner);
        foreach (var hospital in TestShard.Hospitals) Assert.Equal(Rejection.None, _shard.Send(hospital, AgreementTests.Dataset(hospital)));
        var plan = AgreementTests.Plan();
        Assert.Equal(Rejection.None, _shard.Send("va", new ProposeAgreement(plan)));
        foreach (var hospital in TestShard.Hospitals) Assert.Equal(Rejection.None, _shard.Send(hospital, new AcceptAgreement(plan.ComputeDigest(), Policy.Open)));
        Assert.Equal(Rejection.None, _shard.Send("va", new RoundOpen(plan.ComputeDigest(), 1, plan.InitialModel)));
        return plan.ComputeDigest();
    }
}
