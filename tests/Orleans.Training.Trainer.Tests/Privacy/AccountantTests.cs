using System.Numerics;

namespace Orleans.Training.Trainer.Tests;

/// <summary>Accountants against Opacus, Google's dp_accounting, Microsoft's PRV accountant, and formulas that are exact.</summary>
public sealed class AccountantTests
{
    // σ, q, steps, δ, then ε of Opacus' and of Google's accountant of Rényi divergences, which leave out other orders.
    public static TheoryData<double, double, int, double, double, double> Table => new()
    {
        { 1.1, 256 / 60000.0, 3516, 1e-5, 1.28130002, 1.28130002 },
        { 1.0, 0.01, 1000, 1e-5, 2.10136527, 2.10136653 },
        { 1.5, 0.04, 2250, 1e-5, 7.32911117143, 7.32933470 },
        { 0.8, 0.05, 100, 1e-6, 7.66275580, 7.66563677 },
        { 3.0, 0.001, 50000, 1e-6, 0.32532755, 0.32532755 },
        { 4.0, 0.1, 200, 1e-4, 1.33481986, 1.33481986 },
        { 1.0, 0.1, 100, 1e-3, 5.64052084, 5.65505282 },
        { 1.0, 1, 1, 1e-5, 4.72850707, 4.72850707 },
        { 1.0, 1, 100, 1e-5, 96.1163084, 96.1163084 },
    };

    [Theory]
    [MemberData(nameof(Table))]
    public void Epsilon_OfRenyiDivergences_IsThatOfOpacus(double noise, double rate, int steps, double delta, double opacus, double google)
    {
        var epsilon = new SampledGaussian(noise, rate).EpsilonOf(steps, delta);
        Assert.InRange(epsilon, opacus * (1 - 1e-7), opacus * (1 + 1e-7));
        Assert.True(epsilon <= google * (1 + 1e-7));
    }

    // Google's distribution of privacy losses: its pessimistic bound, and its optimistic one where it has one.
    [Theory]
    [InlineData(1.1, 256 / 60000.0, 3516, 1e-5, 0, 1.133913)]
    [InlineData(1.0, 0.01, 1000, 1e-5, 1.823237, 1.828237)]
    [InlineData(1.5, 0.04, 2250, 1e-5, 6.656283, 6.768787)]
    [InlineData(0.8, 0.05, 100, 1e-6, 6.730129, 6.730629)]
    [InlineData(3.0, 0.001, 50000, 1e-6, 0, 0.301900)]
    [InlineData(4.0, 0.1, 200, 1e-4, 1.193011, 1.194011)]
    [InlineData(1.0, 0.1, 100, 1e-3, 4.783850, 4.784350)]
    public void Loss_IsInsideTheBracketOfGoogle_AndOursIsNarrow(double noise, double rate, int steps, double delta, double least, double most)
    {
        var (low, high) = PrivacyLoss.EpsilonOf(new(noise, rate), steps, delta);
        // Its upper bound is nearly exact, rounded to six digits behind the point, and on another grid than ours.
        Assert.True(least <= low && low <= most + 1e-6 && low <= high && high <= most * (1 + 1e-4), $"[{low}, {high}] and [{least}, {most}]");
        Assert.True(high - low < 2e-3 * high, $"[{low}, {high}]");
    }

    // Balle and Wang 2018, theorem 8: exact for a Gaussian without sampling. The last two say how much noise an ε needs.
    [Theory]
    [InlineData(1.0, 1, 1e-5, 4.37717809568)]
    [InlineData(1.0, 100, 1e-5, 91.8172896247)]
    [InlineData(2.0, 1, 1e-5, 1.99309140442)]
    [InlineData(10.0, 1, 1e-5, 0.340669364684)]
    [InlineData(1.0, 1, 1e-6, 4.88655411746)]
    [InlineData(1 / 3.0, 1, 1e-6, 18.1634457591)]
    [InlineData(3.73063163482, 1, 1e-5, 1)]
    [InlineData(0.600229072199, 1, 1e-5, 8)]
    public void Loss_WithoutSampling_IsTheExactOne(double noise, int steps, double delta, double exact)
    {
        var (low, high) = PrivacyLoss.EpsilonOf(new(noise, 1), steps, delta);
        Assert.True(low <= exact + 1e-9 && exact - 1e-9 <= high, $"[{low}, {high}]");
        Assert.True(high - exact < 1e-3 && exact - low < 1e-3, $"[{low}, {high}]");
    }

