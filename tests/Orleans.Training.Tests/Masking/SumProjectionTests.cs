using System.Numerics;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Simulation;

namespace Orleans.Training.Tests.Masking;

/// <summary>docs/spec/projection.md: what the images of updates prove about a sum, and what they would not prove if they were made otherwise.</summary>
public sealed class SumProjectionTests
{
    private const int K = SumProjection.Repetitions;
    private const int W = SumProjection.Columns;
    private static readonly Digest Beacon = Digest.Of("beacon"u8);

    [Theory]
    [InlineData(8, 1), InlineData(8, 65_536), InlineData(8, 70_001), InlineData(16, 17), InlineData(16, 1024), InlineData(16, 34_000), InlineData(32, 1025), InlineData(32, 16_400)]
    public void Image_IsWhatThePageSays(int bits, int length)
    {
        var layout = LaneLayout.Choose(LaneLayoutTests.FixedPointOf(bits, 3), length);
        var update = Random(layout, seed: (ulong)length);
        using var projection = new SumProjection(layout, Beacon);
        Assert.Equal(Naive(layout, update, Beacon), Image(projection, update));
    }

    [Theory]
    [InlineData(8, 1000, "fff4c8adfaa747ff7183fcefdfc26a4faf517fe470c038ad84cd80e984b77ac7")]
    [InlineData(16, 1, "8f218e6be4286cb531c31ea2cfb683f876361679166cc42597744d0c286765ae")]
    [InlineData(16, 34_000, "d9b0d0b293002c6e1cf93463e40a34c9f0f73b39c5315d3328eb8f1c0fe02c2c")]
    [InlineData(32, 20_000, "d2bac124a27edbb68666448fc6c175940b4474c47f9a1e461d1b925c6dafe294")]
    public void Vectors_OfThePage(int bits, int length, string digest)
    {
        var layout = LaneLayout.Choose(LaneLayoutTests.FixedPointOf(bits, 3), length);
        byte[] update = [.. Enumerable.Range(0, (int)layout.Bytes).Select(i => (byte)((7 * i) + (i / 256)))];
        using var projection = new SumProjection(layout, Beacon);
        Assert.Equal(digest, Digest.Of(Image(projection, update)).ToString());
    }

    [Theory]
    [InlineData(8), InlineData(16), InlineData(32)]
    public void SumOfRealParticipants_IsAccepted_AndNoOther(int bits)
    {
        // Two of seven drop out after they have shared.
        var world = new MaskWorld(7, length: 40_000, bits: bits);
        world.Open(world.Everybody);
        world.Share(world.Everybody);
        world.Acknowledge(world.Everybody);
        world.Mask(0, 1, 3, 4, 5, 6);
        world.Confirm(world.Inputs.Keys);
        world.Reveal(world.Inputs.Keys);
        var removal = world.Removal(world.Any);
        foreach (var reveal in world.Reveals.Values) Assert.Equal(MaskFault.None, removal.TryAccept(reveal));
        Assert.Equal(MaskFault.None, removal.TryFinish(out var masks, out _));
        using var terms = masks;
        var sum = world.Sum(masks);
        Assert.Equal(MaskFault.None, sum.TryFinish(world.Order.Survivors.Count, out _));
        Assert.Equal(world.PlainSum(world.Order.Survivors.ToArray()), sum.Lanes.ToArray());

        using var projection = new SumProjection(world.Setups[0].Layout, Beacon);
        ReadOnlyMemory<byte>[] updates = [.. world.Order.Survivors.Select(position => (ReadOnlyMemory<byte>)Image(projection, world.Inputs[position].Bytes!.Value.ToArray()))];
        var image = projection.Finish([projection.Of(masks)])[0];
        bool Accepts(ReadOnlySpan<int> lanes, ReadOnlySpan<byte> tail) => projection.Accepts(updates, image, projection.Finish([projection.Of(lanes, tail)])[0]);

        Assert.True(Accepts(sum.Lanes.Span, sum.Tail.Span));
        Assert.True(projection.Accepts(updates.Reverse(), image, projection.Finish([projection.Of(sum.Lanes.Span, sum.Tail.Span)])[0]));
        var chance = new Chance(5);
        for (var i = 0; i < 24; i++)
        {
            // One lane by any number, its top bit alone, or two that undo each other where only their sum is looked at.
            var lanes = sum.Lanes.ToArray();
            var at = chance.Below(lanes.Length);
            lanes[at] += (i % 3) switch { 0 => 1 + chance.Below((1 << (bits - 2)) - 1), 1 => bits == 32 ? int.MinValue : 1 << (bits - 1), _ => 1 };
            if (i % 3 == 2) lanes[(at + W) % lanes.Length] -= 1;
            Assert.False(Accepts(lanes, sum.Tail.Span), $"change {i} of lane {at}");
            var tail = sum.Tail.ToArray();
            tail[chance.Below(tail.Length)] ^= 0x80;
            Assert.False(Accepts(sum.Lanes.Span, tail));
        }

        Assert.False(projection.Accepts(updates.Skip(1), image, projection.Finish([projection.Of(sum.Lanes.Span, sum.Tail.Span)])[0]));
        Assert.False(projection.Accepts([.. updates, updates[0]], image, projection.Finish([projection.Of(sum.Lanes.Span, sum.Tail.Span)])[0]));
    }

