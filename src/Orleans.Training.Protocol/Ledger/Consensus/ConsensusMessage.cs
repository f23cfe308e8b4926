using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>
/// What validators of one shard say to each other (docs/spec/consensus.md §5). Objects are immutable and well-formed; what they claim
/// is checked by <see cref="MessageVerifier"/>. The chain and the shard are the channel's: signatures bind them, messages do not repeat them.
/// </summary>
public abstract record ConsensusMessage
{
    internal const int MaximumGossip = 1024;
    internal const int MaximumCertificates = 128;
    internal const int MaximumBlocks = 1024;
    internal const int MaximumLine = 512;
    internal const int MaximumLinks = 128;

    private byte[]? _encoded;

    /// <summary>The one encoding, [type, …]; made once, then the same bytes for every peer.</summary>
    public ReadOnlyMemory<byte> Encode() => _encoded ??= Wire.Encode(Write);

    /// <summary>Parses any message; false for whatever is not exactly one canonical message within its limits. Never throws.</summary>
    public static bool TryParse(ReadOnlyMemory<byte> bytes, out ConsensusMessage? message) => Wire.TryDecode(bytes, Limits.MessageBytes, Read, out message!);

    /// <summary>Writes the array.</summary>
    private protected abstract void Write(CborWriter writer);

    private static ConsensusMessage Read(CborReader reader)
    {
        var length = reader.ReadStartArray();
        var type = reader.ReadNumber(12);
        ConsensusMessage message = (type, length) switch
        {
            (1, 7) => Propose.ReadFields(reader),
            (2, 2) => new VoteMessage(SignedVote.Read(reader)),
            (3, 2) => new CertificateMessage(reader.ReadArray(MaximumCertificates, Certificate.Read)),
            (4, 7) => StatusMessage.ReadFields(reader),
            (5, 4) => new GetCertificates((ulong)reader.ReadNumber(), (ulong)reader.ReadNumber(), (ulong)reader.ReadNumber()),
            (6, 3) => new GetBlocks((ulong)reader.ReadNumber(), reader.ReadDigest()),
            (7, 3) => BlocksMessage.ReadFields(reader),
            (8, 2) => new TransactionGossip(reader.ReadArray(MaximumGossip, ReadTransaction)),
            (9, 3) => new CosignatureMessage(reader.ReadNumber(), reader.ReadBytes(MaximumLine)),
            (10, 2) => new EraProof(reader.ReadArray(MaximumLinks, EraLink.Read)),
            (11, 3) => new GetSnapshot((ulong)reader.ReadNumber(), (ulong)reader.ReadNumber()),
            (12, 4) => SnapshotOffer.ReadFields(reader),
            _ => throw new CborContentException("There is no such message."),
        };
        reader.ReadEndArray();
        return message;
    }

    private protected static void WriteCertificates(CborWriter writer, IReadOnlyList<Certificate> certificates)
    {
        writer.WriteStartArray(certificates.Count);
        foreach (var certificate in certificates) writer.WriteEncodedValue(certificate.Encode().Span);
        writer.WriteEndArray();
    }

    private protected static Block ReadBlock(CborReader reader)
    {
        Wire.Require(Block.TryParse(reader.ReadBytes(Limits.BlockBytes + 4096), out var block));
        return block!;
    }

    private static Transaction ReadTransaction(CborReader reader)
    {
        Wire.Require(Transaction.TryParse(reader.ReadBytes(Limits.TransactionBytes), out var transaction) is Rejection.None);
        return transaction!;
    }
}

