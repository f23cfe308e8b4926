using System.Buffers.Binary;
using System.Formats.Cbor;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Contracts;
using Orleans.Training.Tests.Exports;
using Orleans.Training.Tests.Rounds;

namespace Orleans.Training.Tests.Ledger;

/// <summary>Whoever begins at a snapshot computes what everybody else computes.</summary>
public class SnapshotTests
{
    private static readonly Dictionary<string, TestShard> Shards = new()
    {
        ["training"] = new TestExport().Shard,
        ["governance"] = TestGovernance.Example(),
        ["anchors"] = AnchorTests.Example(),
        ["masks"] = Unmasked(),
        ["noise"] = BudgetTests.Example().Shard,
        ["groups"] = GroupedRoundTests.Example().Shard,
        ["projections"] = ProjectedRoundTests.Example().Shard,
        ["trust"] = GroupedRoundTests.TrustingExample().Shard,
        ["admission"] = Admission(),
        ["blame"] = BlameTests.Example().Shard,
        ["expired"] = ExpiryTests.Published("masked").Late.Shard,
        ["snapshots"] = SnapshotOfferTests.Example(),
    };

    public static TheoryData<string> Names => [.. Shards.Keys];

    public static byte[] Bytes(ExecutedBlock executed) => [.. Snapshot.Write(executed).SelectMany(part => part)];

    [Theory, MemberData(nameof(Names))]
    public void FromEverySnapshot_AllLaterBlocksExecute_AndLeaveTheSameState(string name)
    {
        var shard = Shards[name];
        var last = Bytes(shard.Blocks.Last(block => !block.Block.IsSealing));
        for (var from = 0; from < shard.Blocks.Count; from++)
        {
            if (shard.Blocks[from].Block.IsSealing) continue;
            var bytes = Bytes(shard.Blocks[from]);
            Assert.True(Snapshot.TryRead(bytes, out var executed));
            Assert.Equal(shard.Blocks[from].Block.Digest, executed!.Block.Digest);
            Assert.Equal(shard.Blocks[from].NextDeadlineMs, executed.NextDeadlineMs);
            Assert.Equal(bytes, Bytes(executed));
            var ends = bytes;
            foreach (var block in shard.Blocks.Skip(from + 1))
            {
                executed = new LedgerMachine(shard.Genesis, Signatures.Verify).Execute(executed, block.Block);
                Assert.NotNull(executed);
                Assert.Equal(block.Block.Digest, executed.Block.Digest);
                if (!block.Block.IsSealing) ends = Bytes(executed);
            }

            Assert.Equal(last, ends);
        }
    }

    [Fact]
    public void TheExamples_HoldEveryKindOfRecord()
    {
        var met = Shards.Values.SelectMany(shard => shard.Blocks).SelectMany(block => LedgerState.Of(block).Contracts.Records.Values).Select(record => record.GetType().Name).Distinct().Order(StringComparer.Ordinal);
        Assert.Equal(typeof(StateRecord).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(StateRecord)) && !type.IsAbstract).Select(type => type.Name).Order(StringComparer.Ordinal), met);
    }

    [Fact]
    public void OfASealingBlock_ThereIsNone() =>
        Assert.Throws<ArgumentException>(() => Snapshot.Write(Shards["governance"].Blocks.First(block => block.Block.IsSealing)));

    [Fact]
    public void ALargeState_IsCutIntoParts_TheSameForEverybody()
    {
        var shard = new TestShard();
        for (var i = 0; i < 5; i++) shard.Commit(10, [.. Enumerable.Range(0, 1000).Select(j => shard.Sign("va", new AddKey(TestShard.Key($"{i} {j}").Public)))]);
        var parts = Snapshot.Write(shard.Head).ToArray();
        Assert.True(parts.Length > 3);
        byte[] bytes = [.. parts.SelectMany(part => part)];
        Assert.True(Snapshot.TryRead(bytes, out var executed));
        Assert.Equal(bytes, Bytes(executed!));
        // Two parts in each other's place are not what anybody wrote.
        (parts[1], parts[2]) = (parts[2], parts[1]);
        Assert.False(Snapshot.TryRead(parts.SelectMany(part => part).ToArray(), out _));
        // Nor is the same content in other parts.
        (parts[1], parts[2]) = (parts[2], parts[1]);
        Assert.True(Snapshot.TryRead(parts.SelectMany(part => part).ToArray(), out _));
        Assert.False(Snapshot.TryRead(parts.SelectMany((part, i) => i == 1 ? Halves(part) : part).ToArray(), out _));
    }

    // One part of many items as two.
    private static byte[] Halves(byte[] part)
    {
        var reader = new CborReader(part.AsMemory(4));
        var items = new ReadOnlyMemory<byte>[reader.ReadStartArray()!.Value];
        for (var i = 0; i < items.Length; i++) items[i] = reader.ReadEncodedValue();
        return [.. Part(items[..(items.Length / 2)]), .. Part(items[(items.Length / 2)..])];

        static byte[] Part(ReadOnlyMemory<byte>[] items)
        {
            var item = Wire.Encode(writer =>
            {
                writer.WriteStartArray(items.Length);
                foreach (var encoded in items) writer.WriteEncodedValue(encoded.Span);
                writer.WriteEndArray();
            });
            var length = new byte[4];
            BinaryPrimitives.WriteInt32BigEndian(length, item.Length);
            return [.. length, .. item];
        }
    }

    // A round with a silent participant, up to the order to unmask.
    private static TestShard Unmasked()
    {
        var ledger = MaskedRoundTests.Silenced();
        foreach (var i in ledger.Masked.Fixed.Revealed.Positions) ledger.Act(i);
        ledger.HoldAll();
        return ledger.Shard;
    }

    // Half of an admission, so that its record waits.
    private static TestShard Admission()
    {
        var shard = new TestShard();
        Assert.Equal(Rejection.None, shard.Send("va", new Admit(ParticipantId.Parse("newcomer"), "Newcomer", Roles.Trainer, TestShard.Key("newcomer").Public)));
        return shard;
    }
}
