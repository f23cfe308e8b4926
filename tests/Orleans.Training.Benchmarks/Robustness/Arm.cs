using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Benchmarks;

/// <summary>One way to make a mean update of all updates.</summary>
/// <param name="Name">As tables call it.</param>
/// <param name="GroupSize">Participants whose sum is published; 1 where each update is seen, and its norm checked.</param>
/// <param name="Rule">What is made of the groups' means; null for their plain mean.</param>
/// <param name="Tolerates">Bad groups up to which the rule promises something; null where its promise is no such number.</param>
internal sealed record Arm(string Name, int GroupSize, RobustRule? Rule, int? Tolerates)
{
    /// <summary>C: about three times the norm of an honest update of the first rounds, and so room that attackers can use.</summary>
    public const double Clip = 3;
    /// <summary>τ, as a norm: a little less than that of the mean update of the first rounds.</summary>
    public const double Radius = 0.5;
    private const int Iterations = 3;

    /// <summary>Whether only sums are seen: nobody can then tell whether an update was clipped (docs/spec/aggregation.md §7).</summary>
    public bool IsMasked => GroupSize > 1;

    /// <summary>The lanes that a group is added in, or everybody.</summary>
    public FixedPoint Lanes(int participants) => FixedPoint.Create(Clip, Rule is null ? participants : GroupSize);

    /// <summary>Today's service: one sum under masks if <paramref name="isMasked"/>, else every update in sight.</summary>
    public static Arm Mean(int participants, bool isMasked) => new("mean", isMasked ? participants : 1, null, 0);

    /// <summary>Every rule over groups of this size, with constants for this many attackers as far as the number of groups allows them.</summary>
    public static IReadOnlyList<Arm> Rules(int participants, int size, int attackers)
    {
        var groups = GroupLayout.CountOf(participants, size);
        var (trim, bulyan) = (Math.Min(attackers, (groups - 1) / 2), Math.Min(attackers, (groups - 3) / 4));
        var step = FixedPoint.Create(Clip, size).Step;
        return
        [
            new("median", size, new CoordinateMedian(), (groups - 1) / 2),
            new($"trimmed {trim}", size, new TrimmedMean(trim), trim),
            Krum(participants, size, attackers),
            new($"Bulyan {bulyan}", size, new Bulyan(bulyan), bulyan),
            new("clipping", size, new CentredClipping((long)(Radius / step), Iterations), null),
            Trust(size),
        ];
    }

    /// <summary>Groups weighed by how well they agree with the trusted party.</summary>
    public static Arm Trust(int size) => new("FLTrust", size, new FlTrust(), null);

    /// <summary>Multi-Krum that keeps as many groups as it may.</summary>
    public static Arm Krum(int participants, int size, int attackers)
    {
        var groups = GroupLayout.CountOf(participants, size);
        var f = Math.Min(attackers, (groups - 3) / 2);
        return new($"Krum {f}", size, new MultiKrum(f, groups - f - 2), f);
    }
}
