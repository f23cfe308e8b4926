using System.Buffers.Binary;
using System.Collections.Concurrent;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Tests.Ledger;

/// <summary>A signing key made from a name, so that every run has the same bytes.</summary>
internal sealed class TestKey
{
    private static readonly ConcurrentDictionary<string, TestKey> Made = new(StringComparer.Ordinal);
    private readonly byte[] _secret = new byte[64];

    private TestKey(string name)
    {
        var publicKey = new byte[32];
        Geralt.Ed25519.GenerateKeyPair(publicKey, _secret, Digest.Of(System.Text.Encoding.UTF8.GetBytes(name)).ToArray());
        Assert.True(PublicKey.TryCreate(SignatureAlgorithm.Ed25519, publicKey, out var key));
        Public = key!;
    }

    public PublicKey Public { get; }

    public static TestKey Of(string name) => Made.GetOrAdd(name, static name => new(name));

    public byte[] Sign(ReadOnlySpan<byte> message)
    {
        var signature = new byte[Signatures.Size];
        Geralt.Ed25519.Sign(signature, message, _secret);
        return signature;
    }
}

/// <summary>A shard of four validators without consensus: blocks are executed one after the other, as every validator would.</summary>
internal sealed class TestShard
{
    public const long StartMs = 1_700_000_000_000;
    public static readonly string[] Hospitals = ["cleveland", "hungarian", "switzerland", "va"];
    private readonly string _keys;
    private readonly bool _isTrusting;
    private int _nextId;

    /// <summary>A shard whose keys are all others for another <paramref name="keys"/>, and whose names are the same.</summary>
    /// <param name="keys">What tells the keys of one shard from those of another.</param>
    /// <param name="isTrusting">Whether nobody signs and nobody checks who has, where thousands of runs are about something else.</param>
    public TestShard(string keys = "", bool isTrusting = false)
    {
        (_keys, _isTrusting) = (keys, isTrusting);
        var seats = Hospitals.Select(name => new Validator(ParticipantId.Parse(name), KeyOf(name).Public, KeyOf(name, "/vote").Public, KeyOf(name, "/cosign").Public, KeyOf(name, "/log").Public)).ToArray();
        Genesis = new Genesis("ledger.example/fed-heart", Identifier.Of("heart"u8), StartMs, new ValidatorSet(1, seats));
        Machine = NewMachine();
        Head = Machine.CreateGenesis();
        Blocks.Add(Head);
    }

    private TestShard(TestShard other)
    {
        (_keys, _isTrusting, _nextId, Genesis, Machine, Head) = (other._keys, other._isTrusting, other._nextId, other.Genesis, other.Machine, other.Head);
        Blocks.AddRange(other.Blocks);
    }

    public Genesis Genesis { get; }

    public LedgerMachine Machine { get; }

    public ExecutedBlock Head { get; private set; }

    public List<ExecutedBlock> Blocks { get; } = [];

    public ContractState State => LedgerState.Of(Head).Contracts;

    public static TestKey Key(string name) => TestKey.Of(name);

    public TestKey KeyOf(string name, string role = "") => TestKey.Of(name + _keys + role);

    public Transaction Sign(string actor, ContractCall call, long? notAfterMs = null, Identifier? id = null, TestKey? key = null, Digest? chain = null, Identifier? shard = null)
    {
        key ??= KeyOf(actor);
        var idBytes = new byte[Identifier.Size];
        BinaryPrimitives.WriteInt32BigEndian(idBytes, ++_nextId);
        var payload = new TransactionPayload
        {
            Chain = chain ?? Genesis.Chain,
            Shard = shard ?? Genesis.Shard,
            Actor = ParticipantId.Parse(actor),
            KeyId = key.Public.Id,
            Id = id ?? Identifier.From(idBytes),
            NotAfterMs = notAfterMs ?? Head.Block.Header.TimeMs + 3_600_000,
            Contract = call.Contract,
            Method = call.Method,
            Arguments = Wire.Encode(call.WriteArguments),
        }.Encode();
        var encoded = Transaction.Assemble(SignatureAlgorithm.Ed25519, payload, _isTrusting ? new byte[Signatures.Size] : key.Sign(Transaction.SigStructure(SignatureAlgorithm.Ed25519, payload)));
        Assert.Equal(Rejection.None, Transaction.TryParse(encoded, out var transaction));
        return transaction!;
    }

    /// <summary>Makes the next block from these transactions, and executes it a second time from its bytes, unless the shard trusts.</summary>
    public IReadOnlyList<Entry> Commit(long afterMs, params Transaction[] transactions)
    {
        var built = Machine.Build(Head, Head.Block.Header.TimeMs + afterMs, 0, transactions);
        Head = _isTrusting ? built : Repeated(built);
        Blocks.Add(Head);
        return [.. LedgerState.Of(Head).Leaves.Skip(1).Select(bytes => Leaf.TryParse(bytes, out var leaf) ? (Entry)leaf! : throw new InvalidDataException("no entry"))];
    }

    /// <summary>Commits one call and gives its result.</summary>
    public Rejection Send(string actor, ContractCall call, TestKey? key = null) => Assert.Single(Commit(10, Sign(actor, call, key: key))).Result;

    /// <summary>A shard that begins where this one is.</summary>
    public TestShard Branch() => new(this);

    /// <summary>Every leaf of the chain so far.</summary>
    public MerkleTree Tree()
    {
        var tree = new MerkleTree();
        foreach (var leaf in Blocks.SelectMany(block => LedgerState.Of(block).Leaves)) tree.Append(MerkleHash.Leaf(leaf));
        return tree;
    }

    private ExecutedBlock Repeated(ExecutedBlock built)
    {
        Assert.True(Block.TryParse(built.Block.Encode(), out var parsed));
        var executed = NewMachine().Execute(Head, parsed!);
        Assert.NotNull(executed);
        Assert.Equal(built.Block.Digest, executed.Block.Digest);
        return executed;
    }

    private LedgerMachine NewMachine() => new(Genesis, _isTrusting ? (_, _, _) => true : Signatures.Verify);
}
