using CsCheck;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Tests.Aggregation;

/// <summary>What each rule promises, whatever the poisoned groups send.</summary>
public sealed class RobustRuleTests
{
    private const int Q = GroupSums.Unit;

    [Fact]
    public void Mean_LeavesNoTraceOfTheGroupsOrder() => Gen.Select(RobustCase.Any, Gen.Int).Sample((example, seed) =>
    {
        // Where groups tie, Krum takes the first; with few neighbours two groups that are each other's nearest always tie.
        if (example.Rule is Bulyan { Poisoned: < 3 } || (example.Rule is MultiKrum or Bulyan && (example.Length < 5 || example.Sums.Max(sum => sum.Max(lane => Math.Abs((long)lane))) < 500 || IsBinary(example)))) return;
        var order = Enumerable.Range(0, example.Groups).ToArray();
        new Random(seed).Shuffle(order);
        var other = (example with { Sums = [.. order.Select(a => example.Sums[a])], Members = [.. order.Select(a => example.Members[a])] }).Mean();
        Assert.Equal(example.Mean().Numerators.ToArray(), other.Numerators.ToArray());
    });

    private static bool IsBinary(RobustCase example) => example.Sums.All(sum => sum.All(lane => lane is int.MinValue or int.MaxValue));

    [Fact]
    public void Mean_OfGroupsThatAgree_IsTheirs() => RobustCase.Any.Sample(example =>
    {
        var sums = example.Members.Select(count => example.Sums[0].Select(lane => lane >> 4).Select(lane => lane * count).ToArray()).ToArray();
        var common = example.Sums[0].Select(lane => lane >> 4).ToArray();
        var mean = (example with { Sums = sums, Reference = example.Rule.NeedsReference ? common : [] }).Mean();
        var allowed = example.Rule is FlTrust ? 1 + (Q * Math.Sqrt(common.Sum(lane => (double)lane * lane)) / (1 << 24)) : 0;
        for (var i = 0; i < common.Length; i++) Assert.InRange(mean.Numerators.Span[i] - (common[i] * mean.Denominator), -allowed, allowed);
        if (example.Rule is not FlTrust) Assert.Equal(common, mean.ToReference());
    });

    [Fact]
    public void PoisonedGroups_CannotTakeALane_OutOfTheOthersRange() => Gen.Select(Gen.Int[0, 3], Gen.Int[0, 3], Gen.Int).Sample((kind, spread, seed) =>
    {
        var example = RobustCase.Of(kind, spread == 3 ? 0 : spread, seed);
        var random = new Random(seed);
        var poisoned = example.Rule switch { CoordinateMedian => (example.Groups - 1) / 2, TrimmedMean rule => rule.Trim, MultiKrum rule => rule.Poisoned, _ => ((Bulyan)example.Rule).Poisoned };
        var groups = Enumerable.Range(0, example.Groups).ToArray();
        random.Shuffle(groups);
        // Krum and Bulyan promise it of groups that lie far away, together or each by itself.
        var isDistance = example.Rule is MultiKrum or Bulyan;
        var sums = example.Sums.Select(sum => sum.Select(lane => isDistance ? lane % 1000 : lane).ToArray()).ToArray();
        var together = random.Next(2) == 0;
        foreach (var a in groups[..poisoned])
        {
            sums[a] = [.. sums[a].Select(_ => isDistance ? (together ? 1 << 30 : random.Next(1 << 29, int.MaxValue)) : random.Next(2) == 0 ? random.Next(int.MinValue, int.MaxValue) : int.MaxValue)];
        }

        var mean = (example with { Sums = sums, Members = isDistance ? [.. groups.Select(_ => 8)] : example.Members }).Mean();
        for (var i = 0; i < example.Length; i++)
        {
            var honest = groups[poisoned..].Select(a => (Int128)sums[a][i] * (Q / (isDistance ? 8 : example.Members[a]))).ToArray();
            var lane = (Int128)mean.Numerators.Span[i] * Q;
            Assert.True(lane >= honest.Min() * mean.Denominator && lane <= honest.Max() * mean.Denominator, $"{example.Rule}: lane {i} is {mean[i]}");
        }
    });

