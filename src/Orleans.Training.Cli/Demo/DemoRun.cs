using System.Diagnostics;
using Orleans.Training.Client;
using Orleans.Training.Client.Exports;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Trainer;

namespace Orleans.Training.Cli.Demo;

/// <summary>One published round as the demonstration saw it.</summary>
internal sealed record DemoRound(int Number, Evaluation Result, int Updates, int Participants, long Index, IReadOnlyList<string> Signers, TimeSpan At);

/// <summary>Drives one run through the gateway, as a tenant would: sets it up by signed transactions, follows its events, exports what came of it.</summary>
internal sealed class DemoRun(DemoPlan plan, FederationSetup setup, LedgerClient client, string root)
{
    private readonly Dictionary<int, byte[]> _models = [];

    public TrainingAgreement Agreement { get; } = plan.Agreement();

    /// <summary>From the opening of the first round to the publication of the last.</summary>
    public TimeSpan Elapsed { get; private set; }

    public Evaluation? Final { get; private set; }

    /// <summary>Admits participants, registers data, and has everybody sign the agreement; the last signature starts the run.</summary>
    public async Task SetUp(CancellationToken cancellationToken)
    {
        await SubmitAll(setup.Admissions(), cancellationToken);
        await SubmitAll(setup.Datasets(), cancellationToken);
        await Submit(await setup.Proposal(Agreement), cancellationToken);
        await SubmitAll(setup.Acceptances(Agreement), cancellationToken);
    }

    /// <summary>Follows the run until its last model is published or it fails.</summary>
    public async IAsyncEnumerable<DemoRound> Follow([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var digest = Agreement.ComputeDigest();
        var test = plan.TestRows(root);
        var watch = new Stopwatch();
        var updates = 0;
        await foreach (var item in client.Events(null, cancellationToken))
        {
            if (!StateRecord.TryParse(item.Key, item.Record, out var record)) continue;
            switch (item.Type, record)
            {
                case ("RoundOpened", RoundRecord round) when round.Agreement == digest:
                    if (!watch.IsRunning) watch.Start();
                    break;
                case ("InputsFixed", RoundRecord round) when round.Agreement == digest:
                    updates = round.Survivors(setup.Genesis.Validators.Quorum).Count();
                    break;
                case ("RoundFailed", RoundRecord round) when round.Agreement == digest && round.Attempt >= RunRecord.MaxAttempts:
                    throw new InvalidOperationException($"OT-7006 round {round.Number} failed: {round.Failure}. The silos' logs in {root} say why.");
                case ("ModelPublished", ModelRecord model) when model.Agreement == digest:
                    Elapsed = watch.Elapsed;
                    var blob = await client.Blob(model.Root, cancellationToken);
                    if (Digest.Of(blob) != model.Model || !ModelBlob.TryRead(plan.Spec, blob, out var parameters)) throw new InvalidOperationException($"OT-7007 the model of round {model.Round} is not the one that the ledger names.");
                    _models[model.Round] = blob;
                    Final = LocalTrainer.Evaluate(plan.Spec, parameters, test, cancellationToken: cancellationToken);
                    yield return new DemoRound(model.Round, Final, updates, plan.Participants.Count, item.Index, Signers(model.Attesters), watch.Elapsed);
                    if (model.Round == Agreement.Rounds) yield break;
                    break;
            }
        }
    }

    /// <summary>Writes everything that a stranger needs to check the run.</summary>
    public async Task Export(string folder, CancellationToken cancellationToken)
    {
        var writer = new ExportWriter(folder);
        writer.WriteGenesis(setup.Genesis);
        var machine = new LedgerMachine(setup.Genesis, Signatures.Verify);
        var head = machine.CreateGenesis();
        SignedNote? note;
        // A checkpoint covers whole blocks: read on until the two meet.
        while (true)
        {
            foreach (var (block, finalization) in await client.Blocks((long)head.Block.Header.Height + 1, cancellationToken))
            {
                head = machine.Execute(head, block) ?? throw new InvalidOperationException("OT-7008 the gateway gave a block that does not follow from its parent.");
                writer.WriteBlock(block, finalization);
            }

            note = await client.Checkpoint(cancellationToken);
            if (note is not null && Checkpoint.TryParse(note.Text, out var checkpoint) && checkpoint!.Size == LedgerState.Of(head).Tree.Size) break;
            await Task.Delay(100, cancellationToken);
        }

        writer.WriteCheckpoint(note);
        await ExportReceipts(writer, LedgerState.Of(head).Tree.Size, cancellationToken);
        await ExportBlobs(writer, LedgerState.Of(head).Contracts, cancellationToken);
    }

    private async Task ExportReceipts(ExportWriter writer, long size, CancellationToken cancellationToken)
    {
        for (var index = 0L; index < size; index++)
        {
            if (await client.Receipt(index, cancellationToken) is { } receipt) writer.WriteReceipt(receipt);
        }
    }

    private async Task ExportBlobs(ExportWriter writer, ContractState state, CancellationToken cancellationToken)
    {
        foreach (var round in state.All<RoundRecord>(RoundRecord.Prefix).Where(round => round.Phase is Phase.Published))
        {
            foreach (var position in round.Survivors(setup.Genesis.Validators.Quorum)) writer.WriteBlob(round.Inputs[position].Root, await client.Blob(round.Inputs[position].Root, cancellationToken));
        }

        foreach (var model in state.All<ModelRecord>(ModelRecord.Prefix))
        {
            writer.WriteBlob(model.SumRoot, await client.Blob(model.SumRoot, cancellationToken));
            writer.WriteBlob(model.Root, await client.Blob(model.Root, cancellationToken));
        }

        if (_models.Count > 0 && ModelBlob.TryRead(plan.Spec, _models[_models.Keys.Max()], out var parameters)) writer.WriteModel(Safetensors.Write(plan.Spec, parameters));
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
        if (rejection is not Rejection.None) throw new InvalidOperationException($"OT-{(int)rejection} {transaction.Payload.Contract}.{transaction.Payload.Method} by {transaction.Payload.Actor} was refused: {rejection}.");
    }
}
