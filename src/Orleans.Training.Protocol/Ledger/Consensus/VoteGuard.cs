using System.Buffers.Binary;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>
/// The safety kernel (docs/spec/consensus.md §4): what one validator must remember of its votes so that it never contradicts itself.
/// Immutable. A vote may be signed only after the guard that admitted it is durable; a guard that was lost or restored from a copy
/// means that the vote key is dead.
/// </summary>
public sealed record VoteGuard
{
    /// <summary>Bytes of the durable form.</summary>
    public const int Size = 96;

    private VoteGuard(ulong era) => Era = era;

    /// <summary>The era that the votes below belong to; votes of any other era are refused.</summary>
    public ulong Era { get; private init; }

    /// <summary>Highest view with a notarize vote, 0 for none.</summary>
    public ulong NotarizedView { get; private init; }

    /// <summary>Digest of that vote's preimage.</summary>
    public Digest Notarized { get; private init; }

    /// <summary>Highest view with a finalize vote, 0 for none.</summary>
    public ulong FinalizedView { get; private init; }

    /// <summary>Digest of that vote's preimage.</summary>
    public Digest Finalized { get; private init; }

    /// <summary>Highest view with a nullify vote, 0 for none.</summary>
    public ulong NullifiedView { get; private init; }

    /// <summary>The guard of a key that has not voted in <paramref name="era"/>.</summary>
    public static VoteGuard Empty(ulong era) => new(era);

    /// <summary>
    /// Whether <paramref name="vote"/>, whose preimage has the digest <paramref name="preimage"/>, may be signed; if so,
    /// <paramref name="next"/> is the guard that must be durable first. A vote already given is admitted again, byte for byte the same.
    /// </summary>
    public bool TryAdmit(Vote vote, Digest preimage, out VoteGuard next) => TryAdmit(vote, preimage, ConsensusRules.Correct, out next);

    internal bool TryAdmit(Vote vote, Digest preimage, ConsensusRules rules, out VoteGuard next)
    {
        next = this;
        if (vote.Era != Era) return false;
        switch (vote.Kind)
        {
            case VoteKind.Notarize when vote.View > NotarizedView || (vote.View == NotarizedView && (preimage == Notarized || !rules.NotarizeOnce)):
                next = this with { NotarizedView = vote.View, Notarized = preimage };
                return true;
            case VoteKind.Nullify when vote.View > FinalizedView || !rules.NullifyOnlyAboveFinalized:
                next = this with { NullifiedView = Math.Max(NullifiedView, vote.View) };
                return true;
            case VoteKind.Finalize when (vote.View > NullifiedView || !rules.FinalizeOnlyAboveNullified)
                && (vote.View > FinalizedView || (vote.View == FinalizedView && preimage == Finalized)):
                next = this with { FinalizedView = vote.View, Finalized = preimage };
                return true;
            default:
                return false;
        }
    }

    /// <summary>Whether this guard can have seen the vote given: false means that the key signed something that this guard does not remember.</summary>
    public bool Covers(Vote vote, Digest preimage) => vote.Era < Era || (vote.Era == Era && vote.Kind switch
    {
        VoteKind.Notarize => vote.View < NotarizedView || (vote.View == NotarizedView && preimage == Notarized),
        VoteKind.Finalize => vote.View < FinalizedView || (vote.View == FinalizedView && preimage == Finalized),
        _ => vote.View <= NullifiedView,
    });

    /// <summary>The 96 bytes: era ‖ nv ‖ nd ‖ fv ‖ fd ‖ zv, integers big-endian.</summary>
    public byte[] Encode()
    {
        var bytes = new byte[Size];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, Era);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(8), NotarizedView);
        Notarized.CopyTo(bytes.AsSpan(16));
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(48), FinalizedView);
        Finalized.CopyTo(bytes.AsSpan(56));
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(88), NullifiedView);
        return bytes;
    }

    /// <summary>Parses what <see cref="Encode"/> wrote; false when the length is wrong or a view of 0 has a digest.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, out VoteGuard? guard)
    {
        guard = null;
        if (bytes.Length != Size) return false;
        var read = new VoteGuard(BinaryPrimitives.ReadUInt64BigEndian(bytes))
        {
            NotarizedView = BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]),
            Notarized = Digest.From(bytes[16..48]),
            FinalizedView = BinaryPrimitives.ReadUInt64BigEndian(bytes[48..]),
            Finalized = Digest.From(bytes[56..88]),
            NullifiedView = BinaryPrimitives.ReadUInt64BigEndian(bytes[88..]),
        };
        if ((read.NotarizedView == 0) != (read.Notarized == Digest.Zero) || (read.FinalizedView == 0) != (read.Finalized == Digest.Zero)) return false;
        guard = read;
        return true;
    }
}
