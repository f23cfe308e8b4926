using System.Runtime.InteropServices;
using CsCheck;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Tests.Aggregation;

/// <summary>Strategies, against the page's formulas one number at a time, and against vectors that another program computed.</summary>
public sealed class ServerStrategyTests
{
    private static readonly Gen<ServerStrategy> Strategies = Gen.Select(Gen.Enum<ServerRule>().Where(rule => rule is not ServerRule.Scaffold), Gen.Int[1, 2_000_000], Gen.Int[0, 999_999], Gen.Int[0, 999_999], Gen.Int[1, 1_000_000]).Select(
        (rule, rate, momentum, decay, tau) => new ServerStrategy(
            rule, rate, rule is ServerRule.FedAvg ? 0 : momentum, rule is ServerRule.FedAdam or ServerRule.FedYogi ? decay : 0, rule is ServerRule.FedAvg or ServerRule.FedAvgM ? 0 : tau));

    [Fact]
    public void Step_ByVectors_IsBitForBitTheWrittenFormula() => Gen.Select(Strategies, Gen.Int[1, 70], Gen.Int).Sample((strategy, length, seed) =>
    {
        var random = new Random(seed);
        var parameters = FixedPoint.Create(Math.Pow(10, (random.NextDouble() * 4) - 3), 7);
        var parent = Enumerable.Range(0, length).Select(_ => (float)((random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-42, 3)))).ToArray();
        var state = strategy.InitialState(length);
        for (var round = 0; round < 3; round++)
        {
            // A v that is the square itself is one of Yogi's three cases.
            var sum = Enumerable.Range(0, length).Select(i => i % 5 == 0 ? 0 : random.Next(-int.MaxValue, int.MaxValue) >> random.Next(31)).ToArray();
            var weight = random.NextInt64(1, 7L * FixedPoint.WeightOne);
            Assert.True(ModelStep.TryApply(strategy, parent, state, sum, weight, parameters, out var next, out var nextState));
            for (var i = 0; i < length; i++)
            {
                var (m, v) = (strategy.StateVectors > 0 ? state[i] : 0, strategy.StateVectors > 1 ? state[length + i] : 0);
                var expected = Written(strategy, parent[i], sum[i], weight, parameters, ref m, ref v);
                Assert.Equal(BitConverter.SingleToInt32Bits(expected), BitConverter.SingleToInt32Bits(next[i]));
                if (strategy.StateVectors > 0) Assert.Equal(BitConverter.SingleToInt32Bits(m), BitConverter.SingleToInt32Bits(nextState[i]));
                if (strategy.StateVectors > 1) Assert.Equal(BitConverter.SingleToInt32Bits(v), BitConverter.SingleToInt32Bits(nextState[length + i]));
            }

            (parent, state) = (next, nextState);
        }
    });

    private static float Written(ServerStrategy strategy, float w, int s, long weight, FixedPoint parameters, ref float m, ref float v)
    {
        double eta = strategy.RateMicro / 1e6, beta1 = strategy.MomentumMicro / 1e6, beta2 = strategy.DecayMicro / 1e6, tau = strategy.AdaptivityMicro / 1e6;
        double rest1 = (1_000_000 - strategy.MomentumMicro) / 1e6, rest2 = (1_000_000 - strategy.DecayMicro) / 1e6;
        var mean = parameters.Step * s / (weight * (1.0 / FixedPoint.WeightOne));
        if (strategy.Rule is ServerRule.FedAvg) return (float)(w + (eta * mean));
        m = (float)((beta1 * m) + (strategy.Rule is ServerRule.FedAvgM ? mean : rest1 * mean));
        if (strategy.Rule is ServerRule.FedAvgM) return (float)(w + (eta * m));
        var square = mean * mean;
        v = strategy.Rule switch
        {
            ServerRule.FedAdagrad => (float)(v + square),
            ServerRule.FedAdam => (float)((beta2 * v) + (rest2 * square)),
            _ => v > square ? (float)(v - (rest2 * square)) : v < square ? (float)(v + (rest2 * square)) : v,
        };
        return (float)(w + (eta * m / (Math.Sqrt(v) + tau)));
    }

    // By Python: its floats, and binary32 by struct.
    [Theory]
    [InlineData(ServerRule.FedAvg, "2ca8823e2f0120c016f01f3e")]
    [InlineData(ServerRule.FedAvgM, "2ca8823e400220c0ec7a973ec0378640c066e6ba8d977140")]
    [InlineData(ServerRule.FedAdagrad, "3460d43d6d4620c03c89033c9abfd63e325238b90b46c13ed3bc8c41f58da136d3bc8c41")]
    [InlineData(ServerRule.FedAdam, "a2320c3ed56f20c08005923d9abfd63e325238b90b46c13e2625343e989d8835fb57323e")]
    [InlineData(ServerRule.FedYogi, "a2320c3e6d6f20c0f7ad913d9abfd63e325238b90b46c13e2725343e76568b352725343e")]
    public void Step_IsTheVectorOfTheSpecPage(ServerRule rule, string expected)
    {
        var strategy = new ServerStrategy(rule, 37_000, rule is ServerRule.FedAvg ? 0 : 900_000, rule is ServerRule.FedAdam or ServerRule.FedYogi ? 990_000 : 0, rule > ServerRule.FedAvgM ? 1_000 : 0);
        float[]? model = [0.1f, -2.5f, 1e-3f];
        float[]? state = strategy.InitialState(3);
        foreach (int[] sum in new[] { new[] { 1, -1_000_000, int.MaxValue }, [int.MaxValue, -5, 77] }) Assert.True(ModelStep.TryApply(strategy, model, state, sum, 2_999_999, FixedPoint.Create(3, 4), out model, out state));
        Assert.Equal(expected, Convert.ToHexStringLower(MemoryMarshal.AsBytes<float>((float[])[.. model, .. state])));
    }

    [Fact]
    public void StepOfScaffold_IsTheVectorOfTheSpecPage_AndOnlyItsOwn()
    {
        var strategy = new ServerStrategy(ServerRule.Scaffold, 37_000);
        var parameters = FixedPoint.Create(3, 4);
        float[]? model = [0.1f, -2.5f, 1e-3f];
        float[]? variate = strategy.InitialState(3);
        int[] one = [1, -1_000_000, int.MaxValue], other = [int.MaxValue, -5, 77];
        foreach (int[] sum in new int[][] { [.. one, .. other], [.. other, .. one] }) Assert.True(ModelStep.TryScaffold(strategy, model, variate, sum, 2_999_999, 3_999_999, parameters, out model, out variate));
        Assert.Equal("2ca8823e2f0120c016f01f3e9f5349404200c0ba9f534940", Convert.ToHexStringLower(MemoryMarshal.AsBytes<float>((float[])[.. model, .. variate])));
        Assert.Throws<ArgumentException>(() => ModelStep.TryApply(strategy, [0f], [0f], [1], 1, parameters, out _, out _));
        Assert.Throws<ArgumentException>(() => ModelStep.TryScaffold(strategy, [0f], [0f], [1], 1, 1, parameters, out _, out _));
        Assert.Throws<ArgumentException>(() => ModelStep.TryScaffold(strategy, [0f], [0f], [1, 1], 2, 1, parameters, out _, out _));
        Assert.False(ModelStep.TryScaffold(strategy, [0f], [float.PositiveInfinity], [1, 1], 1, 1, parameters, out _, out _));
        Assert.False(ModelStep.TryScaffold(strategy, [float.NaN], [0f], [1, 1], 1, 1, parameters, out _, out _));
    }

    [Fact]
    public void Step_WithoutAFiniteState_HasNoNextModel()
    {
        Assert.False(ModelStep.TryApply(new(ServerRule.FedAvgM, 2_000_000, 999_999), [0f], [float.MaxValue], [1], 1, FixedPoint.Create(1, 1), out _, out _));
        Assert.False(ModelStep.TryApply(new(ServerRule.FedAdagrad, AdaptivityMicro: 1), [0f], [0f, float.PositiveInfinity], [1], 1, FixedPoint.Create(1, 1), out _, out _));
        Assert.False(ModelStep.TryApply(new(ServerRule.FedAvgM), [0f], [float.NaN], [1], 1, FixedPoint.Create(1, 1), out _, out _));
    }

    [Fact]
    public void Step_RefusesAnotherStrategysState() =>
        Assert.Throws<ArgumentException>(() => ModelStep.TryApply(new(ServerRule.FedAdam, AdaptivityMicro: 1), [0f], [0f], [1], 1, FixedPoint.Create(1, 1), out _, out _));

    // Far from the optimum of a badly scaled quadratic all of them come nearer to it: signs and places are right.
    [Theory]
    [InlineData(ServerRule.FedAvg, 300_000, 0, 0, 0)]
    [InlineData(ServerRule.FedAvgM, 100_000, 900_000, 0, 0)]
    [InlineData(ServerRule.FedAdagrad, 1_000_000, 0, 0, 1_000)]
    [InlineData(ServerRule.FedAdam, 100_000, 900_000, 990_000, 1_000)]
    [InlineData(ServerRule.FedYogi, 100_000, 900_000, 990_000, 1_000)]
    public void Strategy_FindsTheOptimumOfAQuadratic(ServerRule rule, int rate, int momentum, int decay, int tau)
    {
        var strategy = new ServerStrategy(rule, rate, momentum, decay, tau);
        var parameters = FixedPoint.Create(20, 1);
        float[]? model = [3f, -4f];
        float[]? state = strategy.InitialState(2);
        for (var round = 0; round < 400; round++)
        {
            int[] sum = [.. model.Select((value, i) => (int)((i == 0 ? -1.0 : -0.2) * value / parameters.Step))];
            Assert.True(ModelStep.TryApply(strategy, model, state, sum, FixedPoint.WeightOne, parameters, out model, out state));
        }

        Assert.All(model, value => Assert.InRange(value, -0.01f, 0.01f));
    }
}