    /// <summary>One lane wrong by its top bit is the hardest to see: each repetition misses it about every second time, and 128 of them do not.</summary>
    [Fact]
    public void TopBit_IsSeenByHalfOfTheRepetitions()
    {
        var layout = LaneLayout.Choose(LaneLayoutTests.FixedPointOf(16, 3), 4096);
        var (seen, all) = (0, 0);
        for (var i = 0; i < 8; i++)
        {
            using var projection = new SumProjection(layout, Digest.Of([(byte)i]));
            var error = new byte[layout.Bytes];
            error[(2 * 500 * (i + 1)) + 1] = 0x80;
            var image = Image(projection, error);
            for (var s = 0; s < K; s++, all++) seen += image[2 * s] != 0 || image[(2 * s) + 1] != 0 ? 1 : 0;
        }

        // 5 standard deviations of 1,024 coins.
        Assert.InRange(seen, (all / 2) - 80, (all / 2) + 80);
    }

    /// <summary>
    /// The bound by counting all cases, for lanes of one and of two bits: the chance that an error that is not zero has image zero is at most 2⁻ᴷ for the first stage and 2⁻ᴷ for the second. One vector of products ρ · γ, which would
    /// be cheaper, misses the top bit in 3 of 4 cases, and there is no K that mends a single repetition.
    /// </summary>
    [Theory]
    [InlineData(1, 1), InlineData(1, 2), InlineData(2, 1), InlineData(2, 2)]
    public void Failure_ByCountingAllMaps_IsWithinTheBound(int bits, int repetitions)
    {
        var values = 1 << bits;
        // An error in one column of two rows; each row's lanes go by R, then each repetition's by G. Columns other than the error's add nothing.
        for (var first = 0; first < values; first++)
        {
            for (var second = first == 0 ? 1 : 0; second < values; second++)
            {
                var (missed, all) = (0L, 0L);
                foreach (var r in Vectors(values, 2 * repetitions))
                {
                    int[] staged = [.. Enumerable.Range(0, repetitions).Select(k => ((r[2 * k] * first) + (r[(2 * k) + 1] * second)) % values)];
                    foreach (var g in Vectors(values, repetitions))
                    {
                        all++;
                        // The repetitions are independent, given R: as many as there are have this chance to the power of them.
                        if (g.Zip(staged, (a, b) => a * b).Sum() % values == 0) missed++;
                    }
                }

                // With one repetition of G: 2⁻ᴷ of R, and half of the rest.
                Assert.True(missed <= all * ((1.0 / (1 << repetitions)) + 0.5), $"{bits} bits, error ({first}, {second}): {missed} of {all}");
            }
        }

        // The product form, for an error of the top bit: ρ · γ · 2^(b − 1) is zero unless both are odd.
        var rank1 = Vectors(values, 2).Count(pair => pair[0] * pair[1] * (values / 2) % values == 0);
        Assert.Equal(values * values * 3 / 4, rank1);
    }

    /// <summary>Who knows the beacon before it names its sum finds a wrong one with the same image: 129 rows obey more freedom than 128 equations.</summary>
    [Fact]
    public void BeaconKnownBeforeTheSum_ForgesIt_AndTheNextBeaconSeesIt()
    {
        var layout = LaneLayout.Choose(LaneLayoutTests.FixedPointOf(16, 3), (K + 1) * W);
        using var known = new SumProjection(layout, Beacon);
        var forged = new byte[layout.Bytes];
        foreach (var row in NullVector(Multipliers(Beacon, layout, K + 1))) forged[(((row * W) + 5) * 2) + 1] = 0x80;
        Assert.Contains(forged, item => item != 0);
        Assert.All(Image(known, forged), item => Assert.Equal(0, item));
        using var later = new SumProjection(layout, Digest.Of("not known before"u8));
        Assert.Contains(Image(later, forged), item => item != 0);
    }

