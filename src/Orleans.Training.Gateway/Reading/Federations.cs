using Microsoft.Extensions.Options;
using Orleans.Training.Gateway.Keys;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.Contracts;
using Orleans.Training.Grains.Ledger;
using Orleans.Training.Protocol;

namespace Orleans.Training.Gateway.Reading;

/// <summary>The federations that this gateway serves, and the only way to one: through a caller that may see it.</summary>
internal sealed class Federations(IOptions<GatewayOptions> options, ShardFiles files, IGrainFactory grains, IBlobStore blobs)
{
    private readonly Dictionary<Identifier, FederationReader> _readers = options.Value.Shards.ToDictionary(shard => shard, shard => new FederationReader(files.Genesis(shard), grains.GetGrain<ILedgerShardGrain>(shard.ToString()), grains.GetGrain<IContractsGrain>(shard.ToString()), blobs));

    /// <summary>The federation of a shard; null when there is none or the caller may not see it, which look the same.</summary>
    public FederationReader? Find(Caller caller, Identifier shard) => caller.Shards.Contains(shard) ? _readers.GetValueOrDefault(shard) : null;

    /// <summary>The federation of an id of one of these kinds; null also for what is no id.</summary>
    public FederationReader? Find(Caller caller, string id, string prefix, out GlobalId parsed) =>
        GlobalId.TryParse(id, out parsed) && parsed.Prefix == prefix ? Find(caller, parsed.Shard) : null;
}
