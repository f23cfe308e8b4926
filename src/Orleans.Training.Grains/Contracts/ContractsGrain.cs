using Orleans.Concurrency;
using Orleans.Training.Grains.Ledger;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;

namespace Orleans.Training.Grains.Contracts;

/// <inheritdoc cref="IContractsGrain"/>
[GrainType("otrain.contracts"), StatelessWorker(1)]
internal sealed class ContractsGrain(ShardFollowers followers) : Grain, IContractsGrain
{
    private ShardFollower _follower = null!;
    private ILedgerShardGrain _shard = null!;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        var key = this.GetPrimaryKeyString();
        _follower = followers.Of(GrainKeys.ShardOf(key));
        _shard = GrainFactory.GetGrain<ILedgerShardGrain>(key);
        return Task.CompletedTask;
    }

    public async Task<byte[]?> Find(string key) => (await State()).Find<StateRecord>(key)?.Encode();

    public async Task<StateItem[]> List(string prefix, string? after, int first) =>
        [.. (await State()).Range(prefix, after).Take(Math.Clamp(first, 0, 100)).Select(pair => new StateItem(pair.Key, pair.Value.Encode()))];

    public async Task<long> Count(string prefix) => (await State()).Count(prefix);

    // Whoever has heard of an entry from the shard's grain finds here what it wrote.
    private async Task<ContractState> State()
    {
        if (!await _follower.Reach(await _shard.Size())) throw new OperationalException("OT-7028", "This silo does not hear from enough validators to show the newest state: ask again, or another silo.");
        return _follower.Head.Contracts;
    }
}
