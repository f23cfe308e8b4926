using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>
/// The journal of one validator. Trusted: whoever can rewrite it makes this validator lie, and more than f of them can fork the shard.
/// An open store is the only one of its validator: a second opener is refused, or ends the first (docs/spec/store.md §1).
/// </summary>
public interface IValidatorStore : IAsyncDisposable
{
    /// <summary>
    /// All records in order, from the first to the newest that is durable when the reading begins; lists are atomic. Repairs a torn tail, refuses damage
    /// elsewhere with <see cref="LedgerCorruptException"/>. Must be read to its end once before the first append.
    /// </summary>
    IAsyncEnumerable<IReadOnlyList<JournalRecord>> Read(CancellationToken cancellationToken);

    /// <summary>
    /// Appends the records, all or none. Durable (synced) when it returns; when it throws, the records may or may not have been written:
    /// discard the validator and re-open. The contents must not change until then. Calls are written in the order in which they were made.
    /// </summary>
    ValueTask Append(IReadOnlyList<JournalRecord> records, CancellationToken cancellationToken);
}
