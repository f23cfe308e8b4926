using System.Diagnostics.CodeAnalysis;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// An update, or a sum of updates, as bytes: nothing but its lanes, each a little-endian 32-bit two's complement integer; the length
/// follows from the spec. In the blob store it is named by <see cref="ChunkedBlob.Root"/>.
/// </summary>
public static class UpdateBlob
{
    /// <summary>Bytes of an update of a model with this many parameters.</summary>
    public static long Length(int parameterCount) => (long)sizeof(int) * parameterCount;

    /// <summary>The bytes.</summary>
    public static byte[] Write(ReadOnlySpan<int> lanes)
    {
        var bytes = new byte[checked((int)Length(lanes.Length))];
        LittleEndian.Write(lanes, bytes);
        return bytes;
    }

    /// <summary>The lanes; false for another length. Whether they may be added is <see cref="FixedPoint.Admits"/>'s to say.</summary>
    public static bool TryRead(ReadOnlySpan<byte> blob, int parameterCount, [NotNullWhen(true)] out int[]? lanes)
    {
        lanes = null;
        if (blob.Length != Length(parameterCount)) return false;
        lanes = new int[parameterCount];
        LittleEndian.Read(blob, lanes);
        return true;
    }
}
