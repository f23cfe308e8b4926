using System.Diagnostics;
using System.Runtime.CompilerServices;
using Orleans.Training.Client;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Protocol.Privacy;
using Orleans.Training.Trainer;

namespace Orleans.Training.Cli.Demo;

/// <summary>One published round as the demonstration saw it; with noise, ε that the most used data set has spent by then.</summary>
internal sealed record DemoRound(int Number, Evaluation Result, int Updates, int Participants, long Index, IReadOnlyList<string> Signers, TimeSpan At, double? Spent);

/// <summary>One step of a round as its events told it: RoundOpened, InputsFixed or RevealsFixed (with the number of updates that count) or ModelPublished (with the model).</summary>
internal sealed record DemoStep(string Type, int Round, TimeSpan At, long Index, int Updates, ModelRecord? Model, double? Spent = null);

/// <summary>Drives one run through the gateway, as a tenant would: sets it up by signed transactions, follows its events, exports what came of it.</summary>
internal sealed class DemoRun(DemoPlan plan, FederationSetup setup, LedgerClient client, string root, bool masks)
{
    private long _lastIndex;

    public TrainingAgreement Agreement { get; } = plan.Agreement(masks);

    /// <summary>From the opening of the first round to the publication of the last.</summary>
    public TimeSpan Elapsed { get; private set; }

    public Evaluation? Final { get; private set; }

    /// <summary>Admits participants, registers data, and and has everybody sign the agreement.</summary>
    public async Task SetUp(CancellationToken cancellationToken)
    {
        await SubmitAll(setup.Admissions(), cancellationToken);
        await SubmitAll(setup.Datasets(), cancellationToken);
        if (plan.Noise is { } noise) await SubmitAll(setup.Budgets(noise.Budget, Agreement.Groups?.Trusted is { } trusted ? Agreement.Datasets[trusted].Participant : null), cancellationToken);
        await Agree(cancellationToken);
    }

    /// <summary>Has everybody sign the agreement; the last signature starts the run.</summary>
    public async Task Agree(CancellationToken cancellationToken)
    {
        await Submit(await setup.Proposal(Agreement), cancellationToken);
        await SubmitAll(setup.Acceptances(Agreement), cancellationToken);
    }

    /// <summary>All agree on one round more, and somebody asks for it: what the ledger says to that, and the ε that it would have come to.</summary>
    public async Task<(Rejection Answer, double Epsilon)> AskForMore(CancellationToken cancellationToken)
    {
        // About another model: whose update is in a sum about one is in no second sum about it anyway.
        var more = Agreement with { Name = $"{Agreement.Name}-more", Seed = Digest.Of("more"u8), Rounds = 1 };
        more = more with { InitialModel = Digest.Of(RoundAggregate.InitialModelOf(more)) };
        await Submit(await setup.Proposal(more), cancellationToken);
        await SubmitAll(setup.Acceptances(more), cancellationToken);
        if (more.Groups is not null) await Drawn(more, cancellationToken);
        var spent = Enumerable.Repeat(Agreement.RoundCost!, Agreement.Rounds + 1).Aggregate(PrivacyCost.None, (sum, cost) => sum.Plus(cost));
        return (await client.SubmitAndWait(await setup.Opening(more), cancellationToken), DemoNoise.EpsilonOf(spent));
    }

    private async Task Drawn(TrainingAgreement agreement, CancellationToken cancellationToken)
    {
        var key = AgreementRecord.Key(agreement.ComputeDigest());
        await foreach (var item in client.Events(null, cancellationToken))
        {
            if (item.Type is "GroupsDrawn" && item.Key == key) return;
        }
    }

