using System.Security.Cryptography;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Keys;

/// <summary>The bytes of a key file (docs/spec/store.md §3), and the signer that they make.</summary>
internal static class KeyFile
{
    private const int SecretBytes = 32;
    private const int SecretOffset = 8 + 1;
    private const int PublicOffset = SecretOffset + SecretBytes;

    private static ReadOnlySpan<byte> Magic => "OTKEY001"u8;

    /// <summary>The file of a new key, in a pinned buffer that the caller zeroes.</summary>
    public static byte[] Create(SignatureAlgorithm algorithm)
    {
        var file = GC.AllocateArray<byte>(Length(algorithm), pinned: true);
        Magic.CopyTo(file);
        file[Magic.Length] = (byte)-(int)algorithm;
        var secret = file.AsSpan(SecretOffset, SecretBytes);
        var publicKey = file.AsSpan(PublicOffset..^Digest.Size);
        if (algorithm is SignatureAlgorithm.Ed25519)
        {
            RandomNumberGenerator.Fill(secret);
            using var signer = new Ed25519Signer(secret);
            signer.PublicKey.Bytes.Span.CopyTo(publicKey);
        }
        else
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var parameters = key.ExportParameters(includePrivateParameters: true);
            parameters.D.CopyTo(secret);
            publicKey[0] = 4;
            parameters.Q.X.CopyTo(publicKey[1..]);
            parameters.Q.Y.CopyTo(publicKey[33..]);
            CryptographicOperations.ZeroMemory(parameters.D);
        }

        Digest.Of(file.AsSpan(..^Digest.Size)).CopyTo(file.AsSpan(^Digest.Size..));
        return file;
    }

    /// <summary>The file of these parts, in a pinned buffer that the caller zeroes.</summary>
    public static byte[] Assemble(byte algorithm, ReadOnlySpan<byte> secret, ReadOnlySpan<byte> publicKey)
    {
        var file = GC.AllocateArray<byte>(PublicOffset + publicKey.Length + Digest.Size, pinned: true);
        Magic.CopyTo(file);
        file[Magic.Length] = algorithm;
        secret.CopyTo(file.AsSpan(SecretOffset));
        publicKey.CopyTo(file.AsSpan(PublicOffset));
        Digest.Of(file.AsSpan(..^Digest.Size)).CopyTo(file.AsSpan(^Digest.Size..));
        return file;
    }

    /// <summary>The algorithm byte of a whole file.</summary>
    public static byte AlgorithmOf(ReadOnlySpan<byte> file) => file[Magic.Length];

    /// <summary>The secret of a whole file: a view, not a copy.</summary>
    public static ReadOnlySpan<byte> SecretOf(ReadOnlySpan<byte> file) => file.Slice(SecretOffset, SecretBytes);

    /// <summary>The public key of a whole file.</summary>
    public static ReadOnlySpan<byte> PublicKeyOf(ReadOnlySpan<byte> file) => file[PublicOffset..^Digest.Size];

    /// <summary>Whether the file says that it is of this form.</summary>
    public static bool IsOne(ReadOnlySpan<byte> file) => file.StartsWith(Magic);

    /// <summary>Whether the bytes have the form, and their hash is right.</summary>
    public static bool IsWhole(ReadOnlySpan<byte> file) =>
        file.Length >= PublicOffset && IsOne(file) && file.Length == Length((SignatureAlgorithm)(-file[Magic.Length])) && Digest.Of(file[..^Digest.Size]) == Digest.From(file[^Digest.Size..]);

    /// <summary>The signer of a file; null when the bytes are none.</summary>
    public static ISigner? TryOpen(ReadOnlySpan<byte> file)
    {
        if (!IsWhole(file)) return null;
        var secret = SecretOf(file);
        var publicKey = PublicKeyOf(file);
        if ((SignatureAlgorithm)(-AlgorithmOf(file)) is SignatureAlgorithm.Es256)
        {
            try
            {
                return new EcdsaSigner(secret, publicKey);
            }
            catch (CryptographicException)
            {
                return null;
            }
        }

        var signer = new Ed25519Signer(secret);
        if (signer.PublicKey.Bytes.Span.SequenceEqual(publicKey)) return signer;
        signer.Dispose();
        return null;
    }

    /// <summary>Bytes of a public key; 0 for no algorithm of ours.</summary>
    public static int PublicBytes(SignatureAlgorithm algorithm) => algorithm switch
    {
        SignatureAlgorithm.Ed25519 => 32,
        SignatureAlgorithm.Es256 => 65,
        _ => 0,
    };

    private static int Length(SignatureAlgorithm algorithm) => PublicBytes(algorithm) is > 0 and var publicBytes ? PublicOffset + publicBytes + Digest.Size : -1;
}