    [Fact]
    public void Clipping_MovesNoFartherThanItsRadius() => Gen.Select(Gen.Int[0, 3], Gen.Int).Sample((spread, seed) =>
    {
        var example = RobustCase.Of(4, spread, seed);
        var rule = (CentredClipping)example.Rule;
        var mean = example.Mean();
        var moved = Math.Sqrt(example.Reference.Select((lane, i) => Math.Pow(mean[i] - lane, 2)).Sum());
        Assert.InRange(moved, 0, (rule.Iterations * (rule.Radius + (Math.Sqrt(example.Length) / (2 * Q)))) * (1 + 1e-9));
    });

    [Fact]
    public void Clipping_WithALongRadius_IsTheMeanOfTheGroups() => Gen.Select(Gen.Int[0, 3], Gen.Int).Sample((spread, seed) =>
    {
        var example = RobustCase.Of(4, spread, seed);
        var mean = (example with { Rule = new CentredClipping(1L << 44, 3) }).Mean();
        for (var i = 0; i < example.Length; i++)
        {
            var total = example.Sums.Select((sum, a) => (long)sum[i] * (Q / example.Members[a])).Sum();
            Assert.InRange((2 * mean.Numerators.Span[i] * example.Groups) - (2 * total), 1 - example.Groups, example.Groups);
        }
    });

    [Fact]
    public void FlTrust_IsNoLongerThanItsReference_AndIgnoresWhoTurnsAway() => Gen.Select(Gen.Int[0, 3], Gen.Int).Sample((spread, seed) =>
    {
        var example = RobustCase.Of(5, spread, seed);
        var mean = example.Mean();
        double Norm(Func<int, double> lane) => Math.Sqrt(Enumerable.Range(0, example.Length).Sum(i => lane(i) * lane(i)));
        Assert.InRange(Norm(i => mean[i]), 0, (Norm(i => example.Reference[i]) * (1 + 1e-9)) + (Math.Sqrt(example.Length) / Q));

        var away = example.Reference.Select(lane => lane == int.MinValue ? int.MaxValue : -lane).ToArray();
        var joined = example with { Sums = [.. example.Sums, away], Members = [.. example.Members, 1] };
        Assert.Equal(mean.Numerators.ToArray(), joined.Mean().Numerators.ToArray());
    });

    [Fact]
    public void FlTrust_WithoutTrust_IsZero()
    {
        Assert.Equal([0, 0], new RobustCase(new FlTrust(), [[0, 0], [-5, 1]], [1, 12], [9, 0]).Mean().Numerators.ToArray());
        Assert.Equal([0, 0], new RobustCase(new FlTrust(), [[7, 7]], [1], [0, 0]).Mean().Numerators.ToArray());
    }

    [Fact]
    public void Distances_AtTheEndsOfTheLanes_AreExact()
    {
        const int Length = 300_000;
        var low = Enumerable.Repeat(int.MinValue, Length).ToArray();
        var high = Enumerable.Repeat(int.MaxValue, Length).ToArray();
        var distances = GroupDistances.Of(new GroupSums([low, high, low], [1, 1, 12]));
        Assert.Equal((UInt128)uint.MaxValue * uint.MaxValue * Length * Q * Q, distances[0, 1]);
        UInt128 step = (UInt128)(1L << 31) * (Q - (Q / 12));
        Assert.Equal(step * step * Length, distances[2, 0]);
        // Scores of 64 groups of 10⁸ lanes stay below 2¹²⁷.
        Assert.True(System.Numerics.BigInteger.Pow(uint.MaxValue, 2) * Limits.Parameters * Q * Q * (GroupSums.MaximumGroups - 2) < (System.Numerics.BigInteger.One << 127));

        var sums = Enumerable.Range(0, 64).Select(a => a == 9 ? low : high).ToArray();
        Assert.Equal((long)int.MaxValue, new RobustCase(new MultiKrum(1, 61), sums, [.. sums.Select(_ => 1)], []).Mean()[0]);
    }

