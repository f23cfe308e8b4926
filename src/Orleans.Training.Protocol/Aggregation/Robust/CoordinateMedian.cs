namespace Orleans.Training.Protocol.Aggregation;

/// <summary>In each lane, the group in the middle, or the mean of the two (Yin et al. 2018): the mean trimmed as far as it goes. Fewer than half the groups cannot take a lane out of the others' range.</summary>
public sealed record CoordinateMedian : RobustRule
{
    internal const string Text = "median";

    /// <inheritdoc/>
    public override string Name => Text;

    /// <inheritdoc/>
    public override int LeastGroups => 3;

    private protected override RobustMean Compute(GroupSums groups, ReadOnlySpan<int> reference) => TrimmedMean.Of(groups, (groups.Count - 1) / 2);
}
