using System.Security.Cryptography;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Keys;

/// <summary>The bytes of a key file (docs/spec/store.md §3), and the signer that they make.</summary>
internal static class KeyFile
{
    public const int MaximumBytes = 8 + 1 + SecretBytes + 65 + Digest.Size;

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

    /// <summary>The signer of a file; null when the bytes are none.</summary>
    public static ISigner? TryOpen(ReadOnlySpan<byte> file)
    {
        if (file.Length < PublicOffset || !file.StartsWith(Magic)) return null;
        var algorithm = (SignatureAlgorithm)(-file[Magic.Length]);
        if (file.Length != Length(algorithm) || Digest.Of(file[..^Digest.Size]) != Digest.From(file[^Digest.Size..])) return null;
        var secret = file.Slice(SecretOffset, SecretBytes);
        var publicKey = file[PublicOffset..^Digest.Size];
        if (algorithm is SignatureAlgorithm.Es256)
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

    private static int Length(SignatureAlgorithm algorithm) => algorithm switch
    {
        SignatureAlgorithm.Ed25519 => PublicOffset + 32 + Digest.Size,
        SignatureAlgorithm.Es256 => PublicOffset + 65 + Digest.Size,
        _ => -1,
    };
}
