using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Keys;

/// <summary>One signing key in use. Implementations never show the secret: not in text, logs or exceptions.</summary>
public interface ISigner
{
    /// <summary>The key that verifies what this one signs.</summary>
    PublicKey PublicKey { get; }

    /// <summary>The signature of 64 bytes, in the one form that <see cref="Signatures.Verify"/> accepts.</summary>
    ValueTask<byte[]> Sign(ReadOnlyMemory<byte> message, CancellationToken cancellationToken);
}
