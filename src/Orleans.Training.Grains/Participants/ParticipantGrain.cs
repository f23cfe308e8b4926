using Orleans.Training.Grains.Keys;
using Orleans.Training.Grains.Ledger;
using Orleans.Training.Grains.Silos;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;

namespace Orleans.Training.Grains.Participants;

/// <inheritdoc cref="IParticipantGrain"/>
[GrainType("otrain.participant"), RequireParticipant]
internal sealed class ParticipantGrain(ShardFiles files, TimeProvider time) : Grain, IParticipantGrain
{
    private ISigner _signer = null!;
    private TransactionWriter _writer = null!;
    private ILedgerShardGrain _shard = null!;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        var key = this.GetPrimaryKeyString();
        var (shard, participant) = (GrainKeys.ShardOf(key), GrainKeys.ParticipantOf(key));
        var folder = new KeyFolder(files.KeyRoot, participant);
        _signer = folder.Open("transaction");
        _writer = new TransactionWriter(files.Genesis(shard).Chain, shard, participant, _signer, time);
        _shard = GrainFactory.GetGrain<ILedgerShardGrain>(shard.ToString());
        return Task.CompletedTask;
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        (_signer as IDisposable)?.Dispose();
        return Task.CompletedTask;
    }

    public async Task<int> CommitInput(byte[] agreement, int round, int attempt, byte[] baseModel, byte[] root)
    {
        var call = new InputCommit(Digest.From(agreement), round, attempt, Digest.From(baseModel), Digest.From(root));
        var transaction = await _writer.Write(call, default, CancellationToken.None);
        return (await _shard.Submit(transaction.Encoded.ToArray())).Rejection;
    }
}
