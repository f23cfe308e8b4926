using System.Diagnostics.CodeAnalysis;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// A model as bytes: the spec's digest (32), then the flat little-endian float32 parameters, then the vectors that its strategy and its robust rule go on from, if they have any. Its SHA-256 is the model's digest.
/// </summary>
public static class ModelBlob
{
    /// <summary>The largest model that an agreement may have, with its state.</summary>
    public const int MaximumBytes = 1 << 30;

    private const int MaximumStateVectors = 3;

    /// <summary>Bytes of a model of this spec, with so many vectors behind it.</summary>
    public static int Length(ModelSpec spec, int stateVectors = 0) => Digest.Size + (sizeof(float) * spec.ParameterCount * (1 + stateVectors));

    /// <summary>The bytes.</summary>
    /// <exception cref="ArgumentException">The vector has not the spec's length, or the state not a few times that.</exception>
    public static byte[] Write(ModelSpec spec, ReadOnlySpan<float> parameters, ReadOnlySpan<float> state = default)
    {
        RequireLength(spec, parameters.Length);
        if (state.Length % spec.ParameterCount != 0 || state.Length / spec.ParameterCount > MaximumStateVectors) throw new ArgumentException("A state is whole vectors.", nameof(state));
        var bytes = new byte[Length(spec, state.Length / spec.ParameterCount)];
        spec.Digest.CopyTo(bytes);
        LittleEndian.Write(parameters, bytes.AsSpan(Digest.Size));
        LittleEndian.Write(state, bytes.AsSpan(Length(spec)));
        return bytes;
    }

    /// <summary>The parameters, whatever state is behind them; false for another spec, another length or a value that is not finite.</summary>
    public static bool TryRead(ModelSpec spec, ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out float[]? parameters) => TryRead(spec, bytes, out parameters, out _);

    /// <summary>The parameters and the state, which is empty where there is none.</summary>
    public static bool TryRead(ModelSpec spec, ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out float[]? parameters, [NotNullWhen(true)] out float[]? state)
    {
        (parameters, state) = (null, null);
        var vectors = 0;
        while (vectors < MaximumStateVectors && bytes.Length > Length(spec, vectors)) vectors++;
        if (bytes.Length != Length(spec, vectors) || Digest.From(bytes[..Digest.Size]) != spec.Digest) return false;
        var (values, behind) = (new float[spec.ParameterCount], new float[spec.ParameterCount * vectors]);
        LittleEndian.Read(bytes[Digest.Size..Length(spec)], values);
        LittleEndian.Read(bytes[Length(spec)..], behind);
        if (!AreFinite(values) || !AreFinite(behind)) return false;
        (parameters, state) = (values, behind);
        return true;
    }

    internal static bool AreFinite(ReadOnlySpan<float> values)
    {
        foreach (var value in values)
        {
            if (!float.IsFinite(value)) return false;
        }

        return true;
    }

    internal static void RequireLength(ModelSpec spec, int length)
    {
        if (length != spec.ParameterCount) throw new ArgumentException($"The spec has {spec.ParameterCount} parameters, not {length}.", nameof(length));
    }
}
