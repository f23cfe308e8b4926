using System.Collections.Immutable;
using Orleans.Training.Protocol.Contracts;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>Who sent a transaction, and the id they gave it: what commits at most once.</summary>
public readonly record struct TransactionKey(ParticipantId Actor, Identifier Id);

/// <summary>A committed transaction inside its expiry window: its digest, and the index of its entry.</summary>
public readonly record struct CommittedTransaction(Digest Digest, long Index, long NotAfterMs);

/// <summary>
/// The state after a block, and what the block added: its leaves (the first is the block's own) and, beside each leaf, its events. Immutable.
/// </summary>
public sealed record LedgerState(
    MerkleFrontier Tree,
    ContractState Contracts,
    ImmutableDictionary<TransactionKey, CommittedTransaction> Recent,
    ImmutableSortedSet<(long NotAfterMs, ParticipantId Actor, Identifier Id)> RecentByExpiry,
    IReadOnlyList<byte[]> Leaves,
    IReadOnlyList<IReadOnlyList<LedgerEvent>> Events)
{
    /// <summary>The state of an executed block.</summary>
    public static LedgerState Of(ExecutedBlock block) => (LedgerState)block.State;

    /// <summary>Who makes the next block: this era's validators, or the next one's after a sealing block.</summary>
    public ValidatorSet Validators => ValidatorsRecord.Current(Contracts).Set;

    /// <summary>The index of the first leaf that the block added.</summary>
    public long FirstIndex => Tree.Size - Leaves.Count;
}
