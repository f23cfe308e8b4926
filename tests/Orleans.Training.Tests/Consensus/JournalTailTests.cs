using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Tests.Consensus;

/// <summary>From every final block on, the tail of a journal restores the validator that the whole journal restores.</summary>
public sealed class JournalTailTests
{
    [Theory, InlineData(1), InlineData(2), InlineData(3)]
    public void FromEveryFinalBlock_TheSameValidatorIsRestored(int seed)
    {
        var (shard, blocks) = Run(seed);
        foreach (var seat in Enumerable.Range(0, 4))
        {
            var journal = shard.Journals[seat];
            var whole = ConsensusCore.Restore(shard.Setups[seat], journal);
            var read = 0;
            foreach (var from in blocks[seat].Where(block => block.Seals is null))
            {
                var tail = new JournalTail(from.Block);
                foreach (var record in journal) tail.Add([record]);
                Assert.True(tail.Reached);
                Assert.Equal(journal.Count, tail.Read);
                Assert.True(tail.Records.Count() <= journal.Count);
                var replayed = new List<ulong>();
                var era = EraAt(shard, blocks[seat], from);
                var core = ConsensusCore.Restore(shard.Setups[seat] with { Genesis = from, Validators = era.Validators, Seat = seat, Past = era.Past }, tail.Records, block => replayed.Add(block.Executed.Block.Header.Height));
                Assert.Equal(whole.Final.Block.Digest, core.Final.Block.Digest);
                Assert.Equal((whole.View, whole.FinalView, whole.Guard, whole.Setup.Validators.Digest, whole.Setup.Past.Count), (core.View, core.FinalView, core.Guard, core.Setup.Validators.Digest, core.Setup.Past.Count));
                Assert.Equal(blocks[seat].Select(block => block.Block.Header.Height).Where(height => height > from.Block.Header.Height), replayed);
                // What it says first is what the other one would say first.
                Assert.Equal(First(whole), First(core));
                whole = ConsensusCore.Restore(shard.Setups[seat], journal);
                read += tail.Records.Count();
            }

            Assert.True(read < journal.Count * blocks[seat].Count, "no record was ever left out");
        }
    }

    [Fact]
    public void WithoutTheBlock_OrWithoutItsFinalization_ItIsNotReached()
    {
        var (shard, blocks) = Run(1);
        var last = blocks[0][^1];
        Assert.False(Tail(last.Block, shard.Journals[0].Where(record => record.Kind is not JournalRecordKind.Block)).Reached);
        Assert.False(Tail(last.Block, shard.Journals[0].Where(record => record.Kind is not JournalRecordKind.Final)).Reached);
        Assert.False(Tail(Run(2).Blocks[0][^1].Block, shard.Journals[0]).Reached);
        Assert.True(Tail(null, []).Reached);
    }

    [Fact]
    public void ADamagedRecord_IsRefused()
    {
        var from = Run(1).Blocks[0][1].Block;
        foreach (var kind in new[] { JournalRecordKind.Block, JournalRecordKind.Certificate, JournalRecordKind.Final, JournalRecordKind.Vote, (JournalRecordKind)9 })
            Assert.Throws<InvalidDataException>(() => Tail(from, [new JournalRecord(kind, new byte[3])]));
    }

    private static JournalTail Tail(Block? from, IEnumerable<JournalRecord> records)
    {
        var tail = new JournalTail(from);
        tail.Add(records);
        return tail;
    }

    private static string[] First(ConsensusCore core) => [.. core.Step(new Started(TestShard.StartMs + 100_000)).Outputs.Select(output => output switch
    {
        SendMessage send => $"{send.To} {Convert.ToHexString(send.Message.Encode().Span)}",
        BroadcastMessage broadcast => Convert.ToHexString(broadcast.Message.Encode().Span),
        _ => output.ToString()!,
    })];

    // Views with and without leaders, blocks of many sizes, a change of era in the middle.
    private static (TestShard Shard, List<ExecutedBlock>[] Blocks) Run(int seed)
    {
        var shard = new TestShard(4).Settle();
        for (var i = 0; i < 12; i++)
        {
            // Now and then a leader is down, so that views are nullified.
            if (i % 4 == seed % 4) shard.Down.Add(i % 4);
            shard.Submit((i + 1) % 4, TestShard.NewTransaction((100 * seed) + i)).Pass(i % 4 == seed % 4 ? 4000 : 10);
            if (shard.Down.Count > 0) shard.Restart(i % 4).Settle().Pass(3000);
            if (i == 5) EraTests.Redelegate(shard, 2);
        }

        shard.Pass(5000);
        var blocks = Enumerable.Range(0, 4).Select(seat =>
        {
            var committed = new List<ExecutedBlock>();
            ConsensusCore.Restore(shard.Setups[seat], shard.Journals[seat], block => committed.Add(block.Executed));
            return committed;
        }).ToArray();
        Assert.All(blocks, committed => Assert.True(committed.Count > 10));
        return (shard, blocks);
    }

    private static (ValidatorSet Validators, IReadOnlyList<EraLink> Past) EraAt(TestShard shard, List<ExecutedBlock> blocks, ExecutedBlock from)
    {
        var setup = ConsensusCore.Restore(shard.Setups[0], shard.Journals[0]).Setup;
        var past = setup.Past.Where(link => link.Era < from.Block.Header.Era).ToArray();
        Assert.Equal(blocks.Count(block => block.Seals is not null && block.Block.Header.Height < from.Block.Header.Height), past.Length);
        return (past.Length == 0 ? shard.Validators : past[^1].Next, past);
    }
}
