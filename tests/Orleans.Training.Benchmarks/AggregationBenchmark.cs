using System.Globalization;
using System.Security.Cryptography;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Benchmarks;

/// <summary>
/// <c>./run bench aggregation</c>: what masks cost, in processor seconds of this process and in bytes. Every participant and the sum are the real ones, one after the other on
/// one thread; nothing is sent, stored or signed. Random bytes come from counters, so that two runs do the same work.
/// </summary>
internal static class AggregationBenchmark
{
    private const int Coordinates = 1_000_000;
    private const int Bits = 16;
    private const int Chunks = 4_000;

    public static int Run()
    {
        Kernels();
        Round(20, new GraphParameters(19, 14), dropped: 2, coordinates: 10_000, show: false);
        Round(100, new GraphParameters(32, 22), dropped: 10, Coordinates, show: true);
        Round(100, GraphParameters.For(100, FaultBound.Corrupt200Dropped100), dropped: 10, Coordinates, show: true);
        return 0;
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
        Show("SHA-256", Rate(() => SHA256.HashData(chunk, key)));
    }

    private static double Rate(Action kernel)
    {
        var rate = 0.0;
        for (var pass = 0; pass < 2; pass++)
        {
            var seconds = Seconds(() =>
            {
                for (var i = 0; i < Chunks; i++) kernel();
            });
            rate = (double)Chunks * Limits.ChunkBytes / seconds / 1e9;
        }

        return rate;
    }

