using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>What a participant asks for (docs/spec/transaction.md).</summary>
public sealed record TransactionPayload
{
    /// <summary>Digest of genesis.</summary>
    public required Digest Chain { get; init; }
    /// <summary>The shard.</summary>
    public required Identifier Shard { get; init; }
    /// <summary>Who asks.</summary>
    public required ParticipantId Actor { get; init; }
    /// <summary>The key that signs.</summary>
    public required Identifier KeyId { get; init; }
    /// <summary>Chosen by the actor; (actor, id) commits at most once.</summary>
    public required Identifier Id { get; init; }
    /// <summary>Block time (ms since 1970, UTC) from which on the transaction is no longer admissible.</summary>
    public required long NotAfterMs { get; init; }
    /// <summary>The contract.</summary>
    public required string Contract { get; init; }
    /// <summary>The contract's method.</summary>
    public required string Method { get; init; }
    /// <summary>The method's arguments: one CBOR item.</summary>
    public required ReadOnlyMemory<byte> Arguments { get; init; }
    /// <summary>HMAC commitment to content kept off the ledger, or null.</summary>
    public Digest? PayloadCommitment { get; init; }

    /// <summary>The bytes that are signed, inside the Sig_structure.</summary>
    public byte[] Encode() => Wire.Encode(writer =>
    {
        writer.WriteStartArray(11);
        writer.WriteUInt32(1);
        writer.Write(Chain);
        writer.Write(Shard);
        writer.Write(Actor);
        writer.Write(KeyId);
        writer.Write(Id);
        writer.WriteInt64(NotAfterMs);
        writer.WriteTextString(Contract);
        writer.WriteTextString(Method);
        writer.WriteByteString(Arguments.Span);
        if (PayloadCommitment is { } commitment) writer.Write(commitment); else writer.WriteNull();
        writer.WriteEndArray();
    });

    internal static TransactionPayload Read(CborReader reader)
    {
        reader.ReadArrayHead(11);
        reader.ReadVersion(1);
        var payload = new TransactionPayload
        {
            Chain = reader.ReadDigest(),
            Shard = reader.ReadIdentifier(),
            Actor = reader.ReadParticipant(),
            KeyId = reader.ReadIdentifier(),
            Id = reader.ReadIdentifier(),
            NotAfterMs = reader.ReadNumber(),
            Contract = reader.ReadText(Limits.NameLength),
            Method = reader.ReadText(Limits.NameLength),
            Arguments = reader.ReadBytes(Limits.TransactionBytes),
            PayloadCommitment = reader.ReadOptional(Wire.ReadDigest),
        };
        reader.ReadEndArray();
        return payload;
    }
}

/// <summary>
/// A signed request: a COSE_Sign1 (RFC 9052 §4.2, untagged) over a <see cref="TransactionPayload"/>. Only well-formed ones exist; whether the
/// signature is good depends on the state and is checked at admission.
/// </summary>
public sealed class Transaction
{
    private static readonly byte[] ProtectedEs256 = [0xa1, 0x01, 0x26];
    private static readonly byte[] ProtectedEd25519 = [0xa1, 0x01, 0x27];

    private Transaction(TransactionPayload payload, SignatureAlgorithm algorithm, byte[] toBeSigned, ReadOnlyMemory<byte> signature, ReadOnlyMemory<byte> encoded)
    {
        Payload = payload;
        Algorithm = algorithm;
        ToBeSigned = toBeSigned;
        Signature = signature;
        Encoded = encoded;
        Digest = Digest.Of(toBeSigned);
    }

    /// <summary>What is asked for.</summary>
    public TransactionPayload Payload { get; }

    /// <summary>The algorithm that the protected header names.</summary>
    public SignatureAlgorithm Algorithm { get; }

    /// <summary>The Sig_structure (RFC 9052 §4.4): ["Signature1", protected, "FLv1-tx", payload].</summary>
    public ReadOnlyMemory<byte> ToBeSigned { get; }

    /// <summary>64 bytes.</summary>
    public ReadOnlyMemory<byte> Signature { get; }

    /// <summary>The transaction's bytes, exactly as they were signed and sent.</summary>
    public ReadOnlyMemory<byte> Encoded { get; }

    /// <summary>SHA-256 of <see cref="ToBeSigned"/>: two signatures on one request are one transaction.</summary>
    public Digest Digest { get; }

    /// <summary>The bytes that a signer of this algorithm must sign.</summary>
    public static byte[] SigStructure(SignatureAlgorithm algorithm, ReadOnlyMemory<byte> payload) => Wire.Encode(writer =>
    {
        writer.WriteStartArray(4);
        writer.WriteTextString("Signature1");
        writer.WriteByteString(Protected(algorithm));
        writer.WriteByteString("FLv1-tx"u8);
        writer.WriteByteString(payload.Span);
        writer.WriteEndArray();
    });

    /// <summary>Joins a payload and its signature.</summary>
    public static byte[] Assemble(SignatureAlgorithm algorithm, ReadOnlyMemory<byte> payload, ReadOnlyMemory<byte> signature) => Wire.Encode(writer =>
    {
        writer.WriteStartArray(4);
        writer.WriteByteString(Protected(algorithm));
        writer.WriteStartMap(0);
        writer.WriteEndMap();
        writer.WriteByteString(payload.Span);
        writer.WriteByteString(signature.Span);
        writer.WriteEndArray();
    });

    /// <summary>Parses; gives <see cref="Rejection.TooLarge"/> or <see cref="Rejection.Malformed"/> for what is no transaction.</summary>
    public static Rejection TryParse(ReadOnlyMemory<byte> encoded, out Transaction? transaction)
    {
        transaction = null;
        if (encoded.Length > Limits.TransactionBytes) return Rejection.TooLarge;
        if (!Wire.TryDecode(encoded, Limits.TransactionBytes, Split, out var parts)
            || !Wire.TryDecode(parts.Payload, Limits.TransactionBytes, TransactionPayload.Read, out var payload)) return Rejection.Malformed;
        transaction = new Transaction(payload, parts.Algorithm, SigStructure(parts.Algorithm, parts.Payload), parts.Signature, encoded);
        return Rejection.None;
    }

    private static byte[] Protected(SignatureAlgorithm algorithm) => algorithm is SignatureAlgorithm.Es256 ? ProtectedEs256 : ProtectedEd25519;

    private static (SignatureAlgorithm Algorithm, ReadOnlyMemory<byte> Payload, ReadOnlyMemory<byte> Signature) Split(CborReader reader)
    {
        reader.ReadArrayHead(4);
        var header = reader.ReadBytes(3).Span;
        var es256 = header.SequenceEqual(ProtectedEs256);
        Wire.Require(es256 || header.SequenceEqual(ProtectedEd25519));
        Wire.Require(reader.ReadStartMap() == 0);
        reader.ReadEndMap();
        var payload = reader.ReadBytes(Limits.TransactionBytes);
        var signature = reader.ReadBytes(Signatures.Size);
        Wire.Require(signature.Length == Signatures.Size);
        reader.ReadEndArray();
        return (es256 ? SignatureAlgorithm.Es256 : SignatureAlgorithm.Ed25519, payload, signature);
    }
}
