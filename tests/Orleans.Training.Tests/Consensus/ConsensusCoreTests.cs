using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Simulation;

namespace Orleans.Training.Tests.Consensus;

public sealed class ConsensusCoreTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(7)]
    public void Transaction_IsFinalEverywhere_WithoutTimePassing(int seats)
    {
        var shard = new TestShard(seats).Settle().Submit(0, TestShard.NewTransaction(1));

        Assert.All(shard.Committed, blocks => Assert.Single(Assert.Single(blocks).Transactions));
        Assert.All(shard.Cores, core => Assert.Equal((2UL, 1UL, 0), (core.View, core.FinalView, core.PoolCount)));
    }

    [Fact]
    public void Blocks_AreTheSame_OnAllValidators()
    {
        var shard = new TestShard(4).Settle();
        for (var i = 0; i < 30; i++) shard.Submit(i % 4, TestShard.NewTransaction(i)).Pass(1);

        Assert.All(shard.Committed, blocks => Assert.Equal(shard.Committed[0].Select(block => block.Digest), blocks.Select(block => block.Digest)));
        Assert.Equal(30, shard.Committed[0].Sum(block => block.Transactions.Count));
    }

    [Fact]
    public void IdleShard_PassesNoViews_AndSignsNothing()
    {
        var shard = new TestShard(4).Settle().Submit(0, TestShard.NewTransaction(1)).Pass(1_000);
        var signed = shard.Signed.Sum(votes => votes.Count);

        shard.Pass(600_000);

        Assert.All(shard.Cores, core => Assert.Equal(2UL, core.View));
        Assert.Equal(signed, shard.Signed.Sum(votes => votes.Count));
    }

    [Fact]
    public void SilentLeader_IsPassedOver_WithinASecond()
    {
        var shard = new TestShard(4);
        shard.Down.Add(shard.LeaderOf(1));
        shard.Settle().Submit(shard.SomeoneBut(shard.LeaderOf(1)), TestShard.NewTransaction(1)).Pass(1_000);

        for (var seat = 0; seat < 4; seat++)
        {
            if (!shard.Down.Contains(seat)) Assert.Single(shard.Committed[seat]);
        }
    }

    [Fact]
    public void DeadLeader_IsSkippedWithoutWaiting_OnceItHasMissedTenViews()
    {
        var shard = new TestShard(4).Settle();
        var dead = shard.LeaderOf(1);
        shard.Down.Add(dead);
        var someone = shard.SomeoneBut(dead);
        for (var i = 0; i < 14; i++) shard.Submit(someone, TestShard.NewTransaction(i)).Pass(2_000);
        var before = shard.NowMs;
        for (var i = 100; shard.Committed[someone].Count < 40; i++) shard.Submit(someone, TestShard.NewTransaction(i)).Pass(1);

        // Twenty-five blocks later the dead seat's turn has come more than once; each of its tenures costs message delays, not timers.
        Assert.True(shard.NowMs - before < 100, $"{shard.NowMs - before} ms");
    }

    [Fact]
    public void Deadline_MakesOneBlock_AndNoMore()
    {
        var shard = new TestShard(4).Settle().Submit(0, TestShard.NewTransaction(1, "deadline", 5_000)).Pass(4_000);
        Assert.All(shard.Committed, blocks => Assert.Single(blocks));

        shard.Pass(60_000);

        Assert.All(shard.Committed, blocks => Assert.Equal(2, blocks.Count));
        Assert.All(shard.Committed, blocks => Assert.True(blocks[1].Header.TimeMs >= blocks[0].Header.TimeMs + 5_000));
        Assert.All(shard.Committed, blocks => Assert.Empty(blocks[1].Transactions));
    }

    [Fact]
    public void RestartedValidator_SendsItsVotesAgain_ByteForByte()
    {
        var shard = new TestShard(4) { Loses = (_, _, message) => message is VoteMessage };
        shard.Settle().Submit(0, TestShard.NewTransaction(1));
        var before = shard.Signed.Select(votes => votes.ToList()).ToList();
        Assert.All(before, votes => Assert.Equal(VoteKind.Notarize, Assert.Single(votes).Vote.Kind));

        shard.Loses = (_, _, _) => false;
        for (var seat = 0; seat < 4; seat++) shard.Restart(seat);
        shard.Settle();

        for (var seat = 0; seat < 4; seat++)
        {
            Assert.Equal(before[seat][0].Vote, shard.Signed[seat][1].Vote);
            Assert.Equal(before[seat][0].Signature.ToArray(), shard.Signed[seat][1].Signature.ToArray());
            Assert.Single(shard.Committed[seat]);
        }
    }

    [Fact]
    public void RestartedValidator_SignsNothing_BeforeAQuorumHasShownItsVotes()
    {
        var shard = new TestShard(4).Settle().Submit(0, TestShard.NewTransaction(1));
        var restarted = shard.SomeoneBut(shard.LeaderOf(shard.Cores[0].View));
        var signed = shard.Signed[restarted].Count;
        shard.Loses = (_, to, message) => to == restarted && message is StatusMessage;
        shard.Restart(restarted).Settle().Submit(0, TestShard.NewTransaction(2)).Pass(300);
        Assert.Equal(signed, shard.Signed[restarted].Count);

        shard.Loses = (_, _, _) => false;
        shard.Pass(2_000);
        Assert.Equal(2, shard.Committed[restarted].Count);
        shard.Submit(0, TestShard.NewTransaction(3));
        Assert.True(shard.Signed[restarted].Count > signed);
    }

    [Fact]
    public void ValidatorWithAnOldJournal_StopsVoting_WhenPeersShowItsVotes()
    {
        var shard = new TestShard(4).Settle().Submit(0, TestShard.NewTransaction(1));
        var copy = shard.Journals[2].ToList();
        shard.Submit(0, TestShard.NewTransaction(2));
        shard.Journals[2].Clear();
        shard.Journals[2].AddRange(copy);
        var signed = shard.Signed[2].Count;

        shard.Restart(2).Settle().Submit(0, TestShard.NewTransaction(3)).Pass(3_000);

        Assert.True(shard.Cores[2].Stopped);
        Assert.Single(shard.Others.OfType<GuardLost>());
        Assert.Single(shard.Others.OfType<RaiseAlarm>());
        Assert.Equal(signed, shard.Signed[2].Count);
        Assert.Equal(3, shard.Committed[2].Count);
    }

    [Fact]
    public void ValidatorThatWasAway_CatchesUp_FromPeersAndTheirStores()
    {
        var shard = new TestShard(4, change: (_, setup) => setup with { RecentBlocks = 5 });
        shard.Down.Add(3);
        shard.Settle();
        for (var i = 0; i < 5; i++) shard.Submit(0, TestShard.NewTransaction(i)).Pass(2_000);
        shard.Restart(3).Pass(3_000);
        Assert.Equal(5, shard.Committed[3].Count);

        shard.Down.Add(3);
        for (var i = 5; i < 20; i++) shard.Submit(0, TestShard.NewTransaction(i)).Pass(2_000);
        shard.Restart(3).Pass(3_000);
        Assert.Contains(shard.Others, output => output is ServeBlocks { To: 3, FirstHeight: 6 });
    }

    [Fact]
    public void DisagreeingValidator_Stops_AndNeverFollows()
    {
        var shard = new TestShard(4, change: (seat, setup) => seat == 3 ? setup with { Machine = new DisagreeingMachine(setup.Machine) } : setup);
        shard.Settle().Submit(0, TestShard.NewTransaction(1)).Pass(10_000);

        Assert.True(shard.Cores[3].Stopped);
        Assert.Empty(shard.Committed[3]);
        Assert.Contains(shard.Others.OfType<RaiseAlarm>(), alarm => alarm.Text.Contains("own execution refuses", StringComparison.Ordinal));
        Assert.NotEmpty(shard.Committed[0]);
    }

    // More lie than the quorum tolerates. Whoever sees it stops, and names them first: each from votes that it holds itself.
    [Theory]
    [InlineData(VoteKind.Notarize)]
    [InlineData(VoteKind.Nullify)]
    [InlineData(VoteKind.Finalize)]
    public void ContradictoryCertificates_NameWhoSignedBoth_BeforeAnybodyStops(VoteKind kind)
    {
        var shard = new TestShard(4).Settle().Submit(0, TestShard.NewTransaction(1));
        shard.Give(0, new MessageReceived(0, 1, new CertificateMessage([shard.Certify(Contradicting(kind), 1, 2, 3)])));
        Assert.True(shard.Cores[0].Stopped);
        var found = shard.Others.OfType<EvidenceFound>().ToArray();
        Assert.Subset(new HashSet<int> { 1, 2, 3 }, found.Select(item => item.Seat).ToHashSet());
        Assert.True(found.Length > shard.Validators.MaxFaulty);
        Assert.All(found, item => Assert.NotEqual(FaultKind.None, (item.Evidence with { Chain = SimulatedMachine.Chain }).Check()));
        Assert.IsType<RaiseAlarm>(Assert.Single(shard.Others, output => output is RaiseAlarm));
        Assert.True(shard.Others.FindIndex(output => output is RaiseAlarm) > shard.Others.FindLastIndex(output => output is EvidenceFound));
    }

    // So late that the view is final and forgotten: still they are named, once.
    [Fact]
    public void AContradictoryCertificate_ForAViewLongFinal_NamesWhoSignedIt_Once()
    {
        var shard = new TestShard(4).Settle();
        for (var i = 0; i < 10; i++) shard.Submit(0, TestShard.NewTransaction(i)).Pass(1);
        Assert.True(shard.Cores[0].FinalView > 5);
        var late = new CertificateMessage([shard.Certify(Contradicting(VoteKind.Nullify), 1, 2, 3)]);
        shard.Give(0, new MessageReceived(0, 1, late));
        var named = shard.Others.OfType<EvidenceFound>().Select(item => item.Seat).ToHashSet();
        Assert.Subset(new HashSet<int> { 1, 2, 3 }, named);
        Assert.True(named.Count > shard.Validators.MaxFaulty);
        Assert.Null(shard.Cores[0].News(late));
        Assert.NotNull(shard.Cores[1].News(late));
        // One that contradicts nothing is nobody's fault, and not looked at.
        Assert.Null(shard.Cores[0].News(new CertificateMessage([shard.Certify(Vote.Notarize(1, 1, 0, shard.Committed[0][0].Digest), 1, 2, 3)])));
    }

    // It knows only that a block is final, not who notarized it: nobody can be named, but it does not go on.
    [Fact]
    public void ANotarizationBesideAnotherBlocksFinalization_Stops_EvenWithoutAName()
    {
        var shard = new TestShard(4);
        shard.Down.Add(0);
        shard.Settle().Submit(1, TestShard.NewTransaction(1)).Pass(2_000);
        var final = shard.Cores[1].Finalization!;
        var late = shard.Cores[0];
        late.Step(new MessageReceived(shard.NowMs, 1, new CertificateMessage([final])));
        Assert.Null(late.News(new CertificateMessage([final])));
        var other = new CertificateMessage([shard.Certify(Vote.Notarize(1, final.View, final.View - 1, Digest.Of("another"u8)), 1, 2, 3)]);
        Assert.NotNull(late.News(other));
        var step = late.Step(new MessageReceived(shard.NowMs, 1, other));
        Assert.True(late.Stopped);
        Assert.Single(step.Outputs.OfType<RaiseAlarm>());
        Assert.Empty(step.Outputs.OfType<EvidenceFound>());
    }

    private static Vote Contradicting(VoteKind kind) => kind switch
    {
        VoteKind.Notarize => Vote.Notarize(1, 1, 0, Digest.Of("another"u8)),
        VoteKind.Nullify => Vote.Nullify(1, 1),
        _ => Vote.Finalize(1, 1, Digest.Of("another"u8)),
    };

    [Fact]
    public void Pool_Refuses_WhatIsOverItsLimits()
    {
        var shard = new TestShard(4, change: (_, setup) => setup with { PoolTransactions = 5, PoolTransactionsPerActor = 3 });
        shard.Down.UnionWith([1, 2, 3]);
        var transactions = Enumerable.Range(0, 4).Select(i => TestShard.NewTransaction(i, actor: "greedy")).Append(TestShard.NewTransaction(9, actor: "modest")).ToArray();
        shard.Settle().Submit(0, transactions).Submit(0, transactions[0]);

        Assert.Equal(
            [Rejection.None, Rejection.None, Rejection.None, Rejection.PoolFull, Rejection.None, Rejection.None],
            shard.Others.OfType<TransactionChecked>().Select(answer => answer.Rejection));
        Assert.Equal(4, shard.Cores[0].PoolCount);
    }

    [Fact]
    public void Pool_TakesActorsInTurn_WhenABlockIsBuilt()
    {
        var shard = new TestShard(1, blockLimit: 4);
        var greedy = Enumerable.Range(0, 6).Select(i => TestShard.NewTransaction(i, actor: "greedy"));
        shard.Settle().Submit(0, [.. greedy, TestShard.NewTransaction(10, actor: "modest"), TestShard.NewTransaction(11, actor: "modest")]);

        var actors = shard.Committed[0][0].Transactions.Select(bytes => Transaction.TryParse(bytes, out var transaction) is Rejection.None ? transaction!.Payload.Actor.Name : "").ToList();
        Assert.Equal(2, actors.Count(actor => actor == "modest"));
        Assert.Equal(8, shard.Committed[0].Sum(block => block.Transactions.Count));
    }

    [Fact]
    public void ProposalFromTheFuture_IsHeld_UntilTheClockAllowsIt()
    {
        var shard = new TestShard(4).Settle();
        var leader = shard.LeaderOf(1);
        var voter = shard.SomeoneBut(leader);
        shard.Down.UnionWith(Enumerable.Range(0, 4).Where(seat => seat != voter));
        var block = shard.Setups[leader].Machine.Build(shard.Genesis, shard.NowMs + Limits.ClockLeadMs + 50, leader, []).Block;
        var vote = Vote.Notarize(1, 1, 0, block.Digest);
        shard.Give(voter, new MessageReceived(0, leader, new Propose(1, 0, block, shard.Sign(leader, vote).Signature, [])));
        Assert.Empty(shard.Signed[voter]);

        shard.Pass(49);
        Assert.Empty(shard.Signed[voter]);
        shard.Pass(1);
        Assert.Equal(vote, Assert.Single(shard.Signed[voter]).Vote);
    }

    [Fact]
    public void Voter_TakesOneProposalOfAView_AndNoOther()
    {
        var shard = new TestShard(4).Settle();
        var leader = shard.LeaderOf(1);
        var voter = shard.SomeoneBut(leader);
        shard.Down.UnionWith(Enumerable.Range(0, 4).Where(seat => seat != voter));
        foreach (var timeMs in new[] { shard.NowMs + 1, shard.NowMs + 2 })
        {
            var block = shard.Setups[leader].Machine.Build(shard.Genesis, timeMs, leader, []).Block;
            shard.Give(voter, new MessageReceived(0, leader, new Propose(1, 0, block, shard.Sign(leader, Vote.Notarize(1, 1, 0, block.Digest)).Signature, [])));
        }

        Assert.Single(shard.Signed[voter]);
    }

    [Fact]
    public void Restore_MayBeginAtALaterFinalBlock_AndEndsAtTheSame()
    {
        var shard = new TestShard(4).Settle();
        for (var i = 0; i < 5; i++) shard.Submit(i % 4, TestShard.NewTransaction(i)).Pass(10);
        var snapshot = shard.Cores[0].Final;
        for (var i = 5; i < 8; i++) shard.Submit(i % 4, TestShard.NewTransaction(i)).Pass(10);

        var replayed = new List<ulong>();
        var restored = ConsensusCore.Restore(shard.Setups[0] with { Genesis = snapshot }, shard.Journals[0], block => replayed.Add(block.Executed.Block.Header.Height));

        Assert.Equal(shard.Cores[0].Final.Block.Digest, restored.Final.Block.Digest);
        Assert.Equal((shard.Cores[0].View, shard.Cores[0].FinalView), (restored.View, restored.FinalView));
        Assert.Equal([6UL, 7UL, 8UL], replayed);
    }

    [Fact]
    public void DamagedGuard_EndsRecovery()
    {
        var setup = new TestShard(4).Setups[0];
        Assert.Throws<InvalidDataException>(() => ConsensusCore.Restore(setup, [new JournalRecord(JournalRecordKind.Guard, new byte[95])]));
        Assert.Throws<InvalidDataException>(() => ConsensusCore.Restore(setup, [new JournalRecord(JournalRecordKind.Guard, VoteGuard.Empty(2).Encode())]));
    }

    /// <summary>A machine that computes something else than everybody else's.</summary>
    private sealed class DisagreeingMachine(IStateMachine inner) : IStateMachine
    {
        public ExecutedBlock Build(ExecutedBlock parent, long timeMs, int proposer, IEnumerable<Transaction> transactions) => inner.Build(parent, timeMs, proposer, transactions);

        public ExecutedBlock? Execute(ExecutedBlock parent, Block block) => null;

        public Rejection Check(ExecutedBlock state, Transaction transaction, long timeMs) => inner.Check(state, transaction, timeMs);
    }
}
