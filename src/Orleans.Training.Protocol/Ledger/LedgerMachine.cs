using System.Collections.Immutable;
using Orleans.Training.Protocol.Contracts;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>Whether a key signed a message; a host may answer from a memory of what it has verified already.</summary>
public delegate bool SignatureCheck(PublicKey key, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature);

/// <summary>
/// The ledger as a pure function (docs/spec/block.md): admission, contracts, tree and write set of one shard. The same code runs in every
/// validator, in every follower and in the offline verifier. Not thread-safe only as far as <paramref name="verify"/> is not.
/// </summary>
public sealed class LedgerMachine(Genesis genesis, SignatureCheck verify) : IStateMachine
{
    internal LedgerRules Rules { get; init; } = LedgerRules.Correct;

    /// <summary>The genesis block: height 0, no transactions, the seats' organisations as participants.</summary>
    public ExecutedBlock CreateGenesis()
    {
        var records = new SortedDictionary<string, StateRecord>(StringComparer.Ordinal);
        foreach (var seat in genesis.Validators.Seats)
        {
            records[KeyRecord.Key(seat.TransactionKey.Id)] = new KeyRecord(seat.Organisation, seat.TransactionKey, Revoked: false);
            records[ParticipantRecord.Key(seat.Organisation)] = records.TryGetValue(ParticipantRecord.Key(seat.Organisation), out var existing)
                ? (ParticipantRecord)existing with { Keys = [.. ((ParticipantRecord)existing).Keys, seat.TransactionKey] }
                : new ParticipantRecord(seat.Organisation, seat.Organisation.Name, Roles.Validator, [seat.TransactionKey]);
        }

        records[CountRecord.Participants] = new CountRecord(records.Values.OfType<ParticipantRecord>().Count());
        records[EraRecord.Key] = new EraRecord(genesis.Validators.Era);
        records[ValidatorsRecord.Key(genesis.Validators.Era)] = ValidatorsRecord.Of(genesis.Origin, genesis.Validators);
        var contracts = ContractState.Empty.With(records, []);
        var leaf = new BlockLeaf(0, genesis.TimeMs, Digest.Zero, LedgerEvent.DigestOf([])).Encode();
        var state = new LedgerState(MerkleFrontier.Empty.Append([MerkleHash.Leaf(leaf)]), contracts, ImmutableDictionary<TransactionKey, CommittedTransaction>.Empty, [], [leaf], [[]]);
        var body = Block.EncodeBody([]);
        var header = Header(genesis.Validators, 0, Digest.Zero, genesis.TimeMs, 0, new Outcome(state, new SortedDictionary<string, StateRecord>(contracts.Records.ToDictionary(), StringComparer.Ordinal), null), body);
        return new ExecutedBlock(Block.Create(header, body), state, contracts.NextDeadlineMs, null);
    }

    /// <inheritdoc/>
    public ExecutedBlock Build(ExecutedBlock parent, long timeMs, int proposer, IEnumerable<Transaction> transactions)
    {
        var taken = new List<Transaction>();
        var bytes = 16;
        var seen = new HashSet<TransactionKey>();
        foreach (var transaction in transactions)
        {
            if (taken.Count == Limits.TransactionsPerBlock || bytes + transaction.Encoded.Length + 5 > Limits.BlockBytes) break;
            if (Check(parent, transaction, timeMs) is not Rejection.None || !seen.Add(new TransactionKey(transaction.Payload.Actor, transaction.Payload.Id))) continue;
            taken.Add(transaction);
            bytes += transaction.Encoded.Length + 5;
        }

        var body = Block.EncodeBody([.. taken.Select(transaction => transaction.Encoded)]);
        var validators = LedgerState.Of(parent).Validators;
        var outcome = Run(parent, validators, timeMs, taken);
        return Executed(Block.Create(Header(validators, parent.Block.Header.Height + 1, parent.Block.Digest, timeMs, proposer, outcome, body), body), outcome);
    }

