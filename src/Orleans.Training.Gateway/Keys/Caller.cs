using Orleans.Training.Protocol;

namespace Orleans.Training.Gateway.Keys;

/// <summary>What a key may do.</summary>
public static class Scopes
{
    /// <summary>Read everything of the key's federations, and subscribe to their events.</summary>
    public const string Read = "ledger:read";

    /// <summary>Submit signed transactions to the key's federations.</summary>
    public const string Submit = "ledger:submit";

    /// <summary>Every scope.</summary>
    public static IReadOnlyList<string> All { get; } = [Read, Submit];
}

/// <summary>Who holds a good key: the tenant, the shards of its federations and its scopes.</summary>
internal sealed record Caller(string Tenant, IReadOnlySet<Identifier> Shards, IReadOnlySet<string> Scopes);
