using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>
/// A leaf of a shard's tree (docs/spec/block.md): leaf 0 of a block binds its time, its parent and what fell due; every other leaf is the entry
/// of one transaction and binds its digest to its result.
/// </summary>
public abstract record Leaf(ulong Height)
{
    /// <summary>The bytes that the tree hashes.</summary>
    public abstract byte[] Encode();

    /// <summary>Parses either kind.</summary>
    public static bool TryParse(ReadOnlyMemory<byte> bytes, out Leaf? leaf)
    {
        if (Wire.TryDecode(bytes, Limits.LeafBytes, Entry.Read, out var entry)) leaf = entry;
        else if (Wire.TryDecode(bytes, Limits.LeafBytes, BlockLeaf.Read, out var block)) leaf = block;
        else leaf = null;
        return leaf is not null;
    }
}

/// <summary>The first leaf of a block: [2, height, time, parent's digest, digest of the events that fell due].</summary>
public sealed record BlockLeaf(ulong Height, long TimeMs, Digest Parent, Digest EventsDigest) : Leaf(Height)
{
    /// <inheritdoc/>
    public override byte[] Encode() => Wire.Encode(writer =>
    {
        writer.WriteStartArray(5);
        writer.WriteUInt32(2);
        writer.WriteUInt64(Height);
        writer.WriteInt64(TimeMs);
        writer.Write(Parent);
        writer.Write(EventsDigest);
        writer.WriteEndArray();
    });

    internal static BlockLeaf Read(CborReader reader)
    {
        reader.ReadArrayHead(5);
        reader.ReadVersion(2);
        var leaf = new BlockLeaf((ulong)reader.ReadNumber(), reader.ReadNumber(), reader.ReadDigest(), reader.ReadDigest());
        reader.ReadEndArray();
        return leaf;
    }
}

/// <summary>
/// The leaf of one transaction: [1, height, position in the body, actor, key id, transaction id, transaction digest, result, digest of its events].
/// A refusal by a contract has a number as its result and no events.
/// </summary>
public sealed record Entry(ulong Height, int Position, ParticipantId Actor, Identifier KeyId, Identifier TransactionId, Digest TransactionDigest, Rejection Result, Digest EventsDigest) : Leaf(Height)
{
    /// <inheritdoc/>
    public override byte[] Encode() => Wire.Encode(writer =>
    {
        writer.WriteStartArray(9);
        writer.WriteUInt32(1);
        writer.WriteUInt64(Height);
        writer.WriteInt32(Position);
        writer.Write(Actor);
        writer.Write(KeyId);
        writer.Write(TransactionId);
        writer.Write(TransactionDigest);
        writer.WriteInt32((int)Result);
        writer.Write(EventsDigest);
        writer.WriteEndArray();
    });

    internal static Entry Read(CborReader reader)
    {
        reader.ReadArrayHead(9);
        reader.ReadVersion(1);
        var entry = new Entry((ulong)reader.ReadNumber(), reader.ReadNumber(Limits.TransactionsPerBlock - 1), reader.ReadParticipant(), reader.ReadIdentifier(), reader.ReadIdentifier(),
            reader.ReadDigest(), (Rejection)reader.ReadNumber(9999), reader.ReadDigest());
        reader.ReadEndArray();
        return entry;
    }
}
