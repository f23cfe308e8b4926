using CsCheck;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Tests.Masking;

public sealed class LaneLayoutTests
{
    /// <summary>Every width that there is, each as (participants, levels) at its very limit.</summary>
    public static TheoryData<int, int, int> Limit { get; } = new()
    {
        { 8, 127, 1 }, { 8, 15, 8 }, { 10, 511, 1 }, { 10, 5, 100 }, { 12, 2047, 1 }, { 12, 20, 100 }, { 16, 32767, 1 }, { 16, 327, 100 }, { 16, 31, 1024 }, { 21, 1048575, 1 }, { 21, 10485, 100 }, { 32, int.MaxValue, 1 }, { 32, 21474836, 100 },
    };

    [Theory]
    [MemberData(nameof(Limit))]
    public void C5_EverybodyAtTheLargestLevel_NeverWraps(int bits, int levels, int participants)
    {
        Assert.Equal(levels, LaneLayout.LevelsFor(bits, participants));
        Assert.True(FixedPoint.TryCreate(1L << 32, 1L << 32, levels, participants, out var parameters));
        for (var length = 1; length < 8; length++)
        {
            var layout = LaneLayout.Choose(parameters, length);
            Assert.Equal(bits, layout.Bits);
            // All at +L, all at −L, and neighbours in one word with opposite signs.
            foreach (var pattern in new Func<int, int>[] { _ => levels, _ => -levels, i => i % 2 == 0 ? levels : -levels, i => i % 2 == 0 ? -levels : levels, i => i == 0 ? -levels : 0 })
            {
                int[] lanes = [.. Enumerable.Range(0, length).Select(pattern)];
                var bytes = new byte[layout.Bytes];
                layout.Write(0, lanes, new byte[64], bytes);
                var sum = new byte[layout.Bytes];
                for (var i = 0; i < participants; i++) LaneAddition.Combine(sum, bytes, layout.Width, subtract: false);
                var sums = new int[length];
                layout.Read(0, sum, sums);
                Assert.Equal(lanes.Select(lane => lane * participants), sums);
            }
        }
    }

    [Fact]
    public void OneLevelMore_TakesTheNextWidth()
    {
        Assert.True(FixedPoint.TryCreate(1, 1, 127, 1, out var narrow));
        Assert.True(FixedPoint.TryCreate(1, 1, 128, 1, out var wider));
        Assert.Equal((8, 10), (LaneLayout.Choose(narrow, 5).Bits, LaneLayout.Choose(wider, 5).Bits));
        Assert.Throws<ArgumentOutOfRangeException>(() => LaneLayout.LevelsFor(8, 128));
        Assert.Throws<ArgumentOutOfRangeException>(() => LaneLayout.LevelsFor(24, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => LaneLayout.Choose(narrow, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => LaneLayout.Choose(narrow, Limits.Parameters + 1));
        // n = 100: half the bytes of float32 with 16 bits, two thirds with 21.
        Assert.Equal(2_000_064, LaneLayout.Choose(FixedPointOf(16, 100), 1_000_000).Bytes);
        Assert.Equal(2_666_752, LaneLayout.Choose(FixedPointOf(21, 100), 1_000_000).Bytes);
        Assert.Equal(4_000_064, LaneLayout.Choose(FixedPoint.Create(1, 100), 1_000_000).Bytes);
    }

    [Fact]
    public void Lanes_SurviveAllChunks() => Gen.Select(Gen.Int[0, 5], Gen.Int[0, 8], Gen.Int).Sample((form, size, seed) =>
    {
        var (bits, length) = (new[] { 8, 10, 12, 16, 21, 32 }[form], new[] { 1, 63, 64, 65, 32_768, 65_536, 65_537, 100_000, 131_072 }[size]);
        var random = new Random(seed);
        var parameters = FixedPointOf(bits, 2);
        var layout = LaneLayout.Choose(parameters, length);
        int[] lanes = [.. Enumerable.Range(0, length).Select(_ => (int)random.NextInt64(-parameters.Levels, parameters.Levels + 1L))];
        var tail = new byte[64];
        random.NextBytes(tail);
        var (sums, total) = (new int[length], 0L);
        for (var chunk = 0; chunk < layout.Chunks; chunk++)
        {
            var bytes = new byte[layout.ChunkLength(chunk)];
            random.NextBytes(bytes);
            layout.Write(chunk, lanes, tail, bytes);
            Assert.True(layout.PaddingIsZero(chunk, bytes));
            layout.Read(chunk, bytes, sums);
            total += bytes.Length;
            if (chunk == layout.Chunks - 1) Assert.Equal(tail, bytes[^64..]);
        }

        Assert.Equal((layout.Bytes, 0L), (total, total % 64));
        Assert.Equal(lanes, sums);
    }, seed: "0000FedMask05", iter: 60);

    [Fact]
    public void Padding_ThatIsNotZero_IsSeen()
    {
        var layout = LaneLayout.Choose(FixedPointOf(16, 2), 3);
        var bytes = new byte[layout.Bytes];
        Assert.True(layout.PaddingIsZero(0, bytes));
        bytes[6] = 1;
        Assert.False(layout.PaddingIsZero(0, bytes));
    }

    [Fact]
    public void Tail_HoldsWhatItsLanesCan()
    {
        var bytes = new byte[64];
        Assert.True(new MaskTail(FixedPoint.WeightOne, int.MaxValue / 100, -(int.MaxValue / 100), 3, 4, 5, 6).TryWrite(100, bytes));
        Assert.False(MaskTail.Of(0).TryWrite(100, bytes));
        Assert.False(MaskTail.Of(FixedPoint.WeightOne + 1).TryWrite(100, bytes));
        Assert.False((MaskTail.Of(1) with { LossSum = (int.MaxValue / 100) + 1 }).TryWrite(100, bytes));
        Assert.False((MaskTail.Of(1) with { WeightedSteps = int.MinValue }).TryWrite(100, bytes));
        Assert.True(MaskTail.Of(FixedPoint.WeightOne).TryWrite(Limits.Participants, bytes));

        var tail = new MaskTail(7, -8, 9, 10, 11, -12, 13);
        Assert.True(tail.TryWrite(1, bytes));
        Assert.Equal(MaskFault.None, MaskTail.TryReadSum(bytes, 1, out var read));
        Assert.Equal(tail, read);
        foreach (var canary in new[] { 0, 4, 8, 40, 63 })
        {
            bytes[canary] ^= 2;
            Assert.Equal(MaskFault.CanaryMismatch, MaskTail.TryReadSum(bytes, 1, out _));
            bytes[canary] ^= 2;
        }

        Assert.Equal(MaskFault.CanaryMismatch, MaskTail.TryReadSum(bytes, 2, out _));
        // α: 0, or more than one participant may have.
        bytes[12] = 0;
        Assert.Equal(MaskFault.WeightOutOfRange, MaskTail.TryReadSum(bytes, 1, out _));
        (bytes[12], bytes[14]) = (1, 16);
        Assert.Equal(MaskFault.WeightOutOfRange, MaskTail.TryReadSum(bytes, 1, out _));
    }

    internal static FixedPoint FixedPointOf(int bits, int participants)
    {
        Assert.True(FixedPoint.TryCreate(1L << 32, 1L << 32, LaneLayout.LevelsFor(bits, participants), participants, out var parameters));
        return parameters;
    }
}
