using System.Collections.Concurrent;
using Orleans.Training.Cli.Demo;
using Orleans.Training.Client;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.EndToEnd.Drills;

/// <summary>What a drill does from outside: signs, submits, insists with the same bytes when nobody answers, and remembers what was acknowledged.</summary>
internal sealed class Tenant(LedgerClient client, FederationSetup setup, string root)
{
    // OT-6012, which is no rejection: the validators may or may not have the transaction, and want the same bytes again.
    private const Rejection Unavailable = (Rejection)6012;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);
    private readonly ConcurrentDictionary<Digest, bool> _acknowledged = [];

    /// <summary>The transactions that were answered with COMMITTED.</summary>
    public IReadOnlyCollection<Digest> Acknowledged => [.. _acknowledged.Keys];

    /// <summary>Answers that were none: each was followed by the same bytes again.</summary>
    public ConcurrentQueue<string> Interruptions { get; } = [];

    /// <summary>Admits everybody, registers data, and has everybody sign the agreement.</summary>
    public async Task SetUp(TrainingAgreement agreement, CancellationToken cancellationToken)
    {
        await SubmitAll(setup.Admissions(), cancellationToken);
        await SubmitAll(setup.Datasets(), cancellationToken);
        await Submit(await setup.Proposal(agreement), cancellationToken);
        await SubmitAll(setup.Acceptances(agreement), cancellationToken);
    }

    /// <summary>Goes on registering data sets that nobody uses, so that at any moment something has just been acknowledged.</summary>
    public async Task KeepWriting(ParticipantId actor, CancellationToken cancellationToken)
    {
        using var signer = (Ed25519Signer)new KeyFolder(new ShardFiles(root).KeyRoot, actor).Open("transaction");
        var writer = new TransactionWriter(setup.Genesis.Chain, setup.Genesis.Shard, actor, signer, TimeProvider.System);
        using var tick = new PeriodicTimer(Pause);
        try
        {
            for (var number = 0; await tick.WaitForNextTickAsync(cancellationToken); number++)
            {
                await Submit(await writer.Write(new RegisterDataset($"extra-{number}", Digest.Of([1]), 1, "a data set that nobody uses"), default, cancellationToken), cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The drill is over.
        }
    }

    private async Task SubmitAll(IAsyncEnumerable<Transaction> transactions, CancellationToken cancellationToken)
    {
        var waiting = new List<Task>();
        await foreach (var transaction in transactions.WithCancellation(cancellationToken)) waiting.Add(Submit(transaction, cancellationToken));
        await Task.WhenAll(waiting);
    }

    private async Task Submit(Transaction transaction, CancellationToken cancellationToken)
    {
        using var pause = new PeriodicTimer(Pause);
        while (true)
        {
            try
            {
                var rejection = await client.SubmitAndWait(transaction, cancellationToken);
                if (rejection is Unavailable) throw new GatewayException("the validators cannot be reached");
                // Of the votes that admit a participant, one may come when it is admitted already.
                Assert.True(rejection is Rejection.None or Rejection.AlreadyExists, $"{transaction.Payload.Contract}.{transaction.Payload.Method} by {transaction.Payload.Actor}: {rejection}");
                if (rejection is Rejection.None) _acknowledged[transaction.Digest] = true;
                return;
            }
            catch (Exception exception) when (exception is GatewayException or HttpRequestException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
            {
                Interruptions.Enqueue(exception.Message);
                await pause.WaitForNextTickAsync(cancellationToken);
            }
        }
    }
}
