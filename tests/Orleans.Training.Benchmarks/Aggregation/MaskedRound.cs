using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Benchmarks;

/// <summary>What one round cost: processor seconds of one party, and bytes.</summary>
internal sealed record MaskedRoundCost(int Count, GraphParameters Shape, int Dropped, int Coordinates)
{
    public double Keys { get; init; }
    public double Shares { get; init; }
    public double Opens { get; init; }
    public double Masks { get; init; }
    public double Reveals { get; init; }
    public double Names { get; init; }
    public double Recovery { get; init; }
    public double Sum { get; init; }
    /// <summary>A seat of four by images: of half of the updates names and images, of masks and sum images.</summary>
    public double ByImages { get; init; }
    public long InputBytes { get; init; }
    public long ShareBytes { get; init; }
    public long RevealBytes { get; init; }
    public long PeakBytes { get; init; }

    public double Participant => Keys + Shares + Opens + Masks + Reveals;
    public double Aggregator => Names + Recovery + Sum;
    public long Sent => InputBytes + ShareBytes + RevealBytes;
    public long AgainRead => (Count - Dropped) * InputBytes;
    public long ImagesRead => ((Count - Dropped + 1) / 2 * InputBytes) + (sizeof(int) * (long)Coordinates);
}

/// <summary>
/// One round, its parties one after the other on one thread. A masked update is named, added to the sum, and forgotten before the next one is made: memory holds one sum and one update, however many there are.
/// </summary>
internal static class MaskedRound
{
    public const int Bits = 16;
    private const int Imaged = 8;

    public static MaskedRoundCost Run(int count, GraphParameters shape, int dropped, int coordinates, KeyExchange exchange = KeyExchange.X25519)
    {
        // What the last round left does not count.
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        ResetPeak();
        var cohort = new MaskedCohort(count, shape, coordinates, Bits, exchange);
        var (inputs, names, images, adding, masks) = (new MaskedInputSum(cohort.Layout), 0.0, 0.0, 0.0, 0.0);
        using var projection = new SumProjection(cohort.Layout, Digest.Of("beacon"u8));
        var imaged = new List<ProjectedLanes>();
        var keys = Seconds(() => cohort.All(i => new AttemptOpened(new MaskSecrets(MaskedCohort.Random(i)), cohort.Fresh)));
        var shares = Seconds(() => cohort.All(_ => new KeysClosed(cohort.Adverts, cohort.Beacon)));
        var opens = Seconds(() => cohort.All(_ => new SharesClosed(cohort.Dealt)));
        masks = Seconds(() => cohort.All(_ => new AcksClosed(cohort.Acks)));
        cohort.Mask(dropped, input =>
        {
            names += Seconds(() => _ = MaskedInput.Check(cohort.Layout, input.Root, input.Bytes));
            adding += Seconds(() => inputs.TryAdd(input.Bytes!.Value.Span));
            // Few are enough to know what one costs, and images cost memory.
            if (imaged.Count < Imaged) images += Seconds(() => imaged.Add(projection.Of(input.Bytes!.Value.Span)));
        }, seconds => masks += seconds);
        var closing = cohort.Closing();
        var reveals = Seconds(() =>
        {
            cohort.All(_ => closing);
            cohort.All(_ => new ConfirmsSeen(cohort.Confirms, 1, 2));
        });

        var total = Sum(cohort, closing.Order, inputs, out var terms, out var recovery, out var summing);
        var survivors = count - dropped;
        var lastImages = 0.0;
        using (terms)
        {
            lastImages += Seconds(() => imaged.AddRange(projection.Of(terms), projection.Of(total.Lanes.Span, total.Tail.Span)));
            var finish = Seconds(() => projection.Finish(imaged));
            // Columns are made once for all; what an image more costs is nearly all of the rest.
            images = (images / Math.Min(Imaged, survivors) * (survivors + 1) / 2) + (finish / imaged.Count * (((survivors + 1) / 2) + 2));
        }

        return new MaskedRoundCost(count, shape, dropped, coordinates)
        {
            Keys = keys / count,
            Shares = shares / count,
            Opens = opens / count,
            Masks = masks / count,
            Reveals = reveals / count,
            Names = names,
            Recovery = recovery,
            Sum = adding + summing,
            ByImages = (names * ((survivors + 1) / 2) / survivors) + recovery + images + lastImages,
            InputBytes = cohort.Layout.Bytes,
            ShareBytes = cohort.ShareBytes,
            RevealBytes = cohort.RevealBytes,
            PeakBytes = Peak(),
        };
    }

    /// <summary>Processor seconds of this process.</summary>
    public static double Seconds(Action work)
    {
        var before = Environment.CpuUsage.TotalTime;
        work();
        return (Environment.CpuUsage.TotalTime - before).TotalSeconds;
    }

    private static MaskedSum Sum(MaskedCohort cohort, UnmaskOrder order, MaskedInputSum inputs, out MaskTerms terms, out double recovery, out double summing)
    {
        MaskTerms? found = null;
        recovery = Seconds(() =>
        {
            var removal = cohort.Removal(order);
            foreach (var reveal in cohort.Reveals) Require(removal.TryAccept(reveal) is MaskFault.None);
            Require(removal.TryFinish(out found, out _) is MaskFault.None);
        });
        var (total, layout) = (new MaskedSum(cohort.Layout), cohort.Layout);
        summing = Seconds(() =>
        {
            for (var chunk = 0; chunk < layout.Chunks; chunk++) total.Take(chunk, [inputs.Chunk(chunk)], found!);
        });
        Require(total.TryFinish(order.Survivors.Count, out _) is MaskFault.None);
        for (var i = 0; i < cohort.Lanes.Length; i++) Require(total.Lanes.Span[i] == cohort.Lanes.Span[i] * order.Survivors.Count);
        terms = found!;
        return total;
    }

    private static void Require(bool holds)
    {
        if (!holds) throw new InvalidOperationException("The sum is wrong.");
    }

    // The kernel counts anew what this process has had in memory at most; where it cannot, all of the process counts.
    private static void ResetPeak()
    {
        if (OperatingSystem.IsLinux()) File.WriteAllText("/proc/self/clear_refs", "5");
    }

    private static long Peak()
    {
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }
}
