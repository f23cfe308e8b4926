using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Training.Grains.Blobs;
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
        _seat = await ValidatorSeat.Open(genesis, folder, store, blobs, files.EvidenceFolder(shard), files.PeersOf(shard), seat => new GrainTransport(GrainFactory, genesis, seat), time, loggers, cancellationToken);
        _ = EndWithTheSeat();
    }

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        if (_seat is not null) await _seat.DisposeAsync();
    }

    public Task Start() => Task.CompletedTask;

    public Task Receive(int from, byte[] message)
    {
        _seat!.Receive(from, message);
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
