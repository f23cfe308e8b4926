namespace Orleans.Training.Benchmarks;

/// <summary>Who is in which group. Of a group anyone learns its sum and nothing else, so that a participant is hidden among its group's members only.</summary>
internal sealed record GroupLayout(IReadOnlyList<IReadOnlyList<int>> Groups)
{
    /// <summary>Cuts an order of all participants, drawn by chance, into as few groups of at most <paramref name="size"/> as there can be, as equal as they can be.</summary>
    public static GroupLayout Draw(IReadOnlyList<int> order, int size)
    {
        var count = CountOf(order.Count, size);
        return new([.. Enumerable.Range(0, count).Select(group => order.Take((group + 1) * order.Count / count).Skip(group * order.Count / count).ToArray())]);
    }

    /// <summary>⌈participants ÷ size⌉.</summary>
    public static int CountOf(int participants, int size) => (participants + size - 1) / size;

    /// <summary>Groups with at least one attacker: one suffices to give a group any sum.</summary>
    public int Bad(IReadOnlySet<int> attackers) => Groups.Count(group => group.Any(attackers.Contains));

    /// <summary>1 − (1 − p)ˢ: the chance that a group of s members has an attacker, where each is one with chance p.</summary>
    public static double BadShare(double share, int size) => 1 - Math.Pow(1 - share, size);

    /// <summary>The share of attackers at which so many bad groups are to be expected: what <see cref="BadShare"/> comes from.</summary>
    public static double ShareFor(int bad, int groups, int size) => 1 - Math.Pow(1 - ((double)bad / groups), 1.0 / size);
}