/// <summary>A leader's block for a view, with the leader's own notarize vote and the certificates that justify the choice of parent.</summary>
/// <param name="View">The view.</param>
/// <param name="ParentView">The view that notarized the block's parent.</param>
/// <param name="Block">The block; its header names the era.</param>
/// <param name="Signature">The leader's signature on Notarize(era, view, parent view, digest of the block).</param>
/// <param name="Justification">The notarization of the parent, if it is not the era's root, and the nullifications of the views between; a receiver may hold them already and asks for what is missing.</param>
public sealed record Propose(ulong View, ulong ParentView, Block Block, ReadOnlyMemory<byte> Signature, IReadOnlyList<Certificate> Justification) : ConsensusMessage
{
    /// <summary>The vote that the leader's signature is on.</summary>
    public Vote Vote => Vote.Notarize(Block.Header.Era, View, ParentView, Block.Digest);

    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(7);
        writer.WriteUInt32(1);
        writer.WriteUInt64(Block.Header.Era);
        writer.WriteUInt64(View);
        writer.WriteUInt64(ParentView);
        writer.WriteByteString(Block.Encode());
        writer.WriteByteString(Signature.Span);
        WriteCertificates(writer, Justification);
        writer.WriteEndArray();
    }

    internal static Propose ReadFields(CborReader reader)
    {
        var era = (ulong)reader.ReadNumber();
        var view = (ulong)reader.ReadNumber();
        var parentView = (ulong)reader.ReadNumber();
        var block = ReadBlock(reader);
        var signature = reader.ReadBytes(Signatures.Size);
        Wire.Require(parentView < view && era == block.Header.Era && signature.Length == Signatures.Size);
        return new Propose(view, parentView, block, signature, reader.ReadArray(MaximumCertificates, Certificate.Read));
    }
}

/// <summary>One vote; anybody may carry it.</summary>
/// <param name="Vote">The vote.</param>
public sealed record VoteMessage(SignedVote Vote) : ConsensusMessage
{
    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(2);
        writer.WriteUInt32(2);
        Vote.Write(writer);
        writer.WriteEndArray();
    }
}

/// <summary>Certificates: the one that let the sender in, its last finalization, or the answer to <see cref="GetCertificates"/>.</summary>
/// <param name="Certificates">At most 128.</param>
public sealed record CertificateMessage(IReadOnlyList<Certificate> Certificates) : ConsensusMessage
{
    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(2);
        writer.WriteUInt32(3);
        WriteCertificates(writer, Certificates);
        writer.WriteEndArray();
    }
}

/// <summary>Where the sender stands, and the highest votes that it holds of the addressee: proof against a lost guard.</summary>
/// <param name="Era">The sender's era.</param>
/// <param name="View">The sender's view.</param>
/// <param name="FinalView">The view of its last finalization, 0 for none.</param>
/// <param name="FinalHeight">The height of its last final block.</param>
/// <param name="VotesOfReceiver">The addressee's own highest vote of each kind, with its signature: at most 3.</param>
/// <param name="WantsReply">Whether the addressee should answer with its own status.</param>
public sealed record StatusMessage(ulong Era, ulong View, ulong FinalView, ulong FinalHeight, IReadOnlyList<SignedVote> VotesOfReceiver, bool WantsReply) : ConsensusMessage
{
    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(7);
        writer.WriteUInt32(4);
        writer.WriteUInt64(Era);
        writer.WriteUInt64(View);
        writer.WriteUInt64(FinalView);
        writer.WriteUInt64(FinalHeight);
        writer.WriteStartArray(VotesOfReceiver.Count);
        foreach (var vote in VotesOfReceiver) vote.Write(writer);
        writer.WriteEndArray();
        writer.WriteBoolean(WantsReply);
        writer.WriteEndArray();
    }

    internal static StatusMessage ReadFields(CborReader reader) => new(
        (ulong)reader.ReadNumber(), (ulong)reader.ReadNumber(), (ulong)reader.ReadNumber(), (ulong)reader.ReadNumber(), reader.ReadArray(3, SignedVote.Read), reader.ReadBoolean());
}

/// <summary>Asks for the certificates of a range of views.</summary>
/// <param name="Era">The era.</param>
/// <param name="First">First view.</param>
/// <param name="Last">Last view, inclusive.</param>
public sealed record GetCertificates(ulong Era, ulong First, ulong Last) : ConsensusMessage
{
    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(4);
        writer.WriteUInt32(5);
        writer.WriteUInt64(Era);
        writer.WriteUInt64(First);
        writer.WriteUInt64(Last);
        writer.WriteEndArray();
    }
}

