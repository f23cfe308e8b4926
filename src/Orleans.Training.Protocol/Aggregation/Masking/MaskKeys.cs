using System.Security.Cryptography;
using Geralt;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>How two participants come to a secret that is theirs alone.</summary>
public enum KeyExchange
{
    /// <summary>X25519 with each other's keys.</summary>
    X25519 = 1,
    /// <summary>X25519 and ML-KEM-768 together (<see cref="XWing"/>): masks stay hidden while one of both is unbroken, also from who keeps everything for a quantum computer.</summary>
    Hybrid = 2,
}

/// <summary>
/// Keys from secrets: X25519 (RFC 7748, libsodium) and HKDF-SHA-256 (RFC 5869), each with the context and the positions that it is for
/// (docs/spec/fedmask.md §3). Whoever calls zeroes what it got.
/// </summary>
public static class MaskKeys
{
    /// <summary>Bytes of every secret and derived key, and of a public key of X25519.</summary>
    public const int Size = 32;

    // u of the points whose order divides 8, on the curve and on its twist, in their one encoding: X25519 takes them all to zero.
    private static readonly byte[][] SmallOrder =
    [
        new byte[Size], [1, .. new byte[Size - 1]], [0xec, .. Enumerable.Repeat((byte)0xff, Size - 2), 0x7f],
        Convert.FromHexString("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        Convert.FromHexString("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    ];

    /// <summary>Bytes of a public key.</summary>
    public static int PublicKeyBytes(KeyExchange exchange) => exchange is KeyExchange.Hybrid ? XWing.PublicKeyBytes : Size;

    /// <summary>The public key of a secret one.</summary>
    public static byte[] PublicKeyOf(ReadOnlySpan<byte> secret, KeyExchange exchange)
    {
        if (exchange is KeyExchange.Hybrid) return XWing.PublicKeyOf(secret);
        var key = new byte[Size];
        X25519.ComputePublicKey(key, secret);
        return key;
    }

    /// <summary>skMask of a seed, the only form in which it exists: seeds are what is shared.</summary>
    public static void MaskSecret(ReadOnlySpan<byte> seed, KeyExchange exchange, Span<byte> secret) => HKDF.DeriveKey(HashAlgorithmName.SHA256, seed, secret, [], Preimage.Info(exchange is KeyExchange.Hybrid ? "xwing" : "x25519"));

    /// <summary>pkMask of a seed: a commitment to it as well.</summary>
    public static byte[] MaskPublicKeyOf(ReadOnlySpan<byte> seed, KeyExchange exchange)
    {
        Span<byte> secret = stackalloc byte[Size];
        MaskSecret(seed, exchange, secret);
        var key = PublicKeyOf(secret, exchange);
        CryptographicOperations.ZeroMemory(secret);
        return key;
    }

    /// <summary>Whether these are a public key of an exchange in its one encoding, and none whose secrets everybody knows.</summary>
    public static bool IsSound(ReadOnlySpan<byte> publicKey, KeyExchange exchange) => exchange is KeyExchange.Hybrid ? XWing.IsSound(publicKey) : IsSoundPoint(publicKey);

    /// <summary>Whether a public key of X25519 is in its one encoding (below 2²⁵⁵ − 19) and of large order.</summary>
    internal static bool IsSoundPoint(ReadOnlySpan<byte> publicKey)
    {
        if (publicKey.Length != Size || publicKey[31] > 0x7f) return false;
        if (publicKey[31] == 0x7f && publicKey[0] >= 0xed && !publicKey[1..31].ContainsAnyExcept((byte)0xff)) return false;
        foreach (var small in SmallOrder)
        {
            if (publicKey.SequenceEqual(small)) return false;
        }

        return true;
    }

    /// <summary>X25519; false, and zeros, where it gives zero: the other key is of small order.</summary>
    public static bool TryAgree(ReadOnlySpan<byte> secret, ReadOnlySpan<byte> publicKey, Span<byte> shared)
    {
        try
        {
            X25519.ComputeSharedSecret(shared, secret, publicKey);
            return true;
        }
        catch (CryptographicException)
        {
            shared.Clear();
            return false;
        }
    }

    /// <summary>K_enc(i→j), from what the exchange gave for the receiver's envelope key. It seals one message ever.</summary>
    public static void EnvelopeKey(ReadOnlySpan<byte> shared, CohortContext cohort, ushort from, ushort to, Span<byte> key) =>
        Derive(shared, cohort.Digest, Preimage.Info("enc", from, to), key);

    /// <summary>K_ij, from what the exchange gave for their mask keys: the same for both.</summary>
    public static void PairKey(ReadOnlySpan<byte> shared, MaskContext masks, ushort one, ushort other, Span<byte> key) =>
        Derive(shared, masks.Digest, Preimage.Info("pair", Math.Min(one, other), Math.Max(one, other)), key);

    /// <summary>K_i, from b_i.</summary>
    public static void SelfKey(ReadOnlySpan<byte> self, MaskContext masks, ushort position, Span<byte> key) =>
        Derive(self, masks.Digest, Preimage.Info("self", position), key);

    /// <summary>hB: the commitment to b_i.</summary>
    public static Digest SelfCommitment(CohortContext cohort, ushort position, ReadOnlySpan<byte> self) => new Preimage("hb").Add(cohort.Digest).Add(position).Add(self).Finish();

    /// <summary>HKDF-SHA-256 with a digest as its salt.</summary>
    internal static void Derive(ReadOnlySpan<byte> material, Digest salt, ReadOnlySpan<byte> info, Span<byte> key)
    {
        Span<byte> saltBytes = stackalloc byte[Digest.Size];
        salt.CopyTo(saltBytes);
        HKDF.DeriveKey(HashAlgorithmName.SHA256, material, key, saltBytes, info);
    }
}
