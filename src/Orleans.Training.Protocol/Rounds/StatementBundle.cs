using System.Security.Cryptography;
using System.Text;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// A signed statement as a Sigstore bundle v0.3: a DSSE envelope (github.com/secure-systems-lab/dsse, protocol.md) and the id of the key that signed it. There is no
/// transparency entry and no certificate in it: the key stands in the genesis, and the ledger is the log.
/// </summary>
public static class StatementBundle
{
    /// <summary>The payload's media type.</summary>
    public const string PayloadType = "application/vnd.in-toto+json";

    /// <summary>Bytes of a bundle.</summary>
    public const int MaximumBytes = 1024 * 1024;

    /// <summary>What is signed: DSSE's pre-authentication encoding of the statement.</summary>
    public static byte[] Preimage(ReadOnlySpan<byte> statement) =>
        [.. Encoding.ASCII.GetBytes(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"DSSEv1 {PayloadType.Length} {PayloadType} {statement.Length} ")), .. statement];

    /// <summary>The bundle, as UTF-8.</summary>
    /// <param name="statement">What is said.</param>
    /// <param name="key">Whose signature it is.</param>
    /// <param name="signature">The signature of <see cref="Preimage"/>, 64 bytes.</param>
    public static byte[] Write(ReadOnlySpan<byte> statement, PublicKey key, ReadOnlySpan<byte> signature) =>
        Encoding.ASCII.GetBytes($"{Head(statement, key)}\"{Convert.ToBase64String(key.Algorithm is SignatureAlgorithm.Es256 ? ToDer(signature) : signature)}\"{Tail}");

    /// <summary>Whether the bytes are the bundle of this very statement with a good signature by this key.</summary>
    public static bool Verify(ReadOnlySpan<byte> bundle, ReadOnlySpan<byte> statement, PublicKey key, SignatureCheck verify)
    {
        var (head, tail) = (Encoding.ASCII.GetBytes(Head(statement, key) + '"'), Encoding.ASCII.GetBytes('"' + Tail));
        if (bundle.Length <= head.Length + tail.Length || !bundle.StartsWith(head) || !bundle.EndsWith(tail)) return false;
        if (!SignedNote.TryBase64(Encoding.ASCII.GetString(bundle[head.Length..^tail.Length]), null, out var signature)) return false;
        if (key.Algorithm is SignatureAlgorithm.Es256 && !TryFromDer(signature, out signature)) return false;
        return verify(key, Preimage(statement), signature);
    }

    /// <summary>The key as other people's tools read it: SubjectPublicKeyInfo in PEM (RFC 5480 for P-256, RFC 8410 for Ed25519).</summary>
    public static string Pem(PublicKey key)
    {
        var head = key.Algorithm is SignatureAlgorithm.Es256 ? "3059301306072a8648ce3d020106082a8648ce3d030107034200" : "302a300506032b6570032100";
        return PemEncoding.WriteString("PUBLIC KEY", [.. Convert.FromHexString(head), .. key.Bytes.Span]) + "\n";
    }

    private const string Tail = "}]}}";

    private static string Head(ReadOnlySpan<byte> statement, PublicKey key) =>
        $$$"""
        {"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial":{"publicKey":{"hint":"{{{key.Id}}}"}},
        "dsseEnvelope":{"payload":"{{{Convert.ToBase64String(statement)}}}",
        "payloadType":"{{{PayloadType}}}",
        "signatures":[{"keyid":"{{{key.Id}}}","sig":
        """.ReplaceLineEndings("");

    // r‖s as the DER sequence of two integers (RFC 3279 §2.2.3) that tools expect outside JOSE and COSE.
    private static byte[] ToDer(ReadOnlySpan<byte> signature)
    {
        var (r, s) = (Integer(signature[..32]), Integer(signature[32..]));
        return [0x30, (byte)(r.Length + s.Length), .. r, .. s];

        static byte[] Integer(ReadOnlySpan<byte> value)
        {
            var digits = value.TrimStart((byte)0);
            return digits.IsEmpty || digits[0] >= 0x80 ? [2, (byte)(digits.Length + 1), 0, .. digits] : [2, (byte)digits.Length, .. digits];
        }
    }

    private static bool TryFromDer(ReadOnlySpan<byte> der, out byte[] signature)
    {
        signature = new byte[Signatures.Size];
        if (der.Length is < 8 or > 72 || der[3] is 0 or > 33 || der.Length < 6 + der[3]) return false;
        var r = der.Slice(4, der[3]).TrimStart((byte)0);
        var s = der[(6 + der[3])..].TrimStart((byte)0);
        if (r.Length > 32 || s.Length > 32) return false;
        r.CopyTo(signature.AsSpan(32 - r.Length));
        s.CopyTo(signature.AsSpan(64 - s.Length));
        // There is one right way to write it.
        return der.SequenceEqual(ToDer(signature));
    }
}
