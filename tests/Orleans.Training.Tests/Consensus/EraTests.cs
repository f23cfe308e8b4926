using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Simulation;

namespace Orleans.Training.Tests.Consensus;

/// <summary>How one era follows another, with real signatures.</summary>
public sealed class EraTests
{
    private static readonly (Digest Chain, Identifier Shard) Channel = (SimulatedMachine.Chain, SimulatedMachine.Shard);

    // The seat gets its second vote key: three others stay, so its own word suffices.
    internal static TestShard Redelegate(TestShard shard, int seat, byte version = 1, int number = 900)
    {
        shard.Submit(shard.SomeoneBut(seat), TestShard.NewTransaction(number + version, "change", arguments: new Reconfiguration(ReconfigurationKind.Redelegate, (byte)seat, 0, version).Encode()));
        var era = shard.Cores[shard.SomeoneBut(seat)].Setup.Validators.Era;
        return shard.Submit(shard.SomeoneBut(seat), TestShard.NewTransaction(number + 50 + version, "ready", arguments: [(byte)seat, version, (byte)(era + 1)]));
    }

    [Fact]
    public void Era_FollowsEra_AndOpensAtOnce()
    {
        var shard = Redelegate(new TestShard(4).Settle(), 2);

        Assert.All(shard.Cores, core => Assert.Equal((2UL, 1UL), (core.Setup.Validators.Era, core.FinalView)));
        Assert.All(shard.Committed, blocks =>
        {
            Assert.Equal([false, true, false], blocks.Select(block => block.IsSealing));
            // The opening block is empty, and there are no more.
            Assert.Empty(blocks[2].Transactions);
        });
        Assert.Equal(shard.Entry(2, 1).VoteKey, shard.Cores[0].Setup.Validators.Seats[2].VoteKey);
        shard.Pass(60_000).Submit(0, TestShard.NewTransaction(1));
        Assert.All(shard.Committed, blocks => Assert.Equal(4, blocks.Count));
    }

    [Fact]
    public void Journal_IsReplayed_AcrossEras()
    {
        var shard = Redelegate(new TestShard(4).Settle(), 2);
        Redelegate(shard, 1, number: 800).Submit(0, TestShard.NewTransaction(1));
        for (var seat = 0; seat < 4; seat++)
        {
            var before = (shard.Cores[seat].Final.Block.Digest, shard.Cores[seat].Setup.Validators.Digest, shard.Cores[seat].Guard, shard.Cores[seat].View);
            shard.Restart(seat);
            Assert.Equal(before, (shard.Cores[seat].Final.Block.Digest, shard.Cores[seat].Setup.Validators.Digest, shard.Cores[seat].Guard, shard.Cores[seat].View));
            Assert.Equal(2, shard.Cores[seat].Setup.Past.Count);
        }

        shard.Settle().Submit(3, TestShard.NewTransaction(2));
        Assert.All(shard.Committed, blocks => Assert.Equal(shard.Committed[0].Count, blocks.Count));
    }

    [Fact]
    public void Guard_OfAnEraThatTheJournalDoesNotBegin_EndsRecovery()
    {
        var shard = Redelegate(new TestShard(4).Settle(), 2).Submit(0, TestShard.NewTransaction(1));
        var withoutEnd = shard.Journals[0].Where(record => record.Kind is not (JournalRecordKind.Final or JournalRecordKind.Certificate)).ToList();
        Assert.Throws<InvalidDataException>(() => ConsensusCore.Restore(shard.Setups[0], withoutEnd));
    }

    [Fact]
    public void LateValidator_CrossesEveryEra_ByProofsAndBlocks()
    {
        var shard = new TestShard(4, change: (_, setup) => setup with { RecentBlocks = 256 }).Settle();
        shard.Down.Add(3);
        Redelegate(shard, 1);
        Redelegate(shard, 0, number: 800);
        Assert.Equal(3UL, shard.Cores[0].Setup.Validators.Era);

        // Its peers remember only blocks of their own era: the host's store serves the rest.
        shard.Restart(3).Settle();
        for (var i = 0; i < 40 && shard.Cores[3].Setup.Validators.Era < 3; i++)
        {
            shard.Pass(500);
            Serve(shard);
        }

        shard.Pass(20_000);
        Serve(shard);
        shard.Pass(1_000);
        Assert.Equal(shard.Cores[0].Final.Block.Digest, shard.Cores[3].Final.Block.Digest);
        shard.Submit(3, TestShard.NewTransaction(5));
        Assert.All(shard.Committed, blocks => Assert.Equal(shard.Committed[0].Count, blocks.Count));
    }

    [Fact]
    public void OldVotes_DoNotCount_AndOldKeysDoNotVerify()
    {
        var shard = Redelegate(new TestShard(4).Settle(), 2);
        var core = shard.Cores[0];
        var vote = Vote.Nullify(1, core.View + 1);
        for (var seat = 1; seat < 4; seat++)
        {
            var old = new VoteMessage(shard.Sign(seat, vote));
            Assert.False(MessageVerifier.Verify(core.Setup, old));
            shard.Give(0, new MessageReceived(0, seat, old));
        }

        Assert.Equal(shard.Cores[1].View, core.View);
        var stolen = new SignedVote(Vote.Nullify(2, 9), 2, new TestShard(4).Sign(2, Vote.Nullify(2, 9)).Signature);
        Assert.False(stolen.Verify(core.Setup.Validators, Channel.Chain, Channel.Shard));
    }

