using System.Numerics;
using System.Runtime.InteropServices;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>The sum of admitted updates, lane by lane, with the sum of their weights. The order in which they are added leaves no trace.</summary>
public sealed class LaneSum(FixedPoint parameters, int length)
{
    private readonly int[] _lanes = new int[length];

    /// <summary>The sums; no lane beyond ±count · levels.</summary>
    public ReadOnlySpan<int> Lanes => _lanes;

    /// <summary>Σα in units of 2⁻²⁰.</summary>
    public long TotalWeight { get; private set; }

    /// <summary>Updates added.</summary>
    public int Count { get; private set; }

    /// <summary>Adds an update; false, and nothing changes, if its length differs, the sum is full or <see cref="FixedPoint.Admits"/> refuses it.</summary>
    public bool TryAdd(ReadOnlySpan<int> lanes, int weight)
    {
        if (lanes.Length != _lanes.Length || Count >= parameters.Participants || !parameters.Admits(lanes, weight)) return false;
        Add(_lanes, lanes);
        TotalWeight += weight;
        Count++;
        return true;
    }

    /// <summary>Adds an update as it lies in the blob store; see <see cref="TryAdd(ReadOnlySpan{int}, int)"/>.</summary>
    public bool TryAdd(ReadOnlySpan<byte> blob, int weight)
    {
        if (BitConverter.IsLittleEndian) return blob.Length == UpdateBlob.Length(_lanes.Length) && TryAdd(MemoryMarshal.Cast<byte, int>(blob), weight);
        return UpdateBlob.TryRead(blob, _lanes.Length, out var lanes) && TryAdd(lanes, weight);
    }

    private static void Add(Span<int> sum, ReadOnlySpan<int> lanes)
    {
        var i = 0;
        for (; i <= sum.Length - Vector<int>.Count; i += Vector<int>.Count)
        {
            (new Vector<int>(sum[i..]) + new Vector<int>(lanes[i..])).CopyTo(sum[i..]);
        }

        for (; i < sum.Length; i++) sum[i] += lanes[i];
    }
}
