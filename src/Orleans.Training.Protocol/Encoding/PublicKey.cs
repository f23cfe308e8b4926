using System.Formats.Cbor;

namespace Orleans.Training.Protocol;

/// <summary>A signature algorithm, by its COSE number (RFC 9053 §2).</summary>
public enum SignatureAlgorithm
{
    /// <summary>ECDSA on P-256 with SHA-256; public key 65 bytes uncompressed (SEC 1 §2.3.3), signature r‖s of 64 bytes with low s.</summary>
    Es256 = -7,
    /// <summary>Ed25519 (RFC 8032); public key 32 bytes, signature 64 bytes.</summary>
    Ed25519 = -8,
}

/// <summary>A public signing key whose form has been checked: the right length, and for ES256 a point of the curve.</summary>
public sealed record PublicKey
{
    private PublicKey(SignatureAlgorithm algorithm, byte[] bytes)
    {
        Algorithm = algorithm;
        Bytes = bytes;
        Id = Identifier.Of([(byte)-(int)algorithm, .. bytes]);
    }

    /// <summary>The algorithm, fixed for the key's whole life.</summary>
    public SignatureAlgorithm Algorithm { get; }

    /// <summary>The key itself: 32 bytes (Ed25519) or 65 bytes (ES256).</summary>
    public ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>The key's name: the first 16 bytes of SHA-256(minus the COSE number as one byte ‖ key).</summary>
    public Identifier Id { get; }

    /// <summary>Checks the form of a key.</summary>
    public static bool TryCreate(SignatureAlgorithm algorithm, ReadOnlySpan<byte> bytes, out PublicKey? key)
    {
        var good = algorithm switch
        {
            SignatureAlgorithm.Ed25519 => bytes.Length == 32,
            SignatureAlgorithm.Es256 => Signatures.IsP256Point(bytes),
            _ => false,
        };
        key = good ? new PublicKey(algorithm, bytes.ToArray()) : null;
        return good;
    }

    /// <summary>Writes [algorithm number, key bytes].</summary>
    public void Write(CborWriter writer)
    {
        writer.WriteStartArray(2);
        writer.WriteInt32((int)Algorithm);
        writer.WriteByteString(Bytes.Span);
        writer.WriteEndArray();
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    public static PublicKey Read(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var algorithm = (SignatureAlgorithm)reader.ReadInt32();
        Wire.Require(TryCreate(algorithm, reader.ReadBytes(65).Span, out var key));
        reader.ReadEndArray();
        return key!;
    }

    /// <inheritdoc/>
    public bool Equals(PublicKey? other) => other is not null && Algorithm == other.Algorithm && Bytes.Span.SequenceEqual(other.Bytes.Span);

    /// <inheritdoc/>
    public override int GetHashCode() => Id.GetHashCode();
}
