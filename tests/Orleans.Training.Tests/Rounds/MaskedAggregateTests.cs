using CsCheck;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Tests.Rounds;

/// <summary>From a masked attempt whose reveals are fixed to its sum and model: the very ones that the same updates give without masks, and none where anything is wrong.</summary>
public sealed class MaskedAggregateTests
{
    [Fact]
    public void Model_IsToTheBitTheOneThatTheSameUpdatesGiveWithoutMasks_WhoeverDropsOutOrFallsSilent() =>
        Gen.Select(Gen.ULong, Gen.Int[0, 2], Gen.Bool).Sample((seed, dropped, silent) =>
        {
            var (ledger, model) = Bring(seed, 12, [.. Enumerable.Range(dropped, 12 - dropped)], silent ? dropped : -1);
            Assert.Equal(Phase.Aggregate, ledger.Round.Phase);
            Assert.Equal(MaskFault.None, MaskedAggregate.TryCompute(ledger.Whole, model, ledger.Read, out var masked, out _));

            var plain = RoundAggregate.NewSum(ledger.Masked.Terms);
            foreach (var i in ledger.Masked.Survivors.Positions) Assert.True(plain.TryAdd(UpdateBlob.Write(ledger.Lanes[i]), ledger.Masked.Terms.Weights[i]));
            var open = RoundAggregate.Compute(ledger.Masked.Terms, ledger.Round, model, plain);
            Assert.Equal((open!.Model, open.ModelRoot), (masked!.Model, masked.ModelRoot));
            Assert.Equal(open.ModelBytes, masked.ModelBytes);
            // The published sum is the same lanes, and the tail behind them.
            Assert.Equal(open.Sum, masked.Sum[..^LaneLayout.TailBytes]);
            Assert.Equal(ChunkedBlob.Root(masked.Sum), masked.SumRoot);
        }, iter: 12, threads: 1);

    [Fact]
    public void Metrics_OfTheSum_AreThoseOfTheSurvivorsTogether()
    {
        var (ledger, model) = Bring(3, 7, [.. Enumerable.Range(1, 6)], -1, ledger =>
        {
            foreach (var i in ledger.Everybody) ledger.Tails[i] = new MaskTail(ledger.Masked.Terms.Weights[i], 100 + i, 10 * i, 20 * i, 1, i, 3);
        });
        Assert.Equal(MaskFault.None, MaskedAggregate.TryCompute(ledger.Whole, model, ledger.Read, out var aggregate, out _));
        var weight = ledger.Masked.Survivors.Positions.Sum(i => ledger.Masked.Terms.Weights[i]);
        Assert.Equal((6, new MaskTail(weight, 621, 210, 420, 6, 21, 18)), MaskedAggregate.ReadMetrics(ledger.Masked.Terms, aggregate!.Sum));
        Assert.Null(MaskedAggregate.ReadMetrics(ledger.Masked.Terms, aggregate.Sum.AsMemory(4)));
        Assert.Null(MaskedAggregate.ReadMetrics(ledger.Masked.Terms, new byte[aggregate.Sum.Length]));
    }

    [Fact]
    public void EveryBlobThatIsMissing_IsNoVerdict_AndNoOtherBlobIsAskedFor()
    {
        var (ledger, model) = Bring(5, 9, [.. Enumerable.Range(1, 8)], 4);
        var read = new HashSet<Digest>();
        Assert.Equal(MaskFault.None, MaskedAggregate.TryCompute(ledger.Whole, model, root => { read.Add(root); return ledger.Read(root); }, out _, out _));
        Assert.Equal(ledger.Masked.UnmaskingBlobs.Concat(ledger.Masked.Order!.Inputs.Select(input => input.Root)).Order(), read.Order());
        // Shares of the dropped and the silent one, openings of the seven others, twice, and eight masked updates. Who opens nothing of anybody has a list of nothing.
        Assert.Equal(2 + 7 + 7 + 8, read.Count);
        foreach (var missing in read)
        {
            Assert.Equal(MaskFault.BlobMissing, MaskedAggregate.TryCompute(ledger.Whole, model, root => root == missing ? null : ledger.Read(root), out var none, out _));
            Assert.Null(none);
        }

        foreach (var spoilt in read)
        {
            Assert.NotEqual(MaskFault.None, MaskedAggregate.TryCompute(ledger.Whole, model, root => root == spoilt ? Spoil(ledger.Read(root)!.Value) : ledger.Read(root), out var none, out _));
            Assert.Null(none);
        }
    }

    [Fact]
    public void OpeningsOfWhoSharesAreNotHere_AreNotJudged()
    {
        var (ledger, _) = Bring(5, 9, [.. Enumerable.Range(1, 8)], 4);
        var masked = ledger.Masked;
        BlobReader nothing = _ => null;
        var (openings, silent) = (ledger.Read(masked.RootOf(MaskBlobKind.Openings, 1)!.Value)!.Value, ledger.Read(masked.RootOf(MaskBlobKind.SilentOpenings, 1)!.Value)!.Value);
        Assert.Equal(MaskFault.BlobMissing, MaskedUnmasking.Of(masked, nothing).CheckOpenings(1, openings));
        Assert.Equal(MaskFault.BlobMissing, MaskedUnmasking.Of(masked, nothing).CheckSilentOpenings(1, silent));
        Assert.Equal(MaskFault.None, MaskedUnmasking.Of(masked, ledger.Read).CheckOpenings(1, openings));
        Assert.Equal(MaskFault.HolderFault, MaskedUnmasking.Of(masked, ledger.Read).CheckOpenings(1, silent));
        Assert.Equal(MaskFault.WrongLength, MaskedUnmasking.Of(masked, root => new byte[7]).CheckOpenings(1, openings));
    }

