using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Privacy;

namespace Orleans.Training.Tests.Privacy;

/// <summary>The noise has the distribution that the accountant counts.</summary>
public class SkellamSamplerTests
{
    // By mpmath with 700 bits from I_k(μ) e^−μ, and for the last from the recurrence with 300 bits.
    [Theory]
    [InlineData(1, 0, "158489781688131471646731343471775881839")]
    [InlineData(1, 1, "299986278173559885330024445014447703847")]
    [InlineData(1, 20, "340282366920938463463374605013501670307")]
    [InlineData(4, 0, "70439103711279840778250152981935298937")]
    [InlineData(4, 7, "340127939569173037593744198905432864397")]
    [InlineData(100, 3, "93267321611877399041479368234054166693")]
    [InlineData(100, 110, "340282366920938463463374599968175827559")]
    [InlineData(1_000_000, 0, "135753040408973707286523504606225109")]
    [InlineData(1_000_000, 1000, "232389534620462005756003545300745564449")]
    [InlineData(1_000_000, 9000, "340282366920938463386895761257614557336")]
    public void Table_HasAllItsBits(long variance, int k, string expected) =>
        Assert.Equal(UInt128.Parse(expected, System.Globalization.CultureInfo.InvariantCulture), new SkellamSampler(variance).CumulativeAt(k));

    [Theory]
    [InlineData(1)]
    [InlineData(6)]
    [InlineData(2_500)]
    [InlineData(1_000_000)]
    public void Noise_HasTheTablesDistribution(long variance)
    {
        var sampler = new SkellamSampler(variance);
        var lanes = Draw(sampler, 400_000, "distribution");
        // Twenty cells of about equal probability on both sides of zero, and zero with its neighbourhood: χ² with so many degrees stays below 99.9999 %.
        var edges = new List<int>();
        for (var cell = 1; cell < 20; cell++)
        {
            var target = (UInt128)((System.Numerics.BigInteger.One << 128) * cell / 20);
            var edge = 0;
            for (var step = 1 << 20; step > 0; step >>= 1) if (sampler.CumulativeAt(edge + step - 1) < target) edge += step;
            if (edges.Count == 0 || edge > edges[^1]) edges.Add(edge);
        }

        var (chi, cells) = (0.0, 0);
        for (var i = 0; i <= edges.Count; i++)
        {
            var (from, to) = (i == 0 ? 0 : edges[i - 1] + 1, i == edges.Count ? int.MaxValue : edges[i]);
            var mass = (double)((to == int.MaxValue ? UInt128.MaxValue : sampler.CumulativeAt(to)) - (from == 0 ? 0 : sampler.CumulativeAt(from - 1))) / Math.Pow(2, 128);
            foreach (var negative in (ReadOnlySpan<bool>)[false, true])
            {
                var zero = from == 0 ? (double)sampler.CumulativeAt(0) / Math.Pow(2, 128) : 0;
                var expected = lanes.Length * (negative ? (mass - zero) / 2 : ((mass - zero) / 2) + zero);
                if (expected < 20) continue;
                var seen = lanes.Count(lane => Math.Abs(lane) >= from && Math.Abs(lane) <= to && lane < 0 == negative);
                (chi, cells) = (chi + (Math.Pow(seen - expected, 2) / expected), cells + 1);
            }
        }

        Assert.True(chi < cells + (5 * Math.Sqrt(2.0 * cells)) + 12, $"χ² {chi} over {cells} cells");
    }

    [Theory]
    [InlineData(3)]
    [InlineData(40_000)]
    public void Noise_HasItsVarianceAndNoMean(long variance)
    {
        var lanes = Draw(new SkellamSampler(variance), 400_000, "moments");
        var (mean, square) = (lanes.Average(), lanes.Average(lane => (double)lane * lane));
        Assert.InRange(mean, -5 * Math.Sqrt(variance / 400_000.0), 5 * Math.Sqrt(variance / 400_000.0));
        // The fourth moment is 3μ² + μ.
        Assert.InRange(square / variance, 1 - (5 * Math.Sqrt((2 + (1.0 / variance)) / 400_000.0)), 1 + (5 * Math.Sqrt((2 + (1.0 / variance)) / 400_000.0)));
    }

    [Fact]
    public void SumOfNoises_IsTheNoiseOfTheSum()
    {
        const int parties = 8, draws = 100_000;
        var (one, all) = (new SkellamSampler(50), new SkellamSampler(50 * parties));
        var sums = new int[draws];
        for (var party = 0; party < parties; party++) one.AddTo(sums, Key($"party {party}"));
        // Kolmogorov and Smirnov at a level of one in a million: the absolute values against the table of the whole.
        var ordered = sums.Select(Math.Abs).Order().ToArray();
        var distance = 0.0;
        for (var k = 0; k < 120; k++)
        {
            var seen = (double)ordered.Count(value => value <= k) / draws;
            distance = Math.Max(distance, Math.Abs(seen - ((double)all.CumulativeAt(k) / Math.Pow(2, 128))));
        }

        Assert.InRange(distance, 0, 2.7 / Math.Sqrt(draws));
    }

    [Fact]
    public void Noise_FollowsFromItsKey()
    {
        var sampler = new SkellamSampler(1_000);
        var (once, twice, other) = (Draw(sampler, 1_000, "a"), Draw(sampler, 1_000, "a"), Draw(sampler, 1_000, "b"));
        Assert.Equal(once, twice);
        Assert.True(once.Zip(other).Count(pair => pair.First == pair.Second) < 100);
        // By mpmath's table and OpenSSL's AES, so that no other platform or version differs unseen.
        Assert.Equal("35 -37 -5 -2 -39 -9 49 30 35 19 34 2", string.Join(' ', once.Take(12)));
    }

    [Theory]
    [InlineData(1), InlineData(7), InlineData(400), InlineData(123_456)]
    public void Noise_IsTheSame_InConstantTime(long variance) =>
        Assert.Equal(Draw(new SkellamSampler(variance), 20_000, "same"), Draw(new SkellamSampler(variance, isConstantTime: true), 20_000, "same"));

    [Fact]
    public void Noise_IsAdded()
    {
        var sampler = new SkellamSampler(9);
        var (noise, lanes) = (new int[70], Enumerable.Range(-35, 70).ToArray());
        sampler.AddTo(noise, Key("same"));
        sampler.AddTo(lanes, Key("same"));
        Assert.Equal(noise.Select((value, i) => value + i - 35), lanes);
    }

    [Fact]
    public void Variance_HasBounds()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new SkellamSampler(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SkellamSampler(SkellamSampler.LargestVariance + 1));
        Assert.Equal(UInt128.MaxValue, new SkellamSampler(SkellamSampler.LargestVariance).CumulativeAt(1 << 20));
    }

    private static byte[] Key(string name) => Digest.Of(System.Text.Encoding.ASCII.GetBytes(name)).ToArray();

    private static int[] Draw(SkellamSampler sampler, int count, string key)
    {
        var lanes = new int[count];
        sampler.AddTo(lanes, Key(key));
        return lanes;
    }
}
