using System.Formats.Cbor;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// How participants of a masked agreement are divided, and how one mean is made of their groups' sums: [groups, least groups, rule]. The agreement's least participants are then those of each group, since
/// that is among how many an update is hidden.
/// </summary>
/// <param name="Count">Groups, 2 to <see cref="GroupSums.MaximumGroups"/>; their sizes differ by one at most.</param>
/// <param name="Least">With how few of them a round still has a model, at least what the rule needs.</param>
/// <param name="Rule">What makes one mean of the groups' means (docs/spec/robust.md).</param>
public sealed record GroupTerms(int Count, int Least, RobustRule Rule)
{
    /// <summary>Members of the largest group of so many participants.</summary>
    public int LargestOf(int participants) => (participants + Count - 1) / Count;

    /// <summary>Members of the smallest group of so many participants.</summary>
    public int SmallestOf(int participants) => participants / Count;

    /// <summary>
    /// The groups of so many participants by a drawn number: the order of all positions by <see cref="Shuffle"/> under it as the key, cut into pieces, the larger ones first. They stay the same for a whole
    /// run: new ones in each round would give new equations in the same unknowns.
    /// </summary>
    public IReadOnlyList<PositionSet> Divide(int participants, Digest draw)
    {
        var order = Shuffle.Order(participants, draw.ToArray());
        var groups = new PositionSet[Count];
        var start = 0;
        for (var group = 0; group < Count; group++)
        {
            var size = SmallestOf(participants) + (group < participants % Count ? 1 : 0);
            groups[group] = PositionSet.Of(order[start..(start + size)]);
            start += size;
        }

        return groups;
    }

    internal bool IsSound(int participants, int minimum) =>
        Count is >= 2 and <= GroupSums.MaximumGroups && Rule.LeastGroups <= Least && Least <= Count && LargestOf(participants) <= GroupSums.MaximumMembers && minimum <= SmallestOf(participants);

    internal void Write(CborWriter writer)
    {
        writer.WriteStartArray(3);
        writer.WriteInt32(Count);
        writer.WriteInt32(Least);
        Rule.Write(writer);
        writer.WriteEndArray();
    }

    internal static GroupTerms Read(CborReader reader)
    {
        reader.ReadArrayHead(3);
        var terms = new GroupTerms(reader.ReadNumber(GroupSums.MaximumGroups), reader.ReadNumber(GroupSums.MaximumGroups), RobustRule.Read(reader));
        reader.ReadEndArray();
        return terms;
    }
}
