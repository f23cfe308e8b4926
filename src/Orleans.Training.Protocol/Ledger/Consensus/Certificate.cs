using System.Formats.Cbor;
using System.Numerics;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>
/// Enough signatures of distinct seats on one and the same vote (docs/spec/consensus.md §3). Which seats signed differs between
/// validators that hold the "same" certificate, so nothing that is executed or hashed into a block may depend on it.
/// A well-formed object proves nothing until <see cref="Verify"/> has said yes.
/// </summary>
public sealed class Certificate
{
    private byte[]? _encoded;

    private Certificate(Vote vote, uint signers, ReadOnlyMemory<byte> signatures)
    {
        Vote = vote;
        Signers = signers;
        Signatures = signatures;
    }

    /// <summary>What was signed.</summary>
    public Vote Vote { get; }

    /// <summary>The kind of vote.</summary>
    public VoteKind Kind => Vote.Kind;

    /// <summary>The view that it speaks of.</summary>
    public ulong View => Vote.View;

    /// <summary>The block that it names; zero for a nullification.</summary>
    public Digest Digest => Vote.Digest;

    /// <summary>Bit i is set when seat i signed.</summary>
    public uint Signers { get; }

    /// <summary>The signatures, 64 bytes each, in seat order.</summary>
    public ReadOnlyMemory<byte> Signatures { get; }

    /// <summary>How many seats signed.</summary>
    public int Count => BitOperations.PopCount(Signers);

    /// <summary>Whether this seat signed.</summary>
    public bool SignedBy(int seat) => (Signers >> seat & 1) != 0;

    /// <summary>The vote of a seat that signed.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The seat did not sign.</exception>
    public SignedVote VoteOf(int seat)
    {
        if (!SignedBy(seat)) throw new ArgumentOutOfRangeException(nameof(seat), seat, "The seat did not sign.");
        var position = BitOperations.PopCount(Signers & (1u << seat) - 1);
        return new SignedVote(Vote, seat, Signatures.Slice(position * Protocol.Signatures.Size, Protocol.Signatures.Size));
    }

    /// <summary>Joins votes of distinct seats on one statement, in seat order.</summary>
    /// <exception cref="ArgumentException">No votes, different statements, seats out of order, or a signature that has not 64 bytes.</exception>
    public static Certificate Join(IReadOnlyList<SignedVote> votes)
    {
        var signers = 0u;
        var signatures = new byte[votes.Count * Protocol.Signatures.Size];
        for (var i = 0; i < votes.Count; i++)
        {
            var vote = votes[i];
            if (vote.Vote != votes[0].Vote || signers >> vote.Seat != 0 || vote.Signature.Length != Protocol.Signatures.Size) throw new ArgumentException("The votes do not make one certificate.", nameof(votes));
            signers |= 1u << vote.Seat;
            vote.Signature.CopyTo(signatures.AsMemory(i * Protocol.Signatures.Size));
        }

        return votes.Count > 0 ? new Certificate(votes[0].Vote, signers, signatures) : throw new ArgumentException("A certificate needs votes.", nameof(votes));
    }

    /// <summary>Whether at least a quorum of <paramref name="validators"/> signed, none twice, every signature good, for this chain, shard and era.</summary>
    public bool Verify(ValidatorSet validators, Digest chain, Identifier shard)
    {
        if (Vote.Era != validators.Era || Count < validators.Quorum || (ulong)Signers >> validators.Count != 0) return false;
        Span<byte> preimage = stackalloc byte[Vote.PreimageSize];
        Vote.WritePreimage(chain, shard, preimage);
        var position = 0;
        for (var seat = 0; seat < validators.Count; seat++)
        {
            if (!SignedBy(seat)) continue;
            var signature = Signatures.Span.Slice(position++ * Protocol.Signatures.Size, Protocol.Signatures.Size);
            if (validators.Seats[seat].VoteKey is not { } key || !Protocol.Signatures.Verify(key, preimage, signature)) return false;
        }

        return true;
    }

    /// <summary>[kind, era, view, parent view, digest, signers, signatures]; encoded once and kept.</summary>
    public ReadOnlyMemory<byte> Encode() => _encoded ??= Wire.Encode(Write);

    /// <summary>Parses what <see cref="Encode"/> wrote; false for anything else. Signatures are not checked here.</summary>
    public static bool TryParse(ReadOnlyMemory<byte> bytes, out Certificate? certificate) => Wire.TryDecode(bytes, MaximumBytes, Read, out certificate!);

    internal const int MaximumBytes = Limits.Validators * Protocol.Signatures.Size + 128;

    internal void Write(CborWriter writer)
    {
        writer.WriteStartArray(7);
        Vote.WriteFields(writer);
        writer.WriteUInt32(Signers);
        writer.WriteByteString(Signatures.Span);
        writer.WriteEndArray();
    }

    internal static Certificate Read(CborReader reader)
    {
        reader.ReadArrayHead(7);
        var vote = Vote.ReadFields(reader);
        var signers = (uint)reader.ReadNumber(int.MaxValue);
        var signatures = reader.ReadBytes(Limits.Validators * Protocol.Signatures.Size);
        Wire.Require(signers != 0 && signatures.Length == BitOperations.PopCount(signers) * Protocol.Signatures.Size);
        reader.ReadEndArray();
        return new Certificate(vote, signers, signatures);
    }
}
