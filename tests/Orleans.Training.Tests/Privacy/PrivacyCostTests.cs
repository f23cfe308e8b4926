using System.Numerics;
using CsCheck;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Privacy;

namespace Orleans.Training.Tests.Privacy;

/// <summary>What noise costs: reference values of other people's accountants and of mpmath, and what integers must never round down.</summary>
public class PrivacyCostTests
{
    [Theory]
    [InlineData(2, 1, "235865763225513294137944142764154484399")]
    [InlineData(10, 1, "783529105480883066805338482703447369891")]
    [InlineData(1, 2, "-235865763225513294137944142764154484400")]
    [InlineData(255, 256, "-1331830924886524299046163731311342459")]
    [InlineData(256, 1, "1886926105804106353103553142113235875194")]
    [InlineData(1_000_000_000_000_000, 1, "11752936582213246002080077240551710548373")]
    [InlineData(1_000_001, 1_000_000, "340282196779868430364712664891801")]
    public void Logarithm_EnclosesTheTrueOne(long numerator, long denominator, string floor)
    {
        var (low, high) = FixedLogarithm.Of(numerator, denominator);
        Assert.Equal(BigInteger.Parse(floor), low);
        Assert.Equal(low + 1, high);
    }

    [Fact]
    public void Logarithm_OfOneIsNothing() => Assert.InRange(FixedLogarithm.Of(7, 7).Ceiling - FixedLogarithm.Of(7, 7).Floor, 0, 2);

    [Fact]
    public void Logarithm_OfAProductIsTheSum() => Gen.Select(Gen.Long[1, long.MaxValue], Gen.Long[1, long.MaxValue], Gen.Long[1, long.MaxValue]).Sample((a, b, c) =>
    {
        var (left, right) = (FixedLogarithm.Of((BigInteger)a * b, c), FixedLogarithm.Of(a, c));
        var (floor, ceiling) = FixedLogarithm.Of(b, 1);
        Assert.True(left.Floor <= right.Ceiling + ceiling && right.Floor + floor <= left.Ceiling && left.Ceiling - left.Floor is var width && width >= 1 && width <= 2);
    }, iter: 300);

    [Theory]
    [InlineData(2, 5, "186803372301594033779")]
    [InlineData(21, 5, "6910703496084665816")]
    [InlineData(64, 3, "514378881236580922")]
    [InlineData(256, 3, "26370416945981062")]
    [InlineData(256, 15, "2025203260164798428")]
    [InlineData(128, 6, "1157264007092560602")]
    public void Offsets_AreThoseOfMpmath(int order, int exponent, string expected) =>
        Assert.Equal(UInt128.Parse(expected, System.Globalization.CultureInfo.InvariantCulture), RenyiOrders.OffsetsAt(exponent)[RenyiOrders.All.IndexOf(order)]);

    // Kairouz, Liu and Steinke's and Agarwal, Kairouz and Liu's accountants as google-research/federated has them, β = e^(−1/2), integer orders.
    [Theory]
    [InlineData(1024, 1 << 18, 26_214_400, 1, 1_115_392, 0.821392700323)]
    [InlineData(1024, 1 << 18, 26_214_400, 100, 1_115_392, 11.1840160197)]
    [InlineData(64, 1 << 18, 102_400, 1, 69_952, 3.81131499471)]
    [InlineData(4096, 1 << 20, 335_544_320, 50, 17_043_968, 8.16735993591)]
    public void Skellam_CostsWhatOtherAccountantsSay(long clip, long dimension, long variance, int rounds, long squares, double epsilon)
    {
        var mechanism = new SkellamMechanism(clip, dimension, variance);
        Assert.Equal(squares, mechanism.SquaredNorm);
        var total = Enumerable.Repeat(mechanism.Cost(), rounds).Aggregate(PrivacyCost.None, (sum, cost) => sum.Plus(cost));
        var micro = PrivacyBudget.EpsilonOf(total, 5);
        Assert.InRange(micro, epsilon * 1e6, (epsilon * 1e6) + 1);
        Assert.True(new PrivacyBudget(micro, 5).Admits(total));
        Assert.False(new PrivacyBudget(micro - 1, 5).Admits(total));
    }

    // In one dimension the exact divergence of X and X + Δ can be added up.
    [Theory]
    [InlineData(4, 1, 2, 0.24572132)]
    [InlineData(100, 3, 8, 0.35572209)]
    [InlineData(400, 5, 16, 0.49548531)]
    public void Skellam_CostIsAtLeastTheExactDivergence(long variance, int shift, int order, double exact)
    {
        var sampler = new SkellamSampler(variance);
        double Mass(int k) => (double)(sampler.CumulativeAt(Math.Abs(k)) - (k == 0 ? 0 : sampler.CumulativeAt(Math.Abs(k) - 1))) / Math.Pow(2, 128) / (k == 0 ? 1 : 2);
        var reach = (int)(9 * Math.Sqrt(variance)) + 12;
        var moment = Enumerable.Range(-reach, (2 * reach) + 1).Where(k => Mass(k) > 0 && Mass(k - shift) > 0).Sum(k => Math.Exp((order * Math.Log(Mass(k))) - ((order - 1) * Math.Log(Mass(k - shift)))));
        var divergence = Math.Log(moment) / (order - 1);
        Assert.Equal(exact, divergence, 7);
        var bound = (double)SkellamMechanism.CostOf(shift * shift, shift, variance).Divergences[RenyiOrders.All.IndexOf(order)] / Math.Pow(2, 64);
        Assert.True(divergence <= bound && bound <= divergence * 1.6, $"{divergence} and {bound}");
    }

