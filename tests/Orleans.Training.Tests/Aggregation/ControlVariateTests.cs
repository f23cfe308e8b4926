using CsCheck;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Tests.Aggregation;

/// <summary>Control variates stay the mean of the participants', whoever is missing, and lead to the optimum that plain averaging misses.</summary>
public sealed class ControlVariateTests
{
    private const int Rounds = 300;
    private static readonly double[] Curvature = [1, 10];
    private static readonly double[] Optimum = [1, -1];

    // fᵢ(x) = aᵢ ÷ 2 · (x − bᵢ)²: one is steep and takes many steps, so that plain averaging ends nearer to its own optimum than the sum's is.
    [Fact]
    public void Averaging_EndsBesideTheOptimum_WhichControlVariatesFind()
    {
        var best = Curvature.Zip(Optimum, (a, b) => a * b).Sum() / Curvature.Sum();
        var plain = Math.Abs(Train(false, _ => true) - best);
        var controlled = Math.Abs(Train(true, _ => true) - best);
        Assert.InRange(plain, 0.05, 1);
        Assert.InRange(controlled, 0, 0.001);
    }

    [Fact]
    public void TheOptimumIsFound_WhenSomebodyIsOftenMissing()
    {
        var best = Curvature.Zip(Optimum, (a, b) => a * b).Sum() / Curvature.Sum();
        var random = new Random(20261124);
        Assert.InRange(Math.Abs(Train(true, participant => participant == 0 || random.Next(4) > 0) - best), 0, 0.3);
    }

    [Fact]
    public void Mean_IsThatOfAllParticipants_WhoeverIsMissing() => Gen.Select(Gen.Int[1, 6], Gen.Int[1, 40], Gen.Int).Sample((count, length, seed) =>
    {
        var random = new Random(seed);
        var parameters = FixedPoint.Create(1, count, bits: 16, bound: 0.5);
        int[] weights = [.. Enumerable.Range(0, count).Select(_ => random.Next(FixedPoint.WeightOne / 50, FixedPoint.WeightOne + 1))];
        var all = weights.Sum(weight => (long)weight);
        float[] model = new float[length], mean = new float[length];
        float[][] own = [.. weights.Select(_ => new float[length])];
        for (var round = 0; round < 8; round++)
        {
            var sum = new LaneSum(parameters, 2 * length);
            for (var i = 0; i < count; i++)
            {
                if (sum.Count > 0 && random.Next(3) == 0) continue;
                // Also beyond clip and bound.
                float[] delta = [.. Enumerable.Range(0, length).Select(_ => (float)(random.NextDouble() - 0.5))];
                Assert.True(parameters.TryQuantize(ControlVariate.UpdateOf(delta, mean, 0.5 + random.NextDouble()), weights[i], new byte[32], out var lanes));
                Assert.True(sum.TryAdd(lanes, weights[i]));
                own[i] = ControlVariate.Next(own[i], lanes, weights[i], parameters);
            }

            Assert.True(ModelStep.TryScaffold(new(ServerRule.Scaffold), model, mean, sum.Lanes, sum.TotalWeight, all, parameters, out model!, out mean!));
            for (var lane = 0; lane < length; lane++) Assert.Equal(Enumerable.Range(0, count).Sum(i => (double)weights[i] * own[i][lane]) / all, mean[lane], 1e-5);
        }
    }, iter: 200);

    [Fact]
    public void Drift_IsTheDifferenceOfAStep_AndNoneWithoutOne()
    {
        Assert.Equal([0.05f, -0.5f], ControlVariate.Drift([1, -4], [0.5f, 1], 10));
        Assert.Equal([0f], ControlVariate.Drift([3], [3], 10));
        Assert.Throws<ArgumentException>(() => ControlVariate.Next([0f], [1], 1, FixedPoint.Create(1, 1)));
    }

    private static double Train(bool isControlled, Func<int, bool> takesPart)
    {
        int[] steps = [5, 20];
        var scales = steps.Select((_, i) => NormalisedUpdate.ScaleOf(i, [1, 1], [.. steps.Select(step => (long)step)])).ToArray();
        var parameters = FixedPoint.Create(20, 2);
        float[] model = [3], mean = [0];
        float[][] own = [[0], [0]];
        for (var round = 0; round < Rounds; round++)
        {
            var sum = new LaneSum(parameters, isControlled ? 2 : 1);
            for (var i = 0; i < 2; i++)
            {
                if (!takesPart(i)) continue;
                var drift = isControlled ? ControlVariate.Drift(own[i], mean, scales[i] * steps[i])[0] : 0;
                double x = model[0];
                for (var step = 0; step < steps[i]; step++) x += drift - (0.01 * Curvature[i] * (x - Optimum[i]));
                float[] delta = [(float)(x - model[0])];
                Assert.True(parameters.TryQuantize(isControlled ? ControlVariate.UpdateOf(delta, mean, scales[i]) : delta, FixedPoint.WeightOne, new byte[32], out var lanes));
                Assert.True(sum.TryAdd(lanes, FixedPoint.WeightOne));
                if (isControlled) own[i] = ControlVariate.Next(own[i], lanes, FixedPoint.WeightOne, parameters);
            }

            if (isControlled) Assert.True(ModelStep.TryScaffold(new(ServerRule.Scaffold), model, mean, sum.Lanes, sum.TotalWeight, 2 * FixedPoint.WeightOne, parameters, out model!, out mean!));
            else Assert.True(ModelStep.TryFedAvg(model, sum.Lanes, sum.TotalWeight, parameters, out model!));
        }

        return model[0];
    }
}
