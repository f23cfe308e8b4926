using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.Contracts;

/// <summary>Who is shown to have lied leaves with the next era, for ever; nobody else does.</summary>
public sealed class ConvictionTests
{
    private readonly TestShard _shard = new();
    private readonly TestGovernance _governance;

    public ConvictionTests() => _governance = new TestGovernance(_shard);

    [Fact]
    public void OneOfFour_LosesItsVoteKey_AndTheOthersGoOn()
    {
        Assert.Equal(Rejection.None, _shard.Send("switzerland", Guilty("va")));

        Assert.Equal(["EraSealed"], _governance.Events);
        Assert.Equal("SeatConvicted", LedgerState.Of(_shard.Head).Events[1].Single().Type);
        var next = _shard.Head.Seals!;
        Assert.Equal((2UL, 4, 3), (next.Era, next.Count, next.Quorum));
        Assert.Equal(["cleveland", "hungarian", "switzerland"], next.Seats.Where(seat => seat.VoteKey is not null).Select(seat => seat.Organisation.Name));
        Assert.Equal(_shard.Genesis.Validators.Seats[3] with { VoteKey = null }, next.Seats[3]);
        var record = _shard.State.Find<ConvictionRecord>(ConvictionRecord.Key(_shard.KeyOf("va").Public.Id))!;
        Assert.Equal(("va", 1UL, FaultKind.TwoNotarizations, Digest.Of(Guilty("va").Proof.Span)), (record.Organisation.Name, record.Era, record.Fault, record.Proof));
        Assert.Empty(Agenda.Convicted);
        Assert.Equal(Rejection.None, _shard.Send("cleveland", new AddKey(TestShard.Key("another").Public)));
        Assert.Equal(2UL, _shard.Head.Block.Header.Era);
    }

    [Fact]
    public void OneOfFive_Leaves()
    {
        Grow("one");
        Assert.Equal(Rejection.None, _shard.Send("one", Guilty("hungarian", era: 2)));
        Assert.Equal(["cleveland", "switzerland", "va", "one"], Names(_shard.Head.Seals!));
        Assert.Equal(3, _shard.Head.Seals!.Quorum);
        Assert.Equal(["EraSealed", "PolicyChanged"], _governance.Events);
    }

    // A fork names f + 1 at once: three of seven.
    [Fact]
    public void AFork_TakesAllWhoMadeIt()
    {
        Grow("one", "two", "three");
        var era = _governance.Validators.Era;
        int[] seats = [1, 3, 5];
        var (first, second) = (Vote.Finalize(era, 9, Digest.Of("a"u8)), Vote.Finalize(era, 9, Digest.Of("b"u8)));
        ForkSigner Signer(int seat) => new(seat, _governance.Validators.Seats[seat].VoteKey!, Sign(Names(_governance.Validators)[seat], first).Signature, Sign(Names(_governance.Validators)[seat], second).Signature);
        var fork = new ForkProof(_shard.Genesis.Chain, _shard.Genesis.Shard, first, second, [.. seats.Select(Signer)]);
        Assert.Equal(Rejection.NotProven, _shard.Send("va", new Convict((fork with { Signers = [fork.Signers[0], fork.Signers[1] with { Second = fork.Signers[0].Second }] }).Encode())));
        Assert.Equal(Rejection.None, _shard.Send("va", new Convict(fork.Encode())));
        Assert.Equal(["cleveland", "switzerland", "one", "three"], Names(_shard.Head.Seals!));
        Assert.All(_shard.Head.Seals!.Seats, seat => Assert.NotNull(seat.VoteKey));
    }