    private static void Show(string what, double rate) => Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what,-42} {rate,6:F1} GB/s a core"));

    private static void Round(int count, GraphParameters shape, int dropped, int coordinates, bool show)
    {
        var cohort = new Cohort(count, shape, coordinates);
        var keys = Seconds(() => cohort.All(i => new AttemptOpened(new MaskSecrets(Cohort.Random(i)), cohort.Fresh)));
        var shares = Seconds(() => cohort.All(_ => new KeysClosed(cohort.Adverts, cohort.Beacon)));
        var opens = Seconds(() => cohort.All(_ => new SharesClosed(cohort.Dealt)));
        var masks = Seconds(() =>
        {
            cohort.All(_ => new AcksClosed(cohort.Acks));
            cohort.All(_ => new UpdateReady(cohort.Lanes, MaskTail.Of(1)));
        });
        cohort.Drop(dropped);
        var closing = cohort.Closing();
        var reveals = Seconds(() =>
        {
            cohort.All(_ => closing);
            cohort.All(_ => new ConfirmsSeen(cohort.Confirms, 1, 2));
        });

        var (checks, recovery, sum) = Aggregate(cohort, closing.Order, coordinates, out var fault);
        if (!show) return;
        var culture = CultureInfo.InvariantCulture;
        var client = (keys + shares + opens + masks + reveals) / count;
        Console.WriteLine(string.Create(culture, $"n = {count}, k = {shape.Degree}, t = {shape.Threshold}, d = {coordinates:N0}, {Bits} bits, {dropped} dropped after sharing: {fault}"));
        Console.WriteLine(string.Create(culture, $"  a participant {1e3 * client,7:F1} CPU-ms  (keys {1e3 * keys / count:F2}, shares {1e3 * shares / count:F2}, opens {1e3 * opens / count:F2}, masks and name {1e3 * masks / count:F2}, reveals {1e3 * reveals / count:F2})"));
        Console.WriteLine(string.Create(culture, $"  the sum       {1e3 * (checks + recovery + sum),7:F1} CPU-ms  (names of blobs {1e3 * checks:F1}, shares and keys {1e3 * recovery:F1}, sum and masks {1e3 * sum:F1})"));
        Console.WriteLine(string.Create(culture, $"  together      {(client * count) + checks + recovery + sum,7:F2} CPU-s; a participant sends {cohort.InputBytes:N0} bytes of update ({cohort.InputBytes / (4.0 * coordinates):F3} of float32), {cohort.ShareBytes:N0} of shares, {cohort.RevealBytes:N0} of openings"));
    }

    private static (double Checks, double Recovery, double Sum) Aggregate(Cohort cohort, UnmaskOrder order, int coordinates, out MaskFault fault)
    {
        var layout = cohort.Layout;
        var checks = Seconds(() =>
        {
            foreach (var input in cohort.Inputs) _ = MaskedInput.Check(layout, input.Root, input.Bytes);
        });
        MaskTerms? terms = null;
        var recovery = Seconds(() =>
        {
            var removal = cohort.Removal(order);
            foreach (var reveal in cohort.Reveals) _ = removal.TryAccept(reveal);
            _ = removal.TryFinish(out terms, out _);
        });
        var total = new MaskedSum(layout);
        var sum = Seconds(() =>
        {
            for (var chunk = 0; chunk < layout.Chunks; chunk++) total.Take(chunk, cohort.Inputs.Select(input => input.Bytes!.Value.Slice(chunk * Limits.ChunkBytes, layout.ChunkLength(chunk))), terms!);
        });
        fault = total.TryFinish(order.Survivors.Count, out _);
        for (var i = 0; i < coordinates; i++)
        {
            if (total.Lanes.Span[i] != cohort.Lanes.Span[i] * order.Survivors.Count) throw new InvalidOperationException("The sum is wrong.");
        }

        terms!.Dispose();
        return (checks, recovery, sum);
    }

    private static double Seconds(Action work)
    {
        var before = Environment.CpuUsage.TotalTime;
        work();
        return (Environment.CpuUsage.TotalTime - before).TotalSeconds;
    }

    /// <summary>Real participants, and their messages by phase.</summary>
    private sealed class Cohort
    {
        private readonly MaskState[] _states;
        private readonly AttemptContext _attempt = AttemptContext.Derive(Digest.Of("chain"u8), Digest.Of("run"u8), 1, 1, Digest.Of("model"u8), Digest.Of("configuration"u8), Digest.Of("roster"u8));

        public Cohort(int count, GraphParameters shape, int coordinates)
        {
            if (!FixedPoint.TryCreate(1L << 32, 1L << 32, LaneLayout.LevelsFor(Bits, count), count, out var parameters)) throw new InvalidOperationException("The parameters do not fit.");
            Lanes = Enumerable.Range(0, coordinates).Select(i => (i % ((2 * parameters.Levels) + 1)) - parameters.Levels).ToArray();
            Layout = LaneLayout.Choose(parameters, coordinates);
            _states = [.. Enumerable.Range(0, count).Select(i => MaskParticipant.Begin(new MaskSetup((ushort)i, _attempt, Digest.Zero, parameters, coordinates, 0, 3, FaultBound.Corrupt200Dropped100), new MaskRules { Shape = shape }))];
            Acks = new ReadOnlyMemory<byte>?[count];
        }

        public HashSet<Digest> Fresh { get; } = [];
        public ReadOnlyMemory<int> Lanes { get; }
        public LaneLayout Layout { get; }
        public List<KeyAdvert> Adverts { get; } = [];
        public MaskBeacon Beacon => MaskBeacon.Derive(_attempt, [], Adverts);
        public List<DealtShares> Dealt { get; } = [];
        public ReadOnlyMemory<byte>?[] Acks { get; }
        public List<CommitInput> Inputs { get; } = [];
        public List<SignedConfirm> Confirms { get; } = [];
        public List<Reveal> Reveals { get; } = [];
        public long InputBytes => Inputs[0].Length;
        public long ShareBytes => Dealt[0].Blob!.Value.Length;
        public long RevealBytes => Reveals.Max(reveal => (long)reveal.Openings.Bytes.Length);

        public static byte[] Random(int i)
        {
            var bytes = new byte[MaskSecrets.RandomBytes];
            for (var part = 0; part < 5; part++) Digest.Of([(byte)part, (byte)i]).CopyTo(bytes.AsSpan(32 * part));
            return bytes;
        }

        public void All(Func<int, MaskEvent> happened)
        {
            for (var i = 0; i < _states.Length; i++)
            {
                if (_states[i].Phase >= MaskPhase.Done) continue;
                var step = MaskParticipant.Step(_states[i], happened(i));
                _states[i] = step.State;
                switch (step.Message)
                {
                    case AdvertiseKeys message: Adverts.Add(message.Advert); break;
                    case CommitShares message: Dealt.Add(new(message.Commit, message.Blob)); break;
                    case AcknowledgeShares message: Acks[i] = message.Bits; break;
                    case CommitInput message: Inputs.Add(message); break;
                    case ConfirmOrder message: Confirms.Add(new(message.Position, message.Order)); break;
                    case Reveal message: Reveals.Add(message); break;
                }
            }
        }

        public void Drop(int count) => Inputs.RemoveRange(0, count);

        public InputsClosed Closing()
        {
            var inputs = Inputs.Select(input => new CommittedInput(input.Position, input.Root)).ToArray();
            return new(UnmaskOrder.Of(_states[0].Context, _states[0].Masks!, inputs), inputs, 1, 2, Fresh);
        }

        public MaskRemoval Removal(UnmaskOrder order)
        {
            var state = _states[^1];
            return new(state.Cohort, state.Context, state.Graph!, state.Masks!, order, position => Adverts[position], dealer => Dealt[dealer].Commit, dealer => ShareBlob.TryRead(Dealt[dealer].Blob!.Value, state.Graph!.Neighbours(dealer).Length, out var blob) ? blob : throw new InvalidOperationException("No blob."));
        }
    }
}
