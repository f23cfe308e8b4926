using Orleans.Concurrency;

namespace Orleans.Training.Grains.Validators;

/// <summary>Final blocks in height order, and the finalization of the last: encoded, as they were signed.</summary>
[GenerateSerializer, Immutable, Alias("otrain.FinalBlocks")]
public sealed record FinalBlocks([property: Id(0)] byte[][] Blocks, [property: Id(1)] byte[]? Finalization);

/// <summary>One seat of one shard, hosted in a silo that its organisation chose. Key: <see cref="GrainKeys"/> of shard and organisation.</summary>
[Alias("otrain.IValidatorGrain")]
public interface IValidatorGrain : IGrainWithStringKey
{
    /// <summary>Starts the seat if it does not run.</summary>
    [AlwaysInterleave, Alias("Start")]
    Task Start();

    /// <summary>A message from another organisation's validator, by its name; may be lost.</summary>
    [AlwaysInterleave, OneWay, Alias("Receive")]
    Task Receive(string from, [Immutable] byte[] message);

    /// <summary>Hands in transactions; gives a rejection's number for each, 0 when it waits for a block. Malformed ones are answered as such.</summary>
    [AlwaysInterleave, Alias("Submit")]
    Task<int[]> Submit([Immutable] byte[][] transactions);

    /// <summary>Final blocks from a height on; waits a while when there are none yet, then gives none.</summary>
    [AlwaysInterleave, Alias("Follow")]
    Task<FinalBlocks> Follow(long height);

    /// <summary>The newest checkpoint that a quorum cosigned, as a signed note; null before the first.</summary>
    [AlwaysInterleave, Alias("Checkpoint")]
    Task<string?> Checkpoint();
}
