using System.Collections.Concurrent;
using Orleans.Training.Client.Exports;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Ledger;
using Orleans.Training.Tests.Rounds;

namespace Orleans.Training.Tests.Exports;

/// <summary>A round with masks, one dropped out and one fell silent, as a stranger checks it: from the export alone, and no update in it.</summary>
public sealed class MaskedExportTests
{
    [Fact]
    public void MaskedRound_IsAddedUpAgain_FromWhatTheExportHolds_AndNoUpdateIsInIt()
    {
        var (ledger, model) = Attempt();
        var export = Publish(ledger, Compute(ledger, model));
        var report = export.Verify();
        Assert.Equal((1, ledger.Shard.State.Find<ModelRecord>(ModelRecord.Key(ledger.Agreement.ComputeDigest(), 1))!.Model), (report.Rounds, report.Model));
        Assert.Empty(report.FalseWork);
        // What undoes masks, eight masked updates, sum and model; and neither shares of whom nobody asks about, nor what the dropped one had sent.
        var blobs = export.Names.Where(name => name.StartsWith("blobs/", StringComparison.Ordinal)).ToArray();
        Assert.Equal(ledger.Masked.SumBlobs.Count() + 2, blobs.Length);
        Assert.DoesNotContain(ExportLayout.Blob(ledger.Masked.RootOf(MaskBlobKind.Shares, 1)!.Value), blobs);
        foreach (var i in ledger.Everybody) Assert.DoesNotContain(ExportLayout.Blob(ChunkedBlob.Root(UpdateBlob.Write(ledger.Lanes[i]))), blobs);
    }

