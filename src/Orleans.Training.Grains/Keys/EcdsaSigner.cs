using System.Security.Cryptography;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Keys;

/// <summary>ES256: ECDSA on P-256 with SHA-256, r‖s with low s. The secret lies in the platform's library, which clears it on disposal.</summary>
public sealed class EcdsaSigner : ISigner, IDisposable
{
    private readonly ECDsa _key;
    private readonly Lock _use = new();

    /// <summary>The key with this scalar of 32 bytes and this public point of 65 bytes.</summary>
    /// <exception cref="CryptographicException">They do not belong together.</exception>
    public EcdsaSigner(ReadOnlySpan<byte> scalar, ReadOnlySpan<byte> point)
    {
        if (scalar.Length != 32 || !PublicKey.TryCreate(SignatureAlgorithm.Es256, point, out var key)) throw new CryptographicException("No P-256 key has this form.");
        PublicKey = key!;
        var secret = GC.AllocateUninitializedArray<byte>(scalar.Length, pinned: true);
        scalar.CopyTo(secret);
        try
        {
            _key = ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, D = secret, Q = new ECPoint { X = point[1..33].ToArray(), Y = point[33..].ToArray() } });
            if (Signatures.Verify(PublicKey, point, SignNow(point))) return;
            _key.Dispose();
            throw new CryptographicException("The secret does not belong to the public key.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    /// <inheritdoc/>
    public PublicKey PublicKey { get; }

    /// <inheritdoc/>
    public ValueTask<byte[]> Sign(ReadOnlyMemory<byte> message, CancellationToken cancellationToken) => new(SignNow(message.Span));

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_use) _key.Dispose();
    }

    private byte[] SignNow(ReadOnlySpan<byte> message)
    {
        lock (_use) return Signatures.NormalizeEs256(_key.SignData(message, HashAlgorithmName.SHA256));
    }
}
