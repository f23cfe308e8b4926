using System.Buffers.Binary;
using System.Collections.Immutable;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Simulation;

/// <summary>
/// A small ledger with the shape of the real one: a transaction commits once, the root chains all transactions, and the method "deadline"
/// sets a deadline that the first block at or after it clears. Pure, so executions of the same block are remembered.
/// </summary>
internal sealed class SimulatedMachine(ValidatorSet validators, int blockLimit = 8) : IStateMachine
{
    private readonly Dictionary<Digest, ExecutedBlock> _executed = [];

    internal sealed record State(ImmutableHashSet<Identifier> Seen, long Size, Digest Root, long? DeadlineMs, int DeadlinesMet);

    public static Digest Chain { get; } = Digest.Of("simulated chain"u8);
    public static Identifier Shard { get; } = Identifier.Of("simulated shard"u8);

    public static ExecutedBlock Genesis(ValidatorSet validators, long timeMs)
    {
        var state = new State([], 1, Digest.Of("root"u8), null, 0);
        var body = Block.EncodeBody([]);
        return new ExecutedBlock(Block.Create(Header(validators, 0, Digest.Zero, timeMs, 0, state, body), body), state, null, null);
    }

    public ExecutedBlock Build(ExecutedBlock parent, long timeMs, int proposer, IEnumerable<Transaction> transactions)
    {
        var taken = new List<Transaction>();
        var state = (State)parent.State;
        var ids = new HashSet<Identifier>();
        foreach (var transaction in transactions)
        {
            if (taken.Count == blockLimit) break;
            if (Check(parent, transaction, timeMs) is Rejection.None && ids.Add(transaction.Payload.Id)) taken.Add(transaction);
        }

        var body = Block.EncodeBody([.. taken.Select(transaction => transaction.Encoded)]);
        var next = Apply(state, taken, timeMs);
        var block = Block.Create(Header(validators, parent.Block.Header.Height + 1, parent.Block.Digest, timeMs, proposer, next, body), body);
        return Remember(new ExecutedBlock(block, next, next.DeadlineMs, null));
    }

    public ExecutedBlock? Execute(ExecutedBlock parent, Block block)
    {
        if (_executed.TryGetValue(block.Digest, out var known)) return known;
        var transactions = new List<Transaction>();
        var ids = new HashSet<Identifier>();
        foreach (var bytes in block.Transactions)
        {
            if (Transaction.TryParse(bytes, out var transaction) is not Rejection.None || Check(parent, transaction!, block.Header.TimeMs) is not Rejection.None || !ids.Add(transaction!.Payload.Id)) return null;
            transactions.Add(transaction);
        }

        var next = Apply((State)parent.State, transactions, block.Header.TimeMs);
        var header = Header(validators, parent.Block.Header.Height + 1, parent.Block.Digest, block.Header.TimeMs, block.Header.Proposer, next, block.Body);
        return header == block.Header ? Remember(new ExecutedBlock(block, next, next.DeadlineMs, null)) : null;
    }

    public Rejection Check(ExecutedBlock state, Transaction transaction, long timeMs) =>
        transaction.Payload.NotAfterMs <= timeMs ? Rejection.Expired : ((State)state.State).Seen.Contains(transaction.Payload.Id) ? Rejection.Duplicate : Rejection.None;

    private ExecutedBlock Remember(ExecutedBlock executed) => _executed[executed.Block.Digest] = executed;

    private static State Apply(State state, List<Transaction> transactions, long timeMs)
    {
        var met = state.DeadlineMs <= timeMs;
        var root = state.Root;
        var deadline = met ? null : state.DeadlineMs;
        foreach (var transaction in transactions)
        {
            root = Digest.Of([.. root.ToArray(), .. transaction.Digest.ToArray()]);
            if (transaction.Payload.Method == "deadline") deadline ??= timeMs + BinaryPrimitives.ReadInt32BigEndian(transaction.Payload.Arguments.Span);
        }

        return new State(state.Seen.Union(transactions.Select(transaction => transaction.Payload.Id)), state.Size + transactions.Count + 1, root, deadline, state.DeadlinesMet + (met ? 1 : 0));
    }

    private static BlockHeader Header(ValidatorSet validators, ulong height, Digest parent, long timeMs, int proposer, State state, ReadOnlyMemory<byte> body) => new()
    {
        Chain = Chain,
        Shard = Shard,
        Era = validators.Era,
        Height = height,
        Parent = parent,
        TimeMs = timeMs,
        Proposer = proposer,
        TreeSize = state.Size,
        TreeRoot = state.Root,
        BodyHash = Digest.Of(body.Span),
        WriteSet = Digest.Of(BitConverter.GetBytes(state.DeadlinesMet)),
        Validators = validators.Digest,
        NextValidators = null,
    };
}
