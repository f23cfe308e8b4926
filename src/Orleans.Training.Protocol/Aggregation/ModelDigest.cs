using System.Security.Cryptography;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>The name of a model: SHA-256 of its spec's digest followed by its parameters as flat little-endian float32 (docs/spec/model.md §3).</summary>
public static class ModelDigest
{
    /// <summary>The digest of the model with these parameters: the SHA-256 of <see cref="ModelBlob.Write"/>.</summary>
    /// <exception cref="ArgumentException">The vector has not the spec's length.</exception>
    public static Digest Of(ModelSpec spec, ReadOnlySpan<float> parameters)
    {
        ModelBlob.RequireLength(spec, parameters.Length);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> bytes = stackalloc byte[Digest.Size];
        spec.Digest.CopyTo(bytes);
        hash.AppendData(bytes);
        LittleEndian.Hash(parameters, hash);
        hash.GetHashAndReset(bytes);
        return Digest.From(bytes);
    }
}
