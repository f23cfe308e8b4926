using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Tests.Aggregation;

/// <summary>Normalised averaging follows the mean of the gradients, whoever takes how many steps; plain averaging follows who takes the most.</summary>
public sealed class NormalisedUpdateTests
{
    [Theory]
    [InlineData(1, 8, 3, 3)]
    [InlineData(8, 8, 3, 3)]
    [InlineData(9, 8, 3, 6)]
    [InlineData(303, 8, 3, 114)]
    [InlineData(int.MaxValue, 1, 10_000, 21_474_836_470_000)]
    public void Steps_CountTheLastBatch(long records, int batch, int epochs, long steps) => Assert.Equal(steps, NormalisedUpdate.StepsOf(records, batch, epochs));

    [Fact]
    public void NoRows_AreNoSteps() => Assert.Throws<ArgumentOutOfRangeException>(() => NormalisedUpdate.StepsOf(0, 1, 1));

    [Fact]
    public void EqualSteps_ChangeNothing_ToTheBit()
    {
        var random = new Random(20261123);
        for (var run = 0; run < 1000; run++)
        {
            int[] weights = [.. Enumerable.Range(0, random.Next(1, 9)).Select(_ => random.Next(1, FixedPoint.WeightOne + 1))];
            long[] steps = [.. weights.Select(_ => 21_474_836_470_000L / (run + 1))];
            Assert.Equal(1.0, NormalisedUpdate.ScaleOf(random.Next(weights.Length), weights, steps));
        }
    }

    // Each participant goes τᵢ steps along its own gradient gᵢ. The mean of the updates should be along Σαᵢgᵢ.
    [Fact]
    public void TheSum_GoesAlongTheMeanGradient_NotAlongWhoStepsMost()
    {
        var random = new Random(7);
        for (var run = 0; run < 200; run++)
        {
            var count = random.Next(2, 8);
            int[] weights = [.. Enumerable.Range(0, count).Select(_ => random.Next(1, FixedPoint.WeightOne + 1))];
            long[] steps = [.. weights.Select(_ => (long)random.Next(1, 400))];
            double[] gradients = [.. weights.Select(_ => random.NextDouble() - 0.5)];
            var total = weights.Sum(weight => (double)weight);
            var sum = 0.0;
            for (var i = 0; i < count; i++)
            {
                float[] delta = [(float)(-steps[i] * gradients[i])];
                NormalisedUpdate.Scale(delta, NormalisedUpdate.ScaleOf(i, weights, steps));
                sum += weights[i] * (double)delta[0] / total;
            }

            var mean = Enumerable.Range(0, count).Sum(i => weights[i] * gradients[i]) / total;
            var length = Enumerable.Range(0, count).Sum(i => weights[i] * (double)steps[i]) / total;
            Assert.Equal(-length * mean, sum, 1e-4 * length);
        }
    }

    // Two of equal weight pull in opposite directions, one with ten times the steps: without scaling it wins.
    [Fact]
    public void WhoStepsMost_WinsOnlyWithoutScaling()
    {
        float[] one = [1], other = [-10];
        Assert.Equal(-4.5, (one[0] + other[0]) / 2.0);
        NormalisedUpdate.Scale(one, NormalisedUpdate.ScaleOf(0, [5, 5], [1, 10]));
        NormalisedUpdate.Scale(other, NormalisedUpdate.ScaleOf(1, [5, 5], [1, 10]));
        Assert.Equal(0.0, one[0] + other[0]);
        Assert.Equal(5.5f, one[0]);
    }
}