/// <summary>Asks for the blocks on the path to a block.</summary>
/// <param name="Above">Only blocks higher than this are wanted.</param>
/// <param name="Tip">The block at the end of the path.</param>
public sealed record GetBlocks(ulong Above, Digest Tip) : ConsensusMessage
{
    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(3);
        writer.WriteUInt32(6);
        writer.WriteUInt64(Above);
        writer.Write(Tip);
        writer.WriteEndArray();
    }
}

/// <summary>Blocks in ascending height, each the parent of the next: the lowest of what was asked for, as many as fit.</summary>
/// <param name="Final">A finalization of the last of them, if the sender has one.</param>
/// <param name="Blocks">At most 1,024.</param>
public sealed record BlocksMessage(Certificate? Final, IReadOnlyList<Block> Blocks) : ConsensusMessage
{
    /// <summary>As many of these blocks as fit into a message, one at least; the finalization of the last goes with all of them only. Who caught up has one finalization for more blocks than a message holds.</summary>
    public static BlocksMessage Fitting(Certificate? final, IReadOnlyList<Block> blocks)
    {
        var bytes = 0L;
        var fit = blocks.TakeWhile((block, number) => (bytes += block.Body.Length + 1024) <= Limits.BlockBytes + 4096 || number == 0).Take(MaximumBlocks).ToList();
        return new BlocksMessage(fit.Count == blocks.Count ? final : null, fit);
    }

    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(3);
        writer.WriteUInt32(7);
        if (Final is null) writer.WriteNull(); else writer.WriteEncodedValue(Final.Encode().Span);
        writer.WriteStartArray(Blocks.Count);
        foreach (var block in Blocks) writer.WriteByteString(block.Encode());
        writer.WriteEndArray();
        writer.WriteEndArray();
    }

    internal static BlocksMessage ReadFields(CborReader reader)
    {
        Certificate? final = null;
        if (reader.PeekState() is CborReaderState.Null) reader.ReadNull(); else final = Certificate.Read(reader);
        Wire.Require(final is null or { Kind: VoteKind.Finalize });
        return new BlocksMessage(final, reader.ReadArray(MaximumBlocks, ReadBlock));
    }
}

/// <summary>Transactions that the sender found admissible.</summary>
/// <param name="Transactions">At most 1,024, and at most <see cref="Limits.MessageBytes"/> in all.</param>
public sealed record TransactionGossip(IReadOnlyList<Transaction> Transactions) : ConsensusMessage
{
    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(2);
        writer.WriteUInt32(8);
        writer.WriteStartArray(Transactions.Count);
        foreach (var transaction in Transactions) writer.WriteByteString(transaction.Encoded.Span);
        writer.WriteEndArray();
        writer.WriteEndArray();
    }
}

/// <summary>A cosignature line of the sender for a checkpoint. Consensus carries it and takes no notice: the host's checkpoint code checks it.</summary>
/// <param name="TreeSize">Size of the tree that is cosigned.</param>
/// <param name="Line">The line of the signed note, UTF-8, at most 512 bytes.</param>
public sealed record CosignatureMessage(long TreeSize, ReadOnlyMemory<byte> Line) : ConsensusMessage
{
    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(3);
        writer.WriteUInt32(9);
        writer.WriteInt64(TreeSize);
        writer.WriteByteString(Line.Span);
        writer.WriteEndArray();
    }
}

/// <summary>How the addressee's era ended, and perhaps those after it: the way over for whoever knows the set of the first link's era.</summary>
/// <param name="Links">In the order of eras, at most 128.</param>
public sealed record EraProof(IReadOnlyList<EraLink> Links) : ConsensusMessage
{
    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(2);
        writer.WriteUInt32(10);
        writer.WriteStartArray(Links.Count);
        foreach (var link in Links) link.Write(writer);
        writer.WriteEndArray();
        writer.WriteEndArray();
    }
}