    [Fact]
    public void SealingBlock_IsProposedAgain_WhenItIsNotFinalInItsView()
    {
        var shard = new TestShard(4).Settle();
        var change = new Reconfiguration(ReconfigurationKind.Redelegate, 2, 0, 1);
        shard.Submit(0, TestShard.NewTransaction(900, "change", arguments: change.Encode()));
        // Nobody hears a Finalize vote of the sealing view.
        var sealingView = shard.Cores[0].View;
        shard.Loses = (_, _, message) => message is VoteMessage { Vote.Vote: { Kind: VoteKind.Finalize } vote } && vote.View == sealingView;
        shard.Submit(0, TestShard.NewTransaction(901, "ready", arguments: [2, 1, 2])).Pass(3_000);

        Assert.All(shard.Cores, core => Assert.Equal(2UL, core.Setup.Validators.Era));
        var proposals = shard.Sent.Select(sent => sent.Message).OfType<Propose>().Where(propose => propose.Block.IsSealing).ToList();
        Assert.Single(proposals.Select(propose => propose.Block.Digest).Distinct());
        Assert.True(proposals.Select(propose => propose.View).Distinct().Count() > 1);
    }

    [Fact]
    public void Proof_LeadsOverAThousandEras_AndNoLinkCanBeChanged()
    {
        var shard = new TestShard(4);
        var (links, first) = Chain(shard, 1_000);
        var newest = EraLink.Follow(first, Channel.Chain, Channel.Shard, links);
        Assert.Equal(1_001UL, newest!.Era);

        Assert.Null(EraLink.Follow(first, Channel.Chain, Channel.Shard, links.Skip(1)));
        Assert.Null(EraLink.Follow(first, Channel.Chain, Channel.Shard, [links[0], links[2]]));
        var link = links[0];
        Assert.True(link.Verify(first, Channel.Chain, Channel.Shard));
        Assert.False(link.Verify(first, Digest.Zero, Channel.Shard));
        Assert.False(link.Verify(first, Channel.Chain, default));
        Assert.False((link with { Next = links[1].Next }).Verify(first, Channel.Chain, Channel.Shard));
        Assert.False((link with { Header = links[1].Header }).Verify(first, Channel.Chain, Channel.Shard));
        var notarized = Certificate.Join([.. Enumerable.Range(0, 3).Select(seat => shard.Sign(seat, Vote.Notarize(1, 1, 0, link.Final.Digest)))]);
        Assert.False((link with { Final = notarized }).Verify(first, Channel.Chain, Channel.Shard));
        var few = Certificate.Join([.. Enumerable.Range(0, 2).Select(seat => shard.Sign(seat, link.Final.Vote))]);
        Assert.False((link with { Final = few }).Verify(first, Channel.Chain, Channel.Shard));
    }

    [Fact]
    public void SeatWithoutAKey_CannotSign_ForAnyQuorum()
    {
        var shard = new TestShard(4);
        var keyless = new ValidatorSet(1, [.. shard.Validators.Seats.Select((seat, i) => i == 2 ? seat with { VoteKey = null } : seat)]);
        var vote = Vote.Nullify(1, 3);
        Assert.True(shard.Certify(vote, 0, 1, 3).Verify(keyless, Channel.Chain, Channel.Shard));
        Assert.False(shard.Certify(vote, 0, 1, 2).Verify(keyless, Channel.Chain, Channel.Shard));
        Assert.False(shard.Sign(2, vote).Verify(keyless, Channel.Chain, Channel.Shard));
    }

    /// <summary>Eras that follow each other by headers and signatures alone: in each the next seat gets another vote key.</summary>
    internal static (List<EraLink> Links, ValidatorSet First) Chain(TestShard shard, int eras)
    {
        var links = new List<EraLink>();
        var current = shard.Validators;
        for (var i = 0; i < eras; i++)
        {
            var changed = i % 4;
            var next = new ValidatorSet(current.Era + 1, [.. current.Seats.Select((seat, position) => position == changed ? shard.Entry(position, (i / 4 % 2) + 1) : seat)]);
            var body = Block.EncodeBody([]);
            var header = SimulatedMachine.Genesis(current, TestShard.StartMs).Block.Header with { NextValidators = next.Digest, Height = (ulong)i + 1 };
            var block = Block.Create(header, body);
            shard.Eras[current.Era] = current;
            links.Add(new EraLink(shard.Certify(Vote.Finalize(current.Era, 1, block.Digest), 0, 1, 3), block.HeaderBytes, next));
            current = next;
        }

        return (links, shard.Validators);
    }

    private static void Serve(TestShard shard)
    {
        foreach (var serve in shard.Others.OfType<ServeBlocks>().ToList())
        {
            var blocks = shard.Committed[0].SkipWhile(block => block.Header.Height < serve.FirstHeight).ToList();
            var end = blocks.FindIndex(block => block.IsSealing);
            if (end >= 0) blocks = blocks[..(end + 1)];
            shard.Give(serve.To, new MessageReceived(0, 0, new BlocksMessage(null, blocks)));
            shard.Give(serve.To, new MessageReceived(0, 1, new BlocksMessage(null, blocks)));
            shard.Give(serve.To, new MessageReceived(0, 2, new BlocksMessage(null, blocks)));
        }

        shard.Others.RemoveAll(output => output is ServeBlocks);
    }
}