    // The set keeps a quorum that can seal the next era: the second of four stays until there are others.
    [Fact]
    public void NoMoreLeave_ThanLeaveAQuorum()
    {
        Assert.Equal(Rejection.None, _shard.Send("switzerland", Guilty("va")));
        Assert.Equal(Rejection.None, _shard.Send("switzerland", Guilty("hungarian")));
        Assert.Null(_shard.Head.Seals);
        Assert.Equal([_shard.KeyOf("hungarian").Public.Id], Agenda.Convicted);

        // Somebody takes the silent seat: then the other one goes.
        var fresh = _governance.Newcomer("fresh");
        _governance.Approve(SeatChange.Replace(_shard.KeyOf("va").Public.Id, fresh));
        Assert.Equal(Rejection.None, _governance.Ready(fresh));
        _shard.Commit(10);
        Assert.Equal(["cleveland", "switzerland", "fresh"], _governance.Validators.Seats.Where(seat => seat.VoteKey is not null).Select(seat => seat.Organisation.Name));
        Assert.Empty(Agenda.Convicted);
    }

    [Fact]
    public void TwoHistories_AreConvictedToo_ByTheCosignKey()
    {
        var note = new NoteKey("va", NoteKeyKind.Cosignature, _shard.KeyOf("va", "/cosign").Public);
        SignedNote Cosigned(string leaf, string by = "va", string? origin = null)
        {
            var text = new Checkpoint(origin ?? _shard.Genesis.Origin, 1, Digest.Of(System.Text.Encoding.UTF8.GetBytes(leaf))).Text;
            var key = new NoteKey(by, NoteKeyKind.Cosignature, _shard.KeyOf(by, "/cosign").Public);
            return new SignedNote(text, [SignedNote.Cosignature(key, 5, _shard.KeyOf(by, "/cosign").Sign(SignedNote.CosignatureMessage(text, 5)))]);
        }

        Assert.Equal(Rejection.NotProven, _shard.Send("switzerland", new Convict(new SplitView(note, Cosigned("a"), Cosigned("a")).Encode())));
        Assert.Equal(Rejection.NotProven, _shard.Send("switzerland", new Convict(new SplitView(note, Cosigned("a"), Cosigned("b", "cleveland"), null, []).Encode())));
        Assert.Equal(Rejection.NotProven, _shard.Send("switzerland", new Convict(new SplitView(note, Cosigned("a", origin: "another.example/log"), Cosigned("b", origin: "another.example/log")).Encode())));
        Assert.Equal(Rejection.None, _shard.Send("switzerland", new Convict(new SplitView(note, Cosigned("a"), Cosigned("b")).Encode())));
        Assert.Null(_shard.Head.Seals!.Seats[3].VoteKey);
    }

    [Fact]
    public void WhatProvesNothing_AgainstASeatOfThisLedger_ConvictsNobody()
    {
        var good = Proof("va");
        var other = new TestShard("other");
        Assert.Equal(Rejection.NotProven, Send(good with { Chain = Digest.Of("elsewhere"u8) }));
        Assert.Equal(Rejection.NotProven, Send(good with { Shard = Identifier.Of("elsewhere"u8) }));
        Assert.Equal(Rejection.NotProven, Send(good with { Second = good.First }));
        Assert.Equal(Rejection.NotProven, Send(good with { Second = good.Second with { Signature = good.First.Signature } }));
        Assert.Equal(Rejection.NotProven, Send(good with { Key = _shard.KeyOf("cleveland", "/vote").Public }));
        Assert.Equal(Rejection.NotProven, Send(good with { First = good.First with { Seat = 2 }, Second = good.Second with { Seat = 2 } }));
        Assert.Equal(Rejection.NotProven, Send(Proof("va", era: 2)));
        // Guilty, but on another ledger: there the same key has signed twice.
        foreach (var (chain, shard) in new[] { (Digest.Of("elsewhere"u8), good.Shard), (good.Chain, Identifier.Of("elsewhere"u8)) })
        {
            SignedVote Elsewhere(SignedVote vote) => vote with { Signature = _shard.KeyOf("va", "/vote").Sign(vote.Vote.Preimage(chain, shard)) };
            var there = good with { Chain = chain, Shard = shard, First = Elsewhere(good.First), Second = Elsewhere(good.Second) };
            Assert.Equal(FaultKind.TwoNotarizations, there.Check());
            Assert.Equal(Rejection.NotProven, Send(there));
        }

        // Votes that contradict each other, by a key that is none of this ledger's.
        var stranger = other.KeyOf("va", "/vote");
        Assert.Equal(Rejection.NotProven, Send(good with { Key = stranger.Public, First = good.First with { Signature = stranger.Sign(good.First.Vote.Preimage(good.Chain, good.Shard)) }, Second = good.Second with { Signature = stranger.Sign(good.Second.Vote.Preimage(good.Chain, good.Shard)) } }));
        Assert.Equal(Rejection.BadArguments, _shard.Send("switzerland", new Convict("nothing"u8.ToArray())));
        Assert.Equal(Rejection.UnknownKey, _shard.Machine.Check(_shard.Head, _shard.Sign("stranger", Guilty("va")), _shard.Head.Block.Header.TimeMs + 10));
        Assert.Null(_shard.Head.Seals);
        Assert.Equal(0, _shard.State.Count(ConvictionRecord.Prefix));

        Assert.Equal(Rejection.None, Send(good));
        Assert.Equal(Rejection.AlreadyExists, Send(good));
        Assert.Equal(Rejection.AlreadyExists, Send(Proof("va", view: 12)));
        Assert.Equal(3 + 1, _shard.State.Count(ConvictionRecord.Prefix));

        Rejection Send(Evidence evidence) => _shard.Send("switzerland", new Convict(evidence.Encode()));
    }

