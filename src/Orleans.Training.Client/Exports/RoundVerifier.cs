using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Client.Exports;

/// <summary>Computes every published round again from its committed updates, and compares sum, model, work digests and model file.</summary>
internal sealed class RoundVerifier(ExportReader files, RoundHistory history, ContractState state, Genesis genesis, SignatureCheck verify)
{
    // Half a megabyte each, while their images are made.
    private const int ImagesAtOnce = 32;

    private readonly List<FalseWork> _falseWork = [];

    /// <summary>Validators whose statement about the newest model was checked.</summary>
    public int Statements { get; private set; }

    /// <summary>Rounds whose updates have expired: their sums are a quorum's word, and nobody can compute them again.</summary>
    public int Expired { get; private set; }

    /// <summary>What somebody has signed and the updates do not bear out, in the order of rounds.</summary>
    public IReadOnlyList<FalseWork> FalseWork => _falseWork.ToArray();

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
        // Until a quorum has attested a round, an agreement is the word of its participants alone, and binds nobody else.
        if (run.PublishedRounds == 0) return;
        var terms = state.Find<AgreementRecord>(AgreementRecord.Key(run.Agreement))!;
        var model = RoundAggregate.InitialModelOf(terms.Agreement);
        if (Digest.Of(model) != terms.Agreement.InitialModel) throw new ExportException(ExportFault.InitialModelDiffers, history.BlockOf(run.Agreement), $"proposes agreement {run.Agreement} with an initial model that its specification and seed do not give");
        for (var number = 1; number <= run.PublishedRounds; number++)
        {
            var published = state.Find<ModelRecord>(ModelRecord.Key(run.Agreement, number))!;
            model = CheckRound(terms, published, model);
            if (published == history.Last) CheckModelFile(terms, published, model);
        }
    }

    private byte[] CheckRound(AgreementRecord terms, ModelRecord published, byte[] parent)
    {
        var file = history.BlockOf(published);
        var round = state.All<RoundRecord>($"{RoundRecord.Prefix}{published.Agreement}/{published.Round:D6}/").Single(attempt => attempt.Phase is Phase.Published);
        var validators = history.ValidatorsOf(published);
        var what = $"publishes round {published.Round} of run {published.Agreement}";
        var isExpired = ExpiryContract.IsOver(state, round);
        var aggregate = isExpired ? Follow(terms, round, published, validators.Quorum, parent) ?? throw new ExportException(ExportFault.ModelDiffers, file, $"{what} with a sum that can be none")
            : terms.Agreement.Masks ? Unmask(terms, round, parent, file, what)
            : RoundAggregate.Compute(terms, round, validators.Quorum, parent, files.ReadBlob) ?? throw new ExportException(ExportFault.ModelDiffers, file, $"{what}, which has an update that may not be added");
        if (aggregate.Model != published.Model || aggregate.SumRoot != published.SumRoot || aggregate.ModelRoot != published.Root) throw new ExportException(ExportFault.ModelDiffers, file, $"{what} with model {published.Model}, but its committed updates give {aggregate.Model}");
        // The content belongs to a name that was just computed: reading it is comparing it.
        files.ReadBlob(aggregate.SumRoot);
        files.ReadBlob(aggregate.ModelRoot);
        if (isExpired) Expired++;
        else CheckWords(round, published, aggregate);
        // What the masks were nobody can know any more.
        if (!isExpired || terms.Agreement.Masking is not { Check: SumCheck.Projected }) CheckWork(terms, round, published, validators, aggregate.Sum);
        return aggregate.ModelBytes;
    }

    private RoundAggregate? Follow(AgreementRecord terms, RoundRecord round, ModelRecord published, int quorum, byte[] parent)
    {
        var sum = files.ReadBlob(published.SumRoot)!.Value;
        if (!terms.Agreement.Masks) return RoundAggregate.Follow(terms, round, quorum, parent, sum.Span);
        var masked = new MaskedAttempt(key => state.Find<StateRecord>(key), terms, round);
        int[]? reference = [];
        if (masked.Reference is { } root && !MaskedAggregate.TryReadReference(terms, files.ReadBlob(root)!.Value.Span, out reference)) return null;
        MaskedAggregate.TryFollow(masked, parent, sum, reference, out _, out var aggregate);
        return aggregate;
    }

    // Who survived, what they revealed and whose openings count all follow from the executed blocks; the blobs are only what those name.
    private RoundAggregate Unmask(AgreementRecord terms, RoundRecord round, byte[] parent, string file, string what)
    {
        var masked = new MaskedAttempt(key => state.Find<StateRecord>(key), terms, round);
        var fault = MaskedAggregate.TryCompute(masked, parent, files.ReadBlob, out var aggregate, out var culprit);
        if (aggregate is not null) return aggregate;
        var whose = MaskedAggregate.NamesCulprit(fault) ? $" by fault of {terms.Agreement.Datasets[culprit].Participant}" : "";
        throw new ExportException(ExportFault.ModelDiffers, file, $"{what}, which has no sum{whose} (OT-{(int)fault} {fault})");
    }

    // What was proposed beside what was published, and what was said of either.
    private void CheckWords(RoundRecord round, ModelRecord published, RoundAggregate computed)
    {
        foreach (var proposal in round.Proposals)
        {
            var isRight = (proposal.SumRoot, proposal.Model, proposal.ModelRoot) == (computed.SumRoot, computed.Model, computed.ModelRoot);
            if (!isRight) _falseWork.Add(new FalseWork(proposal.Proposer, published.Agreement, published.Round, history.BlockOf(proposal), null, FalseWord.Proposal));
            _falseWork.AddRange(history.VerdictsOn(proposal.Digest).Where(verdict => verdict.Ok != isRight).Select(verdict => new FalseWork(verdict.Actor, published.Agreement, published.Round, ExportLayout.Block(verdict.Height), null, FalseWord.Verdict)));
        }
    }

    private void CheckWork(AgreementRecord terms, RoundRecord round, ModelRecord published, ValidatorSet validators, byte[] sum)
    {
        var proposal = round.Proposals.Single(candidate => (candidate.SumRoot, candidate.Model, candidate.ModelRoot) == (published.SumRoot, published.Model, published.Root));
        var computed = sum;
        if (terms.Agreement.Masking is { Check: SumCheck.Projected })
        {
            var masked = new MaskedAttempt(key => state.Find<StateRecord>(key), terms, round);
            CheckImages(masked, proposal, published, validators);
            // The sum was computed from them before.
            MaskedUnmasking.Of(masked.Groups[0], files.ReadBlob).TryRemove(out var masks, out _);
            using (masks) computed = ProjectedSum.DigestOf(masked.Layout, masks).ToArray();
        }

        var verdicts = history.VerdictsOn(proposal.Digest).Where(verdict => verdict.Ok).ToArray();
        FalseWork[] found = [.. verdicts.Where(verdict => verdict.Work != RoundAggregate.WorkOf(verdict.Actor, computed)).Select(verdict => new FalseWork(verdict.Actor, published.Agreement, published.Round, ExportLayout.Block(verdict.Height)))];
        // Among a quorum f may lie; the others have done the work.
        if (verdicts.Length - found.Length < validators.Quorum - validators.MaxFaulty) throw new ExportException(ExportFault.WorkNotDone, found[0].File, $"publishes round {published.Round} of run {published.Agreement}, which {string.Join(", ", found.Select(item => item.Actor))} attested without the sum: more than {validators.MaxFaulty} of {validators.Count} validators");
        _falseWork.AddRange(found);
    }

    // An image that somebody has told and the update does not have is a lie in its own signed words. The sum is right, whoever lied: it was computed again.
    private void CheckImages(MaskedAttempt masked, Proposal proposal, ModelRecord published, ValidatorSet validators)
    {
        using var projection = new SumProjection(masked.Layout, new ProjectedSum(masked, proposal).FindBeacon(validators.MaxFaulty)!.Value);
        var told = history.ImagesOf(proposal.Digest).SelectMany(item => item.Images.Select(image => (item.Height, item.Actor, image.Position, image.Image))).ToLookup(item => item.Position);
        foreach (var positions in masked.Survivors.Positions.Chunk(ImagesAtOnce))
        {
            var images = projection.Finish([.. positions.Select(position => projection.Of(files.ReadBlob(masked.RootOf(MaskBlobKind.Input, position)!.Value)!.Value.Span))]);
            foreach (var (position, image) in positions.Zip(images))
            {
                foreach (var lie in told[position].Where(item => !item.Image.Span.SequenceEqual(image)))
                    _falseWork.Add(new FalseWork(lie.Actor, published.Agreement, published.Round, ExportLayout.Block(lie.Height), masked.Terms.Agreement.Datasets[position].Participant, FalseWord.Image));
            }
        }
    }

    private void CheckModelFile(AgreementRecord terms, ModelRecord published, byte[] model)
    {
        var file = files.Read(ExportLayout.Model, ExportLayout.MaximumBlobBytes);
        if (!ModelSpec.TryParse(terms.Agreement.ModelSpec, out var spec) || !ModelBlob.TryRead(spec, model, out var parameters) || !file.AsSpan().SequenceEqual(ModelFile.Write(spec, parameters)))
            throw new ExportException(ExportFault.ModelFileDiffers, ExportLayout.Model, "does not hold the newest published model");
        var statement = ModelStatement.Write(genesis, state, published, history.EntryOf(published), Digest.Of(file));
        foreach (var seat in history.Newest.Seats.Where(seat => files.Has(ExportLayout.Statement(seat.Organisation))))
        {
            var name = ExportLayout.Statement(seat.Organisation);
            if (!StatementBundle.Verify(files.Read(name, StatementBundle.MaximumBytes), statement, seat.TransactionKey, verify))
                throw new ExportException(ExportFault.BadStatement, name, $"is not what {seat.Organisation} must say about model {published.Model}, signed with its key {seat.TransactionKey.Id}");
            Statements++;
        }
    }
}
