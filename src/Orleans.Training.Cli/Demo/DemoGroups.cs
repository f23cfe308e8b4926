using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Privacy;

namespace Orleans.Training.Cli.Demo;

/// <summary>In how many groups a demonstration adds up, and by which rule: constants follow from the number of groups, so that as many poisoned ones are borne as the rule can.</summary>
/// <param name="Count">Groups.</param>
/// <param name="Rule">The rule's name.</param>
internal sealed record DemoGroups(int Count, string Rule)
{
    /// <summary>The rules.</summary>
    public static readonly string[] Rules = ["median", "trimmed", "krum", "bulyan", "clipping", "fltrust"];

    /// <summary>Participants of a group at least: fewer hide nobody.</summary>
    public const int LeastMembers = 3;

    /// <summary>How these lanes are grouped, or null where so many participants cannot be.</summary>
    public GroupTerms? TermsOf(int participants, FixedPoint lanes)
    {
        RobustRule rule = Rule switch
        {
            "trimmed" => new TrimmedMean(Math.Max(1, (Count - 1) / 2)),
            "krum" => new MultiKrum(Math.Max(1, (Count - 3) / 2), Math.Max(1, Count - Math.Max(1, (Count - 3) / 2) - 2)),
            "bulyan" => new Bulyan(Math.Max(1, (Count - 3) / 4)),
            "clipping" => new CentredClipping((long)SkellamMechanism.ClipOf(lanes), 3),
            "fltrust" => new FlTrust(),
            _ => new CoordinateMedian(),
        };
        // The first of all participants is the one that the others trust.
        var terms = new GroupTerms(Count, rule.LeastGroups, rule, rule is FlTrust ? 0 : null);
        return rule.LeastGroups <= Count && terms.SmallestOf(participants) >= LeastMembers && terms.LargestOf(participants) <= GroupSums.MaximumMembers ? terms : null;
    }
}
