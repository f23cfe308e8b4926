using System.Numerics;
using System.Security.Cryptography;

namespace Orleans.Training.Protocol;

/// <summary>
/// Verification of the two accepted signature forms. Which signatures are valid is a consensus rule: Ed25519 is decided by libsodium
/// alone (docs/spec/transaction.md), ES256 takes r‖s with 0 &lt; r &lt; n and 0 &lt; s ≤ n/2 only.
/// </summary>
public static class Signatures
{
    /// <summary>Bytes of every signature.</summary>
    public const int Size = 64;

    private static readonly BigInteger Order = BigInteger.Parse("0FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551", System.Globalization.NumberStyles.HexNumber, System.Globalization.CultureInfo.InvariantCulture);
    private static readonly byte[] HalfOrder = (Order >> 1).ToByteArray(isUnsigned: true, isBigEndian: true);
    private static readonly byte[] OrderBytes = Order.ToByteArray(isUnsigned: true, isBigEndian: true);

    // Building an ECDsa object costs three times the verification: keep one per key and thread.
    [ThreadStatic] private static Dictionary<Identifier, ECDsa>? _imported;
    private const int ImportedKeys = 256;

    /// <summary>Whether <paramref name="signature"/> is <paramref name="key"/>'s on <paramref name="message"/>.</summary>
    public static bool Verify(PublicKey key, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        if (signature.Length != Size) return false;
        return key.Algorithm is SignatureAlgorithm.Ed25519
            ? Geralt.Ed25519.Verify(signature, message, key.Bytes.Span)
            : IsLowS(signature) && Import(key).VerifyData(message, signature, HashAlgorithmName.SHA256);
    }

    /// <summary>The one accepted form of an ES256 signature: s is replaced by n − s when it is above n/2. Anyone may do this; it needs no key.</summary>
    public static byte[] NormalizeEs256(ReadOnlySpan<byte> signature)
    {
        var normal = signature.ToArray();
        if (signature.Length != Size) return normal;
        var s = new BigInteger(signature[32..], isUnsigned: true, isBigEndian: true);
        if (s <= Order >> 1 || s >= Order) return normal;
        normal.AsSpan(32).Clear();
        var bytes = (Order - s).ToByteArray(isUnsigned: true, isBigEndian: true);
        bytes.CopyTo(normal.AsSpan(Size - bytes.Length));
        return normal;
    }

    internal static bool IsP256Point(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != 65 || bytes[0] != 4) return false;
        try
        {
            using var key = ECDsa.Create(Parameters(bytes));
            return true;
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    private static bool IsLowS(ReadOnlySpan<byte> signature)
    {
        var r = signature[..32];
        var s = signature[32..];
        return r.ContainsAnyExcept((byte)0) && r.SequenceCompareTo(OrderBytes) < 0 && s.ContainsAnyExcept((byte)0) && s.SequenceCompareTo(HalfOrder) <= 0;
    }

    private static ECDsa Import(PublicKey key)
    {
        var imported = _imported ??= [];
        if (imported.TryGetValue(key.Id, out var found)) return found;
        if (imported.Count >= ImportedKeys)
        {
            foreach (var old in imported.Values) old.Dispose();
            imported.Clear();
        }
        return imported[key.Id] = ECDsa.Create(Parameters(key.Bytes.Span));
    }

    private static ECParameters Parameters(ReadOnlySpan<byte> point) =>
        new() { Curve = ECCurve.NamedCurves.nistP256, Q = new ECPoint { X = point[1..33].ToArray(), Y = point[33..].ToArray() } };
}
