using System.Globalization;
using System.Security.Cryptography;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Privacy;

namespace Orleans.Training.Benchmarks;

/// <summary>
/// <c>./run bench aggregation</c>: what masks cost, in processor seconds of this process and in bytes. Every participant and the sum are the real ones, one after the other on
/// one thread; nothing is sent, stored or signed. Random bytes come from counters, so that two runs do the same work.
/// </summary>
internal static class AggregationBenchmark
{
    private const int Coordinates = 1_000_000;
    private const int Chunks = 4_000;

    public static int Run(string[] options)
    {
        if (options is not ([] or ["--grid"])) return Refuse();
        Kernels();
        _ = MaskedRound.Run(20, new GraphParameters(19, 14), dropped: 2, coordinates: 10_000);
        if (options.Length > 0)
        {
            Grid();
            return 0;
        }

        Show(MaskedRound.Run(100, new GraphParameters(32, 22), dropped: 10, Coordinates));
        Show(MaskedRound.Run(100, GraphParameters.For(100, FaultBound.Corrupt200Dropped100), dropped: 10, Coordinates));
        Console.WriteLine("the first of both again, hybrid with ML-KEM-768:");
        Show(MaskedRound.Run(100, new GraphParameters(32, 22), dropped: 10, Coordinates, KeyExchange.Hybrid));
        return 0;
    }

    private static int Refuse()
    {
        Console.Error.WriteLine("use: ./run bench aggregation [--grid]");
        return 2;
    }

    // n · d up to 2 · 10⁹; of ten participants seven give a secret back, so that three cannot be lost.
    private static void Grid()
    {
        Console.WriteLine("     n    k    t            d  dropped   participant CPU-ms / MB sent    the sum CPU-s / MB read   a check by images CPU-s / MB read    largest memory MB");
        foreach (var (count, coordinates) in ((int, int)[])[(10, 1_000_000), (10, 100_000_000), (100, 1_000_000), (100, 10_000_000), (1000, 100_000), (1000, 1_660_000)])
        {
            foreach (var dropped in (int[])[0, 10, 30])
            {
                var shape = GraphParameters.For(count, dropped > 10 ? FaultBound.Corrupt200Dropped200 : FaultBound.Corrupt200Dropped100);
                if (count == 10 && dropped == 30) shape = shape with { Threshold = 6 };
                var cost = MaskedRound.Run(count, shape, count * dropped / 100, coordinates);
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{count,6}{shape.Degree,5}{shape.Threshold,5}{coordinates,13:N0}{dropped,7} %{1e3 * cost.Participant,18:F1} / {cost.Sent / 1e6,-9:F2}{cost.Aggregator,14:F2} / {cost.AgainRead / 1e6,-9:F1}{cost.ByImages,19:F2} / {cost.ImagesRead / 1e6,-9:F1}{cost.PeakBytes / 1e6,18:F0}"));
            }
        }
    }

    private static void Show(MaskedRoundCost cost)
    {
        var culture = CultureInfo.InvariantCulture;
        Console.WriteLine(string.Create(culture, $"n = {cost.Count}, k = {cost.Shape.Degree}, t = {cost.Shape.Threshold}, d = {cost.Coordinates:N0}, {MaskedRound.Bits} bits, {cost.Dropped} dropped after sharing"));
        Console.WriteLine(string.Create(culture, $"  a participant {1e3 * cost.Participant,7:F1} CPU-ms  (keys {1e3 * cost.Keys:F2}, shares {1e3 * cost.Shares:F2}, opens {1e3 * cost.Opens:F2}, masks and name {1e3 * cost.Masks:F2}, reveals {1e3 * cost.Reveals:F2})"));
        Console.WriteLine(string.Create(culture, $"  the sum       {1e3 * cost.Aggregator,7:F1} CPU-ms  (names of blobs {1e3 * cost.Names:F1}, shares and keys {1e3 * cost.Recovery:F1}, sum and masks {1e3 * cost.Sum:F1})"));
        Console.WriteLine(string.Create(culture, $"  a check by images, of four seats: {1e3 * cost.ByImages:F1} CPU-ms and {cost.ImagesRead / 1e6:F1} MB of updates and sum read; the sum {1e3 * cost.Aggregator:F1} CPU-ms and {cost.AgainRead / 1e6:F1} MB"));
        Console.WriteLine(string.Create(culture, $"  together      {(cost.Participant * cost.Count) + cost.Aggregator,7:F2} CPU-s; a participant sends {cost.InputBytes:N0} bytes of update ({cost.InputBytes / (4.0 * cost.Coordinates):F3} of float32), {cost.ShareBytes:N0} of shares, {cost.RevealBytes:N0} of openings"));
    }

    // Steady state: the second pass counts, in which everything is compiled for good.
    private static void Kernels()
    {
        var (chunk, other, key) = (new byte[Limits.ChunkBytes], new byte[Limits.ChunkBytes], new byte[32]);
        using var stream = MaskStream.Create(key);
        using var portable = new PortableMaskStream(key);
        using var aes = Aes.Create();
        aes.SetKey(key);
        Show("AES-256-CTR and add, 16-bit lanes", Rate(() => stream.Add(chunk, LaneWidth.Bits16, 0)));
        Show("the same by the platform's AES, portable", Rate(() => portable.Add(chunk, LaneWidth.Bits16, 0)));
        Show("the platform's AES-256-ECB alone", Rate(() => aes.EncryptEcb(chunk, other, PaddingMode.None)));
        Show("addition alone, in the cache", Rate(() => LaneAddition.Combine(chunk, other, LaneWidth.Bits16, subtract: false)));
        if (!FixedPoint.TryCreate(1L << 32, 1L << 32, LaneLayout.LevelsFor(MaskedRound.Bits, 2), 2, out var parameters)) throw new InvalidOperationException("The parameters do not fit.");
        using var projection = new SumProjection(LaneLayout.Choose(parameters, Coordinates), Digest.Zero);
        var lanes = projection.Begin();
        Show("image of 16-bit lanes, first stage", Rate(() => lanes.Take(0, chunk)));
        ProjectedLanes[] some = [.. Enumerable.Repeat(lanes, 16)];
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"image, second stage, of any length{1e3 * MaskedRound.Seconds(() => projection.Finish(some)) / some.Length,15:F2} CPU-ms"));
        foreach (var variance in (long[])[10_000, 1_000_000]) ShowNoise(variance);
        Show("SHA-256", Rate(() => SHA256.HashData(chunk, key)));
    }

    private static void ShowNoise(long variance)
    {
        const int count = 200_000;
        var (quick, constant, noise) = (new SkellamSampler(variance), new SkellamSampler(variance, isConstantTime: true), new int[count]);
        double Nanoseconds(SkellamSampler sampler)
        {
            sampler.AddTo(noise, new byte[MaskKeys.Size]);
            return 1e9 * MaskedRound.Seconds(() => sampler.AddTo(noise, new byte[MaskKeys.Size])) / count;
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"noise of variance {variance,-12:N0}{Nanoseconds(quick),18:F1} ns a lane; in constant time {Nanoseconds(constant):F0} ns"));
    }

    private static double Rate(Action kernel)
    {
        var rate = 0.0;
        for (var pass = 0; pass < 2; pass++)
        {
            var seconds = MaskedRound.Seconds(() =>
            {
                for (var i = 0; i < Chunks; i++) kernel();
            });
            rate = (double)Chunks * Limits.ChunkBytes / seconds / 1e9;
        }

        return rate;
    }

    private static void Show(string what, double rate) => Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what,-42} {rate,6:F1} GB/s a core"));
}
