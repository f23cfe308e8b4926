using Orleans.Training.Client.Exports;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Exports;
using Orleans.Training.Tests.Masking;

namespace Orleans.Training.Tests.Rounds;

/// <summary>Rounds under masks whose secrets are X25519's and ML-KEM's together, on the ledger and out of it.</summary>
public sealed class HybridRoundTests
{
    [Fact]
    public void ASum_FollowsFromLedgerAndBlobs_WithTheModelThatTheSameUpdatesGiveWithoutMasks()
    {
        var (ledger, model) = Attempt();
        var plain = RoundAggregate.NewSum(ledger.Terms);
        foreach (var i in Enumerable.Range(1, 8)) Assert.True(plain.TryAdd(UpdateBlob.Write(ledger.Lanes[i]), ledger.Terms.Weights[i]));
        var aggregate = MaskedExportTests.Compute(ledger, model);
        Assert.Equal(RoundAggregate.Compute(ledger.Terms, ledger.Round, model, plain)!.Model, aggregate.Model);

        // p000 has dropped out and is smaller than all: its own ciphertexts are enough. p008 would need those of everybody.
        Assert.Equal([0, 4], ledger.Masked.Opened.Positions);
        var (last, _) = Attempt([.. Enumerable.Range(0, 8)], silent: 4);
        Assert.Equal(Enumerable.Range(0, 9), last.Masked.Opened.Positions);
        Assert.Equal(8 + 9 + 7 + 7, last.Masked.SumBlobs.Count());
        MaskedExportTests.Compute(last, model);
        var missing = last.Masked.RootOf(MaskBlobKind.Shares, 3);
        Assert.Equal(MaskFault.BlobMissing, MaskedAggregate.TryCompute(last.Whole, model, root => root == missing ? null : last.Read(root), out _, out _));
    }

    [Fact]
    public void AnExport_IsVerified_AndHasTheSharesThatTellSecrets()
    {
        foreach (var dropped in new[] { 0, 8 })
        {
            var (ledger, model) = Attempt([.. Enumerable.Range(0, 9).Where(i => i != dropped)], silent: 4);
            var export = MaskedExportTests.Publish(ledger, MaskedExportTests.Compute(ledger, model));
            Assert.Equal(1, export.Verify().Rounds);
            if (dropped == 0) continue;
            var shares = ledger.Masked.RootOf(MaskBlobKind.Shares, 3)!.Value;
            export.Files.Remove(ExportLayout.Blob(shares));
            Assert.Equal(ExportFault.MissingBlob, Assert.Throws<ExportException>(() => export.Verify()).Fault);
        }
    }

    [Fact]
    public void KeysOfTheOtherExchange_AndWeakOnes_AreRefused()
    {
        var hybrid = new MaskedLedger(4, exchange: KeyExchange.Hybrid);
        hybrid.Open();
        var good = (AdvertiseMaskKeys)MaskedParticipation.CallOf(hybrid.Masked, hybrid.Step(0)!);
        var plain = new MaskedLedger(4);
        plain.Open();
        var other = (AdvertiseMaskKeys)MaskedParticipation.CallOf(plain.Masked, plain.Step(0)!);
        Assert.Equal((1216, 32), (good.MaskKey.Length, other.MaskKey.Length));
        Assert.Equal(Rejection.MaskKeyWeak, hybrid.Send("p000", good with { MaskKey = other.MaskKey, EnvelopeKey = other.EnvelopeKey }));
        Assert.Equal(Rejection.MaskKeyWeak, plain.Send("p000", other with { MaskKey = good.MaskKey, EnvelopeKey = good.EnvelopeKey }));
        Assert.Equal(Rejection.BadArguments, hybrid.Send("p000", good with { EnvelopeKey = other.EnvelopeKey }));
        Assert.Equal(Rejection.MaskKeyWeak, hybrid.Send("p000", good with { MaskKey = (byte[])[0xff, 0xff, 0xff, .. good.MaskKey.Span[3..]] }));
        Assert.Equal(Rejection.KeyInUse, hybrid.Send("p000", good with { EnvelopeKey = good.MaskKey }));
        Assert.Equal(Rejection.None, hybrid.Send("p000", good));
        Assert.Equal(Rejection.KeyInUse, hybrid.Send("p001", good));
    }

    [Fact]
    public void ADealer_WhoseCiphertextIsNotOfItsSeed_IsNamed()
    {
        var (ledger, model) = Lying();
        Assert.Equal(MaskFault.DealerFault, MaskedAggregate.TryCompute(ledger.Whole, model, ledger.Read, out var aggregate, out var culprit));
        Assert.Equal((null, (ushort)0), (aggregate, culprit));
    }

    [Fact]
    public async Task SeatsAndParticipants_PublishHybridRounds()
    {
        await using var seats = new MaskedSeats(7, windowMs: 60_000, exchange: KeyExchange.Hybrid);
        await seats.Start(0, 1, 2, 3);
        await seats.Until(_ => seats.Run.PublishedRounds == 1 || seats.Run.Attempts > 0);
        var published = seats.State.Contracts.Find<ModelRecord>(ModelRecord.Key(seats.Agreement.ComputeDigest(), 1))!;
        Assert.Equal(seats.Plain(1, RoundAggregate.InitialModelOf(seats.Agreement), Enumerable.Range(0, 7)).Model, published.Model);
    }

    /// <summary>Nine participants, of whom some drop out and one falls silent.</summary>
    internal static (MaskedLedger Ledger, byte[] Model) Attempt(int[]? who = null, int silent = 4, Action<MaskedLedger>? before = null) => MaskedAggregateTests.Bring(5, 9, who ?? [.. Enumerable.Range(1, 8)], silent, before, exchange: KeyExchange.Hybrid);

    /// <summary>The same, and p000 has encapsulated with other coins than those of its seed before it dropped out.</summary>
    internal static (MaskedLedger Ledger, byte[] Model) Lying() => Attempt(before: ledger =>
    {
        ledger.Bring(Phase.ShareKeys, ledger.Everybody);
        var honest = (CommitShares)ledger.Step(0)!;
        var (bytes, ciphertext) = (honest.Blob.ToArray(), new byte[XWing.CiphertextBytes]);
        Assert.True(XWing.TryEncapsulate(ledger.Masked.Advert(8)!.MaskKey.Span, new byte[XWing.CoinBytes], ciphertext, new byte[32]));
        ciphertext.CopyTo(bytes.AsSpan(bytes.Length - ciphertext.Length));
        ledger.Store(bytes);
        Assert.Equal(Rejection.None, ledger.Send("p000", MaskedParticipation.CallOf(ledger.Masked, honest with { Commit = honest.Commit with { BlobRoot = ChunkedBlob.Root(bytes) }, Blob = bytes })));
    });
}