    /// <inheritdoc/>
    public ExecutedBlock? Execute(ExecutedBlock parent, Block block)
    {
        var timeMs = block.Header.TimeMs;
        var validators = LedgerState.Of(parent).Validators;
        if (timeMs <= parent.Block.Header.TimeMs || block.Header.Proposer >= validators.Count) return null;
        var transactions = new List<Transaction>(block.Transactions.Count);
        var seen = new HashSet<TransactionKey>();
        foreach (var encoded in block.Transactions)
        {
            if (Transaction.TryParse(encoded, out var transaction) is not Rejection.None || Check(parent, transaction!, timeMs) is not Rejection.None) return null;
            if (!seen.Add(new TransactionKey(transaction!.Payload.Actor, transaction.Payload.Id))) return null;
            transactions.Add(transaction);
        }

        var outcome = Run(parent, validators, timeMs, transactions);
        var header = Header(validators, parent.Block.Header.Height + 1, parent.Block.Digest, timeMs, block.Header.Proposer, outcome, block.Body);
        return header == block.Header ? Executed(block, outcome) : null;
    }

    /// <inheritdoc/>
    public Rejection Check(ExecutedBlock state, Transaction transaction, long timeMs)
    {
        var payload = transaction.Payload;
        if (payload.Chain != genesis.Chain) return Rejection.WrongChain;
        if (payload.Shard != genesis.Shard) return Rejection.WrongShard;
        if (payload.NotAfterMs <= timeMs) return Rejection.Expired;
        if (payload.NotAfterMs > timeMs + Limits.ExpiryWindowMs) return Rejection.ExpiryTooFar;
        var ledger = LedgerState.Of(state);
        if (ledger.Recent.TryGetValue(new TransactionKey(payload.Actor, payload.Id), out var committed))
            return committed.Digest == transaction.Digest ? Rejection.Duplicate : Rejection.TransactionIdReused;
        var key = ledger.Contracts.Find<KeyRecord>(KeyRecord.Key(payload.KeyId));
        if (key is null || key.Revoked || key.Owner != payload.Actor) return Rejection.UnknownKey;
        return key.PublicKey.Algorithm == transaction.Algorithm && verify(key.PublicKey, transaction.ToBeSigned.Span, transaction.Signature.Span) ? Rejection.None : Rejection.BadSignature;
    }

    // What a block leaves: the state, what it wrote, and the validators of the next era if it ends this one.
    private sealed record Outcome(LedgerState State, SortedDictionary<string, StateRecord> Writes, ValidatorSet? Next);

    private static ExecutedBlock Executed(Block block, Outcome outcome) => new(block, outcome.State, outcome.State.Contracts.NextDeadlineMs, outcome.Next);

