using System.Collections.Concurrent;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Simulation;

/// <summary>The real ledger in the place of the small one, with real keys and signatures: contracts, receipts, snapshots and proofs of faults are what they are everywhere.</summary>
internal sealed class LedgerShard
{
    /// <summary>Leaves from one snapshot to the next: more than the words that are said about one.</summary>
    public const long Interval = 40;

    private static readonly ConcurrentDictionary<(int Node, KeyRole Role), Ed25519Signer> Signers = [];
    private readonly VerifiedSignatures _verified = new();
    private readonly LedgerRules _rules;

    public LedgerShard(ValidatorSet validators, long timeMs, LedgerRules rules)
    {
        _rules = rules;
        Genesis = new Genesis("simulated.example/ledger", SimulatedMachine.Shard, timeMs, validators);
        First = NewMachine().CreateGenesis();
        Machine = new RememberingMachine(NewMachine());
    }

    private enum KeyRole
    {
        Transaction,
        Vote,
        Cosign,
        Log,
    }

    public Genesis Genesis { get; }

    /// <summary>The genesis block.</summary>
    public ExecutedBlock First { get; }

    /// <summary>Executes each block once for all.</summary>
    public IStateMachine Machine { get; }

    /// <summary>A machine that remembers nothing: for those whose state may be another one.</summary>
    public LedgerMachine NewMachine() => new(Genesis, _verified.Verify) { Rules = _rules };

    public static Validator Entry(int node) => new(SimulatedSeat.NameOf(node), Signer(node, KeyRole.Transaction).PublicKey, Signer(node, KeyRole.Vote).PublicKey, Signer(node, KeyRole.Cosign).PublicKey, Signer(node, KeyRole.Log).PublicKey);

    public CheckpointKeeper Keeper(int node, ConsensusSetup setup, Grains.History.CommittedChain chain) => new(Genesis, setup.Validators, setup.Seat, Signer(node, KeyRole.Log), Signer(node, KeyRole.Cosign), chain);

    public byte[] Sign(int node, Vote vote)
    {
        var preimage = new byte[Vote.PreimageSize];
        vote.WritePreimage(Genesis.Chain, Genesis.Shard, preimage);
        return Sign(Signer(node, KeyRole.Vote), preimage);
    }

    /// <summary>A node's transaction.</summary>
    public Transaction Write(int node, ContractCall call, Identifier id, long nowMs)
    {
        var signer = Signer(node, KeyRole.Transaction);
        var payload = new TransactionPayload
        {
            Chain = Genesis.Chain,
            Shard = Genesis.Shard,
            Actor = Entry(node).Organisation,
            KeyId = signer.PublicKey.Id,
            Id = id,
            NotAfterMs = nowMs + 3_600_000,
            Contract = call.Contract,
            Method = call.Method,
            Arguments = Wire.Encode(call.WriteArguments),
        }.Encode();
        _ = Transaction.TryParse(Transaction.Assemble(SignatureAlgorithm.Ed25519, payload, Sign(signer, Transaction.SigStructure(SignatureAlgorithm.Ed25519, payload))), out var transaction);
        return transaction!;
    }

    // In memory, so nothing is waited for.
    private static byte[] Sign(Ed25519Signer signer, ReadOnlyMemory<byte> message) => signer.Sign(message, default).AsTask().GetAwaiter().GetResult();

    private static Ed25519Signer Signer(int node, KeyRole role) => Signers.GetOrAdd((node, role), static name => new Ed25519Signer(Digest.Of(System.Text.Encoding.UTF8.GetBytes($"{name.Role} key of node {name.Node}")).ToArray()));
}

/// <summary>Executes each block once.</summary>
internal sealed class RememberingMachine(IStateMachine machine) : IStateMachine
{
    private readonly Dictionary<Digest, ExecutedBlock> _executed = [];

    public ExecutedBlock Build(ExecutedBlock parent, long timeMs, int proposer, IEnumerable<Transaction> transactions)
    {
        var built = machine.Build(parent, timeMs, proposer, transactions);
        return _executed[built.Block.Digest] = built;
    }

    public ExecutedBlock? Execute(ExecutedBlock parent, Block block) =>
        _executed.TryGetValue(block.Digest, out var known) ? known : machine.Execute(parent, block) is { } executed ? _executed[block.Digest] = executed : null;

    public Rejection Check(ExecutedBlock state, Transaction transaction, long timeMs) => machine.Check(state, transaction, timeMs);
}
