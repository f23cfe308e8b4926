using System.Buffers.Binary;
using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>What a validator says about a view; the numbers stand in signed bytes and never change (docs/spec/consensus.md §2).</summary>
public enum VoteKind : byte
{
    /// <summary>"This is the one block that I accept in this view."</summary>
    Notarize = 1,
    /// <summary>"I give this view up, and will not finalize its block."</summary>
    Nullify = 2,
    /// <summary>"I saw this block notarized in this view, and have not given the view up."</summary>
    Finalize = 3,
}

/// <summary>
/// One statement of one validator about one view (docs/spec/consensus.md §2). Build it with <see cref="Notarize"/>,
/// <see cref="Nullify"/> or <see cref="Finalize(ulong, ulong, Digest)"/>: fields that a kind does not use are zero.
/// </summary>
public readonly record struct Vote
{
    /// <summary>Bytes of the signed form.</summary>
    public const int PreimageSize = 115;

    private static readonly byte[] Domain = "FLv1-vote\0"u8.ToArray();

    private Vote(VoteKind kind, ulong era, ulong view, ulong parentView, Digest digest)
    {
        Kind = kind;
        Era = era;
        View = view;
        ParentView = parentView;
        Digest = digest;
    }

    /// <summary>The kind.</summary>
    public VoteKind Kind { get; }

    /// <summary>The validator set's term.</summary>
    public ulong Era { get; }

    /// <summary>The view, from 1.</summary>
    public ulong View { get; }

    /// <summary>Notarize: the view in which the block's parent was notarized, 0 for the root of the era. Otherwise 0.</summary>
    public ulong ParentView { get; }

    /// <summary>The block; <see cref="Digest.Zero"/> for Nullify.</summary>
    public Digest Digest { get; }

    /// <summary>A vote to accept <paramref name="digest"/> in <paramref name="view"/>, as a child of what <paramref name="parentView"/> notarized.</summary>
    public static Vote Notarize(ulong era, ulong view, ulong parentView, Digest digest) => new(VoteKind.Notarize, era, view, parentView, digest);

    /// <summary>A vote to give up <paramref name="view"/>.</summary>
    public static Vote Nullify(ulong era, ulong view) => new(VoteKind.Nullify, era, view, 0, Digest.Zero);

    /// <summary>A vote to make <paramref name="digest"/>, notarized in <paramref name="view"/>, final.</summary>
    public static Vote Finalize(ulong era, ulong view, Digest digest) => new(VoteKind.Finalize, era, view, 0, digest);

    /// <summary>Writes the 115 bytes that are signed: "FLv1-vote\0" ‖ kind ‖ chain ‖ shard ‖ era ‖ view ‖ parent view ‖ digest.</summary>
    public void WritePreimage(Digest chain, Identifier shard, Span<byte> destination)
    {
        Domain.CopyTo(destination);
        destination[10] = (byte)Kind;
        chain.CopyTo(destination[11..]);
        shard.CopyTo(destination[43..]);
        BinaryPrimitives.WriteUInt64BigEndian(destination[59..], Era);
        BinaryPrimitives.WriteUInt64BigEndian(destination[67..], View);
        BinaryPrimitives.WriteUInt64BigEndian(destination[75..], ParentView);
        Digest.CopyTo(destination[83..]);
    }

    /// <summary>The 115 signed bytes, in a new array.</summary>
    public byte[] Preimage(Digest chain, Identifier shard)
    {
        var bytes = new byte[PreimageSize];
        WritePreimage(chain, shard, bytes);
        return bytes;
    }

    /// <summary>SHA-256 of the 115 bytes: what the guard remembers.</summary>
    public Digest PreimageDigest(Digest chain, Identifier shard)
    {
        Span<byte> bytes = stackalloc byte[PreimageSize];
        WritePreimage(chain, shard, bytes);
        return Digest.Of(bytes);
    }

    /// <summary>The unsigned vote as a journal record: [kind, era, view, parent view, digest].</summary>
    public byte[] Encode()
    {
        var vote = this;
        return Wire.Encode(writer =>
        {
            writer.WriteStartArray(5);
            vote.WriteFields(writer);
            writer.WriteEndArray();
        });
    }

    /// <summary>Parses what <see cref="Encode"/> wrote; false for anything else.</summary>
    public static bool TryParse(ReadOnlyMemory<byte> bytes, out Vote vote) => Wire.TryDecode(bytes, 128, reader =>
    {
        reader.ReadArrayHead(5);
        var read = ReadFields(reader);
        reader.ReadEndArray();
        return read;
    }, out vote);

    internal void WriteFields(CborWriter writer)
    {
        writer.WriteUInt32((uint)Kind);
        writer.WriteUInt64(Era);
        writer.WriteUInt64(View);
        writer.WriteUInt64(ParentView);
        writer.Write(Digest);
    }

    internal static Vote ReadFields(CborReader reader)
    {
        var kind = (VoteKind)reader.ReadNumber(3);
        var vote = new Vote(kind, (ulong)reader.ReadNumber(), (ulong)reader.ReadNumber(), (ulong)reader.ReadNumber(), reader.ReadDigest());
        Wire.Require(kind is not 0 && vote.View > 0);
        Wire.Require(kind is VoteKind.Notarize ? vote.ParentView < vote.View : vote.ParentView == 0);
        Wire.Require(kind is VoteKind.Nullify == (vote.Digest == Digest.Zero));
        return vote;
    }
}

/// <summary>A vote with its signature. The signature is checked by <see cref="Verify"/>, not by building the object.</summary>
/// <param name="Vote">The statement.</param>
/// <param name="Seat">The signer's seat number in its era's validator set.</param>
/// <param name="Signature">64 bytes, Ed25519 by the seat's vote key over the preimage.</param>
public sealed record SignedVote(Vote Vote, int Seat, ReadOnlyMemory<byte> Signature)
{
    /// <summary>Whether the seat exists in <paramref name="validators"/>, the eras agree, and the signature is good.</summary>
    public bool Verify(ValidatorSet validators, Digest chain, Identifier shard)
    {
        if (Vote.Era != validators.Era || !validators.CanVote(Seat)) return false;
        Span<byte> preimage = stackalloc byte[Vote.PreimageSize];
        Vote.WritePreimage(chain, shard, preimage);
        return Signatures.Verify(validators.Seats[Seat].VoteKey!, preimage, Signature.Span);
    }

    internal void Write(CborWriter writer)
    {
        writer.WriteStartArray(7);
        Vote.WriteFields(writer);
        writer.WriteInt32(Seat);
        writer.WriteByteString(Signature.Span);
        writer.WriteEndArray();
    }

    internal static SignedVote Read(CborReader reader)
    {
        reader.ReadArrayHead(7);
        var vote = Vote.ReadFields(reader);
        var seat = reader.ReadNumber(Limits.Validators - 1);
        var signature = reader.ReadBytes(Signatures.Size);
        Wire.Require(signature.Length == Signatures.Size);
        reader.ReadEndArray();
        return new SignedVote(vote, seat, signature);
    }
}
