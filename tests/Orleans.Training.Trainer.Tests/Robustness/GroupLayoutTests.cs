using CsCheck;
using Orleans.Training.Benchmarks;

namespace Orleans.Training.Trainer.Tests;

/// <summary>Who is in a group, and how many groups go bad.</summary>
public sealed class GroupLayoutTests
{
    [Fact]
    public void Groups_HoldEverybodyOnce_AndAreOfOneSizeOrTwo() => Gen.Select(Gen.Int[1, 200], Gen.Int[1, 20], Gen.ULong).Sample((participants, size, seed) =>
    {
        var groups = GroupLayout.Draw(new SeededRandom(seed).Permutation(participants), size).Groups;
        Assert.Equal(Enumerable.Range(0, participants), groups.SelectMany(group => group).Order());
        Assert.Equal(GroupLayout.CountOf(participants, size), groups.Count);
        Assert.InRange(groups.Max(group => group.Count), 1, size);
        Assert.InRange(groups.Max(group => group.Count) - groups.Min(group => group.Count), 0, 1);
    });

    [Fact]
    public void Group_IsBad_IfOneMemberAttacks()
    {
        var layout = GroupLayout.Draw([4, 0, 3, 1, 5, 2], 2);
        Assert.Equal([[4, 0], [3, 1], [5, 2]], layout.Groups);
        Assert.Equal(0, layout.Bad(new HashSet<int>()));
        Assert.Equal(1, layout.Bad(new HashSet<int> { 4, 0 }));
        Assert.Equal(3, layout.Bad(new HashSet<int> { 4, 2, 1 }));
    }

    [Theory]
    [InlineData(0.3, 1, 0.3)]
    [InlineData(0.3, 3, 0.657)]
    [InlineData(0.1, 3, 0.271)]
    public void BadShare_IsOneLessTheChanceThatAllAreHonest(double share, int size, double expected) => Assert.Equal(expected, GroupLayout.BadShare(share, size), 12);

    [Fact]
    public void ShareFor_UndoesBadShare() => Gen.Select(Gen.Int[0, 63], Gen.Int[1, 64], Gen.Int[1, 12]).Sample((bad, groups, size) =>
    {
        if (bad >= groups) return;
        Assert.Equal((double)bad / groups, GroupLayout.BadShare(GroupLayout.ShareFor(bad, groups, size), size), 12);
    });
}
