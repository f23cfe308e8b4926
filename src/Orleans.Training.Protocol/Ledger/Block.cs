using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>
/// What a block promises (docs/spec/block.md). It holds no view and no certificate: it is a pure function of the parent's state, its time,
/// its proposer and its body, so that every validator that executes the body gets the same bytes.
/// </summary>
public sealed record BlockHeader
{
    /// <summary>Digest of genesis, which names the chain.</summary>
    public required Digest Chain { get; init; }
    /// <summary>The shard.</summary>
    public required Identifier Shard { get; init; }
    /// <summary>The term of the validator set that makes it.</summary>
    public required ulong Era { get; init; }
    /// <summary>Genesis is 0.</summary>
    public required ulong Height { get; init; }
    /// <summary>Digest of the parent's header; zero for genesis.</summary>
    public required Digest Parent { get; init; }
    /// <summary>Milliseconds since 1970 (UTC), strictly above the parent's.</summary>
    public required long TimeMs { get; init; }
    /// <summary>Seat number of the proposer.</summary>
    public required int Proposer { get; init; }
    /// <summary>Leaves of the shard's tree after this block.</summary>
    public required long TreeSize { get; init; }
    /// <summary>RFC 6962 root of the shard's tree after this block.</summary>
    public required Digest TreeRoot { get; init; }
    /// <summary>SHA-256 of the body.</summary>
    public required Digest BodyHash { get; init; }
    /// <summary>Digest of all state changes (docs/spec/block.md).</summary>
    public required Digest WriteSet { get; init; }
    /// <summary>Digest of the validator set of this era.</summary>
    public required Digest Validators { get; init; }
    /// <summary>Digest of the next era's set when this block seals its era, else null.</summary>
    public required Digest? NextValidators { get; init; }

    /// <summary>Encodes the header: the bytes that <see cref="Block.Digest"/> hashes.</summary>
    public byte[] Encode() => Wire.Encode(writer =>
    {
        writer.WriteStartArray(15);
        writer.WriteUInt32(1);
        writer.Write(Chain);
        writer.Write(Shard);
        writer.WriteUInt64(Era);
        writer.WriteUInt64(Height);
        writer.Write(Parent);
        writer.WriteInt64(TimeMs);
        writer.WriteInt32(Proposer);
        writer.WriteInt64(TreeSize);
        writer.Write(TreeRoot);
        writer.Write(BodyHash);
        writer.Write(WriteSet);
        writer.Write(Validators);
        if (NextValidators is { } next) writer.Write(next); else writer.WriteNull();
        writer.WriteUInt32(ProtocolVersion);
        writer.WriteEndArray();
    });

    /// <summary>The version of the execution rules; changes only with an era.</summary>
    public const uint ProtocolVersion = 1;

    internal static BlockHeader Read(CborReader reader)
    {
        reader.ReadArrayHead(15);
        reader.ReadVersion(1);
        var header = new BlockHeader
        {
            Chain = reader.ReadDigest(),
            Shard = reader.ReadIdentifier(),
            Era = (ulong)reader.ReadNumber(),
            Height = (ulong)reader.ReadNumber(),
            Parent = reader.ReadDigest(),
            TimeMs = reader.ReadNumber(),
            Proposer = reader.ReadNumber(Limits.Validators - 1),
            TreeSize = reader.ReadNumber(),
            TreeRoot = reader.ReadDigest(),
            BodyHash = reader.ReadDigest(),
            WriteSet = reader.ReadDigest(),
            Validators = reader.ReadDigest(),
            NextValidators = reader.ReadOptional(Wire.ReadDigest),
        };
        reader.ReadVersion(ProtocolVersion);
        reader.ReadEndArray();
        return header;
    }
}

/// <summary>
/// A header and its body, the transactions. Invalid blocks cannot be built: <see cref="TryParse"/> checks encoding, limits and body hash;
/// what only execution can check is checked by the state machine.
/// </summary>
public sealed class Block
{
    private static readonly byte[] DigestDomain = "FLv1-block\0"u8.ToArray();

    private byte[]? _encoded;

