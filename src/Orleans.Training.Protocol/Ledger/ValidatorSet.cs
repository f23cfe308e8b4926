using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>
/// One seat in a validator set. Four keys with four roles (C2SP: no key in two): transactions (attestations), votes, cosignatures, and
/// the log line of checkpoints this validator publishes itself. Vote, cosign and log key are Ed25519.
/// </summary>
public sealed record Validator(ParticipantId Organisation, PublicKey TransactionKey, PublicKey VoteKey, PublicKey CosignKey, PublicKey LogKey)
{
    private const int MaximumBytes = 1024;

    /// <summary>[organisation, transaction key, vote key, cosign key, log key]: what an organisation hands to the others before there is a genesis.</summary>
    public byte[] Encode() => Wire.Encode(Write);

    /// <summary>Parses what <see cref="Encode"/> wrote; refuses a key that stands twice.</summary>
    public static bool TryParse(ReadOnlyMemory<byte> bytes, out Validator? validator) =>
        Wire.TryDecode(bytes, MaximumBytes, Read, out validator) && validator is not null && new HashSet<Identifier> { validator.TransactionKey.Id, validator.VoteKey.Id, validator.CosignKey.Id, validator.LogKey.Id }.Count == 4;

    internal void Write(CborWriter writer)
    {
        writer.WriteStartArray(5);
        writer.Write(Organisation);
        TransactionKey.Write(writer);
        VoteKey.Write(writer);
        CosignKey.Write(writer);
        LogKey.Write(writer);
        writer.WriteEndArray();
    }

    internal static Validator Read(CborReader reader)
    {
        reader.ReadArrayHead(5);
        var validator = new Validator(reader.ReadParticipant(), PublicKey.Read(reader), PublicKey.Read(reader), PublicKey.Read(reader), PublicKey.Read(reader));
        Wire.Require(validator.VoteKey.Algorithm is SignatureAlgorithm.Ed25519 && validator.CosignKey.Algorithm is SignatureAlgorithm.Ed25519 && validator.LogKey.Algorithm is SignatureAlgorithm.Ed25519);
        reader.ReadEndArray();
        return validator;
    }
}

/// <summary>Who may sign in one era, in seat order. A seat's number is its position.</summary>
public sealed record ValidatorSet(ulong Era, IReadOnlyList<Validator> Seats)
{
    /// <summary>n.</summary>
    public int Count => Seats.Count;

    /// <summary>f = ⌊(n−1)/3⌋: how many seats may lie.</summary>
    public int MaxFaulty => (Count - 1) / 3;

    /// <summary>q = ⌊(n+f)/2⌋+1 signatures make a certificate; for n ≤ 3, all of them.</summary>
    public int Quorum => Count <= 3 ? Count : (Count + MaxFaulty) / 2 + 1;

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
        Wire.Require(seats.Length > 0 && seats.All(seat => keys.Add(seat.TransactionKey.Id) && keys.Add(seat.VoteKey.Id) && keys.Add(seat.CosignKey.Id) && keys.Add(seat.LogKey.Id)));
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
