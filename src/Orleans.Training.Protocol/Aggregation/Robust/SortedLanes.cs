namespace Orleans.Training.Protocol.Aggregation;

/// <summary>Rules that decide each lane by itself, from the groups' values in ascending order.</summary>
internal static class SortedLanes
{
    private const int Block = 1024;

    /// <summary>What <paramref name="reduce"/> makes of the chosen groups' means, in units of 1 ÷ <see cref="GroupSums.Unit"/>, for every lane.</summary>
    public static long[] Reduce(GroupSums groups, ReadOnlySpan<int> chosen, Func<ReadOnlySpan<long>, long> reduce)
    {
        var results = new long[groups.Length];
        var width = chosen.Length;
        Span<long> block = new long[width * Block];
        for (var start = 0; start < results.Length; start += Block)
        {
            var count = Math.Min(Block, results.Length - start);
            for (var column = 0; column < width; column++)
            {
                var sums = groups.Sum(chosen[column]).Slice(start, count);
                long factor = groups.Factor(chosen[column]);
                for (var i = 0; i < count; i++) block[(i * width) + column] = sums[i] * factor;
            }

            for (var i = 0; i < count; i++)
            {
                var values = block.Slice(i * width, width);
                values.Sort();
                results[start + i] = reduce(values);
            }
        }

        return results;
    }

    /// <summary>The sum of values; of 64 group means it stays below 2⁵².</summary>
    public static long Total(ReadOnlySpan<long> values)
    {
        var sum = 0L;
        foreach (var value in values) sum += value;
        return sum;
    }
}
