namespace Orleans.Training.Protocol.Aggregation;

/// <summary>The mean of the groups that lie closest to their neighbours (Blanchard et al. 2017); with <paramref name="Kept"/> = 1, Krum.</summary>
/// <param name="Poisoned">f: poisoned groups that it tolerates, 1 to 30.</param>
/// <param name="Kept">Groups that the mean is of, 1 to G − f − 2.</param>
public sealed record MultiKrum(int Poisoned, int Kept) : RobustRule
{
    internal const string Text = "krum";

    /// <inheritdoc/>
    public override string Name => Text;

    /// <inheritdoc/>
    public override int LeastGroups => Math.Max((2 * Poisoned) + 3, Kept + Poisoned + 2);

    private protected override long[] Constants => [Poisoned, Kept];

    private protected override bool IsSound => Poisoned >= 1 && Kept >= 1 && Poisoned <= GroupSums.MaximumGroups && Kept <= GroupSums.MaximumGroups && LeastGroups <= GroupSums.MaximumGroups;

    private protected override RobustMean Compute(GroupSums groups, ReadOnlySpan<int> reference)
    {
        var (all, distances) = (groups.All, GroupDistances.Of(groups));
        // The sort is stable, so that the smaller index goes first.
        var best = all.OrderBy(group => Score(distances, all, group, groups.Count - Poisoned - 2)).Take(Kept);
        var numerators = new long[groups.Length];
        foreach (var group in best)
        {
            var sum = groups.Sum(group);
            long factor = groups.Factor(group);
            for (var i = 0; i < numerators.Length; i++) numerators[i] += sum[i] * factor;
        }

        return new(numerators, (long)GroupSums.Unit * Kept);
    }

    /// <summary>The sum of a group's squared distances to its nearest neighbours among the others; of 62 it stays below 2¹²⁷.</summary>
    internal static UInt128 Score(UInt128[,] distances, IReadOnlyList<int> among, int group, int neighbours) =>
        among.Where(other => other != group).Select(other => distances[group, other]).Order().Take(neighbours).Aggregate(UInt128.Zero, (sum, distance) => sum + distance);
}
