using System.Numerics;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// The mean of the groups, each brought to the reference's length and weighted by the cosine of its angle with it, if that is positive (Cao et al. 2021). The reference is an update by a party that all
/// trust, committed before the groups' sums are known; the result is never longer than it, but for rounding.
/// </summary>
public sealed record FlTrust : RobustRule
{
    internal const string Text = "fltrust";

    private const int TrustBits = 32;
    private const int WeightBits = 64;

    /// <inheritdoc/>
    public override string Name => Text;

    /// <inheritdoc/>
    public override int LeastGroups => 1;

    /// <inheritdoc/>
    public override bool NeedsReference => true;

    private protected override RobustMean Compute(GroupSums groups, ReadOnlySpan<int> reference)
    {
        var weights = Weights(groups, reference);
        var numerators = new long[groups.Length];
        const int block = 1024;
        Span<Int128> sums = new Int128[block];
        for (var start = 0; start < numerators.Length; start += block)
        {
            var count = Math.Min(block, numerators.Length - start);
            sums.Fill(Int128.One << (WeightBits - 1));
            for (var a = 0; a < groups.Count; a++)
            {
                if (weights[a] == 0) continue;
                var sum = groups.Sum(a).Slice(start, count);
                var weight = weights[a] * groups.Factor(a);
                for (var i = 0; i < count; i++) sums[i] += sum[i] * weight;
            }

            for (var i = 0; i < count; i++) numerators[start + i] = (long)(sums[i] >> WeightBits);
        }

        return new(numerators, GroupSums.Unit);
    }

    // t_a · ‖m₀‖ ÷ (‖m_a‖ · Σt) in units of 2⁻⁶⁴, rounded down. No lane is longer than ‖m_a‖, so that lanes times weights, and their sum, stay below 2¹²⁴.
    private static Int128[] Weights(GroupSums groups, ReadOnlySpan<int> reference)
    {
        var (norms, trusts) = (new BigInteger[groups.Count], new BigInteger[groups.Count]);
        BigInteger trusted = Norm(reference, GroupSums.Unit), total = BigInteger.Zero;
        for (var a = 0; a < groups.Count; a++)
        {
            norms[a] = Norm(groups.Sum(a), groups.Factor(a));
            var product = (BigInteger)GroupDistances.Product(groups.Sum(a), reference) * groups.Factor(a) * GroupSums.Unit;
            trusts[a] = product.Sign > 0 ? (product << TrustBits) / (norms[a] * trusted) : 0;
            total += trusts[a];
        }

        return [.. trusts.Select((trust, a) => trust.IsZero ? 0 : (Int128)(((trust * trusted) << WeightBits) / (norms[a] * total)))];
    }

    private static BigInteger Norm(ReadOnlySpan<int> lanes, Int128 factor) => IntegerRoot.Ceiling((UInt128)(GroupDistances.Product(lanes, lanes) * factor * factor));
}