    // Microsoft's accountant (Gopi, Lee and Wutschitz 2021) and Opacus' test of it: what they say is an upper bound, whose error is set to 0.01.
    [Theory]
    [InlineData(0.8, 0.001, 100, 1e-6, 0.270403)]
    [InlineData(3.0, 0.2, 100, 1e-6, 3.381221)]
    [InlineData(1.5, 0.04, 2249, 1e-5, 6.777395712)]
    public void Loss_IsBelowTheBoundOfAnotherMethod_ByItsError(double noise, double rate, int steps, double delta, double bound)
    {
        var (low, high) = PrivacyLoss.EpsilonOf(new(noise, rate), steps, delta);
        Assert.True(bound - 0.0105 < low && high < bound - 0.0095, $"[{low}, {high}]");
    }

    // With the grid too coarse the lower bound falls to nothing, and the upper one tells little.
    [Fact]
    public void Loss_BracketsNarrow_AsTheGridBecomesFine()
    {
        var mechanism = new SampledGaussian(3, 0.001);
        var brackets = new[] { 1 << 8, 1 << 12, 1 << 14, 1 << 17 }.Select(points => PrivacyLoss.EpsilonOf(mechanism, 50_000, 1e-6, points)).ToArray();
        double[] widths = [.. brackets.Select(bracket => bracket.High - bracket.Low)];
        Assert.Equal(widths.OrderDescending(), widths);
        Assert.True(brackets[0].High > 1.5 * brackets[^1].High && brackets[0].Low < 0.5 * brackets[^1].Low, $"{brackets[0]}");
        Assert.All(brackets, bracket => Assert.True(bracket.Low <= brackets[^1].High && bracket.High >= brackets[^1].Low, $"{bracket}"));
    }

    [Theory]
    [InlineData(0.01, 1, 2, 1.71813422075e-4)]
    [InlineData(0.01, 1, 4, 3.63154048911e-4)]
    [InlineData(0.01, 1, 8, 8.93643907606e-4)]
    [InlineData(0.01, 1, 16, 3.0878507837)]
    [InlineData(0.01, 1, 32, 11.246275937)]
    [InlineData(0.1, 4, 2, 6.44736701796e-4)]
    [InlineData(0.1, 4, 8, 2.6744986198e-3)]
    [InlineData(0.1, 4, 32, 1.27202234469e-2)]
    public void Divergence_IsThatOfTheTable(double rate, double noise, int order, double expected)
    {
        var divergence = new SampledGaussian(noise, rate).DivergenceAt(order);
        Assert.InRange(divergence, expected * (1 - 1e-9), expected * (1 + 1e-9));
    }

    // Mironov, Talwar and Zhang 2019, §3.3: at whole orders the divergence is a sum of binomials.
    [Theory]
    [InlineData(1.0, 0.01)]
    [InlineData(0.6, 0.3)]
    [InlineData(3.0, 0.001)]
    [InlineData(10.0, 0.9)]
    public void Divergence_AtWholeOrders_IsTheBinomialSum(double noise, double rate)
    {
        foreach (var order in new[] { 2, 3, 5, 17, 40, 63 })
        {
            var (binomial, excess) = (BigInteger.One, 0.0);
            for (var i = 1; i <= order; i++)
            {
                binomial = binomial * (order - i + 1) / i;
                var exponent = ((double)i * i - i) / (2 * noise * noise);
                excess += (double)binomial * Math.Pow(rate, i) * Math.Pow(1 - rate, order - i) * (exponent < 1e-2 ? exponent * (1 + (exponent / 2) + (exponent * exponent / 6) + (exponent * exponent * exponent / 24) + (Math.Pow(exponent, 4) / 120)) : Math.Exp(exponent) - 1);
            }

            if (double.IsInfinity(excess)) continue;
            var expected = (excess < 1e-3 ? excess - (excess * excess / 2) + (excess * excess * excess / 3) - (Math.Pow(excess, 4) / 4) : Math.Log(1 + excess)) / (order - 1);
            Assert.InRange(new SampledGaussian(noise, rate).DivergenceAt(order), expected * (1 - 1e-9), expected * (1 + 1e-9));
        }
    }
}
