using System.Security.Cryptography;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Keys;

/// <summary>Ed25519 (RFC 8032), by libsodium. The secret is zeroed when the signer is disposed.</summary>
public sealed class Ed25519Signer : ISigner, IDisposable
{
    private const int PrivateKeyBytes = 64;

    // Pinned, so that the collector leaves no copies behind.
    private readonly byte[] _secret = GC.AllocateUninitializedArray<byte>(PrivateKeyBytes, pinned: true);
    private readonly Lock _use = new();
    private bool _disposed;

    /// <summary>The key that this seed of 32 bytes determines (RFC 8032 §5.1.5).</summary>
    public Ed25519Signer(ReadOnlySpan<byte> seed)
    {
        Span<byte> publicKey = stackalloc byte[32];
        Geralt.Ed25519.GenerateKeyPair(publicKey, _secret, seed);
        PublicKey.TryCreate(SignatureAlgorithm.Ed25519, publicKey, out var key);
        PublicKey = key!;
    }

    /// <inheritdoc/>
    public PublicKey PublicKey { get; }

    /// <inheritdoc/>
    public ValueTask<byte[]> Sign(ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        var signature = new byte[Signatures.Size];
        lock (_use)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            Geralt.Ed25519.Sign(signature, message.Span, _secret);
        }

        return new(signature);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_use)
        {
            _disposed = true;
            CryptographicOperations.ZeroMemory(_secret);
        }
    }
}
