using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Contracts;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.Validators;

public sealed class GovernanceStateTests
{
    private const int Seed = 20261123;
    private readonly TestShard _shard = new();
    private readonly TestGovernance _governance;

    public GovernanceStateTests() => _governance = new TestGovernance(_shard);

    [Fact]
    public void PendingChanges_ArePartOfIt_AndDecidedOnesAreNot()
    {
        var decided = _governance.Approve(SeatChange.Add(_governance.Entry("one")));
        Assert.Equal(Rejection.None, _governance.Ready(_governance.Entry("one")));
        Assert.Equal(ChangeState.Sealed, _governance.Change(decided).State);
        var (open, approved) = (SeatChange.Add(_governance.Entry("two")), SeatChange.Replace(_governance.Seat("va").TransactionKey.Id, _governance.Entry("three")));
        Assert.Equal(Rejection.None, _shard.Send("va", new ProposeChange(open)));
        _governance.Approve(approved);
        Assert.True(GovernanceState.TryParse(GovernanceState.Of(LedgerState.Of(_shard.Head)).Encode(), out var state));
        Assert.Equal((2UL, 5), (state!.Present.Era, state.Present.Count));
        Assert.Equal([open.ComputeDigest(), approved.ComputeDigest()], state.Changes.Select(change => change.Change.ComputeDigest()));
        Assert.Equal([ChangeState.Open, ChangeState.Approved], state.Changes.Select(change => change.State));
    }

    // Whatever comes is read or refused, and what is read is written as it came.
    [Fact]
    public void ChangedBytes_AreRefused_OrMeanWhatTheySay()
    {
        Assert.Equal(Rejection.None, _shard.Send("va", new ProposeChange(SeatChange.Add(_governance.Entry("two")))));
        var good = GovernanceState.Of(LedgerState.Of(_shard.Head)).Encode();
        var random = new Random(Seed);
        for (var i = 0; i < 5_000; i++)
        {
            byte[] changed = [.. good];
            for (var j = random.Next(1, 4); j > 0; j--) changed[random.Next(changed.Length)] = (byte)random.Next(256);
            if (random.Next(4) == 0) changed = changed[..random.Next(changed.Length)];
            if (GovernanceState.TryParse(changed, out var read)) Assert.Equal(changed, read!.Encode());
        }
    }
}
