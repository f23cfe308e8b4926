using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Grains.Rounds;
using Orleans.Training.Grains.Silos;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>
/// Owns a <see cref="ValidatorHost"/> while it is active. Two activations cannot both sign: the store lets in one opener only, or lets only the last one append. When the host ends, so does the activation.
/// The seats of a shard spread over the silos that they may live in, so that one death does not stop them all.
/// </summary>
[GrainType("otrain.validator"), RequireParticipant, KeepAlive, SpreadEvenly]
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "Host and worker are disposed of in OnDeactivateAsync.")]
internal sealed class ValidatorGrain(ShardFiles files, ValidatorStores stores, IBlobStore blobs, TimeProvider time, IHostApplicationLifetime silo, ILoggerFactory loggers) : Grain, IValidatorGrain
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(4);
    private ValidatorHost? _host;
    private RoundWorker? _worker;

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        var key = this.GetPrimaryKeyString();
        var (shard, organisation) = (GrainKeys.ShardOf(key), GrainKeys.ParticipantOf(key));
        var genesis = files.Genesis(shard);
        var keys = ShardFiles.OpenSeat(new KeyFolder(files.KeyRoot, organisation));
        var store = await stores.Open(shard, organisation, cancellationToken);
        try
        {
            _host = await ValidatorHost.Start(genesis, keys, store, new GrainTransport(GrainFactory, genesis, ValidatorHost.SeatOf(genesis, keys)), time, loggers.CreateLogger<ValidatorHost>(), cancellationToken);
        }
        catch
        {
            await store.DisposeAsync();
            throw;
        }

        var writer = new TransactionWriter(genesis.Chain, shard, organisation, keys.Transaction, time);
        _worker = new RoundWorker(_host, genesis, writer, blobs, time, loggers.CreateLogger<RoundWorker>());
        _ = EndWithTheHost();
    }

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        if (_worker is not null) await _worker.DisposeAsync();
        if (_host is not null) await _host.DisposeAsync();
    }

    public Task Start() => Task.CompletedTask;

    public Task Receive(int from, byte[] message)
    {
        _host!.Receive(from, message);
        return Task.CompletedTask;
    }

    public async Task<int[]> Submit(byte[][] transactions)
    {
        var answers = new int[transactions.Length];
        var parsed = new List<(int Position, Transaction Transaction)>();
        for (var i = 0; i < transactions.Length; i++)
        {
            answers[i] = (int)Transaction.TryParse(transactions[i], out var transaction);
            if (answers[i] == 0) parsed.Add((i, transaction!));
        }

        var rejections = await _host!.Submit([.. parsed.Select(item => item.Transaction)]);
        for (var i = 0; i < rejections.Count; i++) answers[parsed[i].Position] = (int)rejections[i];
        return answers;
    }

    public async Task<FinalBlocks> Follow(long height)
    {
        using var patience = new CancellationTokenSource(Patience, time);
        // Nobody waits for a silo that is about to stop, and it need not wait for itself.
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, silo.ApplicationStopping);
        try
        {
            await _host!.Chain.WaitFor(height, either.Token);
        }
        catch (OperationCanceledException)
        {
            return new FinalBlocks([], null);
        }

        var (blocks, finalization) = _host.FinalFrom(height);
        return new FinalBlocks([.. blocks.Select(block => block.Encode())], finalization?.Encode().ToArray());
    }

    public Task<string?> Checkpoint() => Task.FromResult(_host!.Checkpoint?.ToString());

    private async Task EndWithTheHost()
    {
        await _host!.Completion.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        // The host has made sure that the journal is still its own, so nobody else can be the one that voted: the journal was restored or copied, and its key may never vote again.
        if (_host.Completion.Exception?.InnerException is OperationalException { Code: ValidatorHost.GuardLostCode }) new KeyFolder(files.KeyRoot, GrainKeys.ParticipantOf(this.GetPrimaryKeyString())).Destroy("vote");
        DeactivateOnIdle();
    }

    private sealed class GrainTransport(IGrainFactory grains, Genesis genesis, int from) : ITransport
    {
        private readonly IValidatorGrain[] _seats = [.. genesis.Validators.Seats.Select(seat => grains.GetGrain<IValidatorGrain>(GrainKeys.Of(genesis.Shard, seat.Organisation.Name)))];

        public void Send(int seat, ReadOnlyMemory<byte> message) => _ = SendQuietly(seat, message.ToArray());

        private async Task SendQuietly(int seat, byte[] message)
        {
            try
            {
                await _seats[seat].Receive(from, message);
            }
            catch (Exception)
            {
                // The network may lose messages; consensus sends again what matters.
            }
        }
    }
}
