using System.Buffers.Binary;
using System.Security.Cryptography;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Keys;

/// <summary>What deriving a key from a passphrase costs (Argon2id, RFC 9106, one lane). More protects a weak passphrase longer.</summary>
/// <param name="Passes">Passes over the memory, 1 to <see cref="MaximumPasses"/>.</param>
/// <param name="MemoryKiB">Memory in KiB, <see cref="MinimumMemoryKiB"/> to <see cref="MaximumMemoryKiB"/>.</param>
internal readonly record struct PassphraseCost(int Passes, int MemoryKiB)
{
    public const int MaximumPasses = 10;
    public const int MinimumMemoryKiB = 8;
    public const int MaximumMemoryKiB = 1024 * 1024;

    public static PassphraseCost Default => new(3, 64 * 1024);

    public bool IsWithinLimits => Passes is >= 1 and <= MaximumPasses && MemoryKiB is >= MinimumMemoryKiB and <= MaximumMemoryKiB;
}

/// <summary>
/// The bytes of a key file under a passphrase (docs/spec/store.md §3.1): the secret of a plain key file in AES-256-GCM, whose associated data is all that stands before it.
/// </summary>
internal static class SealedKeyFile
{
    public const int MaximumBytes = PublicOffset + 65 + SecretBytes + TagBytes + Digest.Size;

    private const int SaltBytes = 16;
    private const int NonceBytes = 12;
    private const int TagBytes = 16;
    private const int SecretBytes = 32;
    private const int PassesOffset = 8 + 1;
    private const int MemoryOffset = PassesOffset + 1;
    private const int SaltOffset = MemoryOffset + 4;
    private const int NonceOffset = SaltOffset + SaltBytes;
    private const int PublicOffset = NonceOffset + NonceBytes;

    private static ReadOnlySpan<byte> Magic => "OTKEY002"u8;

    /// <summary>Whether the file says that it is of this form.</summary>
    public static bool IsOne(ReadOnlySpan<byte> file) => file.StartsWith(Magic);

    /// <summary>Whether the file has the form, its hash is right, and its cost is one that this program is willing to pay.</summary>
    public static bool IsWhole(ReadOnlySpan<byte> file)
    {
        if (!IsOne(file) || file.Length < PublicOffset + SecretBytes + TagBytes + Digest.Size) return false;
        var publicBytes = KeyFile.PublicBytes((SignatureAlgorithm)(-file[Magic.Length]));
        return publicBytes > 0 && file.Length == PublicOffset + publicBytes + SecretBytes + TagBytes + Digest.Size
            && Digest.Of(file[..^Digest.Size]) == Digest.From(file[^Digest.Size..]) && CostOf(file).IsWithinLimits;
    }

    /// <summary>Seals a plain key file.</summary>
    public static byte[] Seal(ReadOnlySpan<byte> plain, ReadOnlySpan<byte> passphrase, PassphraseCost cost)
    {
        ArgumentOutOfRangeException.ThrowIfEqual(cost.IsWithinLimits, false, nameof(cost));
        var publicKey = KeyFile.PublicKeyOf(plain);
        var file = new byte[PublicOffset + publicKey.Length + SecretBytes + TagBytes + Digest.Size];
        Magic.CopyTo(file);
        file[Magic.Length] = KeyFile.AlgorithmOf(plain);
        file[PassesOffset] = (byte)cost.Passes;
        BinaryPrimitives.WriteInt32BigEndian(file.AsSpan(MemoryOffset), cost.MemoryKiB);
        RandomNumberGenerator.Fill(file.AsSpan(SaltOffset, SaltBytes + NonceBytes));
        publicKey.CopyTo(file.AsSpan(PublicOffset));
        var head = file.AsSpan(..^(SecretBytes + TagBytes + Digest.Size));
        using (var cipher = Cipher(file, passphrase)) cipher.Encrypt(file.AsSpan(NonceOffset, NonceBytes), KeyFile.SecretOf(plain), file.AsSpan(head.Length, SecretBytes), file.AsSpan(head.Length + SecretBytes, TagBytes), head);
        Digest.Of(file.AsSpan(..^Digest.Size)).CopyTo(file.AsSpan(^Digest.Size..));
        return file;
    }

    /// <summary>The plain key file, in a pinned buffer that the caller zeroes; null when the passphrase is wrong. Only for what <see cref="IsWhole"/>.</summary>
    public static byte[]? Unseal(ReadOnlySpan<byte> file, ReadOnlySpan<byte> passphrase)
    {
        var headBytes = file.Length - SecretBytes - TagBytes - Digest.Size;
        var secret = GC.AllocateArray<byte>(SecretBytes, pinned: true);
        try
        {
            using var cipher = Cipher(file, passphrase);
            cipher.Decrypt(file.Slice(NonceOffset, NonceBytes), file.Slice(headBytes, SecretBytes), file.Slice(headBytes + SecretBytes, TagBytes), secret, file[..headBytes]);
            return KeyFile.Assemble(file[Magic.Length], secret, file[PublicOffset..headBytes]);
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    private static PassphraseCost CostOf(ReadOnlySpan<byte> file) => new(file[PassesOffset], BinaryPrimitives.ReadInt32BigEndian(file[MemoryOffset..]));

    private static AesGcm Cipher(ReadOnlySpan<byte> file, ReadOnlySpan<byte> passphrase)
    {
        var cost = CostOf(file);
        var key = GC.AllocateArray<byte>(32, pinned: true);
        try
        {
            Geralt.Argon2id.DeriveKey(key, passphrase, file.Slice(SaltOffset, SaltBytes), cost.Passes, cost.MemoryKiB * 1024);
            return new AesGcm(key, TagBytes);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }
}
