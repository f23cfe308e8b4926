using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.Contracts;

/// <summary>Changes of a test shard's validator set, step by step.</summary>
internal sealed class TestGovernance(TestShard shard)
{
    public ValidatorSet Validators => LedgerState.Of(shard.Head).Validators;

    public IReadOnlyList<string> Events => [.. LedgerState.Of(shard.Head).Events[0].Select(item => item.Type)];

    public Validator Seat(string name) => Validators.Seats.Single(seat => seat.Organisation.Name == name);

    /// <summary>An entry with keys made from a name.</summary>
    public Validator Entry(string organisation, string? keys = null) => new(ParticipantId.Parse(organisation), shard.KeyOf(organisation).Public,
        shard.KeyOf(keys ?? organisation, "/vote").Public, shard.KeyOf(keys ?? organisation, "/cosign").Public, shard.KeyOf(keys ?? organisation, "/log").Public);

    /// <summary>Makes an organisation a participant that may have a seat.</summary>
    public Validator Newcomer(string name)
    {
        AgreementTests.Admit(shard, name, Roles.Validator);
        return Entry(name);
    }

    public byte[] Proof(Validator entry, TestKey voteKey, ulong? era = null) => voteKey.Sign(EraContract.ReadyStatement(shard.Genesis.Chain, shard.Genesis.Shard, era ?? Validators.Era + 1, entry));

    public Rejection Ready(Validator entry, TestKey? voteKey = null, ulong? era = null) =>
        shard.Send(entry.Organisation.Name, new Ready(era ?? Validators.Era + 1, entry, Proof(entry, voteKey ?? shard.KeyOf(entry.Organisation.Name, "/vote"), era)));

    public Rejection Redelegate(string name, string keys)
    {
        var key = shard.KeyOf(keys, "/vote");
        return shard.Send(name, new Redelegate(key.Public, Proof(Seat(name) with { VoteKey = key.Public }, key)));
    }

    /// <summary>Proposes, and votes until a quorum is for it.</summary>
    public Digest Approve(SeatChange change)
    {
        var seats = Validators.Seats.Take(Validators.Quorum).Select(seat => seat.Organisation.Name).ToArray();
        Assert.Equal(Rejection.None, shard.Send(seats[0], new ProposeChange(change)));
        foreach (var seat in seats[1..]) Assert.Equal(Rejection.None, shard.Send(seat, new VoteOnChange(change.ComputeDigest(), true)));
        return change.ComputeDigest();
    }

    public ChangeRecord Change(Digest change) => shard.State.Find<ChangeRecord>(ChangeRecord.Key(change))!;

    /// <summary>A shard that has gone through everything that governance knows.</summary>
    public static TestShard Example()
    {
        var shard = new TestShard();
        var governance = new TestGovernance(shard);
        var (one, two) = (governance.Newcomer("one"), governance.Newcomer("two"));
        governance.Approve(SeatChange.Add(one));
        Assert.Equal(Rejection.None, governance.Ready(one));
        governance.Approve(SeatChange.Replace(governance.Seat("va").TransactionKey.Id, two));
        Assert.Equal(Rejection.None, governance.Ready(two));
        governance.Approve(SeatChange.Remove(governance.Seat("one").TransactionKey.Id));
        Assert.Equal(Rejection.None, governance.Redelegate("cleveland", "cleveland2"));
        Assert.Equal(Rejection.None, shard.Send("hungarian", new Redelegate(null, default)));
        Assert.Equal(6UL, governance.Validators.Era);
        Assert.Equal(Rejection.None, shard.Send("two", ConvictionTests.Guilty(shard, "switzerland", era: 6)));
        return shard;
    }
}
