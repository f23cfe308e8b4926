using Microsoft.Extensions.Options;
using Orleans.Training.Protocol;

namespace Orleans.Training.Gateway;

/// <summary>What a gateway needs to know. Nobody gets in without a key of <see cref="ApiKeyFile"/>.</summary>
public sealed class GatewayOptions
{
    /// <summary>The shards that this gateway serves; each is the ledger of one federation. At least one.</summary>
    public IList<Identifier> Shards { get; } = [];

    /// <summary>The file with the hashes of API keys (docs/spec/api.md §2). It is read again when it changes.</summary>
    public string ApiKeyFile { get; set; } = "";

    /// <summary>How long a WebSocket may stay without <c>connection_init</c>. Default 10 s.</summary>
    public TimeSpan ConnectionInitTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long one message may take to leave for a client before its connection is cut. Default 30 s.</summary>
    public TimeSpan SendTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Operations that may be open on one WebSocket. Default 16, at most 256.</summary>
    public int OperationsPerConnection { get; set; } = 16;
}

internal sealed class GatewayOptionsValidator : IValidateOptions<GatewayOptions>
{
    public ValidateOptionsResult Validate(string? name, GatewayOptions options)
    {
        var failures = new List<string>();
        if (options.Shards.Count == 0 || options.Shards.Distinct().Count() != options.Shards.Count) failures.Add("OT-6020 Shards must name at least one shard, and none twice.");
        if (string.IsNullOrEmpty(options.ApiKeyFile)) failures.Add("OT-6020 ApiKeyFile must name a file: without keys nobody gets in.");
        if (options.ConnectionInitTimeout <= TimeSpan.Zero || options.SendTimeout <= TimeSpan.Zero) failures.Add($"OT-6020 ConnectionInitTimeout ({options.ConnectionInitTimeout}) and SendTimeout ({options.SendTimeout}) must be above zero.");
        if (options.OperationsPerConnection is < 1 or > 256) failures.Add($"OT-6020 OperationsPerConnection ({options.OperationsPerConnection}) must be 1 to 256.");
        return failures.Count > 0 ? ValidateOptionsResult.Fail(failures) : ValidateOptionsResult.Success;
    }
}