    private Block(BlockHeader header, byte[] headerBytes, ReadOnlyMemory<byte> body, IReadOnlyList<ReadOnlyMemory<byte>> transactions)
    {
        Header = header;
        HeaderBytes = headerBytes;
        Body = body;
        Transactions = transactions;
        Digest = DigestOf(headerBytes);
    }

    /// <summary>The header.</summary>
    public BlockHeader Header { get; }

    /// <summary>The header's bytes, as hashed.</summary>
    public ReadOnlyMemory<byte> HeaderBytes { get; }

    /// <summary>CBOR array of byte strings, one signed transaction each.</summary>
    public ReadOnlyMemory<byte> Body { get; }

    /// <summary>Views of the signed transactions inside <see cref="Body"/>; not yet parsed.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> Transactions { get; }

    /// <summary>SHA-256("FLv1-block\0" ‖ header): what votes name.</summary>
    public Digest Digest { get; }

    /// <summary>A block from a header that its caller has just computed by executing the body.</summary>
    /// <exception cref="ArgumentException">The header does not fit the body, or a limit is exceeded.</exception>
    public static Block Create(BlockHeader header, ReadOnlyMemory<byte> body)
    {
        if (header.BodyHash != Digest.Of(body.Span) || !TryReadBody(body, out var transactions)) throw new ArgumentException("The body is not the one that the header names, or exceeds a limit.", nameof(body));
        return new Block(header, header.Encode(), body, transactions);
    }

    /// <summary>The digest of the block with this header.</summary>
    public static Digest DigestOf(ReadOnlySpan<byte> headerBytes) => Digest.Of([.. DigestDomain, .. headerBytes]);

    /// <summary>Whether it ends its era: then it has no child in it.</summary>
    public bool IsSealing => Header.NextValidators is not null;

    /// <summary>[header bytes, body bytes]; encoded once and kept.</summary>
    public byte[] Encode() => _encoded ??= Wire.Encode(writer =>
    {
        writer.WriteStartArray(2);
        writer.WriteByteString(HeaderBytes.Span);
        writer.WriteByteString(Body.Span);
        writer.WriteEndArray();
    });

    /// <summary>Parses what <see cref="Encode"/> wrote.</summary>
    public static bool TryParse(ReadOnlyMemory<byte> bytes, out Block? block)
    {
        block = Wire.TryDecode(bytes, Limits.BlockBytes + 4096, Split, out var parts)
            && Wire.TryDecode(parts.Header, 4096, BlockHeader.Read, out var header)
            && header.BodyHash == Digest.Of(parts.Body.Span)
            && TryReadBody(parts.Body, out var transactions)
            ? new Block(header, parts.Header.ToArray(), parts.Body, transactions)
            : null;
        return block is not null;
    }

    /// <summary>Parses the header alone of what <see cref="Encode"/> wrote: no transaction is looked at, and the body is not hashed.</summary>
    public static bool TryParseHeader(ReadOnlyMemory<byte> bytes, out BlockHeader? header, out Digest digest)
    {
        (header, digest) = (null, default);
        if (!Wire.TryDecode(bytes, Limits.BlockBytes + 4096, Split, out var parts) || !Wire.TryDecode(parts.Header, 4096, BlockHeader.Read, out header)) return false;
        digest = DigestOf(parts.Header.Span);
        return true;
    }

    /// <summary>The body that carries these signed transactions in this order.</summary>
    public static byte[] EncodeBody(IReadOnlyList<ReadOnlyMemory<byte>> transactions) => Wire.Encode(writer =>
    {
        writer.WriteStartArray(transactions.Count);
        foreach (var transaction in transactions) writer.WriteByteString(transaction.Span);
        writer.WriteEndArray();
    });

    private static (ReadOnlyMemory<byte> Header, ReadOnlyMemory<byte> Body) Split(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var parts = (reader.ReadBytes(4096), reader.ReadBytes(Limits.BlockBytes));
        reader.ReadEndArray();
        return parts;
    }

    private static bool TryReadBody(ReadOnlyMemory<byte> body, out ReadOnlyMemory<byte>[] transactions) =>
        Wire.TryDecode(body, Limits.BlockBytes, reader => reader.ReadArray(Limits.TransactionsPerBlock, item => item.ReadBytes(Limits.TransactionBytes)), out transactions);
}