    [Fact]
    public void Root_IsTheLeastWhoseSquareReachesTheValue()
    {
        Gen.Select(Gen.ULong, Gen.ULong, Gen.Int[1, 127]).Sample((high, low, bits) =>
        {
            var value = (new UInt128(high, low) & (UInt128.MaxValue >> 1)) >> (127 - bits);
            UInt128 root = IntegerRoot.Ceiling(value);
            Assert.True(root * root >= value && (root == 0 || (root - 1) * (root - 1) < value));
        });
        Assert.Equal([0UL, 1, 2, 2, 2, 3], new UInt128[] { 0, 1, 2, 3, 4, 5 }.Select(IntegerRoot.Ceiling));
        Assert.Equal(1UL << 63, IntegerRoot.Ceiling(UInt128.One << 126));
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(3, 1)]
    [InlineData(-3, -1)]
    [InlineData(5, 3)]
    [InlineData(-5, -2)]
    public void Reference_IsTheNearestInteger_HalvesUp(long numerator, int expected) => Assert.Equal([expected], new RobustMean(new[] { numerator }, numerator is 5 or -5 ? 2 : 4).ToReference());

    // Five groups of docs/spec/robust.md §4; for Bulyan, two more.
    [Theory]
    [InlineData("median", 27_720, 110_880, 0)]
    [InlineData("trimmed", 83_160, 332_640, 0)]
    [InlineData("krum", 55_440, 194_040, 27_720)]
    [InlineData("bulyan", 83_160, 249_480, 83_160)]
    [InlineData("clipping", 27_720, 106_875, 3_943)]
    [InlineData("fltrust", 27_720, 81_097, -425)]
    public void Rules_GiveTheVectorsOfThePage(string name, long denominator, long first, long second)
    {
        RobustRule rule = new RobustRule[] { new CoordinateMedian(), new TrimmedMean(1), new MultiKrum(1, 2), new Bulyan(1), new CentredClipping(2, 3), new FlTrust() }.Single(item => item.Name == name);
        int[][] sums = [[8, -4], [12, 0], [16, 4], [20, 8], [4000, -4000], [-8, 12], [4, 16]];
        if (rule is not Bulyan) sums = sums[..5];
        var mean = new RobustCase(rule, sums, [.. sums.Select(_ => 4)], rule.NeedsReference ? [3, 1] : []).Mean();
        Assert.Equal((denominator, first, second), (mean.Denominator, mean.Numerators.Span[0], mean.Numerators.Span[1]));
    }

    [Fact]
    public void Krum_TakesTheFirstOfThoseThatTie()
    {
        // 4 and −4 are as near to theirs, and nearer than the others.
        int[][] sums = [[5], [-5], [4], [-4], [0]];
        Assert.Equal(4, new RobustCase(new MultiKrum(1, 1), sums, [1, 1, 1, 1, 1], []).Mean()[0]);
        Assert.Equal(3, new RobustCase(new MultiKrum(1, 1), [[3], [9], [3], [9], [100]], [1, 1, 1, 1, 1], []).Mean()[0]);
        Assert.Equal(9, new RobustCase(new MultiKrum(1, 1), [[9], [3], [3], [9], [-88]], [1, 1, 1, 1, 1], []).Mean()[0]);
    }

    [Fact]
    public void Bulyan_TakesTheLowerOfTwoThatAreAsFar()
    {
        // Krum leaves out the last two. Of the others 10 falls away, and then of −3 and 3, which are as far from the median 0, the higher.
        var mean = new RobustCase(new Bulyan(1), [[-3], [-1], [0], [0], [1], [3], [10], [1000], [-2000]], [1, 1, 1, 1, 1, 1, 1, 1, 1], []).Mean();
        Assert.Equal((-3L * Q, 5L * Q), (mean.Numerators.Span[0], mean.Denominator));
    }
}
