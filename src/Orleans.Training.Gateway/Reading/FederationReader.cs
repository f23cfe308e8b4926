using Orleans.Training.Gateway.Graph;
using Orleans.Training.Gateway.Transport;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.Contracts;
using Orleans.Training.Grains.Ledger;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;

namespace Orleans.Training.Gateway.Reading;

/// <summary>Reads one federation's ledger and the state of its contracts.</summary>
internal sealed class FederationReader(Protocol.Ledger.Genesis genesis, ILedgerShardGrain grain, IContractsGrain contracts, IBlobStore blobs)
{
    public Protocol.Ledger.Genesis Genesis => genesis;

    public Identifier Shard => genesis.Shard;

    public ILedgerShardGrain Grain => grain;

    public Task<T?> Find<T>(string key) where T : StateRecord => contracts.Find<T>(key);

    /// <summary>A page of the records below a prefix, in key order.</summary>
    public async Task<Connection<TNode>> List<TRecord, TNode>(string prefix, int first, string? after, Func<TRecord, TNode> node) where TRecord : StateRecord where TNode : class
    {
        RequirePage(first);
        var start = after is null ? null : KeyOf(prefix, after);
        var items = await contracts.List(prefix, start, first);
        var more = items.Length == first && (await contracts.List(prefix, items[^1].Key, 1)).Length > 0;
        var edges = items
            .Select(item => (item.Key, Record: StateRecord.TryParse(item.Key, item.Record, out var record) ? record as TRecord : null))
            .Where(item => item.Record is not null)
            .Select(item => new Edge<TNode>(CursorOf(prefix, item.Key), node(item.Record!)));
        return new Connection<TNode>([.. edges], more, start is not null, async () => await contracts.Count(prefix));
    }

    /// <summary>All records below a prefix, in key order: only for prefixes below which there cannot be many.</summary>
    public async Task<IReadOnlyList<(string Key, TRecord Record)>> All<TRecord>(string prefix) where TRecord : StateRecord
    {
        var records = new List<(string, TRecord)>();
        for (string? after = null; ;)
        {
            var items = await contracts.List(prefix, after, GatewayLimits.Page);
            foreach (var item in items)
            {
                if (StateRecord.TryParse(item.Key, item.Record, out var parsed) && parsed is TRecord record) records.Add((item.Key, record));
            }

            if (items.Length < GatewayLimits.Page) return records;
            after = items[^1].Key;
        }
    }

    /// <summary>What participants have told of their training with the sum of a published model, read from its tails alone; null without masks, and where the sum is not here.</summary>
    public async Task<(int Count, MaskTail Tail)?> Metrics(ModelRecord model)
    {
        if (await Find<AgreementRecord>(AgreementRecord.Key(model.Agreement)) is not { Agreement.Masks: true } terms || await blobs.Find(model.SumRoot, CancellationToken.None) is not { } sum) return null;
        var tails = new List<ReadOnlyMemory<byte>>();
        // A tail may begin in one chunk and end in the next.
        var chunks = new byte[2 * Limits.ChunkBytes];
        foreach (var offset in MaskedAggregate.TailOffsets(terms, sum.Length))
        {
            var first = (int)(offset / Limits.ChunkBytes);
            await blobs.Read(model.SumRoot, first, chunks, CancellationToken.None);
            tails.Add(chunks.AsSpan((int)(offset - ((long)first * Limits.ChunkBytes)), LaneLayout.TailBytes).ToArray());
        }

        return MaskedAggregate.ReadMetrics(tails);
    }

    /// <summary>A page of the ledger's leaves, in ledger order.</summary>
    public async Task<Connection<LedgerEntry>> Leaves(int first, string? after)
    {
        RequirePage(first);
        long from = 0;
        if (after is not null) from = EventCursor.TryParse(after, Shard, out var cursor) ? cursor.Index + 1 : throw ApiErrors.Of(ApiErrors.BadArgument, "'after' is no cursor of this ledger.");
        var size = await grain.Size();
        var edges = new List<Edge<LedgerEntry>>();
        for (var index = from; index < Math.Min(size, from + first); index++)
        {
            if (await grain.Item(index) is { } item) edges.Add(new Edge<LedgerEntry>(EventCursor.Behind(index).Write(Shard), new LedgerEntry(this, item)));
        }

        return new Connection<LedgerEntry>(edges, from + edges.Count < size, from > 0, () => Task.FromResult(size));
    }

    public async Task<Receipt?> Receipt(long index)
    {
        if (await grain.Receipt(index) is not { } text || !Protocol.Ledger.Receipt.TryParse(text, out var receipt) || await grain.Item(index) is not { } item) return null;
        return new Receipt(new LedgerEntry(this, item), receipt!);
    }

    private static void RequirePage(int first)
    {
        if (first is < 1 or > GatewayLimits.Page) throw ApiErrors.Of(ApiErrors.BadArgument, $"'first' must be 1 to {GatewayLimits.Page}.");
    }

    private static string CursorOf(string prefix, string key) => System.Buffers.Text.Base64Url.EncodeToString(System.Text.Encoding.UTF8.GetBytes(key[prefix.Length..]));

    private static string KeyOf(string prefix, string cursor) =>
        cursor.Length <= GatewayLimits.IdCharacters && GlobalId.TryDecode(cursor, out var bytes) ? prefix + System.Text.Encoding.UTF8.GetString(bytes) : throw ApiErrors.Of(ApiErrors.BadArgument, "'after' is no cursor of this connection.");
}
