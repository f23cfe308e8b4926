using System.Buffers.Binary;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>One group's sum without masks.</summary>
/// <param name="Group">The group's number.</param>
/// <param name="Count">Updates in it.</param>
/// <param name="Weight">Σα in units of 2⁻²⁰.</param>
/// <param name="Lanes">A lane for each coordinate.</param>
/// <param name="Tail">The tail of the sum, 64 bytes.</param>
public sealed record OpenedSum(int Group, int Count, long Weight, ReadOnlyMemory<int> Lanes, ReadOnlyMemory<byte> Tail);

/// <summary>
/// What is published of a round with groups: which groups are in it, as 64 bits, the lowest for group 0, little-endian; and for each of them, ascending, its lanes and its tail, as one sum of all would be.
/// </summary>
public static class GroupSumsBlob
{
    private const int Head = sizeof(ulong);

    /// <summary>The bytes.</summary>
    public static byte[] Write(IReadOnlyList<OpenedSum> sums)
    {
        var part = UpdateBlob.Length(sums[0].Lanes.Length) + LaneLayout.TailBytes;
        var bytes = new byte[Head + (sums.Count * part)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, sums.Aggregate(0UL, (groups, sum) => groups | 1UL << sum.Group));
        for (var i = 0; i < sums.Count; i++)
        {
            var place = bytes.AsSpan(checked((int)(Head + (i * part))), checked((int)part));
            LittleEndian.Write(sums[i].Lanes.Span, place);
            sums[i].Tail.Span.CopyTo(place[^LaneLayout.TailBytes..]);
        }

        return bytes;
    }

    /// <summary>Which groups are in it.</summary>
    public static IEnumerable<int> GroupsOf(ReadOnlyMemory<byte> bytes)
    {
        var groups = BinaryPrimitives.ReadUInt64LittleEndian(bytes.Span);
        return Enumerable.Range(0, GroupSums.MaximumGroups).Where(group => (groups >> group & 1) != 0);
    }

    internal static IEnumerable<long> TailOffsets(long length, long lanes)
    {
        for (var offset = Head + lanes; offset < length; offset += lanes + LaneLayout.TailBytes) yield return offset;
    }
}
