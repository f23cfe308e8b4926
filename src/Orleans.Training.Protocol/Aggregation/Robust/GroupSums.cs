namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// The sums of a round's groups, lane by lane, and how many updates of weight 1 each holds. A group's mean is counted in units of 1 ÷ <see cref="Unit"/> of a lane, so that it is an integer whatever
/// its members' number (docs/spec/robust.md §1).
/// </summary>
public sealed class GroupSums
{
    /// <summary>Groups of one round.</summary>
    public const int MaximumGroups = 64;
    /// <summary>Updates in one group's sum.</summary>
    public const int MaximumMembers = 12;
    /// <summary>Q = lcm(1, …, 12).</summary>
    public const int Unit = 27_720;

    private readonly ReadOnlyMemory<int>[] _sums;
    private readonly int[] _factors;

    /// <summary>Sums of one length, and their members.</summary>
    /// <exception cref="ArgumentException">There are none or more than <see cref="MaximumGroups"/>, their lengths differ or exceed <see cref="Limits.Parameters"/>, or a group has not 1 to <see cref="MaximumMembers"/> members.</exception>
    public GroupSums(IReadOnlyList<ReadOnlyMemory<int>> sums, IReadOnlyList<int> members)
    {
        if (sums.Count is 0 or > MaximumGroups) throw new ArgumentException($"A round has 1 to {MaximumGroups} groups, not {sums.Count}.", nameof(sums));
        if (members.Count != sums.Count) throw new ArgumentException($"{sums.Count} groups have {members.Count} numbers of members: give one for each.", nameof(members));
        if (members.Any(count => count is < 1 or > MaximumMembers)) throw new ArgumentException($"A group's sum holds 1 to {MaximumMembers} updates: leave out a group that has none.", nameof(members));
        if (sums.Any(sum => sum.Length != sums[0].Length)) throw new ArgumentException("The sums of all groups have one length.", nameof(sums));
        if (sums[0].Length > Limits.Parameters) throw new ArgumentException($"A sum has at most {Limits.Parameters} lanes.", nameof(sums));
        _sums = [.. sums];
        _factors = [.. members.Select(count => Unit / count)];
    }

    /// <summary>G.</summary>
    public int Count => _sums.Length;

    /// <summary>d: lanes of each sum.</summary>
    public int Length => _sums[0].Length;

    /// <summary>A group's sum.</summary>
    internal ReadOnlySpan<int> Sum(int group) => _sums[group].Span;

    /// <summary>Q ÷ members: its sum times this is its mean in units of 1 ÷ Q.</summary>
    internal int Factor(int group) => _factors[group];

    /// <summary>All groups, in their order.</summary>
    internal int[] All => [.. Enumerable.Range(0, Count)];
}
