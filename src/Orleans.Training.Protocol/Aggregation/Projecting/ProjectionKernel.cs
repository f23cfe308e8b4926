using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// The two products of a projection, in lanes modulo 2^width. Integers: vectors of any length give the same. A round calls the loops a few times only, so they are compiled for good at once.
/// </summary>
internal static class ProjectionKernel
{
    private const int K = SumProjection.Repetitions;
    private const int W = SumProjection.Columns;

    /// <summary>T += Rᵀ · Y.</summary>
    /// <param name="target">T: K rows of W lanes.</param>
    /// <param name="multipliers">R: for each row of Y, K lanes.</param>
    /// <param name="rows">Y: rows of W lanes.</param>
    /// <param name="width">Width of a lane.</param>
    public static void Accumulate(Span<byte> target, ReadOnlySpan<byte> multipliers, ReadOnlySpan<byte> rows, LaneWidth width)
    {
        switch (width)
        {
            case LaneWidth.Bits8: Accumulate<byte>(target, multipliers, rows); break;
            case LaneWidth.Bits16: Accumulate<ushort>(target, multipliers, rows); break;
            default: Accumulate<uint>(target, multipliers, rows); break;
        }
    }

    /// <summary>The sum of the products of all lanes.</summary>
    public static void Dot(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right, Span<byte> result, LaneWidth width)
    {
        switch (width)
        {
            case LaneWidth.Bits8: MemoryMarshal.Write(result, Dot<byte>(left, right)); break;
            case LaneWidth.Bits16: MemoryMarshal.Write(result, Dot<ushort>(left, right)); break;
            default: MemoryMarshal.Write(result, Dot<uint>(left, right)); break;
        }
    }

    // Two rows of T and four vectors of each at a time: eight sums stay in registers while all of Y's rows go by.
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Accumulate<TLane>(Span<byte> target, ReadOnlySpan<byte> multipliers, ReadOnlySpan<byte> rows) where TLane : unmanaged, INumber<TLane>
    {
        var t = MemoryMarshal.Cast<byte, Vector<TLane>>(target);
        var y = MemoryMarshal.Cast<byte, Vector<TLane>>(rows);
        var r = MemoryMarshal.Cast<byte, TLane>(multipliers);
        var vectors = W / Vector<TLane>.Count;
        for (var column = 0; column < vectors; column += 4)
        {
            for (var k = 0; k < K; k += 2)
            {
                var upper = t.Slice((k * vectors) + column, 4);
                var lower = t.Slice(((k + 1) * vectors) + column, 4);
                var (a0, a1, a2, a3) = (upper[0], upper[1], upper[2], upper[3]);
                var (b0, b1, b2, b3) = (lower[0], lower[1], lower[2], lower[3]);
                for (int at = column, multiplier = k; at < y.Length; at += vectors, multiplier += K)
                {
                    var part = y.Slice(at, 4);
                    var (p, q) = (new Vector<TLane>(r[multiplier]), new Vector<TLane>(r[multiplier + 1]));
                    a0 += p * part[0];
                    a1 += p * part[1];
                    a2 += p * part[2];
                    a3 += p * part[3];
                    b0 += q * part[0];
                    b1 += q * part[1];
                    b2 += q * part[2];
                    b3 += q * part[3];
                }

                (upper[0], upper[1], upper[2], upper[3]) = (a0, a1, a2, a3);
                (lower[0], lower[1], lower[2], lower[3]) = (b0, b1, b2, b3);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static TLane Dot<TLane>(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right) where TLane : unmanaged, INumber<TLane>
    {
        var a = MemoryMarshal.Cast<byte, Vector<TLane>>(left);
        var b = MemoryMarshal.Cast<byte, Vector<TLane>>(right);
        var (even, odd) = (Vector<TLane>.Zero, Vector<TLane>.Zero);
        for (var i = 0; i + 1 < a.Length; i += 2)
        {
            even += a[i] * b[i];
            odd += a[i + 1] * b[i + 1];
        }

        return Vector.Sum(even + odd);
    }
}
