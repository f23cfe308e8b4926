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
    private ISigner _derivation = null!;
    private TransactionWriter _writer = null!;
    private ILedgerShardGrain _shard = null!;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        var key = this.GetPrimaryKeyString();
        var (shard, participant) = (GrainKeys.ShardOf(key), GrainKeys.ParticipantOf(key));
        var folder = new KeyFolder(files.KeyRoot, participant);
        _signer = folder.Open("transaction");
        _derivation = folder.Open(ParticipantSecrets.KeyName);
        _writer = new TransactionWriter(files.Genesis(shard).Chain, shard, participant, _signer, time);
        _shard = GrainFactory.GetGrain<ILedgerShardGrain>(shard.ToString());
        return Task.CompletedTask;
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        (_signer as IDisposable)?.Dispose();
        (_derivation as IDisposable)?.Dispose();
        return Task.CompletedTask;
    }

    public async Task<int> Submit(string contract, string method, byte[] arguments, byte[] salt)
    {
        var rejection = ContractCalls.TryRead(contract, method, arguments, out var call);
        if (rejection is not Rejection.None) return (int)rejection;
        var transaction = await _writer.Write(call!, salt, CancellationToken.None);
        return (await _shard.Submit(transaction.Encoded.ToArray())).Rejection;
    }

    public Task<byte[]> Derive(string context) => ParticipantSecrets.Derive(_derivation, context, CancellationToken.None).AsTask();
}
