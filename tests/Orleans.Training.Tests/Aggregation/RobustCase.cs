using CsCheck;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Tests.Aggregation;

/// <summary>A rule with what it is applied to.</summary>
internal sealed record RobustCase(RobustRule Rule, int[][] Sums, int[] Members, int[] Reference)
{
    public static readonly Gen<RobustCase> Any = Gen.Select(Gen.Int[0, 5], Gen.Int[0, 3], Gen.Int).Select(Of);

    public int Groups => Sums.Length;

    public int Length => Sums[0].Length;

    public RobustMean Mean() => Rule.Apply(new GroupSums([.. Sums.Select(sum => new ReadOnlyMemory<int>(sum))], Members), Reference);

    /// <summary>A rule of each kind; lanes near each other, anywhere in 32 bits, small enough to make ties, or at the ends.</summary>
    public static RobustCase Of(int kind, int spread, int seed)
    {
        var random = new Random(seed);
        var f = random.Next(1, 4);
        var least = kind switch { 2 => (2 * f) + 3, 3 => (4 * f) + 3, 1 => (2 * f) + 1, 5 => 1, _ => 3 };
        var groups = least + random.Next(0, 5);
        // Some longer than the blocks in which lanes are walked.
        var length = random.Next(50) == 0 ? random.Next(1000, 9000) : random.Next(1, 40);
        var (low, high) = spread switch { 0 => (-1000, 1000), 1 => (int.MinValue, int.MaxValue), 2 => (-2, 3), _ => (0, 2) };
        RobustRule rule = kind switch
        {
            0 => new CoordinateMedian(),
            1 => new TrimmedMean(f),
            2 => new MultiKrum(f, random.Next(1, groups - f - 1)),
            3 => new Bulyan(f),
            4 => new CentredClipping(1L << random.Next(spread == 1 ? 36 : 14), random.Next(1, 4)),
            _ => new FlTrust(),
        };
        int[] Vector() => [.. Enumerable.Range(0, length).Select(_ => spread == 3 ? random.Next(2) == 0 ? int.MinValue : int.MaxValue : random.Next(low, high))];
        return new(rule, [.. Enumerable.Range(0, groups).Select(_ => Vector())], [.. Enumerable.Range(0, groups).Select(_ => spread > 1 ? 1 + random.Next(2) : random.Next(1, 13))], rule.NeedsReference ? Vector() : []);
    }
}
