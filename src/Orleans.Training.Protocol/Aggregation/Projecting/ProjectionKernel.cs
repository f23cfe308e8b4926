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

    /// <summary>images += columns · row.</summary>
    /// <param name="columns">A row of W lanes for each number of an image.</param>
    /// <param name="row">A row of T.</param>
    /// <param name="image">K numbers.</param>
    /// <param name="width">Width of a lane.</param>
    public static void Dot(ReadOnlySpan<byte> columns, ReadOnlySpan<byte> row, Span<byte> image, LaneWidth width)
    {
        switch (width)
        {
            case LaneWidth.Bits8: Dot<byte>(columns, row, image); break;
            case LaneWidth.Bits16: Dot<ushort>(columns, row, image); break;
            default: Dot<uint>(columns, row, image); break;
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
    private static void Dot<TLane>(ReadOnlySpan<byte> columns, ReadOnlySpan<byte> row, Span<byte> image) where TLane : unmanaged, INumber<TLane>
    {
        var g = MemoryMarshal.Cast<byte, Vector<TLane>>(columns);
        var t = MemoryMarshal.Cast<byte, Vector<TLane>>(row);
        var numbers = MemoryMarshal.Cast<byte, TLane>(image);
        for (var s = 0; s < K; s += 4)
        {
            var (a, b, c, d) = (Vector<TLane>.Zero, Vector<TLane>.Zero, Vector<TLane>.Zero, Vector<TLane>.Zero);
            var first = g.Slice(s * t.Length, t.Length);
            var second = g.Slice((s + 1) * t.Length, t.Length);
            var third = g.Slice((s + 2) * t.Length, t.Length);
            var fourth = g.Slice((s + 3) * t.Length, t.Length);
            for (var i = 0; i < t.Length; i++)
            {
                var lane = t[i];
                a += lane * first[i];
                b += lane * second[i];
                c += lane * third[i];
                d += lane * fourth[i];
            }

            numbers[s] += Vector.Sum(a);
            numbers[s + 1] += Vector.Sum(b);
            numbers[s + 2] += Vector.Sum(c);
            numbers[s + 3] += Vector.Sum(d);
        }
    }
}
