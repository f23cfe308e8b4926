using System.Formats.Cbor;
using CsCheck;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Tests.Aggregation;

public sealed class FixedPointTests
{
    private static readonly byte[] Key = [.. Enumerable.Repeat((byte)7, 32)];
    private static readonly Gen<float[]> Deltas = Gen.Float[-3f, 3f].Array[1, 200];

    [Fact]
    public void Parameters_SurviveEncoding_AndObeyTheirRules()
    {
        Assert.True(FixedPoint.TryCreate(1L << 33, 1L << 31, 1000, 10, out var parameters));
        var bytes = Wire.Encode(parameters.Write);
        Assert.True(Wire.TryDecode(bytes, 64, FixedPoint.Read, out var decoded));
        Assert.Equal(parameters, decoded);
        Assert.Equal((2.0, 0.5, 0.0005), (decoded.Clip, decoded.Bound, decoded.Step));

        Assert.True(FixedPoint.TryCreate(1, FixedPoint.UnitLimit, int.MaxValue / 10, 10, out _));
        Assert.False(FixedPoint.TryCreate(1, FixedPoint.UnitLimit, (int.MaxValue / 10) + 1, 10, out _));
        Assert.False(FixedPoint.TryCreate(0, 1, 1, 1, out _));
        Assert.False(FixedPoint.TryCreate(1, FixedPoint.UnitLimit + 1, 1, 1, out _));
        Assert.False(FixedPoint.TryCreate(1, 1, 0, 1, out _));
        Assert.False(FixedPoint.TryCreate(1, 1, 1, 0, out _));
        Assert.False(FixedPoint.TryCreate(1, 1, 1, Limits.Participants + 1, out _));
        Assert.Throws<ArgumentOutOfRangeException>(() => FixedPoint.Create(double.NaN, 4));
        Assert.Throws<CborContentException>(() => FixedPoint.Read(new CborReader(Wire.Encode(w => { w.WriteStartArray(5); w.WriteInt32(1); w.WriteInt32(1); w.WriteInt32(1); w.WriteInt32(0); w.WriteInt32(1); w.WriteEndArray(); }))));
    }

    [Theory]
    [InlineData(1, 1, 1 << 20)]
    [InlineData(46, 303, 159190)]
    [InlineData(1, int.MaxValue, 1)]
    [InlineData(int.MaxValue, int.MaxValue, 1 << 20)]
    public void Weight_IsTheRoundedShareOfTheLargest(int samples, int largest, int weight) => Assert.Equal(weight, FixedPoint.WeightOf(samples, largest));

    [Fact]
    public void Quantize_IsOffByLessThanOneLevel_AndAdmitted() => Gen.Select(Deltas, Gen.Int[1, FixedPoint.WeightOne], Gen.Int[1, 50], Gen.Double[0.5, 8]).Sample(
        (delta, weight, participants, clip) =>
        {
            var parameters = FixedPoint.Create(clip, participants);
            Assert.True(parameters.TryQuantize(delta, weight, Key, out var lanes));
            Assert.True(parameters.Admits(lanes, weight));
            var norm = Math.Sqrt(delta.Sum(value => (double)value * value));
            var scale = Math.Min(1, parameters.Clip / norm) * weight / FixedPoint.WeightOne;
            for (var i = 0; i < lanes.Length; i++) Assert.InRange(parameters.Decode(lanes[i]) - (delta[i] * scale), -parameters.Step * 1.0000001, parameters.Step * 1.0000001);
        });

    [Fact]
    public void Quantize_CutsAtTheBound()
    {
        Assert.True(FixedPoint.TryCreate(100L << 32, 1L << 32, 10, 3, out var parameters));
        Assert.True(parameters.TryQuantize([5f, -5f, 1f, 0f], FixedPoint.WeightOne, Key, out var lanes));
        Assert.Equal([10, -10, 10, 0], lanes);
    }

