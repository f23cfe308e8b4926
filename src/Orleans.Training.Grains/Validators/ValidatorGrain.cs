using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.History;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Grains.Silos;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>
/// Owns a <see cref="ValidatorSeat"/> while it is active. Two activations cannot both sign: the store lets in one opener only, or lets only the last one append. When the seat ends, so does the activation.
/// The seats of a shard spread over the silos that they may live in, so that one death does not stop them all.
/// </summary>
[GrainType("otrain.validator"), RequireParticipant, KeepAlive, SpreadEvenly]
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "The seat is disposed of in OnDeactivateAsync.")]
internal sealed class ValidatorGrain(ShardFiles files, ValidatorStores stores, IBlobStore blobs, TimeProvider time, IHostApplicationLifetime silo, ILoggerFactory loggers) : Grain, IValidatorGrain
{
    private ValidatorSeat? _seat;

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        var key = this.GetPrimaryKeyString();
        var (shard, organisation) = (GrainKeys.ShardOf(key), GrainKeys.ParticipantOf(key));
        var genesis = files.Genesis(shard);
        var folder = new KeyFolder(files.KeyRoot, organisation);
        var store = await stores.Open(shard, organisation, cancellationToken);
        var history = HistoryFolder.OpenIfFree(files.HistoryFolder(shard, organisation), loggers.CreateLogger<HistoryFolder>());
        _seat = await ValidatorSeat.Open(genesis, folder, store, blobs, files.EvidenceFolder(shard), files.PeersOf(shard), new GrainTransport(GrainFactory, genesis.Shard, organisation), time, loggers, cancellationToken, history);
        _ = EndWithTheSeat();
    }

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        if (_seat is not null) await _seat.DisposeAsync();
    }

    public Task Start() => Task.CompletedTask;

    public Task Receive(string from, byte[] message)
    {
        if (ParticipantId.TryParse(from, out var organisation)) _seat!.Receive(organisation, message);
        return Task.CompletedTask;
    }

    public async Task<int[]> Submit(byte[][] transactions) => [.. (await _seat!.Submit([.. transactions.Select(transaction => (ReadOnlyMemory<byte>)transaction)])).Select(rejection => (int)rejection)];

    // Nobody waits for a silo that is about to stop, and it need not wait for itself.
    public Task<FinalBlocks> Follow(long height) => _seat!.Follow(height, silo.ApplicationStopping);

    public Task<string?> Checkpoint() => Task.FromResult(_seat!.Checkpoint?.ToString());

    private async Task EndWithTheSeat()
    {
        await _seat!.Completion.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        DeactivateOnIdle();
    }

    private sealed class GrainTransport(IGrainFactory grains, Identifier shard, ParticipantId from) : ITransport
    {
        public void Send(ParticipantId to, ReadOnlyMemory<byte> message) => _ = SendQuietly(to, message.ToArray());

        private async Task SendQuietly(ParticipantId to, byte[] message)
        {
            try
            {
                await grains.GetGrain<IValidatorGrain>(GrainKeys.Of(shard, to.Name)).Receive(from.Name, message);
            }
            catch (Exception)
            {
                // The network may lose messages; consensus sends again what matters.
            }
        }
    }
}
