using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// X-Wing, the key encapsulation of X25519 and ML-KEM-768 together (draft-connolly-cfrg-xwing-kem, FIPS 203; libsodium): what it gives is secret as long as one of both is. Nothing here draws at random:
/// keys follow from a seed, ciphertexts from a key and coins, so that who learns a seed later can make them again.
/// </summary>
public static partial class XWing
{
    /// <summary>Bytes of a secret key, which is a seed.</summary>
    public const int SecretKeyBytes = 32;
    /// <summary>Bytes of a public key: that of ML-KEM, then that of X25519.</summary>
    public const int PublicKeyBytes = LatticeKeyBytes + MaskKeys.Size;
    /// <summary>Bytes of a ciphertext.</summary>
    public const int CiphertextBytes = 1120;
    /// <summary>Bytes that an encapsulation draws.</summary>
    public const int CoinBytes = 64;

    private const int LatticeKeyBytes = 1184;
    private const int CoefficientBytes = 1152;
    private const int Modulus = 3329;
    private const string Library = "libsodium";

    /// <summary>The public key of a secret one.</summary>
    public static byte[] PublicKeyOf(ReadOnlySpan<byte> secret)
    {
        Require(secret.Length == SecretKeyBytes);
        Span<byte> kept = stackalloc byte[SecretKeyBytes];
        var key = new byte[PublicKeyBytes];
        var failed = SeedKeyPair(key, kept, secret);
        CryptographicOperations.ZeroMemory(kept);
        return failed == 0 ? key : throw new CryptographicException("No key follows from the seed.");
    }

    /// <summary>Whether a public key is in its one encoding: coefficients below 3,329 (FIPS 203 §7.2), and an X25519 key that is sound.</summary>
    public static bool IsSound(ReadOnlySpan<byte> publicKey)
    {
        if (publicKey.Length != PublicKeyBytes || !MaskKeys.IsSoundPoint(publicKey[LatticeKeyBytes..])) return false;
        for (var at = 0; at < CoefficientBytes; at += 3)
        {
            var (low, high) = (publicKey[at] | (publicKey[at + 1] & 15) << 8, publicKey[at + 1] >> 4 | publicKey[at + 2] << 4);
            if (low >= Modulus || high >= Modulus) return false;
        }

        return true;
    }

    /// <summary>What the owner of a key finds in a ciphertext, and the ciphertext; false, and zeros, if the key is none.</summary>
    /// <param name="publicKey">1,216 bytes.</param>
    /// <param name="coins">64 bytes, secret and for this one ciphertext.</param>
    /// <param name="ciphertext">Receives 1,120 bytes.</param>
    /// <param name="shared">Receives 32 bytes.</param>
    public static bool TryEncapsulate(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> coins, Span<byte> ciphertext, Span<byte> shared)
    {
        Require(publicKey.Length == PublicKeyBytes && coins.Length == CoinBytes && ciphertext.Length == CiphertextBytes && shared.Length == MaskKeys.Size);
        if (Encapsulate(ciphertext, shared, publicKey, coins) == 0) return true;
        ciphertext.Clear();
        shared.Clear();
        return false;
    }

    /// <summary>What is in a ciphertext; of one that was not made for this key something that nobody knows, where ML-KEM rejects it (FIPS 203 §6.3), or false and zeros, where X25519 gives zero.</summary>
    public static bool TryDecapsulate(ReadOnlySpan<byte> secret, ReadOnlySpan<byte> ciphertext, Span<byte> shared)
    {
        Require(secret.Length == SecretKeyBytes && ciphertext.Length == CiphertextBytes && shared.Length == MaskKeys.Size);
        if (Decapsulate(shared, ciphertext, secret) == 0) return true;
        shared.Clear();
        return false;
    }

    private static void Require(bool holds)
    {
        if (!holds) throw new ArgumentException("A key, a ciphertext, coins or a secret have another length.");
    }

    [LibraryImport(Library, EntryPoint = "crypto_kem_xwing_seed_keypair")]
    private static partial int SeedKeyPair(Span<byte> publicKey, Span<byte> secretKey, ReadOnlySpan<byte> seed);

    [LibraryImport(Library, EntryPoint = "crypto_kem_xwing_enc_deterministic")]
    private static partial int Encapsulate(Span<byte> ciphertext, Span<byte> shared, ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> coins);

    [LibraryImport(Library, EntryPoint = "crypto_kem_xwing_dec")]
    private static partial int Decapsulate(Span<byte> shared, ReadOnlySpan<byte> ciphertext, ReadOnlySpan<byte> secretKey);
}
