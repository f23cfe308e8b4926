using Orleans.Concurrency;
using Orleans.Training.Protocol.Contracts;

namespace Orleans.Training.Grains.Contracts;

/// <summary>A record of the contracts' state, encoded, under its key.</summary>
[GenerateSerializer, Immutable, Alias("otrain.StateItem")]
public sealed record StateItem([property: Id(0)] string Key, [property: Id(1)] byte[] Record);

/// <summary>
/// Reads the state of a shard's contracts, in the silo that asks: it never shows less than the shard's grain does at the moment of the call. Key: the shard's identifier.
/// </summary>
[Alias("otrain.IContractsGrain")]
public interface IContractsGrain : IGrainWithStringKey
{
    /// <summary>The record at a state key; null when there is none.</summary>
    [AlwaysInterleave, Alias("Find")]
    Task<byte[]?> Find(string key);

    /// <summary>Up to <paramref name="first"/> (at most 100) records whose keys begin with a prefix, after a key, in key order.</summary>
    [AlwaysInterleave, Alias("List")]
    Task<StateItem[]> List(string prefix, string? after, int first);

    /// <summary>How many records there are whose keys begin with a prefix.</summary>
    [AlwaysInterleave, Alias("Count")]
    Task<long> Count(string prefix);
}

/// <summary>Typed reading.</summary>
public static class ContractsGrainExtensions
{
    /// <summary>The record at a state key; null when there is none of this type.</summary>
    public static async Task<T?> Find<T>(this IContractsGrain contracts, string key) where T : Protocol.Contracts.StateRecord =>
        await contracts.Find(key) is { } bytes && Protocol.Contracts.StateRecord.TryParse(key, bytes, out var record) ? record as T : null;

    /// <summary>The newest attempt before a round whose sum has a participant's update; null when there is none. Of an agreement without groups.</summary>
    public static async Task<RoundRecord?> FindLastCounted(this IContractsGrain contracts, AgreementRecord terms, RoundRecord round, int position)
    {
        for (var number = round.Number - 1; number > 0; number--)
        {
            for (var attempt = 1; attempt <= RunRecord.MaxAttempts; attempt++)
            {
                if (await contracts.Find<RoundRecord>(RoundRecord.Key(round.Agreement, number, attempt)) is not { Phase: Phase.Published } published) continue;
                var counts = terms.Agreement.Masks
                    ? await contracts.Find<UnmaskOrderRecord>(UnmaskOrderRecord.Key(published)) is { } order && order.Inputs.Any(input => input.Position == position)
                    : published.Survivors(1).Contains(position);
                if (counts) return published;
            }
        }

        return null;
    }
}
