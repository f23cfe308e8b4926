namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// From the reference, which is the last round's result or zero, the mean of the steps to all groups, each cut to a length (Karimireddy et al. 2021), and again from there. Each round of it moves the
/// result at most by the radius, and by rounding at most by √d ÷ 2Q.
/// </summary>
/// <param name="Radius">τ: the longest step, in lanes, 1 to 2⁴⁴.</param>
/// <param name="Iterations">1 to 16.</param>
public sealed record CentredClipping(long Radius, int Iterations) : RobustRule
{
    internal const string Text = "clipping";
    internal const long LargestRadius = 1L << 44;
    internal const int MostIterations = 16;

    private const int FactorBits = 32;

    /// <inheritdoc/>
    public override string Name => Text;

    /// <inheritdoc/>
    public override int LeastGroups => 3;

    /// <inheritdoc/>
    public override bool NeedsReference => true;

    /// <inheritdoc/>
    public override bool CarriesReference => true;

    private protected override long[] Constants => [Radius, Iterations];

    private protected override bool IsSound => Radius is >= 1 and <= LargestRadius && Iterations is >= 1 and <= MostIterations;

    private protected override RobustMean Compute(GroupSums groups, ReadOnlySpan<int> reference)
    {
        var (centre, factors) = (new long[groups.Length], new long[groups.Count]);
        for (var i = 0; i < centre.Length; i++) centre[i] = (long)reference[i] * GroupSums.Unit;
        for (var iteration = 0; iteration < Iterations; iteration++)
        {
            for (var a = 0; a < factors.Length; a++) factors[a] = Factor(IntegerRoot.Ceiling(SquaredDistance(groups.Sum(a), groups.Factor(a), centre)));
            Move(groups, factors, centre);
        }

        return new(centre, GroupSums.Unit);
    }

    // min(1, τ ÷ norm) in units of 2⁻³², rounded down.
    private long Factor(ulong norm)
    {
        var radius = (UInt128)Radius * GroupSums.Unit;
        return norm <= radius ? 1L << FactorBits : (long)((radius << FactorBits) / norm);
    }

    // Below 2¹²¹.
    private static UInt128 SquaredDistance(ReadOnlySpan<int> sum, long factor, ReadOnlySpan<long> centre)
    {
        var squares = UInt128.Zero;
        for (var i = 0; i < centre.Length; i++)
        {
            var step = (ulong)Math.Abs((sum[i] * factor) - centre[i]);
            squares += Math.BigMul(step, step);
        }

        return squares;
    }

    // Steps are below 2⁴⁸ and their sums, times a factor, below 2⁸⁶. Two divisions that round down are one by the product.
    private static void Move(GroupSums groups, ReadOnlySpan<long> factors, Span<long> centre)
    {
        const int block = 1024;
        var half = (Int128)groups.Count << (FactorBits - 1);
        Span<Int128> moves = new Int128[block];
        for (var start = 0; start < centre.Length; start += block)
        {
            var part = centre[start..Math.Min(start + block, centre.Length)];
            moves.Fill(half);
            for (var a = 0; a < groups.Count; a++)
            {
                var sum = groups.Sum(a).Slice(start, part.Length);
                var (scale, factor) = ((long)groups.Factor(a), factors[a]);
                for (var i = 0; i < part.Length; i++) moves[i] += Math.BigMul((sum[i] * scale) - part[i], factor);
            }

            for (var i = 0; i < part.Length; i++) part[i] += RobustMean.FloorDivide((long)(moves[i] >> FactorBits), groups.Count);
        }
    }
}
