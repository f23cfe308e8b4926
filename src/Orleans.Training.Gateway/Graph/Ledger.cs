using System.ComponentModel;
using GraphQL;
using Orleans.Training.Gateway.Reading;
using Orleans.Training.Grains.Ledger;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Gateway.Graph;

[Description("The ledger shard of a federation.")]
internal sealed class Ledger(FederationReader reader)
{
    [Description("The newest checkpoint that a quorum cosigned; null before the first.")]
    public async Task<Checkpoint?> Head() => await reader.Grain.Checkpoint() is { } text && SignedNote.TryParse(text, out var note) ? Checkpoint.Of(note!) : null;

    [Description("Leaves known so far. A receipt exists only for those that the newest checkpoint covers.")]
    public Task<long> Size() => reader.Grain.Size();

    [Description("Behind the newest event: subscribe after it to see only what is yet to happen.")]
    public async Task<string> Cursor() => EventCursor.Behind(await reader.Grain.Size() - 1).Write(reader.Shard);

    [Description("The receipt of the leaf at an index; null until a quorum has cosigned a checkpoint that covers it.")]
    public Task<Receipt?> Entry(long index) => reader.Receipt(index);

    [Description("The leaves in order.")]
    public Task<Connection<LedgerEntry>> Entries(int first = GatewayLimits.DefaultPage, string? after = null) => reader.Leaves(first, after);

    [Description("Whom to believe about this ledger, as a c2sp.org tlog-policy. Compare it with what another participant has: it must not come only from whoever is verified.")]
    public string TlogPolicy => TrustPolicy.Text(reader.Genesis.Origin, reader.Genesis.Validators);

    [Description("The genesis file, whose digest names the chain.")]
    public ReadOnlyMemory<byte> Genesis => reader.Genesis.Encode();

    [Description("What every transaction of this ledger names as its chain.")]
    public Digest Chain => reader.Genesis.Chain;
}

[Description("A C2SP signed note about the ledger's tree, byte for byte, and what it says.")]
internal sealed record Checkpoint(string Note, string Origin, long Size, ReadOnlyMemory<byte> RootHash)
{
    internal static Checkpoint? Of(SignedNote note) => Protocol.Ledger.Checkpoint.TryParse(note.Text, out var checkpoint)
        ? new Checkpoint(note.ToString(), checkpoint!.Origin, checkpoint.Size, checkpoint.Root.ToArray())
        : null;
}

[Implements(typeof(INode)), Description("A leaf of the ledger: encoded is exactly what was hashed, transaction the signed request that it binds.")]
internal sealed class LedgerEntry(FederationReader reader, LedgerItem item) : INode
{
    private readonly Leaf? _leaf = Leaf.TryParse(item.Leaf, out var leaf) ? leaf : null;

    [GraphQL.Id]
    public string Id => GlobalId.Of(GlobalId.Entry, reader.Shard, BitConverter.GetBytes(System.Net.IPAddress.HostToNetworkOrder(item.Index)));

    public long Index => item.Index;

    [Description("contract.method of the transaction; block for the leaf that opens a block.")]
    public string Type => Request is { } payload ? $"{payload.Contract}.{payload.Method}" : "block";

    [Description("The participant that asked; null for the leaf that opens a block.")]
    public Participant? Actor => _leaf is Entry entry ? new Participant(reader, entry.Actor) : null;

    [Description("Time of the block.")]
    public DateTimeOffset At => DateTimeOffset.FromUnixTimeMilliseconds(item.TimeMs);

    public ReadOnlyMemory<byte> Encoded => item.Leaf;

    public ReadOnlyMemory<byte>? Transaction => item.Transaction is { } bytes ? new ReadOnlyMemory<byte>(bytes) : null;

    [Description("OT-nnnn when the contract refused the transaction.")]
    public string? Rejection => _leaf is Entry { Result: not Protocol.Rejection.None and var result } ? Graph.Transaction.NumberOf(result) : null;

    public ReadOnlyMemory<byte> LeafHash => MerkleHash.Leaf(item.Leaf).ToArray();

    private TransactionPayload? Request => item.Transaction is { } bytes && Protocol.Ledger.Transaction.TryParse(bytes, out var transaction) is Protocol.Rejection.None ? transaction!.Payload : null;
}

[Description("The audit path of a leaf (RFC 9162).")]
internal sealed record InclusionProof(long LeafIndex, long TreeSize, IEnumerable<ReadOnlyMemory<byte>> Hashes);

[Description("Proof that an entry stands in the ledger, to be verified offline with anyone's tools.")]
internal sealed class Receipt(LedgerEntry entry, Protocol.Ledger.Receipt receipt)
{
    public LedgerEntry Entry => entry;

    public Checkpoint Checkpoint => Checkpoint.Of(receipt.Note)!;

    public InclusionProof Proof => new(receipt.Index, Checkpoint.Size, receipt.Path.Select(hash => new ReadOnlyMemory<byte>(hash.ToArray())));

    [Description("The whole receipt as a c2sp.org/tlog-proof@v1 file.")]
    public string Text => receipt.ToString();
}