    /// <summary>Follows the run until its last model is published or it fails, and evaluates every model.</summary>
    public async IAsyncEnumerable<DemoRound> Follow([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var test = plan.TestRows(root);
        await foreach (var step in Steps(cancellationToken))
        {
            if (step.Model is not { } model) continue;
            var blob = await client.Model(model.Root, cancellationToken);
            if (Digest.Of(blob) != model.Model || !ModelBlob.TryRead(plan.Spec, blob, out var parameters)) throw new InvalidOperationException($"OT-7007 the model of round {model.Round} is not the one that the ledger names.");
            Final = LocalTrainer.Evaluate(plan.Spec, parameters, test, cancellationToken: cancellationToken);
            yield return new DemoRound(model.Round, Final, step.Updates, plan.Participants.Count, step.Index, Signers(model.Attesters), step.At, step.Spent);
        }
    }

    /// <summary>The steps of all rounds, timed from the opening of the first.</summary>
    public async IAsyncEnumerable<DemoStep> Steps([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var digest = Agreement.ComputeDigest();
        var watch = new Stopwatch();
        var updates = 0;
        double? spent = null;
        await foreach (var item in client.Events(null, cancellationToken))
        {
            if (!StateRecord.TryParse(item.Key, item.Record, out var record)) continue;
            switch (item.Type, record)
            {
                case ("RoundOpened", RoundRecord round) when round.Agreement == digest:
                    if (!watch.IsRunning) watch.Start();
                    updates = 0;
                    yield return new DemoStep(item.Type, round.Number, watch.Elapsed, item.Index, 0, null);
                    break;
                case ("InputsFixed", RoundRecord round) when round.Agreement == digest:
                    updates = round.Survivors(setup.Genesis.Validators.Quorum).Count();
                    yield return new DemoStep(item.Type, round.Number, watch.Elapsed, item.Index, updates, null);
                    break;
                case ("UnmaskOrdered", UnmaskOrderRecord order) when item.Key.Contains(digest.ToString(), StringComparison.Ordinal):
                    updates += order.Inputs.Count;
                    break;
                case ("BudgetSpent", BudgetRecord budget):
                    spent = Math.Max(spent ?? 0, DemoNoise.EpsilonOf(budget.Spent));
                    break;
                case ("RevealsFixed", RoundRecord round) when round.Agreement == digest:
                    yield return new DemoStep(item.Type, round.Number, watch.Elapsed, item.Index, updates, null);
                    break;
                case ("RoundFailed", RoundRecord round) when round.Agreement == digest && round.Attempt >= RunRecord.MaxAttempts:
                    throw new InvalidOperationException($"OT-7006 round {round.Number} failed: {round.Failure}. The silos' logs in {root} say why.");
                case ("ModelPublished", ModelRecord model) when model.Agreement == digest:
                    (_lastIndex, Elapsed) = (item.Index, watch.Elapsed);
                    yield return new DemoStep(item.Type, model.Round, Elapsed, item.Index, updates, model, spent);
                    if (model.Round == Agreement.Rounds) yield break;
                    break;
            }
        }
    }

    /// <summary>The newest checkpoint, once it covers the last model.</summary>
    public async Task<SignedNote> FinalCheckpoint(CancellationToken cancellationToken)
    {
        while (true)
        {
            if (await client.Checkpoint(cancellationToken) is { } note && Checkpoint.TryParse(note.Text, out var checkpoint) && checkpoint!.Size > _lastIndex) return note;
            await Task.Delay(50, cancellationToken);
        }
    }

    private string[] Signers(uint attesters) => [.. setup.Genesis.Validators.Seats.Where((_, seat) => (attesters >> seat & 1) != 0).Select(seat => seat.Organisation.Name)];

    private async Task SubmitAll(IAsyncEnumerable<Transaction> transactions, CancellationToken cancellationToken)
    {
        var waiting = new List<Task>();
        await foreach (var transaction in transactions.WithCancellation(cancellationToken)) waiting.Add(Submit(transaction, cancellationToken));
        await Task.WhenAll(waiting);
    }

    private async Task Submit(Transaction transaction, CancellationToken cancellationToken)
    {
        var rejection = await client.SubmitAndWait(transaction, cancellationToken);
        // A set-up that was cut short is done again: what is there already is no fault.
        if (rejection is not (Rejection.None or Rejection.AlreadyExists or Rejection.TransactionIdReused)) throw new InvalidOperationException($"OT-{(int)rejection} {transaction.Payload.Contract}.{transaction.Payload.Method} by {transaction.Payload.Actor} was refused: {rejection}.");
    }
}
