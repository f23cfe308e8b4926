using System.Buffers.Binary;
using System.Collections.Immutable;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Simulation;

/// <summary>
/// A small ledger with the shape of the real one: a transaction commits once, the root chains all transactions, and the method "deadline"
/// sets a deadline that the first block at or after it clears. "change" asks for another validator set, "ready" says that a node is ready for an era. Pure, so executions of the same block are remembered.
/// </summary>
internal sealed class SimulatedMachine(int blockLimit = 8, Func<int, int, Validator>? entryOf = null, bool sealsUnready = false, bool believesHeaders = false) : IStateMachine
{
    private readonly Dictionary<Digest, ExecutedBlock> _executed = [];

    internal sealed record State(ImmutableHashSet<Identifier> Seen, long Size, Digest Root, long? DeadlineMs, int DeadlinesMet, ValidatorSet Validators, ImmutableList<Reconfiguration> Pending, ImmutableHashSet<(int Node, int Version, int Era)> Ready);

    public static Digest Chain { get; } = Digest.Of("simulated chain"u8);
    public static Identifier Shard { get; } = Identifier.Of("simulated shard"u8);

    public static ExecutedBlock Genesis(ValidatorSet validators, long timeMs)
    {
        var state = new State([], 1, Digest.Of("root"u8), null, 0, validators, [], []);
        var body = Block.EncodeBody([]);
        return new ExecutedBlock(Block.Create(Header(validators, 0, Digest.Zero, timeMs, 0, state, null, body), body), state, null, null);
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
        var (next, seals) = Seal(Apply(state, taken, timeMs));
        var block = Block.Create(Header(state.Validators, parent.Block.Header.Height + 1, parent.Block.Digest, timeMs, proposer, next, seals, body), body);
        return Remember(new ExecutedBlock(block, next, next.DeadlineMs, seals));
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

        var state = (State)parent.State;
        var (next, seals) = Seal(Apply(state, transactions, block.Header.TimeMs));
        var header = Header(state.Validators, parent.Block.Header.Height + 1, parent.Block.Digest, block.Header.TimeMs, block.Header.Proposer, next, seals, block.Body);
        return header == block.Header || believesHeaders ? Remember(new ExecutedBlock(block, next, next.DeadlineMs, seals)) : null;
    }

    public Rejection Check(ExecutedBlock state, Transaction transaction, long timeMs) =>
        transaction.Payload.NotAfterMs <= timeMs ? Rejection.Expired : ((State)state.State).Seen.Contains(transaction.Payload.Id) ? Rejection.Duplicate : Rejection.None;

    private ExecutedBlock Remember(ExecutedBlock executed) => _executed[executed.Block.Digest] = executed;

    private static State Apply(State state, List<Transaction> transactions, long timeMs)
    {
        var met = state.DeadlineMs <= timeMs;
        var root = state.Root;
        var deadline = met ? null : state.DeadlineMs;
        var (pending, ready) = (state.Pending, state.Ready);
        foreach (var transaction in transactions)
        {
            root = Digest.Of([.. root.ToArray(), .. transaction.Digest.ToArray()]);
            var arguments = transaction.Payload.Arguments.Span;
            switch (transaction.Payload.Method)
            {
                case "deadline": deadline ??= timeMs + BinaryPrimitives.ReadInt32BigEndian(arguments); break;
                case "change": pending = pending.Add(Reconfiguration.Decode(arguments)); break;
                case "ready": ready = ready.Add((arguments[0], arguments[1], arguments[2])); break;
            }
        }

        return state with { Seen = state.Seen.Union(transactions.Select(transaction => transaction.Payload.Id)), Size = state.Size + transactions.Count + 1, Root = root, DeadlineMs = deadline, DeadlinesMet = state.DeadlinesMet + (met ? 1 : 0), Pending = pending, Ready = ready };
    }

    // The rule of the contracts: who comes in is ready, and a quorum stays or all are ready.
    private (State Next, ValidatorSet? Seals) Seal(State state)
    {
        foreach (var change in state.Pending)
        {
            if (change.ApplyTo(state.Validators, entryOf!) is not { } seats) continue;
            var next = new ValidatorSet(state.Validators.Era + 1, seats);
            bool IsReady(Validator seat) => state.Ready.Any(word => word.Era == (int)next.Era && entryOf!(word.Node, word.Version) == seat);
            var ready = change.Entering is not { } entering || state.Ready.Contains((entering.Node, entering.Version, (int)next.Era));
            if (!sealsUnready && !(ready && EraContract.MaySeal(state.Validators, next, IsReady))) continue;
            return (state with { Validators = next, Pending = state.Pending.Remove(change) }, next);
        }

        return (state, null);
    }

    private static BlockHeader Header(ValidatorSet validators, ulong height, Digest parent, long timeMs, int proposer, State state, ValidatorSet? next, ReadOnlyMemory<byte> body) => new()
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
        NextValidators = next?.Digest,
    };
}