    private Outcome Run(ExecutedBlock parent, ValidatorSet validators, long timeMs, List<Transaction> transactions)
    {
        var height = parent.Block.Header.Height + 1;
        var scope = new ContractScope(genesis, validators, height, timeMs, verify, Rules);
        var before = LedgerState.Of(parent);
        var writes = new SortedDictionary<string, StateRecord>(StringComparer.Ordinal);
        var contracts = before.Contracts;
        var leaves = new List<byte[]>(transactions.Count + 1);
        var events = new List<IReadOnlyList<LedgerEvent>>(transactions.Count + 1);

        var own = FallDue(ref contracts, scope, writes);
        leaves.Add([]);
        events.Add(own);

        var recent = before.Recent.ToBuilder();
        var byExpiry = before.RecentByExpiry.ToBuilder();
        while (byExpiry.Count > 0 && byExpiry.Min.NotAfterMs <= timeMs)
        {
            var (_, actor, id) = byExpiry.Min;
            byExpiry.Remove(byExpiry.Min);
            recent.Remove(new TransactionKey(actor, id));
        }

        for (var position = 0; position < transactions.Count; position++)
        {
            var payload = transactions[position].Payload;
            var context = new ContractContext(contracts, scope, payload.Actor, payload.KeyId);
            var result = ContractCalls.TryRead(payload.Contract, payload.Method, payload.Arguments, out var call);
            if (result is Rejection.None) result = call!.Apply(context);
            if (result is Rejection.None) contracts = context.Commit(writes);
            IReadOnlyList<LedgerEvent> facts = result is Rejection.None ? context.Events : [];
            leaves.Add(new Entry(height, position, payload.Actor, payload.KeyId, payload.Id, transactions[position].Digest, result, LedgerEvent.DigestOf(facts)).Encode());
            events.Add(facts);
            recent[new TransactionKey(payload.Actor, payload.Id)] = new CommittedTransaction(transactions[position].Digest, before.Tree.Size + 1 + position, payload.NotAfterMs);
            byExpiry.Add((payload.NotAfterMs, payload.Actor, payload.Id));
        }

        var sealing = new ContractContext(contracts, scope, default, default);
        var next = EraContract.Seal(sealing);
        if (next is not null) contracts = sealing.Commit(writes);
        own.AddRange(sealing.Events);
        leaves[0] = new BlockLeaf(height, timeMs, parent.Block.Digest, LedgerEvent.DigestOf(own)).Encode();

        var tree = before.Tree.Append([.. leaves.Select(leaf => MerkleHash.Leaf(leaf))]);
        return new Outcome(new LedgerState(tree, contracts, recent.ToImmutable(), byExpiry.ToImmutable(), leaves, events), writes, next);
    }

    private static List<LedgerEvent> FallDue(ref ContractState contracts, ContractScope scope, SortedDictionary<string, StateRecord> writes)
    {
        var events = new List<LedgerEvent>();
        while (contracts.NextDeadlineMs <= scope.TimeMs)
        {
            var deadline = contracts.Deadlines[0];
            var context = new ContractContext(contracts, scope, default, default);
            if (deadline.Key.StartsWith(ChangeRecord.Prefix, StringComparison.Ordinal)) EraContract.OnDeadline(context, deadline.Key);
            else if (deadline.Key.StartsWith(DrawRecord.Prefix, StringComparison.Ordinal)) DrawContract.OnDeadline(context, deadline.Key);
            else if (deadline.Key.StartsWith(ExpiryRecord.Prefix, StringComparison.Ordinal)) ExpiryContract.OnDeadline(context, deadline.Key);
            else RoundContract.OnDeadline(context, deadline.Key);
            context.SetDeadline(deadline.Key, deadline.TimeMs, null);
            contracts = context.Commit(writes);
            events.AddRange(context.Events);
        }

        return events;
    }

    private BlockHeader Header(ValidatorSet validators, ulong height, Digest parent, long timeMs, int proposer, Outcome outcome, ReadOnlyMemory<byte> body) => new()
    {
        Chain = genesis.Chain,
        Shard = genesis.Shard,
        Era = validators.Era,
        Height = height,
        Parent = parent,
        TimeMs = timeMs,
        Proposer = proposer,
        TreeSize = outcome.State.Tree.Size,
        TreeRoot = outcome.State.Tree.Root,
        BodyHash = Digest.Of(body.Span),
        WriteSet = DigestWrites(outcome.Writes),
        Validators = validators.Digest,
        NextValidators = outcome.Next?.Digest,
    };

    // [[key, SHA-256(record)]…] in key order.
    private static Digest DigestWrites(SortedDictionary<string, StateRecord> writes) => Digest.Of(Wire.Encode(writer =>
    {
        writer.WriteStartArray(writes.Count);
        foreach (var (key, record) in writes)
        {
            writer.WriteStartArray(2);
            writer.WriteTextString(key);
            writer.Write(Digest.Of(record.Encode()));
            writer.WriteEndArray();
        }

        writer.WriteEndArray();
    }));
}
