using System.Buffers.Binary;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>
/// Transactions that wait for a block: bounded in number, in bytes and per actor, taken from the actors in turn. Not durable: a client
/// submits again until it sees its transaction final.
/// </summary>
internal sealed class TransactionPool(ConsensusSetup setup)
{
    private readonly Dictionary<(ParticipantId Actor, Identifier Id), Entry> _byName = [];
    private readonly Dictionary<UInt128, Entry> _bySignature = [];
    private readonly Dictionary<ParticipantId, Actor> _actors = [];
    private readonly LinkedList<Actor> _turns = new();
    private readonly LinkedList<Entry> _arrivals = new();
    private readonly PriorityQueue<Entry, long> _expiries = new();
    private readonly Dictionary<Digest, int> _included = [];
    private long _bytes;

    public int Count => _byName.Count;

    /// <summary>Whether this very transaction waits here.</summary>
    public bool Contains(Transaction transaction) => Find(transaction) is { } entry && entry.Transaction.Digest == transaction.Digest;

    /// <summary>Whether the actor's id waits here with other content.</summary>
    public bool Contradicts(Transaction transaction) => Find(transaction) is { } entry && entry.Transaction.Digest != transaction.Digest;

    /// <summary>Takes in a transaction that the state machine found admissible and that is not here yet.</summary>
    public Rejection Add(Transaction transaction)
    {
        var actorId = transaction.Payload.Actor;
        var actor = _actors.GetValueOrDefault(actorId);
        if (Count >= setup.PoolTransactions || _bytes + transaction.Encoded.Length > setup.PoolBytes || actor?.Entries.Count >= setup.PoolTransactionsPerActor) return Rejection.PoolFull;
        if (actor is null)
        {
            _actors.Add(actorId, actor = new Actor(actorId));
            actor.Turn = _turns.AddLast(actor);
        }

        var entry = new Entry(transaction, actor);
        entry.InActor = actor.Entries.AddLast(entry);
        entry.Arrival = _arrivals.AddLast(entry);
        _byName.Add((actorId, transaction.Payload.Id), entry);
        _bySignature[SignatureKey(transaction.Encoded)] = entry;
        _expiries.Enqueue(entry, transaction.Payload.NotAfterMs);
        _bytes += transaction.Encoded.Length;
        return Rejection.None;
    }

    /// <summary>Whether any transaction waits that is not in one of these blocks.</summary>
    public bool HasCandidates(List<Digest> branch)
    {
        var included = 0;
        foreach (var digest in branch) included += _included.GetValueOrDefault(digest);
        return Count > included;
    }

    /// <summary>One transaction of each actor in turn, in the order in which they came, without those in one of these blocks. The pool must not change meanwhile.</summary>
    public IEnumerable<Transaction> Candidates(List<Digest> branch)
    {
        if (_turns.First is not { } first) yield break;
        _turns.RemoveFirst();
        _turns.AddLast(first);
        var cursors = _turns.Select(actor => actor.Entries.First).ToArray();
        for (var left = cursors.Length; left > 0;)
        {
            left = 0;
            for (var i = 0; i < cursors.Length; i++)
            {
                while (cursors[i] is { } skipped && skipped.Value.InBlock is { } block && branch.Contains(block)) cursors[i] = skipped.Next;
                if (cursors[i] is not { } cursor) continue;
                yield return cursor.Value.Transaction;
                cursors[i] = cursor.Next;
                left++;
            }
        }
    }

    /// <summary>Notes which waiting transactions stand in a block that was just executed.</summary>
    public void Included(Block block)
    {
        foreach (var bytes in block.Transactions)
        {
            if (FindEncoded(bytes) is not { } entry) continue;
            Release(entry);
            entry.InBlock = block.Digest;
            _included[block.Digest] = _included.GetValueOrDefault(block.Digest) + 1;
        }
    }

    /// <summary>Drops what a final block carries, and what expires by its time.</summary>
    public void Committed(Block block)
    {
        foreach (var bytes in block.Transactions)
        {
            if (FindEncoded(bytes) is { } entry) Remove(entry);
        }

        while (_expiries.TryPeek(out var entry, out var notAfterMs) && (entry.Removed || notAfterMs <= block.Header.TimeMs))
        {
            _expiries.Dequeue();
            if (!entry.Removed) Remove(entry);
        }
    }

    /// <summary>Drops the oldest transactions that are no longer admissible, until one is, or <paramref name="limit"/> have been looked at.</summary>
    public void Scrub(Func<Transaction, bool> admissible, int limit)
    {
        while (limit-- > 0 && _arrivals.First is { } oldest && !admissible(oldest.Value.Transaction)) Remove(oldest.Value);
    }

    /// <summary>The oldest transactions, up to a number and a size.</summary>
    public List<Transaction> Oldest(int count, long bytes)
    {
        var oldest = new List<Transaction>();
        for (var at = _arrivals.First; at is not null && oldest.Count < count && bytes > 0; at = at.Next)
        {
            oldest.Add(at.Value.Transaction);
            bytes -= at.Value.Transaction.Encoded.Length;
        }

        return oldest;
    }

    private Entry? Find(Transaction transaction) => _byName.GetValueOrDefault((transaction.Payload.Actor, transaction.Payload.Id));

    // A block's transactions need no parsing to be found here: their bytes end with the signature.
    private Entry? FindEncoded(ReadOnlyMemory<byte> bytes) =>
        bytes.Length >= Signatures.Size && _bySignature.TryGetValue(SignatureKey(bytes), out var entry) && entry.Transaction.Encoded.Span.SequenceEqual(bytes.Span) ? entry : null;

    private static UInt128 SignatureKey(ReadOnlyMemory<byte> encoded) => BinaryPrimitives.ReadUInt128BigEndian(encoded.Span[^16..]);

    private void Remove(Entry entry)
    {
        Release(entry);
        entry.Removed = true;
        var transaction = entry.Transaction;
        _bytes -= transaction.Encoded.Length;
        _byName.Remove((transaction.Payload.Actor, transaction.Payload.Id));
        var key = SignatureKey(transaction.Encoded);
        if (_bySignature.GetValueOrDefault(key) == entry) _bySignature.Remove(key);
        _arrivals.Remove(entry.Arrival!);
        entry.Actor.Entries.Remove(entry.InActor!);
        if (entry.Actor.Entries.Count > 0) return;
        _actors.Remove(entry.Actor.Id);
        _turns.Remove(entry.Actor.Turn!);
    }

    private void Release(Entry entry)
    {
        if (entry.InBlock is not { } block) return;
        entry.InBlock = null;
        if (--_included[block] == 0) _included.Remove(block);
    }

    private sealed class Actor(ParticipantId id)
    {
        public ParticipantId Id => id;
        public LinkedList<Entry> Entries { get; } = new();
        public LinkedListNode<Actor>? Turn { get; set; }
    }

    private sealed class Entry(Transaction transaction, Actor actor)
    {
        public Transaction Transaction => transaction;
        public Actor Actor => actor;
        public LinkedListNode<Entry>? InActor { get; set; }
        public LinkedListNode<Entry>? Arrival { get; set; }
        public Digest? InBlock { get; set; }
        public bool Removed { get; set; }
    }
}