    [Fact]
    public void NoKey_OfAConvictedSeat_StandsInASetAgain()
    {
        Assert.Equal(Rejection.None, _shard.Send("switzerland", Guilty("va")));
        _shard.Commit(10);
        var seat = _shard.KeyOf("va").Public.Id;
        Assert.Equal(Rejection.Convicted, _governance.Redelegate("va", "va2"));
        Assert.Equal(Rejection.Convicted, _shard.Send("cleveland", new ProposeChange(SeatChange.Replace(seat, _governance.Entry("va", "va2")))));
        foreach (var role in new[] { "/vote", "/cosign", "/log" })
        {
            var stolen = _shard.KeyOf("va", role).Public;
            var entry = _governance.Entry("one");
            entry = role switch { "/vote" => entry with { VoteKey = stolen }, "/cosign" => entry with { CosignKey = stolen }, _ => entry with { LogKey = stolen } };
            Assert.Equal(Rejection.Convicted, _shard.Send("cleveland", new ProposeChange(SeatChange.Replace(seat, entry))));
        }

        // Its organisation may come back when a quorum wants it, with keys that nobody knows.
        Assert.Equal(Rejection.None, _shard.Send("va", new AddKey(_shard.KeyOf("reformed").Public)));
        var reformed = new Validator(ParticipantId.Parse("va"), _shard.KeyOf("reformed").Public, _shard.KeyOf("reformed", "/vote").Public, _shard.KeyOf("reformed", "/cosign").Public, _shard.KeyOf("reformed", "/log").Public);
        _governance.Approve(SeatChange.Replace(seat, reformed));
        var ready = new Ready(_governance.Validators.Era + 1, reformed, _governance.Proof(reformed, _shard.KeyOf("reformed", "/vote")));
        Assert.Equal(Rejection.None, _shard.Commit(10, _shard.Sign("va", ready, key: _shard.KeyOf("reformed")))[0].Result);
        Assert.Equal(reformed, _shard.Head.Seals!.Seats[3]);
    }

    // A new vote key does not help: the seat lied in an era that is over.
    [Fact]
    public void AFaultOfThePast_ConvictsTheSeatOfToday()
    {
        Assert.Equal(Rejection.None, _governance.Redelegate("va", "va2"));
        _shard.Commit(10);
        Assert.Equal(2UL, _governance.Validators.Era);
        Assert.Equal(Rejection.None, _shard.Send("switzerland", Guilty("va", era: 1)));
        Assert.Null(_shard.Head.Seals!.Seats[3].VoteKey);
        _shard.Commit(10);
        var successor = _governance.Newcomer("successor") with { VoteKey = _shard.KeyOf("va2", "/vote").Public };
        Assert.Equal(Rejection.Convicted, _shard.Send("cleveland", new ProposeChange(SeatChange.Add(successor))));

        // Nor does somebody get in with its key of that time, approved before anybody knew.
        var other = new TestShard();
        var governance = new TestGovernance(other);
        Assert.Equal(Rejection.None, governance.Redelegate("va", "va2"));
        other.Commit(10);
        var heir = governance.Newcomer("heir") with { VoteKey = other.KeyOf("va", "/vote").Public };
        governance.Approve(SeatChange.Replace(other.KeyOf("va").Public.Id, heir));
        Assert.Equal(Rejection.None, other.Send("switzerland", Guilty("va", era: 1)));
        Assert.Equal(3UL, other.Head.Seals!.Era);
        other.Commit(10);
        Assert.Equal(Rejection.None, governance.Ready(heir, other.KeyOf("va", "/vote")));
        Assert.Null(other.Head.Seals);
    }

