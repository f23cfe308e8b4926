namespace Orleans.Training.Protocol.Aggregation;

/// <summary>Scalar products and squared distances of vectors, exact and in any order of lanes.</summary>
internal static class GroupDistances
{
    private const int Block = 8192;

    /// <summary>
    /// ‖m_a − m_b‖² in units of 1 ÷ Q², below 2¹²¹: f_a² ⟨S_a, S_a⟩ − 2 f_a f_b ⟨S_a, S_b⟩ + f_b² ⟨S_b, S_b⟩. Lanes are walked in blocks, so that each is read from memory once for all pairs.
    /// </summary>
    public static UInt128[,] Of(GroupSums groups)
    {
        var products = new Int128[groups.Count, groups.Count];
        for (var start = 0; start < groups.Length; start += Block)
        {
            var count = Math.Min(Block, groups.Length - start);
            for (var a = 0; a < groups.Count; a++)
            {
                for (var b = 0; b <= a; b++) products[a, b] += Product(groups.Sum(a).Slice(start, count), groups.Sum(b).Slice(start, count));
            }
        }

        var distances = new UInt128[groups.Count, groups.Count];
        for (var a = 0; a < groups.Count; a++)
        {
            for (var b = 0; b < a; b++)
            {
                Int128 fa = groups.Factor(a), fb = groups.Factor(b);
                distances[a, b] = distances[b, a] = (UInt128)((fa * fa * products[a, a]) - (2 * fa * fb * products[a, b]) + (fb * fb * products[b, b]));
            }
        }

        return distances;
    }

    /// <summary>⟨x, y⟩: products are at most 2⁶², and their halves are added apart, so that nothing overflows.</summary>
    public static Int128 Product(ReadOnlySpan<int> x, ReadOnlySpan<int> y)
    {
        y = y[..x.Length];
        var (low, high) = (0L, 0L);
        for (var i = 0; i < x.Length; i++)
        {
            var product = (long)x[i] * y[i];
            low += (uint)product;
            high += product >> 32;
        }

        return ((Int128)high << 32) + low;
    }
}
