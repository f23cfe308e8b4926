using System.Diagnostics.CodeAnalysis;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>A model as bytes: the spec's digest (32), then the flat little-endian float32 parameters. Its SHA-256 is the model's digest.</summary>
public static class ModelBlob
{
    /// <summary>Bytes of a model of this spec.</summary>
    public static int Length(ModelSpec spec) => Digest.Size + (sizeof(float) * spec.ParameterCount);

    /// <summary>The bytes.</summary>
    /// <exception cref="ArgumentException">The vector has not the spec's length.</exception>
    public static byte[] Write(ModelSpec spec, ReadOnlySpan<float> parameters)
    {
        RequireLength(spec, parameters.Length);
        var bytes = new byte[Length(spec)];
        spec.Digest.CopyTo(bytes);
        LittleEndian.Write(parameters, bytes.AsSpan(Digest.Size));
        return bytes;
    }

    /// <summary>The parameters; false for another spec, another length or a value that is not finite.</summary>
    public static bool TryRead(ModelSpec spec, ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out float[]? parameters)
    {
        parameters = null;
        if (bytes.Length != Length(spec) || Digest.From(bytes[..Digest.Size]) != spec.Digest) return false;
        var values = new float[spec.ParameterCount];
        LittleEndian.Read(bytes[Digest.Size..], values);
        foreach (var value in values)
        {
            if (!float.IsFinite(value)) return false;
        }

        parameters = values;
        return true;
    }

    internal static void RequireLength(ModelSpec spec, int length)
    {
        if (length != spec.ParameterCount) throw new ArgumentException($"The spec has {spec.ParameterCount} parameters, not {length}.", nameof(length));
    }
}
