namespace Orleans.Training.Benchmarks;

/// <summary>How well a threshold on the loss tells rows that a model was trained on from others (Yeom et al. 2018).</summary>
/// <param name="Area">Under the curve: the part of all pairs in which the member has the smaller loss; ½ is a guess.</param>
/// <param name="AtOnePercent">Part of the members that are found at a threshold that wrongly names at most 1 % of the others.</param>
/// <param name="Advantage">The largest difference of both rates at any threshold.</param>
internal readonly record struct Membership(double Area, double AtOnePercent, double Advantage)
{
    private const double FalseAlarms = 0.01;

    /// <summary>Of the losses of members and others.</summary>
    public static Membership Of(ReadOnlySpan<double> members, ReadOnlySpan<double> others)
    {
        var (inside, outside) = (members.ToArray(), others.ToArray());
        Array.Sort(inside);
        Array.Sort(outside);
        var (area, found, advantage) = (0.0, 0.0, 0.0);
        foreach (var loss in inside) area += Above(outside, loss);
        // A threshold is worth looking at where it is one of the losses: everything up to it is called a member.
        foreach (var threshold in inside)
        {
            var (hits, alarms) = ((double)UpTo(inside, threshold) / inside.Length, (double)UpTo(outside, threshold) / outside.Length);
            advantage = Math.Max(advantage, hits - alarms);
            if (alarms <= FalseAlarms) found = Math.Max(found, hits);
        }

        return new(area / ((double)inside.Length * outside.Length), found, advantage);
    }

    /// <summary>The most that (ε, δ) lets any attack find at one false alarm in a hundred: e^ε · 0.01 + δ (Kairouz et al. 2015, theorem 2.1).</summary>
    public static double BoundAtOnePercent(double epsilon, double delta) => Math.Min(1, (Math.Exp(epsilon) * FalseAlarms) + delta);

    /// <summary>The largest advantage that (ε, δ) allows: (e^ε − 1 + 2δ) ÷ (e^ε + 1) (Humphries et al. 2023).</summary>
    public static double BoundOfAdvantage(double epsilon, double delta) => Math.Min(1, (Math.Exp(epsilon) - 1 + (2 * delta)) / (Math.Exp(epsilon) + 1));

    // How many lie above; of those that are equal, half.
    private static double Above(double[] sorted, double value)
    {
        var upTo = UpTo(sorted, value);
        var below = upTo;
        while (below > 0 && sorted[below - 1].Equals(value)) below--;
        return sorted.Length - upTo + ((upTo - below) / 2.0);
    }

    private static int UpTo(double[] sorted, double value)
    {
        var (low, high) = (0, sorted.Length);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (sorted[middle] <= value) low = middle + 1;
            else high = middle;
        }

        return low;
    }
}
