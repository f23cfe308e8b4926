using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>A model as a safetensors file, the form in which other tools read it (docs/spec/model.md §3). The bytes follow from spec and parameters.</summary>
public static class ModelFile
{
    private const int Prefix = sizeof(ulong);
    private const int Alignment = 8;

    /// <summary>The file.</summary>
    /// <exception cref="ArgumentException">The vector has not the spec's length.</exception>
    public static byte[] Write(ModelSpec spec, ReadOnlySpan<float> parameters)
    {
        var head = Head(spec, parameters);
        var file = new byte[head.Length + (sizeof(float) * (long)parameters.Length)];
        head.CopyTo(file, 0);
        LittleEndian.Write(parameters, file.AsSpan(head.Length));
        return file;
    }

    /// <summary>SHA-256 of the file, which is not made.</summary>
    /// <exception cref="ArgumentException">The vector has not the spec's length.</exception>
    public static Digest DigestOf(ModelSpec spec, ReadOnlySpan<float> parameters)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Head(spec, parameters));
        LittleEndian.Hash(parameters, hash);
        return Digest.From(hash.GetHashAndReset());
    }

    // Names are letters, digits and dots, digests hexadecimal: nothing needs an escape.
    private static byte[] Head(ModelSpec spec, ReadOnlySpan<float> parameters)
    {
        var json = new StringBuilder($"{{\"__metadata__\":{{\"format\":\"pt\",\"model\":\"{ModelDigest.Of(spec, parameters)}\",\"spec\":\"{spec.Digest}\"}}");
        foreach (var tensor in spec.Parameters)
        {
            var start = sizeof(float) * (long)tensor.Offset;
            json.Append(CultureInfo.InvariantCulture, $",\"{tensor.Name}\":{{\"dtype\":\"F32\",\"shape\":[{string.Join(',', tensor.Shape)}],\"data_offsets\":[{start},{start + (sizeof(float) * (long)tensor.Length)}]}}");
        }

        json.Append('}');
        json.Append(' ', (Alignment - (json.Length % Alignment)) % Alignment);
        var head = new byte[Prefix + json.Length];
        BinaryPrimitives.WriteUInt64LittleEndian(head, (ulong)json.Length);
        Encoding.ASCII.GetBytes(json.ToString(), head.AsSpan(Prefix));
        return head;
    }
}
