using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>Numbers as little-endian bytes: a copy on the machines we know, a byte swap on the others.</summary>
internal static class LittleEndian
{
    public static void Write(ReadOnlySpan<float> values, Span<byte> destination) => Write(MemoryMarshal.Cast<float, int>(values), destination);

    public static void Write(ReadOnlySpan<int> values, Span<byte> destination)
    {
        if (BitConverter.IsLittleEndian) MemoryMarshal.AsBytes(values).CopyTo(destination);
        else BinaryPrimitives.ReverseEndianness(values, MemoryMarshal.Cast<byte, int>(destination[..(4 * values.Length)]));
    }

    /// <summary>Hashes the bytes of the values, a part at a time.</summary>
    public static void Hash(ReadOnlySpan<float> values, IncrementalHash hash)
    {
        var buffer = new byte[Limits.ChunkBytes];
        while (!values.IsEmpty)
        {
            var part = values[..Math.Min(values.Length, buffer.Length / sizeof(float))];
            Write(part, buffer);
            hash.AppendData(buffer, 0, part.Length * sizeof(float));
            values = values[part.Length..];
        }
    }

    public static void Read(ReadOnlySpan<byte> source, Span<float> values) => Read(source, MemoryMarshal.Cast<float, int>(values));

    public static void Read(ReadOnlySpan<byte> source, Span<int> values)
    {
        source[..(4 * values.Length)].CopyTo(MemoryMarshal.AsBytes(values));
        if (!BitConverter.IsLittleEndian) BinaryPrimitives.ReverseEndianness(values, values);
    }
}