    [Fact]
    public void AVoteKeyThatWaits_WaitsNoLonger_WhenItsSeatIsConvicted()
    {
        var built = _shard.Commit(10, _shard.Sign("va", Redelegation("va", "va2")), _shard.Sign("switzerland", Guilty("va")));
        Assert.Equal([Rejection.None, Rejection.None], built.Select(entry => entry.Result));
        Assert.Null(_shard.Head.Seals!.Seats[3].VoteKey);
        Assert.Empty(Agenda.Delegated);
    }

    [Fact]
    public void WhoHasNoSeatAnyMore_IsConvicted_AndNothingChanges()
    {
        Grow("one");
        _governance.Approve(SeatChange.Remove(_shard.KeyOf("va").Public.Id));
        _shard.Commit(10);
        Assert.DoesNotContain("va", Names(_governance.Validators));
        Assert.Equal(Rejection.None, _shard.Send("switzerland", Guilty("va", era: 2)));
        Assert.Null(_shard.Head.Seals);
        Assert.Empty(Agenda.Convicted);
        Assert.Equal(Rejection.Convicted, _shard.Send("cleveland", new ProposeChange(SeatChange.Add(_governance.Entry("va")))));
    }

    internal static Convict Guilty(TestShard shard, string name, ulong era = 1) => new(Proof(shard, name, era, 9).Encode());

    private AgendaRecord Agenda => _shard.State.Find<AgendaRecord>(AgendaRecord.Key)!;

    private Convict Guilty(string name, ulong era = 1) => Guilty(_shard, name, era);

    private Evidence Proof(string name, ulong era = 1, ulong view = 9) => Proof(_shard, name, era, view);

    private SignedVote Sign(string name, Vote vote) => new(vote, 0, _shard.KeyOf(name, "/vote").Sign(vote.Preimage(_shard.Genesis.Chain, _shard.Genesis.Shard)));

    private Redelegate Redelegation(string name, string keys)
    {
        var key = _shard.KeyOf(keys, "/vote");
        return new Redelegate(key.Public, _governance.Proof(_governance.Seat(name) with { VoteKey = key.Public }, key));
    }

    private static string[] Names(ValidatorSet set) => [.. set.Seats.Select(seat => seat.Organisation.Name)];

    private static Evidence Proof(TestShard shard, string name, ulong era, ulong view)
    {
        var key = shard.KeyOf(name, "/vote");
        var set = shard.State.Find<ValidatorsRecord>(ValidatorsRecord.Key(era))?.Set ?? shard.Genesis.Validators;
        SignedVote Vote(byte block)
        {
            var vote = Protocol.Ledger.Vote.Notarize(era, view, view - 1, Digest.Of([block]));
            return new SignedVote(vote, set.SeatOf(shard.KeyOf(name).Public.Id), key.Sign(vote.Preimage(shard.Genesis.Chain, shard.Genesis.Shard)));
        }

        return new Evidence(shard.Genesis.Chain, shard.Genesis.Shard, key.Public, Vote(1), Vote(2));
    }

    private void Grow(params string[] names)
    {
        foreach (var name in names)
        {
            var entry = _governance.Newcomer(name);
            _governance.Approve(SeatChange.Add(entry));
            Assert.Equal(Rejection.None, _governance.Ready(entry));
            _shard.Commit(10);
        }
    }
}