    [Fact]
    public void Quantize_IsUnbiased()
    {
        const int rounds = 100_000;
        Assert.True(FixedPoint.TryCreate(1000L << 32, 1L << 32, 7, 3, out var parameters));
        var delta = new float[rounds];
        foreach (var value in new[] { 0.1f, -0.1f, 0.37f, -0.73f, 0.999f, 0.0001f })
        {
            Array.Fill(delta, value);
            Assert.True(parameters.TryQuantize(delta, FixedPoint.WeightOne, Key, out var lanes));
            var exact = (double)value * 7;
            var fraction = exact - Math.Floor(exact);
            var sigma = Math.Sqrt(fraction * (1 - fraction) / rounds);
            Assert.InRange(lanes.Average() - exact, -4 * sigma, 4 * sigma);
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void Quantize_RefusesWhatIsNotFinite(float value) => Assert.False(FixedPoint.Create(1, 4).TryQuantize([0f, value, 1f], FixedPoint.WeightOne, Key, out _));

    [Fact]
    public void Quantize_NeedsAKeyAndAWeight()
    {
        Assert.Throws<ArgumentException>(() => FixedPoint.Create(1, 4).TryQuantize([1f], 1, new byte[31], out _));
        Assert.Throws<ArgumentOutOfRangeException>(() => FixedPoint.Create(1, 4).TryQuantize([1f], 0, Key, out _));
        Assert.Throws<ArgumentOutOfRangeException>(() => FixedPoint.Create(1, 4).TryQuantize([1f], FixedPoint.WeightOne + 1, Key, out _));
    }

    [Fact]
    public void Quantize_UsesTheKeystreamOfTheSpecPage()
    {
        // One level = 1: a value v becomes floor(v + U), so that U is seen through v = 1 − U at the first block of the stream.
        Assert.True(FixedPoint.TryCreate(1L << 42, 1L << 42, 1024, 1, out var parameters));
        Assert.True(parameters.TryQuantize([.. Enumerable.Repeat(0.5f, 8)], FixedPoint.WeightOne, Key, out var lanes));
        using var aes = System.Security.Cryptography.Aes.Create();
        aes.SetKey(Key);
        var stream = aes.EncryptEcb([.. new byte[16], 1, .. new byte[15]], System.Security.Cryptography.PaddingMode.None);
        Assert.Equal(Enumerable.Range(0, 8).Select(i => stream[(4 * i) + 3] >= 0x80 ? 1 : 0), lanes);
    }

    [Fact]
    public void Admits_RefusesLanesThatClippingDoesNotExplain()
    {
        Assert.True(FixedPoint.TryCreate(1L << 32, 1L << 32, 1_000_000, 4, out var parameters));
        Assert.True(parameters.Admits([1_000_000, 0, 0, 0], FixedPoint.WeightOne));
        Assert.False(parameters.Admits([1_000_001, 0, 0, 0], FixedPoint.WeightOne));
        Assert.False(parameters.Admits([int.MinValue, 0, 0, 0], FixedPoint.WeightOne));
        Assert.False(parameters.Admits([1_000_000, 100_000, 0, 0], FixedPoint.WeightOne));
        Assert.False(parameters.Admits([600_000, 0, 0, 0], FixedPoint.WeightOne / 2));
        Assert.False(parameters.Admits([0, 0], 0));
        Assert.False(parameters.Admits([0, 0], FixedPoint.WeightOne + 1));
    }

    [Fact]
    public void Sum_IsOrderFree_AndTheExactSum() => Gen.Select(Gen.Int[1, 70], Gen.Int[1, 12], Gen.Int[0, 1000]).Sample(
        (length, count, seed) =>
        {
            Assert.True(FixedPoint.TryCreate(1L << 52, 1L << 42, int.MaxValue / count, count, out var parameters));
            var random = new Random(seed);
            var updates = Enumerable.Range(0, count).Select(_ => Enumerable.Range(0, length).Select(_ => random.Next(-parameters.Levels, parameters.Levels)).ToArray()).ToArray();
            var (forward, backward) = (new LaneSum(parameters, length), new LaneSum(parameters, length));
            foreach (var update in updates) Assert.True(forward.TryAdd(update, FixedPoint.WeightOne));
            foreach (var update in updates.Reverse()) Assert.True(backward.TryAdd(UpdateBlob.Write(update), FixedPoint.WeightOne));
            Assert.Equal(forward.Lanes.ToArray(), backward.Lanes.ToArray());
            for (var i = 0; i < length; i++) Assert.Equal(updates.Sum(update => (long)update[i]), forward.Lanes[i]);
            Assert.Equal((count, (long)FixedPoint.WeightOne * count), (forward.Count, forward.TotalWeight));
        });

    [Theory]
    [InlineData(1)]
    [InlineData(10)]
    [InlineData(1024)]
    public void Sum_OfTheMostUpdatesAtTheLargestLevel_DoesNotOverflow(int participants)
    {
        var parameters = FixedPoint.Create(1, participants);
        foreach (var sign in new[] { 1, -1 })
        {
            var sum = new LaneSum(parameters, 1);
            for (var i = 0; i < participants; i++) Assert.True(sum.TryAdd([sign * parameters.Levels], FixedPoint.WeightOne));
            Assert.Equal((long)sign * parameters.Levels * participants, sum.Lanes[0]);
            Assert.False(sum.TryAdd([sign], FixedPoint.WeightOne));
        }
    }

    [Fact]
    public void Sum_RefusesAnUpdateOfAnotherLength_AndStaysAsItWas()
    {
        var sum = new LaneSum(FixedPoint.Create(1, 4), 2);
        Assert.False(sum.TryAdd([1], FixedPoint.WeightOne));
        Assert.False(sum.TryAdd(new byte[7], FixedPoint.WeightOne));
        Assert.False(sum.TryAdd([int.MaxValue, 0], FixedPoint.WeightOne));
        Assert.Equal((0, 0L, 0), (sum.Count, sum.TotalWeight, sum.Lanes[0]));
    }
}
