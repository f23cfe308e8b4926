using Orleans.Training.Protocol;

namespace Orleans.Training.Grains;

/// <summary>The keys of grains that belong to a shard: <c>shard/name</c>.</summary>
public static class GrainKeys
{
    public static string Of(Identifier shard, string name) => $"{shard}/{name}";

    /// <summary>The shard of a grain's key.</summary>
    public static Identifier ShardOf(string key) =>
        Identifier.TryParse(key.Split('/')[0], out var shard) ? shard : throw new OperationalException("OT-7024", $"'{key}' names no shard.");

    /// <summary>The participant of a grain's key.</summary>
    public static ParticipantId ParticipantOf(string key) =>
        ParticipantId.TryParse(key[(key.IndexOf('/', StringComparison.Ordinal) + 1)..], out var participant) ? participant : throw new OperationalException("OT-7024", $"'{key}' names no participant.");
}
