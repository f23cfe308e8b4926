using System.Collections.Immutable;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>All records and deadlines of a shard's contracts. Immutable: branches share what they have in common.</summary>
public sealed record ContractState
{
    // The keys of Records once more: a set knows the position of a key, a dictionary does not.
    private readonly ImmutableSortedSet<string> _keys;

    private ContractState(ImmutableSortedDictionary<string, StateRecord> records, ImmutableSortedSet<string> keys, ImmutableSortedSet<Deadline> deadlines) => (Records, _keys, Deadlines) = (records, keys, deadlines);

    /// <summary>No records.</summary>
    public static ContractState Empty { get; } = new(ImmutableSortedDictionary.Create<string, StateRecord>(StringComparer.Ordinal), ImmutableSortedSet.Create<string>(StringComparer.Ordinal), []);

    /// <summary>The records, in order of their keys.</summary>
    public ImmutableSortedDictionary<string, StateRecord> Records { get; }

    /// <summary>The deadlines, the next one first.</summary>
    public ImmutableSortedSet<Deadline> Deadlines { get; }

    /// <summary>When the next deadline falls due, or null.</summary>
    public long? NextDeadlineMs => Deadlines.IsEmpty ? null : Deadlines[0].TimeMs;

    /// <summary>The record at a key, or null.</summary>
    public T? Find<T>(string key) where T : StateRecord => Records.TryGetValue(key, out var record) ? record as T : null;

    /// <summary>All records of one kind whose keys begin with a prefix, in key order.</summary>
    public IEnumerable<T> All<T>(string prefix) where T : StateRecord => Range(prefix).Select(pair => pair.Value).OfType<T>();

    /// <summary>The records whose keys begin with a prefix and come after <paramref name="after"/>, in key order; no other record is looked at.</summary>
    public IEnumerable<KeyValuePair<string, StateRecord>> Range(string prefix, string? after = null)
    {
        // The first key above a key is the lowest one that is not below it with the lowest character behind.
        for (var i = after is null || string.CompareOrdinal(after, prefix) < 0 ? PositionOf(prefix) : PositionOf(after + '\0'); i < _keys.Count && _keys[i].StartsWith(prefix, StringComparison.Ordinal); i++)
            yield return new(_keys[i], Records[_keys[i]]);
    }

    /// <summary>How many keys begin with a prefix.</summary>
    public int Count(string prefix) => PositionOf(prefix + '\uffff') - PositionOf(prefix);

    internal ContractState With(IReadOnlyCollection<KeyValuePair<string, StateRecord>> writes, ImmutableSortedSet<Deadline> deadlines)
    {
        var keys = _keys;
        foreach (var (key, _) in writes)
        {
            if (!Records.ContainsKey(key)) keys = keys.Add(key);
        }

        return new ContractState(Records.SetItems(writes), keys, deadlines);
    }

    // How many keys are below this one.
    private int PositionOf(string key) => _keys.IndexOf(key) is var position && position < 0 ? ~position : position;
}

/// <summary>What holds for every call of a block: its height and time, the validators of its era, and how a signature is checked.</summary>
internal sealed record ContractScope(Ledger.Genesis Genesis, Ledger.ValidatorSet Validators, ulong Height, long TimeMs, Ledger.SignatureCheck Verify, Ledger.LedgerRules Rules);

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

    internal ContractContext(ContractState before, ContractScope scope, ParticipantId actor, Identifier keyId)
    {
        (_before, Scope, Actor, KeyId) = (before, scope, actor, keyId);
        _deadlines = before.Deadlines;
    }

    /// <summary>What holds for the whole block.</summary>
    internal ContractScope Scope { get; }

    /// <summary>Time of the block being executed, ms since 1970 (UTC).</summary>
    public long TimeMs => Scope.TimeMs;

    /// <summary>The validators of this era.</summary>
    public Ledger.ValidatorSet Validators => Scope.Validators;

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

    /// <summary>Of these transaction keys those that have a seat in this era, and the actor's own: seats that are gone no longer count.</summary>
    public IReadOnlyList<Identifier> WithOwnSeat(IReadOnlyList<Identifier> seats) =>
        [.. Validators.Seats.Select(seat => seat.TransactionKey.Id).Where(id => id == KeyId || seats.Contains(id))];

    /// <summary>Whether anything whose key begins with a prefix waits for its deadline.</summary>
    public bool Awaits(string prefix) => _deadlines.Any(deadline => deadline.Key.StartsWith(prefix, StringComparison.Ordinal));

    /// <summary>Whether an organisation is a validator of this era.</summary>
    public bool HasSeat(ParticipantId organisation) => Validators.Seats.Any(seat => seat.Organisation == organisation);

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

    /// <summary>Counts one more; false, and nothing is counted, when there are <paramref name="limit"/> already.</summary>
    public bool TryCount(string key, int limit)
    {
        var count = Find<CountRecord>(key)?.Value ?? 0;
        if (count >= limit) return false;
        Put(key, new CountRecord(count + 1));
        return true;
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
        return _before.With(_writes, _deadlines);
    }
}
