using System.Globalization;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Simulation;
using Xunit.Abstractions;

namespace Orleans.Training.Tests.Masking;

/// <summary>The sum is exact, whoever drops out and whenever. Agreements between pairs are computed once for all cases: they are the costly part, and tested elsewhere.</summary>
public sealed class MaskedSumTests(ITestOutputHelper output)
{
    private const ulong Seed = 20_261_123;
    private const int Cases = 10_000;
    private const int People = 64;

    private static readonly ContextFixture Fixture = new();
    private static readonly byte[][] Seeds = [.. Enumerable.Range(0, People).Select(i => Digest.Of([1, (byte)i]).ToArray())];
    private static readonly byte[][] Selves = [.. Enumerable.Range(0, People).Select(i => Digest.Of([2, (byte)i]).ToArray())];
    private static readonly byte[,][] Shared = Agreements();

    [Fact]
    public void C1_TheSumIsExact_WhateverDropsOut()
    {
        var (sums, refused) = (0, 0);
        for (var number = 0; number < Cases; number++)
        {
            var chance = new Chance(Seed + (ulong)number);
            if (RunCase(chance, number)) sums++;
            else refused++;
        }

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"seed {Seed}: {sums} exact sums, {refused} refused because too few were left"));
        Assert.True(sums > Cases / 2 && refused > 100, $"{sums} {refused}");
    }

    // One attempt: who has keys, which edges hold, who sends an input, who answers. False if the rules refuse it.
    private static bool RunCase(Chance chance, int number)
    {
        var size = Math.Pow(chance.Below(1 << 20) / (double)(1 << 20), 8);
        var n = 4 + (int)(size * 61);
        var length = chance.Below(300) == 0 && n < 12 ? 65_537 : chance.Pick([1, 15, 16, 17, 1, 15, 16, 17, 17, number % 16 == 0 ? 4095 : 1, number % 16 == 1 ? 4096 : 16]);
        var parameters = LaneLayoutTests.FixedPointOf(chance.Pick([8, 10, 12, 16, 21, 32]), Math.Max(n, 1));
        var layout = LaneLayout.Choose(parameters, length);
        ushort[] cohort = [.. Enumerable.Range(0, n).Select(i => (ushort)i)];
        var sparse = n > 6 && chance.Below(3) == 0;
        var degree = sparse ? 2 * (2 + chance.Below((n / 2) - 2)) : n - 1;
        degree = Math.Min(degree, n - 1);
        var shape = new GraphParameters(degree, degree == n - 1 && !sparse ? GraphParameters.For(n, FaultBound.Corrupt50Dropped50).Threshold : 1 + chance.Below(degree));
        var graph = MaskGraph.Create(cohort, Fixture.Attempt, Fixture.Beacon, shape);

        // P2 and P2b: envelopes that never arrive, and members that say nothing; P3: inputs that never arrive.
        var (lost, mute, late) = (chance.Below(4) == 0 ? 2 : 0, chance.Below(3) == 0 ? 8 : 0, chance.Below(2) == 0 ? 12 : 0);
        var masks = graph.Acknowledge([.. cohort.Select(member => chance.Below(100) < mute ? (ReadOnlyMemory<byte>?)null : Bits(graph, member, () => chance.Below(100) >= lost))]);
        ushort[] survivors = [.. masks.Members.ToArray().Where(_ => chance.Below(100) >= late)];
        if (survivors.Length == 0 || masks.Members.ToArray().Any(member => masks.Neighbours(member).ToArray().Count(other => survivors.Contains(other)) < graph.Threshold)) return false;
        var context = MaskContext.Derive(Fixture.Cohort, masks);

        var expected = new long[length];
        var inputs = new List<byte[]>();
        foreach (var i in survivors)
        {
            var lanes = new int[length];
            for (var at = 0; at < length; at++) expected[at] += lanes[at] = (int)chance.Between(-parameters.Levels, parameters.Levels);
            using var terms = new MaskTerms();
            terms.IncludeSelf(context, i, Selves[i]);
            terms.IncludePairs(context, i, masks.Neighbours(i), (j, shared) => Agree(i, j, shared), inverse: false);
            Assert.Equal(MaskFault.None, MaskedInput.TryCreate(parameters, layout, lanes, MaskTail.Of(i + 1), terms, out var bytes));
            inputs.Add(bytes);
        }

        // P4: some survivors fall silent; what they do not say is put together from shares of exactly t others that answer.
        using var left = new MaskTerms();
        var silent = survivors.Where(_ => chance.Below(20) == 0).ToHashSet();
        foreach (var i in survivors)
        {
            if (!silent.Contains(i)) left.IncludeSelf(context, i, Selves[i]);
            else if (Recover(chance, graph, masks, i, Selves[i], survivors, silent) is { } self) left.IncludeSelf(context, i, self);
            else return false;
        }

        foreach (var j in masks.Members.ToArray().Except(survivors))
        {
            if (Recover(chance, graph, masks, j, Seeds[j], survivors, silent) is not { } seed) return false;
            Assert.Equal(Seeds[j], seed);
            ushort[] around = [.. masks.Neighbours(j).ToArray().Where(other => survivors.Contains(other))];
            left.IncludePairs(context, j, around, (i, shared) => Agree(j, i, shared), inverse: true);
        }

        var sum = new MaskedSum(layout);
        for (var chunk = 0; chunk < layout.Chunks; chunk++) sum.Take(chunk, inputs.Select(bytes => (ReadOnlyMemory<byte>)bytes.AsMemory(chunk * Limits.ChunkBytes, layout.ChunkLength(chunk))), left);
        Assert.True(sum.TryFinish(survivors.Length, out var tail) is MaskFault.None, $"case {number}");
        Assert.Equal(survivors.Sum(i => i + 1), tail.Weight);
        for (var at = 0; at < length; at++) Assert.True(expected[at] == sum.Lanes.Span[at], $"case {number}, coordinate {at}");
        return true;
    }

    private static byte[]? Recover(Chance chance, MaskGraph graph, MaskGraph masks, ushort dealer, byte[] secret, ushort[] survivors, HashSet<ushort> silent)
    {
        ushort[] holders = [.. masks.Neighbours(dealer).ToArray().Where(holder => survivors.Contains(holder) && !silent.Contains(holder)).OrderBy(_ => chance.Next()).Take(graph.Threshold)];
        if (holders.Length < graph.Threshold) return null;
        var (coefficients, shares) = (new byte[32 * (graph.Threshold - 1)], new byte[32 * graph.Neighbours(dealer).Length]);
        chance.Fill(coefficients);
        Shamir.Share(secret, graph.Threshold, coefficients, shares);
        byte[] points = [.. holders.Select(holder => graph.PointOf(dealer, holder))];
        var recovered = new byte[32];
        Shamir.Reconstruct(points, [.. points.SelectMany(point => shares.AsSpan(32 * (point - 1), 32).ToArray())], recovered);
        return recovered;
    }

    [Fact]
    public void C4_AnyChunkUnmaskedAlone_IsTheSlice()
    {
        var parameters = LaneLayoutTests.FixedPointOf(16, 2);
        var layout = LaneLayout.Choose(parameters, 100_000);
        int[] lanes = [.. Enumerable.Range(0, 100_000).Select(i => (i * 31 % 20_000) - 10_000)];
        using var terms = new MaskTerms();
        terms.IncludeSelf(Fixture.Masks, 3, Selves[3]);
        Assert.Equal(MaskFault.None, MaskedInput.TryCreate(parameters, layout, lanes, MaskTail.Of(1), terms, out var bytes));
        for (var chunk = layout.Chunks - 1; chunk >= 0; chunk--)
        {
            var alone = new MaskedSum(layout);
            alone.Take(chunk, [bytes.AsMemory(chunk * Limits.ChunkBytes, layout.ChunkLength(chunk))], terms);
            var (from, to) = (chunk * Limits.ChunkBytes / 2, Math.Min(100_000, (chunk + 1) * Limits.ChunkBytes / 2));
            Assert.Equal(lanes[from..to], alone.Lanes[from..to].ToArray());
            Assert.True(alone.Lanes[..from].ToArray().All(lane => lane == 0));
        }

        Assert.Equal(MaskFault.None, MaskedInput.Check(layout, ChunkedBlob.Root(bytes), bytes));
        Assert.Equal(MaskFault.BlobMissing, MaskedInput.Check(layout, ChunkedBlob.Root(bytes), null));
    }

    [Fact]
    public void C8_MaskedBytesAreUniform_AndTheSameKeysTwiceGiveTheDifferenceAway()
    {
        const int length = 500_000;
        var parameters = LaneLayoutTests.FixedPointOf(16, 100);
        var layout = LaneLayout.Choose(parameters, length);
        int[] first = new int[length], second = [.. Enumerable.Range(0, length).Select(i => i % 300)];
        using var terms = new MaskTerms();
        terms.IncludeSelf(Fixture.Masks, 3, Selves[3]);
        terms.IncludePairs(Fixture.Masks, 3, [0, 1, 4], (j, shared) => Agree(3, j, shared), inverse: false);
        MaskedInput.TryCreate(parameters, layout, first, MaskTail.Of(1), terms, out var one);
        MaskedInput.TryCreate(parameters, layout, second, MaskTail.Of(1), terms, out var two);
        foreach (var bytes in new[] { one, two })
        {
            var counts = new double[256];
            foreach (var value in bytes) counts[value]++;
            var expected = bytes.Length / 256.0;
            // χ² with 255 degrees of freedom is above 377 once in a million.
            Assert.InRange(counts.Sum(count => (count - expected) * (count - expected) / expected), 160, 377);
        }

        // Why keys are for one attempt: the difference of two inputs under one set of keys is the plain difference.
        LaneAddition.Combine(two, one, layout.Width, subtract: true);
        var difference = new int[length];
        for (var chunk = 0; chunk < layout.Chunks; chunk++) layout.Read(chunk, two.AsSpan(chunk * Limits.ChunkBytes), difference);
        Assert.Equal(second, difference);
    }

    [Fact]
    public void A11A12_WhatIsNotTheCommittedBytes_IsRefused()
    {
        var parameters = LaneLayoutTests.FixedPointOf(16, 4);
        var layout = LaneLayout.Choose(parameters, 40_000);
        using var terms = new MaskTerms();
        Assert.Equal(MaskFault.None, MaskedInput.TryCreate(parameters, layout, new int[40_000], MaskTail.Of(1), terms, out var bytes));
        var root = ChunkedBlob.Root(bytes);
        bytes[70_000] ^= 1;
        Assert.Equal(MaskFault.BlobMismatch, MaskedInput.Check(layout, root, bytes));
        Assert.Equal(MaskFault.WrongLength, MaskedInput.Check(layout, root, bytes.AsMemory(1)));
        Assert.Equal(MaskFault.WrongLength, MaskedInput.Check(layout, root, (byte[])[.. bytes, 0]));
        Assert.Equal(MaskFault.WrongLength, MaskedInput.TryCreate(parameters, layout, new int[39_999], MaskTail.Of(1), terms, out _));
        Assert.Equal(MaskFault.LaneOutOfRange, MaskedInput.TryCreate(parameters, layout, [.. new int[39_999], parameters.Levels + 1], MaskTail.Of(1), terms, out _));
        Assert.Equal(MaskFault.LaneOutOfRange, MaskedInput.TryCreate(parameters, layout, [.. new int[39_999], int.MinValue], MaskTail.Of(1), terms, out _));
        Assert.Equal(MaskFault.LaneOutOfRange, MaskedInput.TryCreate(parameters, layout, new int[40_000], MaskTail.Of(0), terms, out _));
    }

    internal static byte[] Bits(MaskGraph graph, ushort member, Func<bool> said)
    {
        var bits = new byte[(graph.Neighbours(member).Length + 7) / 8];
        for (var i = 0; i < graph.Neighbours(member).Length; i++) bits[i / 8] |= (byte)(said() ? 1 << (i % 8) : 0);
        return bits;
    }

    private static bool Agree(int one, int other, Span<byte> shared) => Shared[one, other].AsSpan().TryCopyTo(shared);

    private static byte[,][] Agreements()
    {
        byte[][] secrets = [.. Seeds.Select(seed => { var secret = new byte[32]; MaskKeys.MaskSecret(seed, KeyExchange.X25519, secret); return secret; })];
        byte[][] keys = [.. secrets.Select(secret => MaskKeys.PublicKeyOf(secret, KeyExchange.X25519))];
        var shared = new byte[People, People][];
        for (var i = 0; i < People; i++)
        {
            for (var j = 0; j < People; j++) Assert.True(MaskKeys.TryAgree(secrets[i], keys[j], shared[i, j] = new byte[32]));
        }

        return shared;
    }
}