    [Fact]
    public void EveryBlobOfAMaskedRound_ChangedOrMissing_IsFoundInItsFile()
    {
        var (ledger, model) = Attempt();
        var export = Publish(ledger, Compute(ledger, model));
        var remembered = new ConcurrentDictionary<Digest, bool>();
        foreach (var file in ledger.Masked.SumBlobs.Select(ExportLayout.Blob).ToArray())
        {
            var content = export.Files[file];
            foreach (var at in new[] { 0, content.Length / 3, content.Length - 1 })
            {
                var changed = content.ToArray();
                changed[at] ^= (byte)(1 << at % 8);
                export.Files[file] = changed;
                AssertRefused(ExportFault.BadBlob, file);
            }

            export.Files.Remove(file);
            AssertRefused(ExportFault.MissingBlob, file);
            export.Files[file] = content;
        }

        // What nobody asked for is refused too: an update that somebody slipped in would be nobody's word.
        var update = UpdateBlob.Write(ledger.Lanes[2]);
        export.Files[ExportLayout.Blob(ChunkedBlob.Root(update))] = update;
        AssertRefused(ExportFault.UnexpectedFile, ExportLayout.Blob(ChunkedBlob.Root(update)));

        void AssertRefused(ExportFault fault, string named)
        {
            var found = Assert.Throws<ExportException>(() => export.Verify(signatures: Remember));
            Assert.Equal((fault, named), (found.Fault, found.File));
        }

        // The same signatures are verified again and again: what libsodium said once, it says always.
        bool Remember(PublicKey key, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
        {
            var name = Digest.Of([.. key.Bytes.Span, .. signature, .. message]);
            if (remembered.TryGetValue(name, out var good)) return good;
            return remembered[name] = Signatures.Verify(key, message, signature);
        }
    }

    [Fact]
    public void OrderWithAnotherSurvivor_DoesNotFollowFromTheBlocks()
    {
        var (ledger, model) = Attempt();
        var export = Publish(ledger, Compute(ledger, model));
        // The block in which seats said that they hold the masked updates: one of them says it of another set.
        var at = ledger.Shard.Blocks.FindIndex(block => LedgerState.Of(block).Events.Any(events => events.Any(item => item.Type is "UnmaskOrdered")));
        var before = export.Files[ExportLayout.Block(at)];
        export.Files[ExportLayout.Block(at)] = export.Files[ExportLayout.Block(at - 1)];
        Assert.Equal(ExportFault.BlockDoesNotExecute, Assert.Throws<ExportException>(() => export.Verify()).Fault);
        export.Files[ExportLayout.Block(at)] = before;
        Assert.Equal(1, export.Verify().Rounds);
    }

    [Fact]
    public void SumThatAQuorumLiedAbout_IsFound_WhereverInItTheLieIs()
    {
        for (var at = 0; at < MaskedLedger.Length + 16; at += 5)
        {
            var (ledger, model) = Attempt();
            var honest = Compute(ledger, model);
            byte[] sum = [.. honest.Sum];
            sum[sizeof(int) * at]++;
            var found = Assert.Throws<ExportException>(() => Publish(ledger, honest with { Sum = sum, SumRoot = ChunkedBlob.Root(sum) }).Verify());
            Assert.Equal(ExportFault.ModelDiffers, found.Fault);
        }
    }

    [Fact]
    public void ModelOverASpoiltSum_ThatAQuorumPublishedAllTheSame_IsFound()
    {
        var (ledger, model) = MaskedAggregateTests.Bring(5, 9, [.. Enumerable.Range(1, 8)], 4, spoilInput: y => y[70]++);
        var found = Assert.Throws<ExportException>(() => Publish(ledger, Invented(model)).Verify());
        Assert.Equal(ExportFault.ModelDiffers, found.Fault);
        Assert.Contains("OT-5223 CanaryMismatch", found.Message, StringComparison.Ordinal);
    }

    /// <summary>A wrong sum that nobody published, and what was said of either, is proved by the export: by the words themselves, under the signatures of who said them.</summary>
    [Fact]
    public void WhoProposedAWrongSum_AndWhoSaidThatItIsRight_AreNamed()
    {
        var lies = WithLies().Verify().FalseWork;
        Assert.Equal(
            [(ParticipantId.Parse("p002"), FalseWord.Proposal), (ParticipantId.Parse(TestShard.Hospitals[0]), FalseWord.Verdict), (ParticipantId.Parse(TestShard.Hospitals[3]), FalseWord.Verdict)],
            lies.Select(lie => (lie.Actor, lie.Word)));
        Assert.All(lies, lie => Assert.Equal(1, lie.Round));
        Assert.Matches($"^blocks/[0-9]{{9}}.cbor: p002 proposed in round 1 of run {WithLies().Verify().FalseWork[0].Run} a sum or a model that the updates do not give$", lies[0].ToString());
    }

    /// <summary>Somebody proposes a sum to which one is added, a seat attests it and two refuse it; the right one is published, though a seat says that it is wrong.</summary>
    internal static TestExport WithLies()
    {
        var (ledger, model) = Attempt();
        var (right, agreement) = (Compute(ledger, model), ledger.Agreement.ComputeDigest());
        byte[] sum = [.. right.Sum];
        sum[0]++;
        AggregateProposal Of(RoundAggregate aggregate) => new(agreement, 1, ledger.Attempt, ledger.Round.InputsDigest!.Value, aggregate.SumRoot, aggregate.Model, aggregate.ModelRoot);
        var (wrong, good) = (Of(right with { SumRoot = ChunkedBlob.Root(sum) }), Of(right));
        Assert.Equal(Rejection.None, ledger.Send("p002", wrong));
        Attest Say(AggregateProposal proposal, bool ok) => new(agreement, 1, ledger.Attempt, proposal.ProposalDigest, ok, RoundAggregate.WorkOf(ParticipantId.Parse("x"), sum));
        Assert.Equal(Rejection.None, ledger.Send(TestShard.Hospitals[0], Say(wrong, ok: true)));
        foreach (var seat in TestShard.Hospitals.Skip(1).Take(2)) Assert.Equal(Rejection.None, ledger.Send(seat, Say(wrong, ok: false)));
        Assert.Equal(Rejection.None, ledger.Send("p001", good));
        Assert.Equal(Rejection.None, ledger.Send(TestShard.Hospitals[3], Say(good, ok: false)));
        return Publish(ledger, right, isProposed: true);
    }

    internal static (MaskedLedger Ledger, byte[] Model) Attempt() => MaskedAggregateTests.Bring(5, 9, [.. Enumerable.Range(1, 8)], 4);

    internal static RoundAggregate Compute(MaskedLedger ledger, byte[] model)
    {
        Assert.Equal(MaskFault.None, MaskedAggregate.TryCompute(ledger.Whole, model, ledger.Read, out var aggregate, out _));
        return aggregate!;
    }

    internal static RoundAggregate Invented(byte[] model) => new([1], ChunkedBlob.Root([1]), model, Digest.Of(model), ChunkedBlob.Root(model));

    internal static TestExport Publish(MaskedLedger ledger, RoundAggregate aggregate, bool isProposed = false)
    {
        var agreement = ledger.Agreement.ComputeDigest();
        var proposal = new AggregateProposal(agreement, 1, ledger.Attempt, ledger.Round.InputsDigest!.Value, aggregate.SumRoot, aggregate.Model, aggregate.ModelRoot);
        if (!isProposed) Assert.Equal(Rejection.None, ledger.Send("p001", proposal));
        foreach (var seat in TestShard.Hospitals.Take(3)) Assert.Equal(Rejection.None, ledger.Send(seat, new Attest(agreement, 1, ledger.Attempt, proposal.ProposalDigest, true, RoundAggregate.WorkOf(ParticipantId.Parse(seat), aggregate.Sum))));
        Assert.Equal(Phase.Published, ledger.Round.Phase);
        ledger.Store(aggregate.Sum);
        ledger.Store(aggregate.ModelBytes);
        return new TestExport(ledger.Shard, ledger.Blobs, ModelSpec.Logistic(10), aggregate.ModelBytes);
    }
}