    [Fact]
    public void WhoSendsAnotherWeightThanItsPublicOne_SpoilsTheSum()
    {
        var (ledger, model) = Bring(7, 5, [0, 1, 2, 3, 4], -1, ledger => ledger.Tails[2] = MaskTail.Of(ledger.Masked.Terms.Weights[2] + 1));
        Assert.Equal(MaskFault.WeightOutOfRange, MaskedAggregate.TryCompute(ledger.Whole, model, ledger.Read, out var none, out _));
        Assert.Null(none);
    }

    [Theory]
    [InlineData(0, 30_000, MaskFault.LaneOutOfRange)]
    [InlineData(63, 1, MaskFault.CanaryMismatch)]
    [InlineData(64, 1, MaskFault.CanaryMismatch)]
    [InlineData(72, 1, MaskFault.CanaryMismatch)]
    [InlineData(76, 1, MaskFault.WeightOutOfRange)]
    [InlineData(124, 1, MaskFault.CanaryMismatch)]
    public void WhoSendsWhatIsNoMaskedUpdate_SpoilsTheSum_WhereverItIs(int at, short added, MaskFault expected)
    {
        // 11 lanes of 16 bits, padding to 64 bytes, then the tail: three canaries, the weight, metrics, zeros.
        var (ledger, model) = Bring(11, 12, [.. Enumerable.Range(0, 10)], -1, spoilInput: y =>
        {
            if (added > 1) BitConverter.TryWriteBytes(y.AsSpan(at), unchecked((short)(BitConverter.ToInt16(y, at) + added)));
            else y[at]++;
        });
        Assert.Equal(expected, MaskedAggregate.TryCompute(ledger.Whole, model, ledger.Read, out var none, out _));
        Assert.Null(none);
    }

    [Fact]
    public void Sum_NeedsMemoryForOneUpdate_HoweverManyThereAre()
    {
        var layout = LaneLayout.Choose(FixedPoint.Create(1, 100), 500_000);
        var input = new byte[layout.Bytes];
        new Random(17).NextBytes(input);
        var sum = new MaskedInputSum(layout);
        Assert.True(sum.TryAdd(input));
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 1; i < 100; i++) Assert.True(sum.TryAdd(input));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100_000);
        // 2 MB each; lanes of their sum come to the same again, and one chunk.
        before = GC.GetAllocatedBytesForCurrentThread();
        using var masks = new MaskTerms();
        masks.Include(new byte[32], negative: false);
        var lanes = new MaskedSum(layout);
        for (var chunk = 0; chunk < layout.Chunks; chunk++) lanes.Take(chunk, [sum.Chunk(chunk)], masks);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 2_000_000 + 300_000);
        Assert.False(sum.TryAdd(input.AsSpan(1)));
        Assert.Equal(100, sum.Count);
    }

    // An attempt with real initial model and real updates, brought to Aggregate by these participants; one of them says nothing more once it has confirmed.
    internal static (MaskedLedger Ledger, byte[] Model) Bring(ulong seed, int count, int[] who, int silent, Action<MaskedLedger>? before = null, Action<byte[]>? spoilInput = null, int bits = 16, SumCheck check = SumCheck.Recomputed, KeyExchange exchange = KeyExchange.X25519)
    {
        var ledger = new MaskedLedger(count, seed, activate: false, check: check, exchange: exchange);
        var model = RoundAggregate.InitialModelOf(ledger.Agreement);
        Assert.True(FixedPoint.TryCreate(1L << 33, 1L << 33, LaneLayout.LevelsFor(bits, count), count, out var parameters));
        ledger.Follow(ledger.Agreement with { InitialModel = Digest.Of(model), FixedPoint = parameters });
        ledger.Activate(ledger.Agreement);
        Assert.Equal(Rejection.None, ledger.Open());
        foreach (var i in ledger.Everybody)
        {
            float[] delta = [.. Enumerable.Range(0, MaskedLedger.Length).Select(_ => ledger.Chance.Between(-1000, 1000) / 4000f)];
            Assert.True(ledger.Agreement.FixedPoint.TryQuantize(delta, ledger.Masked.Terms.Weights[i], Digest.Of([(byte)i]).ToArray(), out var lanes));
            ledger.Lanes[i] = lanes;
        }

        before?.Invoke(ledger);
        ledger.Bring(Phase.Input, ledger.Everybody);
        if (spoilInput is not null) SendSpoilt(ledger, who[0], spoilInput);
        ledger.Bring(Phase.Unmask, who);
        int[] speaking = [.. who.Where(i => i != silent)];
        ledger.Bring(Phase.RevealSilent, speaking);
        if (ledger.Round.Phase is Phase.RevealSilent)
        {
            ledger.Act(speaking);
            ledger.HoldAll();
        }

        return (ledger, model);
    }

    // The participant's host lies: what it commits is not what its state machine made.
    private static void SendSpoilt(MaskedLedger ledger, int who, Action<byte[]> spoil)
    {
        var y = ((CommitInput)ledger.Step(who)!).Bytes!.Value.ToArray();
        spoil(y);
        ledger.Store(y);
        Assert.Equal(Rejection.None, ledger.Send(ledger.Names[who], new CommitMaskedInput(ledger.Agreement.ComputeDigest(), 1, ledger.Attempt, ledger.Masked.Fixed.Masks!.Value, ChunkedBlob.Root(y))));
        ledger.States[who] = ledger.States[who] with { Input = new((ushort)who, ChunkedBlob.Root(y)) };
    }

    private static byte[] Spoil(ReadOnlyMemory<byte> bytes)
    {
        var spoilt = bytes.ToArray();
        for (var i = 0; i < spoilt.Length; i++) spoilt[i] ^= 0x40;
        return spoilt;
    }
}
