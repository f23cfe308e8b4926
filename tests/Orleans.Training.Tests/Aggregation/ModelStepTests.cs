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
        // The last parameter nearly cancels its step: only the written order of operations gives its bits.
        float[] parent = [0.1f, -2.5f, 1e-3f, 0f, 3.5f, -0.22571522f];
        int[] sum = [1, -1_000_000, int.MaxValue, -int.MaxValue, 12_345, 115_566_154];
        for (var shift = 0; shift < 40; shift++)
        {
            // Every position of a vector, and the rest behind it.
            float[] shifted = [.. new float[shift], .. parent, .. new float[16]];
            int[] lanes = [.. new int[shift], .. sum, .. new int[16]];
            Assert.True(ModelStep.TryFedAvg(shifted, lanes, 2_999_999, FixedPoint.Create(3, 4), out var next));
            Assert.Equal("cdcccc3d002020c0f13f8640c03786c06500604078046d2f", Convert.ToHexStringLower(MemoryMarshal.AsBytes<float>(next.AsSpan(shift, parent.Length))));
        }
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
            var total = weight * (1.0 / FixedPoint.WeightOne);
            for (var i = 0; i < length; i += 2) parent[i] = -(float)(parameters.Bound / parameters.Levels * sum[i] / total);
            Assert.True(ModelStep.TryFedAvg(parent, sum, weight, parameters, out var next));
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
        Assert.False(ModelStep.TryFedAvg([0f, float.NaN], [1, 1], 1, FixedPoint.Create(1, 1), out _));

    [Fact]
    public void FedAvg_RefusesImpossibleArguments()
    {
        Assert.Throws<ArgumentException>(() => ModelStep.TryFedAvg([1f], [1, 2], 1, FixedPoint.Create(1, 1), out _));
        Assert.Throws<ArgumentException>(() => ModelStep.TryFedAvg([1f], [1], 0, FixedPoint.Create(1, 1), out _));
        Assert.Throws<ArgumentException>(() => ModelStep.TryFedAvg([1f], [1], ((long)Limits.Participants * FixedPoint.WeightOne) + 1, FixedPoint.Create(1, 1), out _));
    }
}
