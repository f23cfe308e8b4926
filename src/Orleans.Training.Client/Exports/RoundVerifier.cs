using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;

namespace Orleans.Training.Client.Exports;

/// <summary>Computes every published round again from its committed updates, and compares sum, model, work digests and model file.</summary>
internal sealed class RoundVerifier(ExportReader files, RoundHistory history, ContractState state, int quorum, Func<ModelSpec, float[], byte[]>? modelFile)
{
    /// <summary>How many rounds were published, and the newest model of all.</summary>
    public (int Rounds, Digest? Model) CheckAll()
    {
        var rounds = 0;
        foreach (var run in state.All<RunRecord>(RunRecord.Prefix))
        {
            CheckRun(run);
            rounds += run.PublishedRounds;
        }

        return (rounds, history.Last?.Model);
    }

    private void CheckRun(RunRecord run)
    {
        var terms = state.Find<AgreementRecord>(AgreementRecord.Key(run.Agreement))!;
        var model = RoundAggregate.InitialModelOf(terms.Agreement);
        if (Digest.Of(model) != terms.Agreement.InitialModel) throw new ExportException(ExportFault.InitialModelDiffers, history.BlockOf(run.Agreement), $"proposes agreement {run.Agreement} with an initial model that its specification and seed do not give");
        for (var number = 1; number <= run.PublishedRounds; number++)
        {
            var published = state.Find<ModelRecord>(ModelRecord.Key(run.Agreement, number))!;
            model = CheckRound(terms, published, model);
            if (published == history.Last) CheckModelFile(terms, model);
        }
    }

    private byte[] CheckRound(AgreementRecord terms, ModelRecord published, byte[] parent)
    {
        var file = history.BlockOf(published);
        var round = state.All<RoundRecord>($"{RoundRecord.Prefix}{published.Agreement}/{published.Round:D6}/").Single(attempt => attempt.Phase is Phase.Published);
        var what = $"publishes round {published.Round} of run {published.Agreement}";
        var aggregate = RoundAggregate.Compute(terms, round, quorum, parent, files.ReadBlob) ?? throw new ExportException(ExportFault.ModelDiffers, file, $"{what}, which has an update that may not be added");
        if (aggregate.Model != published.Model || aggregate.SumRoot != published.SumRoot || aggregate.ModelRoot != published.Root) throw new ExportException(ExportFault.ModelDiffers, file, $"{what} with model {published.Model}, but its committed updates give {aggregate.Model}");
        // The content belongs to a name that was just computed: reading it is comparing it.
        files.ReadBlob(aggregate.SumRoot);
        files.ReadBlob(aggregate.ModelRoot);
        CheckWork(round, published, aggregate.Sum);
        return aggregate.ModelBytes;
    }

    private void CheckWork(RoundRecord round, ModelRecord published, byte[] sum)
    {
        var proposal = round.Proposals.Single(candidate => (candidate.SumRoot, candidate.Model, candidate.ModelRoot) == (published.SumRoot, published.Model, published.Root));
        foreach (var (height, actor, work) in history.VerdictsOn(proposal.Digest))
        {
            if (work != RoundAggregate.WorkOf(actor, sum)) throw new ExportException(ExportFault.WorkNotDone, ExportLayout.Block(height), $"{actor} attested round {published.Round} without the sum: its work digest is not the one that the sum gives");
        }
    }

    private void CheckModelFile(AgreementRecord terms, byte[] model)
    {
        files.Expect(ExportLayout.Model);
        if (modelFile is null) return;
        if (!ModelSpec.TryParse(terms.Agreement.ModelSpec, out var spec) || !ModelBlob.TryRead(spec, model, out var parameters) || !files.Read(ExportLayout.Model, ExportLayout.MaximumBlobBytes).AsSpan().SequenceEqual(modelFile(spec, parameters)))
            throw new ExportException(ExportFault.ModelFileDiffers, ExportLayout.Model, "does not hold the newest published model");
    }
}
