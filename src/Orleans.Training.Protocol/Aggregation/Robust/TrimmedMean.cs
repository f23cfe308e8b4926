namespace Orleans.Training.Protocol.Aggregation;

/// <summary>In each lane, the mean of the groups without the lowest and the highest ones (Yin et al. 2018). Fewer than <paramref name="Trim"/> + 1 poisoned groups cannot take a lane out of the others' range.</summary>
/// <param name="Trim">Groups that fall away on each side, 1 to 31.</param>
public sealed record TrimmedMean(int Trim) : RobustRule
{
    internal const string Text = "trimmed";

    /// <inheritdoc/>
    public override string Name => Text;

    /// <inheritdoc/>
    public override int LeastGroups => (2 * Trim) + 1;

    private protected override long[] Constants => [Trim];

    private protected override bool IsSound => Trim is >= 1 and <= (GroupSums.MaximumGroups - 1) / 2;

    private protected override RobustMean Compute(GroupSums groups, ReadOnlySpan<int> reference) => Of(groups, Trim);

    internal static RobustMean Of(GroupSums groups, int trim) =>
        new(SortedLanes.Reduce(groups, groups.All, values => SortedLanes.Total(values[trim..^trim])), (long)GroupSums.Unit * (groups.Count - (2 * trim)));
}
