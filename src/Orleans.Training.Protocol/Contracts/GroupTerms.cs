using System.Formats.Cbor;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// How participants of a masked agreement are divided, and how one mean is made of their groups' sums: [groups, least groups, rule], with <paramref name="Trusted"/> behind them where the rule is FLTrust. The
/// agreement's least participants are then those of each group, since that is among how many an update is hidden.
/// </summary>
/// <param name="Count">Groups, 2 to <see cref="GroupSums.MaximumGroups"/>; their sizes differ by one at most.</param>
/// <param name="Least">With how few of them a round still has a model, at least what the rule needs.</param>
/// <param name="Rule">What makes one mean of the groups' means (docs/spec/robust.md).</param>
/// <param name="Trusted">Position of the participant whose own update, which everybody sees, FLTrust compares the groups with; it is in none of them. Null for other rules.</param>
public sealed record GroupTerms(int Count, int Least, RobustRule Rule, int? Trusted = null)
{
    private const int LeastCount = 2;

    /// <summary>Members of the largest group of so many participants.</summary>
    public int LargestOf(int participants) => (Divided(participants) + Count - 1) / Count;

    /// <summary>Members of the smallest group of so many participants.</summary>
    public int SmallestOf(int participants) => Divided(participants) / Count;

    /// <summary>
    /// The groups of so many participants by a drawn number: the order of all positions but the trusted one's by <see cref="Shuffle"/> under it as the key, cut into pieces, the larger ones first. They stay the same for a whole
    /// run: new ones in each round would give new equations in the same unknowns.
    /// </summary>
    public IReadOnlyList<PositionSet> Divide(int participants, Digest draw)
    {
        int[] positions = [.. Enumerable.Range(0, participants).Where(position => position != Trusted)];
        int[] order = [.. Shuffle.Order(positions.Length, draw.ToArray()).Select(place => positions[place])];
        var groups = new PositionSet[Count];
        var start = 0;
        for (var group = 0; group < Count; group++)
        {
            var size = SmallestOf(participants) + (group < positions.Length % Count ? 1 : 0);
            groups[group] = PositionSet.Of(order[start..(start + size)]);
            start += size;
        }

        return groups;
    }

    internal bool IsSound(int participants, int minimum) =>
        Count is >= LeastCount and <= GroupSums.MaximumGroups && Rule.LeastGroups <= Least && Least <= Count && LargestOf(participants) <= GroupSums.MaximumMembers && minimum <= SmallestOf(participants)
        && Rule is FlTrust == Trusted is not null && !(Trusted >= participants);

    private int Divided(int participants) => participants - (Trusted is null ? 0 : 1);

    internal void Write(CborWriter writer)
    {
        writer.WriteStartArray(Trusted is null ? 3 : 4);
        writer.WriteInt32(Count);
        writer.WriteInt32(Least);
        Rule.Write(writer);
        if (Trusted is { } trusted) writer.WriteInt32(trusted);
        writer.WriteEndArray();
    }

    internal static GroupTerms Read(CborReader reader)
    {
        var items = reader.ReadStartArray();
        Wire.Require(items is 3 or 4);
        var terms = new GroupTerms(reader.ReadNumber(GroupSums.MaximumGroups), reader.ReadNumber(GroupSums.MaximumGroups), RobustRule.Read(reader), items == 4 ? reader.ReadNumber(Limits.Participants - 1) : null);
        Wire.Require(terms.Count >= LeastCount);
        reader.ReadEndArray();
        return terms;
    }
}