    [Fact]
    public void Cost_IsNeverRoundedDown() => Gen.Select(Gen.Long[1, 1 << 24], Gen.Long[1, 1 << 28], Gen.Long[1, 1L << 40]).Sample((clip, dimension, variance) =>
    {
        var mechanism = new SkellamMechanism(clip, dimension, variance);
        var (square, absolute, mu) = (mechanism.SquaredNorm, mechanism.AbsoluteNorm, (BigInteger)variance);
        // ⌈·⌉ of the roots, checked by squaring: nothing smaller would do.
        Assert.True(absolute == square || (absolute * absolute >= dimension * square && (absolute - 1) * (absolute - 1) < dimension * square));
        var cost = mechanism.Cost();
        for (var i = 0; i < RenyiOrders.Count; i++)
        {
            var order = RenyiOrders.All[i];
            var exact = (2 * mu * order * square) + BigInteger.Min((((2 * order) - 1) * square) + (6 * absolute), 6 * mu * absolute);
            var stated = (BigInteger)cost.Divergences[i] * 4 * mu * mu;
            Assert.True(cost.Divergences[i] == UInt128.MaxValue || (stated >= exact << 64 && stated - (exact << 64) < 4 * mu * mu));
        }
    }, iter: 300);

    [Fact]
    public void Budget_RefusesOneUnitMore()
    {
        var budget = new PrivacyBudget(1_000_000, 6);
        var offset = RenyiOrders.OffsetsAt(6);
        var order = RenyiOrders.All.IndexOf(32);
        var limit = (BigInteger.One << 64) - (BigInteger)offset[order];
        PrivacyCost At(BigInteger divergence) => PrivacyCost.Of(alpha => alpha == 32 ? (divergence, BigInteger.One << 64) : (BigInteger.One << 100, 1));
        Assert.True(budget.Admits(At(limit)));
        Assert.False(budget.Admits(At(limit + 1)));
        Assert.False(budget.Admits(At(limit).Plus(At(1))));
        Assert.Equal(1_000_000, PrivacyBudget.EpsilonOf(At(limit), 6));
        Assert.Equal(1_000_001, PrivacyBudget.EpsilonOf(At(limit + 1), 6));
    }

    [Fact]
    public void Budget_OfLessThanAnyOffsetAdmitsNothing() => Assert.False(new PrivacyBudget(1_000, 6).Admits(PrivacyCost.None));

    [Fact]
    public void Cost_BeyondAllBoundsStaysThere()
    {
        var huge = PrivacyCost.Of(_ => (BigInteger.One << 200, 1));
        Assert.Equal(UInt128.MaxValue, huge.Divergences[0]);
        Assert.Equal(huge, huge.Plus(huge));
        Assert.Equal(long.MaxValue, PrivacyBudget.EpsilonOf(huge, 5));
        Assert.False(new PrivacyBudget(long.MaxValue, 5).Admits(huge));
    }

    [Fact]
    public void Cost_ComesBackFromTheWire()
    {
        var cost = new SkellamMechanism(1024, 1 << 18, 26_214_400).Cost();
        var bytes = Wire.Encode(cost.Write);
        Assert.True(Wire.TryDecode(bytes, 2048, PrivacyCost.Read, out var read));
        Assert.Equal(cost, read);
        Assert.False(Wire.TryDecode(bytes.AsMemory(..^1), 2048, PrivacyCost.Read, out _));
        Assert.True(read.Covers(cost) && read.Plus(cost).Covers(cost) && !PrivacyCost.None.Covers(cost));
    }

    [Fact]
    public void Offsets_ArePositiveAndFall()
    {
        for (var exponent = RenyiOrders.SmallestDeltaExponent; exponent <= RenyiOrders.LargestDeltaExponent; exponent++)
        {
            var offsets = RenyiOrders.OffsetsAt(exponent).ToArray();
            // A negative number would have become a huge one.
            Assert.Equal(offsets.OrderDescending(), offsets);
            Assert.True(offsets[0] < (UInt128)40 << 64);
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => RenyiOrders.OffsetsAt(2).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => RenyiOrders.OffsetsAt(16).Length);
    }

    [Fact]
    public void Clip_IsCountedInLevels()
    {
        Assert.True(FixedPoint.TryCreate(3L << 32, 2L << 32, 655, 100, out var parameters));
        Assert.Equal(983, (int)SkellamMechanism.ClipOf(parameters));
        Assert.Equal(655, (int)SkellamMechanism.ClipOf(FixedPoint.TryCreate(1L << 32, 1L << 32, 655, 100, out var same) ? same : throw new InvalidOperationException()));
    }
}
