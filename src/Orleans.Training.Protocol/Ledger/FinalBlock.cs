using System.Formats.Cbor;
using Orleans.Training.Protocol.Contracts;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>A final block with what it added to the ledger, without the state after it: what is kept of it for ever.</summary>
/// <param name="Block">The block.</param>
/// <param name="Leaves">Its leaves, the block's own first.</param>
/// <param name="Events">Beside each leaf its events.</param>
/// <param name="Finalization">A finalization of it or of a descendant; null for genesis.</param>
public sealed record FinalBlock(Block Block, IReadOnlyList<byte[]> Leaves, IReadOnlyList<IReadOnlyList<LedgerEvent>> Events, Certificate? Finalization)
{
    // Events repeat the records that a block changed, as often as it changed them.
    private const int MaximumBytes = 1 << 30;
    private const int MaximumEvents = 4096;

    /// <summary>The part of an executed block that is kept.</summary>
    public static FinalBlock Of(ExecutedBlock executed, Certificate? finalization) => new(executed.Block, LedgerState.Of(executed).Leaves, LedgerState.Of(executed).Events, finalization);

    /// <summary>The index of the first leaf that the block added.</summary>
    public long FirstIndex => Block.Header.TreeSize - Leaves.Count;

    /// <summary>[block: bytes, [[leaf, events]…], finalization or null].</summary>
    public byte[] Encode() => Wire.Encode(writer =>
    {
        writer.WriteStartArray(3);
        writer.WriteByteString(Block.Encode());
        writer.WriteStartArray(Leaves.Count);
        for (var i = 0; i < Leaves.Count; i++)
        {
            writer.WriteStartArray(2);
            writer.WriteByteString(Leaves[i]);
            writer.WriteStartArray(Events[i].Count);
            foreach (var item in Events[i]) item.Write(writer);
            writer.WriteEndArray();
            writer.WriteEndArray();
        }

        writer.WriteEndArray();
        if (Finalization is { } certificate) writer.WriteEncodedValue(certificate.Encode().Span); else writer.WriteNull();
        writer.WriteEndArray();
    });

    /// <summary>Parses what <see cref="Encode"/> wrote.</summary>
    public static bool TryParse(ReadOnlyMemory<byte> bytes, out FinalBlock? block) => Wire.TryDecode(bytes, MaximumBytes, Read, out block);

    private static FinalBlock Read(CborReader reader)
    {
        reader.ReadArrayHead(3);
        Wire.Require(Block.TryParse(reader.ReadBytes(Limits.BlockBytes + 4096), out var block));
        var leaves = reader.ReadArray(Limits.TransactionsPerBlock + 1, ReadLeaf);
        Wire.Require(leaves.Length == block!.Transactions.Count + 1 && leaves.Length <= block.Header.TreeSize);
        Certificate? finalization = null;
        if (reader.PeekState() is CborReaderState.Null) reader.ReadNull(); else finalization = Certificate.Read(reader);
        reader.ReadEndArray();
        return new FinalBlock(block, [.. leaves.Select(item => item.Leaf)], [.. leaves.Select(item => item.Events)], finalization);
    }

    private static (byte[] Leaf, LedgerEvent[] Events) ReadLeaf(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var item = (reader.ReadBytes(Limits.LeafBytes).ToArray(), reader.ReadArray(MaximumEvents, LedgerEvent.Read));
        reader.ReadEndArray();
        return item;
    }
}
