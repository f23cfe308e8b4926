using System.Collections.Immutable;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>All records and deadlines of a shard's contracts. Immutable: branches share what they have in common.</summary>
public sealed record ContractState(ImmutableSortedDictionary<string, StateRecord> Records, ImmutableSortedSet<Deadline> Deadlines)
{
    /// <summary>No records.</summary>
    public static ContractState Empty { get; } = new(ImmutableSortedDictionary.Create<string, StateRecord>(StringComparer.Ordinal), []);

    /// <summary>When the next deadline falls due, or null.</summary>
    public long? NextDeadlineMs => Deadlines.IsEmpty ? null : Deadlines[0].TimeMs;

    /// <summary>The record at a key, or null.</summary>
    public T? Find<T>(string key) where T : StateRecord => Records.TryGetValue(key, out var record) ? record as T : null;

    /// <summary>All records of one kind whose keys begin with a prefix, in key order.</summary>
    public IEnumerable<T> All<T>(string prefix) where T : StateRecord =>
        Records.Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal)).Select(pair => pair.Value).OfType<T>();
}

/// <summary>
/// What one call sees and changes: a view of the state with the call's own writes on top. They count only when the call is not refused.
/// A contract reads nothing else: no clock, no blob, no certificate.
/// </summary>
public sealed class ContractContext
{
    private readonly ContractState _before;
    private readonly SortedDictionary<string, StateRecord> _writes = new(StringComparer.Ordinal);
    private readonly List<LedgerEvent> _events = [];
    private ImmutableSortedSet<Deadline> _deadlines;

    internal ContractContext(ContractState before, ulong height, long timeMs, Ledger.ValidatorSet validators, ParticipantId actor, Identifier keyId)
    {
        (_before, Height, TimeMs, Validators, Actor, KeyId) = (before, height, timeMs, validators, actor, keyId);
        _deadlines = before.Deadlines;
    }

    /// <summary>Height of the block being executed.</summary>
    public ulong Height { get; }

    /// <summary>Time of the block being executed, ms since 1970 (UTC).</summary>
    public long TimeMs { get; }

    /// <summary>The validators of this era.</summary>
    public Ledger.ValidatorSet Validators { get; }

    /// <summary>Who sent the call; nobody when a deadline fell due.</summary>
    public ParticipantId Actor { get; }

    /// <summary>The key that signed.</summary>
    public Identifier KeyId { get; }

    /// <summary>Seat of the validator whose transaction key signed, or −1.</summary>
    public int Seat
    {
        get
        {
            for (var i = 0; i < Validators.Count; i++)
            {
                if (Validators.Seats[i].Organisation == Actor && Validators.Seats[i].TransactionKey.Id == KeyId) return i;
            }

            return -1;
        }
    }

    /// <summary>The events so far.</summary>
    public IReadOnlyList<LedgerEvent> Events => _events;

    /// <summary>The record at a key, or null.</summary>
    public T? Find<T>(string key) where T : StateRecord => _writes.TryGetValue(key, out var written) ? written as T : _before.Find<T>(key);

    /// <summary>Writes a record and, when <paramref name="eventType"/> is given, states the fact.</summary>
    public void Put(string key, StateRecord record, string? eventType = null)
    {
        _writes[key] = record;
        if (eventType is not null) _events.Add(new LedgerEvent(eventType, key, record));
    }

    /// <summary>Sets, moves or (with null) ends the deadline of a key.</summary>
    public void SetDeadline(string key, long? fromMs, long? toMs)
    {
        if (fromMs is { } from) _deadlines = _deadlines.Remove(new Deadline(from, key));
        if (toMs is { } to) _deadlines = _deadlines.Add(new Deadline(to, key));
    }

    internal ContractState Commit(IDictionary<string, StateRecord> writeSet)
    {
        foreach (var (key, record) in _writes) writeSet[key] = record;
        return new ContractState(_before.Records.SetItems(_writes), _deadlines);
    }
}
