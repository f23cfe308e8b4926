using Orleans.Concurrency;

namespace Orleans.Training.Grains.Ledger;

/// <summary>What became of a transaction.</summary>
public enum TransactionStatus
{
    /// <summary>Neither on the ledger nor known to wait.</summary>
    Unknown = 0,
    /// <summary>Waits for a block.</summary>
    Pending = 1,
    /// <summary>On the ledger, and applied.</summary>
    Committed = 2,
    /// <summary>Refused: at admission, or by its contract and then on the ledger.</summary>
    Rejected = 3,
}

/// <summary>The state of a transaction: where its entry stands (−1: nowhere) and the number of its rejection (0: none).</summary>
[GenerateSerializer, Immutable, Alias("otrain.TransactionState")]
public sealed record TransactionState([property: Id(0)] TransactionStatus Status, [property: Id(1)] int Rejection, [property: Id(2)] long Index);

/// <summary>
/// One leaf of the ledger as its followers see it: the leaf's bytes, the transaction that it binds (null for a block's own leaf), the block's time, and the events, each as
/// type, state key and encoded record.
/// </summary>
[GenerateSerializer, Immutable, Alias("otrain.LedgerItem")]
public sealed record LedgerItem(
    [property: Id(0)] long Index,
    [property: Id(1)] byte[] Leaf,
    [property: Id(2)] byte[]? Transaction,
    [property: Id(3)] long TimeMs,
    [property: Id(4)] LedgerItemEvent[] Events);

/// <summary>A fact: its name, the state key that it is about and the encoded record (docs/spec/contracts.md).</summary>
[GenerateSerializer, Immutable, Alias("otrain.LedgerItemEvent")]
public sealed record LedgerItemEvent([property: Id(0)] string Type, [property: Id(1)] string Key, [property: Id(2)] byte[] Record);

/// <summary>
/// Ingress and tail of one shard. It has no special power: it reads its silo's own copy of the final blocks, and hands transactions on. Activated twice, it can only
/// send a transaction twice, which is deduplicated. Key: the shard's identifier.
/// </summary>
[Alias("otrain.ILedgerShardGrain")]
public interface ILedgerShardGrain : IGrainWithStringKey
{
    /// <summary>Starts following, and sees to it that a silo's death ends that for a minute at most.</summary>
    [Alias("Start")]
    Task Start();

    /// <summary>Checks a signed transaction and hands it to the validators. Idempotent: the same bytes give the state of the first.</summary>
    [AlwaysInterleave, Alias("Submit")]
    Task<TransactionState> Submit([Immutable] byte[] transaction);

    /// <summary>The state of a transaction by its actor and its id (32 hexadecimal characters).</summary>
    [AlwaysInterleave, Alias("Status")]
    Task<TransactionState> Status(string actor, string transactionId);

    /// <summary>The receipt of the leaf at an index: a tlog-proof. Null until a quorum has cosigned a checkpoint that covers it.</summary>
    [AlwaysInterleave, Alias("Receipt")]
    Task<string?> Receipt(long index);

    /// <summary>The newest checkpoint that a quorum cosigned; null before the first.</summary>
    [AlwaysInterleave, Alias("Checkpoint")]
    Task<string?> Checkpoint();

    /// <summary>The content of a tile by its path (c2sp.org/tlog-tiles); null when there is no such path, or the tree does not reach so far.</summary>
    [AlwaysInterleave, Alias("Tile")]
    Task<byte[]?> Tile(string path);

    /// <summary>Leaves known so far.</summary>
    [AlwaysInterleave, Alias("Size")]
    Task<long> Size();

    /// <summary>The leaf at an index; null when there is none yet.</summary>
    [AlwaysInterleave, Alias("Item")]
    Task<LedgerItem?> Item(long index);

    /// <summary>Leaves known, once they are more than <paramref name="size"/> or a second has passed.</summary>
    [AlwaysInterleave, Alias("Grown")]
    Task<long> Grown(long size);

    /// <summary>Every leaf from an index on, then live: no gap, no duplicate. After an interruption, ask again from the index that is due.</summary>
    [AlwaysInterleave, Alias("Tail")]
    IAsyncEnumerable<LedgerItem> Tail(long fromIndex, CancellationToken cancellationToken);
}
