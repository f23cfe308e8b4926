using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>
/// One seat in a validator set. Four keys with four roles (C2SP: no key in two): transactions (attestations), votes, cosignatures, and
/// the log line of checkpoints this validator publishes itself. Vote, cosign and log key are Ed25519. The transaction key is the seat's identity.
/// A seat without a vote key is keyless: it counts in n and cannot vote.
/// </summary>
public sealed record Validator(ParticipantId Organisation, PublicKey TransactionKey, PublicKey? VoteKey, PublicKey CosignKey, PublicKey LogKey)
{
    private const int MaximumBytes = 1024;

    /// <summary>The ids of the seat's keys.</summary>
    public IEnumerable<Identifier> KeyIds => new[] { TransactionKey, VoteKey, CosignKey, LogKey }.Where(key => key is not null).Select(key => key!.Id);

    /// <summary>[organisation, transaction key, vote key, cosign key, log key]: what an organisation hands to the others before there is a genesis, or before it enters.</summary>
    public byte[] Encode() => Wire.Encode(Write);

    /// <summary>Parses what <see cref="Encode"/> wrote; refuses a key that stands twice, and an entry without a vote key.</summary>
    public static bool TryParse(ReadOnlyMemory<byte> bytes, out Validator? validator) =>
        Wire.TryDecode(bytes, MaximumBytes, Read, out validator) && validator is { VoteKey: not null } && validator.KeyIds.Distinct().Count() == 4;

    internal void Write(CborWriter writer)
    {
        writer.WriteStartArray(5);
        writer.Write(Organisation);
        TransactionKey.Write(writer);
        if (VoteKey is null) writer.WriteNull(); else VoteKey.Write(writer);
        CosignKey.Write(writer);
        LogKey.Write(writer);
        writer.WriteEndArray();
    }

    internal static Validator Read(CborReader reader)
    {
        reader.ReadArrayHead(5);
        var validator = new Validator(reader.ReadParticipant(), PublicKey.Read(reader), ReadVoteKey(reader), PublicKey.Read(reader), PublicKey.Read(reader));
        Wire.Require(validator.VoteKey?.Algorithm is null or SignatureAlgorithm.Ed25519);
        Wire.Require(validator.CosignKey.Algorithm is SignatureAlgorithm.Ed25519 && validator.LogKey.Algorithm is SignatureAlgorithm.Ed25519);
        reader.ReadEndArray();
        return validator;
    }

    internal static PublicKey? ReadVoteKey(CborReader reader)
    {
        if (reader.PeekState() is not CborReaderState.Null) return PublicKey.Read(reader);
        reader.ReadNull();
        return null;
    }
}

/// <summary>Who may sign in one era, in seat order. A seat's number is its position.</summary>
public sealed record ValidatorSet(ulong Era, IReadOnlyList<Validator> Seats)
{
    /// <summary>The era. Not to be changed in a copy (<c>with</c>), which would keep the digest.</summary>
    public ulong Era { get; } = Era;

    /// <summary>The seats. As with the era, another list is another set.</summary>
    public IReadOnlyList<Validator> Seats { get; } = Seats;

    /// <summary>n.</summary>
    public int Count => Seats.Count;

    /// <summary>f = ⌊(n−1)/3⌋: how many seats may lie.</summary>
    public int MaxFaulty => (Count - 1) / 3;

    /// <summary>q = ⌊(n+f)/2⌋+1 signatures make a certificate; for n ≤ 3, all of them.</summary>
    public int Quorum => Count <= 3 ? Count : (Count + MaxFaulty) / 2 + 1;

    /// <summary>Whether a seat may vote: it exists and has a vote key.</summary>
    public bool CanVote(int seat) => (uint)seat < (uint)Count && Seats[seat].VoteKey is not null;

    /// <summary>The seat with this transaction key, or −1.</summary>
    public int SeatOf(Identifier transactionKey)
    {
        for (var seat = 0; seat < Count; seat++)
        {
            if (Seats[seat].TransactionKey.Id == transactionKey) return seat;
        }

        return -1;
    }

    /// <summary>SHA-256 of <see cref="Encode"/>.</summary>
    public Digest Digest { get; } = Digest.Of(EncodeParts(Era, Seats));

    /// <summary>[era, [seat…]].</summary>
    public byte[] Encode() => EncodeParts(Era, Seats);

    /// <summary>Reads what <see cref="Encode"/> wrote; refuses an empty set, more than <see cref="Limits.Validators"/> seats, and a key that stands twice.</summary>
    public static ValidatorSet Read(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var era = (ulong)reader.ReadNumber();
        var seats = reader.ReadArray(Limits.Validators, Validator.Read);
        var keys = new HashSet<Identifier>();
        Wire.Require(seats.Length > 0 && seats.All(seat => seat.KeyIds.All(keys.Add)));
        reader.ReadEndArray();
        return new ValidatorSet(era, seats);
    }

    private static byte[] EncodeParts(ulong era, IReadOnlyList<Validator> seats) => Wire.Encode(writer =>
    {
        writer.WriteStartArray(2);
        writer.WriteUInt64(era);
        writer.WriteStartArray(seats.Count);
        foreach (var seat in seats) seat.Write(writer);
        writer.WriteEndArray();
        writer.WriteEndArray();
    });
}