    [Fact]
    public void PackedLanes_AreRefused()
    {
        var packed = LaneLayout.Choose(LaneLayoutTests.FixedPointOf(21, 3), 100);
        Assert.False(SumProjection.Takes(packed));
        Assert.Throws<ArgumentException>(() => new SumProjection(packed, Beacon));
        using var projection = new SumProjection(LaneLayout.Choose(LaneLayoutTests.FixedPointOf(16, 3), 100), Beacon);
        Assert.Throws<ArgumentException>(() => projection.Begin().Take(0, new byte[100]));
        Assert.Throws<ArgumentException>(() => projection.Accepts([new byte[3]], new byte[projection.Bytes], new byte[projection.Bytes]));
        Assert.Equal(320, projection.Bytes);
    }

    private static byte[] Random(LaneLayout layout, ulong seed)
    {
        var bytes = new byte[layout.Bytes];
        new Chance(seed).Fill(bytes);
        return bytes;
    }

    // Chunks in the wrong order, which is as good.
    private static byte[] Image(SumProjection projection, byte[] update)
    {
        var projected = projection.Begin();
        for (var chunk = projection.Layout.Chunks - 1; chunk >= 0; chunk--) projected.Take(chunk, update.AsSpan(chunk * Limits.ChunkBytes, projection.Layout.ChunkLength(chunk)));
        return projection.Finish([projected])[0];
    }

    private static ulong[] Stream(string label, Digest beacon, int lanes, int laneBytes)
    {
        using var stream = MaskStream.Create(new Preimage(label).Add(beacon).Finish().ToArray());
        var bytes = new byte[lanes * laneBytes];
        stream.Add(bytes, LaneWidth.Bits8, 0);
        return Lanes(bytes, laneBytes);
    }

    private static ulong[] Lanes(ReadOnlyMemory<byte> bytes, int laneBytes) =>
        [.. Enumerable.Range(0, bytes.Length / laneBytes).Select(i => (ulong)new BigInteger(bytes.Span.Slice(i * laneBytes, laneBytes), isUnsigned: true))];

    private static ulong[] Multipliers(Digest beacon, LaneLayout layout, int rows) => Stream("fedmask/1/rows", beacon, rows * K, (int)layout.Width / 8);

    // π^(s) = Σ G^(s)[k, w] · (R · y)[k, w], number by number.
    private static byte[] Naive(LaneLayout layout, byte[] update, Digest beacon)
    {
        var laneBytes = (int)layout.Width / 8;
        var lanes = Lanes(update.AsMemory(0, (int)layout.PayloadBytes), laneBytes);
        var rows = (lanes.Length + W - 1) / W;
        var multipliers = Multipliers(beacon, layout, rows);
        var staged = new ulong[K * W];
        for (var i = 0; i < lanes.Length; i++)
        {
            for (var k = 0; k < K; k++) staged[(k * W) + (i % W)] += multipliers[((i / W) * K) + k] * lanes[i];
        }

        var columns = Stream("fedmask/1/columns", beacon, K * K * W, laneBytes);
        var image = new List<byte>();
        for (var s = 0; s < K; s++)
        {
            var number = 0UL;
            for (var i = 0; i < staged.Length; i++) number += columns[(s * K * W) + i] * staged[i];
            image.AddRange(BitConverter.GetBytes(number)[..laneBytes]);
        }

        return [.. image, .. update[^64..]];
    }

    private static IEnumerable<int[]> Vectors(int values, int length) =>
        Enumerable.Range(0, (int)Math.Pow(values, length)).Select(number => Enumerable.Range(0, length).Select(i => number / (int)Math.Pow(values, i) % values).ToArray());

    // Rows whose sum is zero modulo 2 in all K columns: elimination, each row with the set of rows that it is made of.
    private static IEnumerable<int> NullVector(ulong[] multipliers)
    {
        var rows = Enumerable.Range(0, multipliers.Length / K).Select(row => (
            Parity: Enumerable.Range(0, K).Aggregate(UInt128.Zero, (bits, k) => bits | (UInt128)(multipliers[(row * K) + k] & 1) << k), Made: BigInteger.One << row)).ToList();
        for (var k = 0; k < K; k++)
        {
            var at = rows.FindIndex(row => (row.Parity >> k & 1) != 0);
            if (at < 0) continue;
            var pivot = rows[at];
            rows.RemoveAt(at);
            for (var i = 0; i < rows.Count; i++)
            {
                if ((rows[i].Parity >> k & 1) != 0) rows[i] = (rows[i].Parity ^ pivot.Parity, rows[i].Made ^ pivot.Made);
            }
        }

        var made = rows[0].Made;
        return Enumerable.Range(0, multipliers.Length / K).Where(row => !(made >> row).IsEven);
    }
}
