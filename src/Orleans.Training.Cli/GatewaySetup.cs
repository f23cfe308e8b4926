using Orleans.Training.Gateway;
using Orleans.Training.Gateway.Keys;
using Orleans.Training.Grains;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Cli;

/// <summary>The gateway of one machine: its API keys lie beside the shards.</summary>
internal static class GatewaySetup
{
    public static string KeyFile(string root) => Path.Combine(root, "api-keys.json");

    /// <summary>Serves every shard that this machine has.</summary>
    public static void Configure(GatewayOptions options, string root)
    {
        foreach (var shard in new ShardFiles(root).Shards) options.Shards.Add(shard);
        options.ApiKeyFile = KeyFile(root);
    }

    /// <summary>Makes a key that opens the federation of one shard; shown once.</summary>
    public static string CreateKey(string root, Genesis genesis) => ApiKeys.Create(KeyFile(root), "demo", [genesis.Shard], Scopes.All, TimeProvider.System);
}
