using System.Runtime.InteropServices;
using CsCheck;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Tests.Aggregation;

public sealed class ModelStepTests
{
    [Fact]
    public void FedAvg_IsTheVectorOfTheSpecPage()
    {
        Assert.True(ModelStep.TryFedAvg([0.1f, -2.5f, 1e-3f, 0f, 3.5f], [1, -1_000_000, int.MaxValue, -int.MaxValue, 12_345], 3_000_000, FixedPoint.Create(2, 4), out var next));
        Assert.Equal("cdcccc3d551520c05e053340fcf432c043006040", Convert.ToHexStringLower(MemoryMarshal.AsBytes<float>(next)));
    }

    [Fact]
    public void FedAvg_ByVectors_IsBitForBitTheWrittenFormula() => Gen.Select(Gen.Int[1, 100], Gen.Int[1, 40], Gen.Int).Sample(
        (length, participants, seed) =>
        {
            var random = new Random(seed);
            var parameters = FixedPoint.Create(Math.Pow(10, (random.NextDouble() * 6) - 3), participants);
            var parent = Enumerable.Range(0, length).Select(_ => (float)((random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-42, 5)))).ToArray();
            var sum = Enumerable.Range(0, length).Select(_ => random.Next(-int.MaxValue, int.MaxValue)).ToArray();
            var weight = random.NextInt64(1, (long)participants * FixedPoint.WeightOne);
            Assert.True(ModelStep.TryFedAvg(parent, sum, weight, parameters, out var next));
            var total = weight * (1.0 / FixedPoint.WeightOne);
            for (var i = 0; i < length; i++)
            {
                var scaled = parameters.Bound / parameters.Levels * sum[i];
                var expected = (float)((double)parent[i] + (scaled / total));
                Assert.Equal(BitConverter.SingleToInt32Bits(expected), BitConverter.SingleToInt32Bits(next[i]));
            }
        });

    [Fact]
    public void FedAvg_OfQuantisedUpdates_IsTheirWeightedMean() => Gen.Select(Gen.Int[1, 8], Gen.Int).Sample(
        (participants, seed) =>
        {
            var random = new Random(seed);
            var parameters = FixedPoint.Create(10, participants);
            var sum = new LaneSum(parameters, 33);
            var mean = new double[33];
            var weights = 0.0;
            for (var p = 0; p < participants; p++)
            {
                var delta = Enumerable.Range(0, 33).Select(_ => random.NextSingle() - 0.5f).ToArray();
                var weight = random.Next(1, FixedPoint.WeightOne);
                var key = new byte[32];
                random.NextBytes(key);
                Assert.True(parameters.TryQuantize(delta, weight, key, out var lanes));
                Assert.True(sum.TryAdd(lanes, weight));
                for (var i = 0; i < 33; i++) mean[i] += delta[i] * ((double)weight / FixedPoint.WeightOne);
                weights += (double)weight / FixedPoint.WeightOne;
            }

            Assert.True(ModelStep.TryFedAvg(new float[33], sum.Lanes, sum.TotalWeight, parameters, out var next));
            var tolerance = (parameters.Step * participants / weights) + 1e-6;
            for (var i = 0; i < 33; i++) Assert.InRange(next[i] - (mean[i] / weights), -tolerance, tolerance);
        });

    [Fact]
    public void FedAvg_WithoutAFiniteResult_HasNoNextModel() =>
        Assert.False(ModelStep.TryFedAvg([float.MaxValue, 0f], [int.MaxValue, 0], 1, FixedPoint.Create(1 << 20, 1), out _) && ModelStep.TryFedAvg([float.NaN], [1], 1, FixedPoint.Create(1, 1), out _));

    [Fact]
    public void FedAvg_RefusesImpossibleArguments()
    {
        Assert.Throws<ArgumentException>(() => ModelStep.TryFedAvg([1f], [1, 2], 1, FixedPoint.Create(1, 1), out _));
        Assert.Throws<ArgumentException>(() => ModelStep.TryFedAvg([1f], [1], 0, FixedPoint.Create(1, 1), out _));
        Assert.Throws<ArgumentException>(() => ModelStep.TryFedAvg([1f], [1], ((long)Limits.Participants * FixedPoint.WeightOne) + 1, FixedPoint.Create(1, 1), out _));
    }
}
