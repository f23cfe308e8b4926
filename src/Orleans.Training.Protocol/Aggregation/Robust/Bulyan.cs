namespace Orleans.Training.Protocol.Aggregation;

/// <summary>Krum, again and again, chooses G − 2f groups; in each lane, the mean of those G − 4f that lie nearest to their median (El Mhamdi et al. 2018).</summary>
/// <param name="Poisoned">f: poisoned groups that it tolerates, 1 to 15.</param>
public sealed record Bulyan(int Poisoned) : RobustRule
{
    internal const string Text = "bulyan";

    /// <inheritdoc/>
    public override string Name => Text;

    /// <inheritdoc/>
    public override int LeastGroups => (4 * Poisoned) + 3;

    private protected override long[] Constants => [Poisoned];

    private protected override bool IsSound => Poisoned is >= 1 and <= (GroupSums.MaximumGroups - 3) / 4;

    private protected override RobustMean Compute(GroupSums groups, ReadOnlySpan<int> reference)
    {
        var kept = groups.Count - (4 * Poisoned);
        return new(SortedLanes.Reduce(groups, Choose(groups), values => SortedLanes.Total(NearMedian(values, kept))), (long)GroupSums.Unit * kept);
    }

    private int[] Choose(GroupSums groups)
    {
        var (chosen, rest, distances) = (new int[groups.Count - (2 * Poisoned)], groups.All.ToList(), GroupDistances.Of(groups));
        for (var i = 0; i < chosen.Length; i++)
        {
            // What is left may be too small for Krum's number of neighbours: one remains.
            var neighbours = Math.Max(1, rest.Count - Poisoned - 2);
            chosen[i] = rest.MinBy(group => MultiKrum.Score(distances, rest, group, neighbours));
            rest.Remove(chosen[i]);
        }

        return chosen;
    }

    // From both ends the value farther from the median falls away; of two that are as far, the higher.
    private static ReadOnlySpan<long> NearMedian(ReadOnlySpan<long> values, int kept)
    {
        var twiceMedian = values[(values.Length - 1) / 2] + values[values.Length / 2];
        while (values.Length > kept) values = twiceMedian - (2 * values[0]) > (2 * values[^1]) - twiceMedian ? values[1..] : values[..^1];
        return values;
    }
}
