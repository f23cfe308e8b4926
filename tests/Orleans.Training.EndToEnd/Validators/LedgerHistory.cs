using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.EndToEnd.Validators;

/// <summary>One transaction that a client has handed in, and what it was told.</summary>
/// <param name="Transaction">What was handed in, to one validator after the other until one had a receipt.</param>
/// <param name="From">Who gave the receipt; nobody if there is none.</param>
/// <param name="Begun">When it was handed in first; one clock for all clients.</param>
/// <param name="Ended">When the receipt was there.</param>
/// <param name="Receipt">The receipt; null if the client has given up.</param>
internal sealed record Submission(Transaction Transaction, ParticipantId From, long Begun, long Ended, Receipt? Receipt)
{
    public override string ToString() => $"transaction {Transaction.Digest} (receipt {Receipt?.Index} of {From})";
}

/// <summary>What one validator shows when everything is over.</summary>
internal sealed record SeatLedger(ParticipantId Seat, IReadOnlyList<Block> Blocks, SignedNote Checkpoint);

/// <summary>
/// Decides whether a history of concurrent submissions is one of a ledger: every receipt verifies, and is about its transaction where all validators have it; nothing that was acknowledged is missing, nothing stands twice; all checkpoints, also
/// those in receipts, are of one tree; and what was handed in after another receipt was there stands behind it. Pure: it executes the blocks itself.
/// </summary>
internal sealed class LedgerHistory(Genesis genesis, IReadOnlyList<TrustPolicy> policies)
{
    private readonly List<string> _faults = [];
    private readonly MerkleTree _tree = new();
    private readonly Dictionary<Digest, long> _entries = [];

    /// <summary>What is wrong; nothing for a good history.</summary>
    public static IReadOnlyList<string> Faults(Genesis genesis, IReadOnlyList<TrustPolicy> policies, IReadOnlyList<Submission> submissions, IReadOnlyList<SeatLedger> ledgers)
    {
        var history = new LedgerHistory(genesis, policies);
        var longest = ledgers.MaxBy(ledger => ledger.Blocks.Count)!;
        foreach (var ledger in ledgers) history.Compare(ledger, longest);
        history.Execute(longest);
        foreach (var ledger in ledgers) history.CheckNote(ledger.Checkpoint, $"the checkpoint of {ledger.Seat}");
        var acknowledged = submissions.Where(submission => submission.Receipt is not null).ToArray();
        foreach (var submission in acknowledged) history.Check(submission);
        history.CheckPairs(acknowledged);
        history.CheckOrder(acknowledged);
        return history._faults;
    }

    private void Compare(SeatLedger ledger, SeatLedger longest)
    {
        for (var i = 0; i < ledger.Blocks.Count; i++)
        {
            if (ledger.Blocks[i].Encode().AsSpan().SequenceEqual(longest.Blocks[i].Encode())) continue;
            _faults.Add($"block {i + 1} of {ledger.Seat} is not the one of {longest.Seat}");
            return;
        }
    }

    private void Execute(SeatLedger ledger)
    {
        var machine = new LedgerMachine(genesis, Signatures.Verify);
        var head = machine.CreateGenesis();
        Append(head);
        var transactions = new HashSet<Digest>();
        foreach (var block in ledger.Blocks)
        {
            foreach (var bytes in block.Transactions)
            {
                if (!transactions.Add(Digest.Of(bytes.Span))) _faults.Add($"a transaction of block {block.Header.Height} stands twice");
            }

            if (machine.Execute(head, block) is not { } next)
            {
                _faults.Add($"block {block.Header.Height} of {ledger.Seat} does not execute");
                return;
            }

            Append(head = next);
        }
    }

    private void Append(ExecutedBlock block)
    {
        foreach (var bytes in LedgerState.Of(block).Leaves)
        {
            if (Leaf.TryParse(bytes, out var leaf) && leaf is Entry entry && !_entries.TryAdd(entry.TransactionDigest, _tree.Size)) _faults.Add($"transaction {entry.TransactionDigest} has two entries");
            _tree.Append(MerkleHash.Leaf(bytes));
        }
    }

    private void CheckNote(SignedNote note, string what)
    {
        if (!policies.Any(policy => policy.Accepts(note) is ReceiptCheck.Good)) _faults.Add($"{what} is not accepted by the policy");
        if (!Checkpoint.TryParse(note.Text, out var checkpoint)) _faults.Add($"{what} is none");
        else if (checkpoint!.Size > _tree.Size) _faults.Add($"{what} covers {checkpoint.Size} leaves, and there are {_tree.Size}");
        else if (_tree.Root(checkpoint.Size) != checkpoint.Root) _faults.Add($"{what} is of another tree");
    }

    private void Check(Submission submission)
    {
        var receipt = submission.Receipt!;
        CheckNote(receipt.Note, $"the checkpoint in the receipt of {submission}");
        if (!policies.Any(policy => receipt.Verify(policy) is ReceiptCheck.Good)) _faults.Add($"the receipt of {submission} does not verify");
        if (!Leaf.TryParse(receipt.Leaf, out var leaf) || leaf is not Entry entry || entry.TransactionDigest != submission.Transaction.Digest) _faults.Add($"the receipt of {submission} is about another transaction");
        if (!_entries.TryGetValue(submission.Transaction.Digest, out var index)) _faults.Add($"{submission} was acknowledged and is missing");
        else if (index != receipt.Index) _faults.Add($"{submission} stands at {index}");
        else if (_tree[index] != MerkleHash.Leaf(receipt.Leaf.Span)) _faults.Add($"the entry of {submission} is not the one in its receipt");
    }

    // Two receipts can contradict each other without any ledger.
    private void CheckPairs(IReadOnlyList<Submission> acknowledged)
    {
        foreach (var same in acknowledged.GroupBy(submission => submission.Receipt!.Index))
        {
            if (same.Select(submission => Digest.Of(submission.Receipt!.Leaf.Span)).Distinct().Count() > 1) _faults.Add($"two receipts of index {same.Key} are about two leaves");
        }

        foreach (var same in acknowledged.GroupBy(submission => submission.Transaction.Digest))
        {
            if (same.Select(submission => submission.Receipt!.Index).Distinct().Count() > 1) _faults.Add($"two receipts of transaction {same.Key} have two indices");
        }

        foreach (var same in acknowledged.Select(submission => Checkpoint.TryParse(submission.Receipt!.Note.Text, out var checkpoint) ? checkpoint : null).OfType<Checkpoint>().GroupBy(checkpoint => checkpoint.Size))
        {
            if (same.Select(checkpoint => checkpoint.Root).Distinct().Count() > 1) _faults.Add($"two receipts under {same.Key} leaves have two roots");
        }
    }

    // In the order of the ledger, nobody may have begun after somebody behind it had ended.
    private void CheckOrder(IReadOnlyList<Submission> acknowledged)
    {
        var soonest = long.MaxValue;
        foreach (var submission in acknowledged.OrderByDescending(submission => submission.Receipt!.Index))
        {
            if (submission.Begun > soonest) _faults.Add($"{submission} was handed in when a receipt of a later entry was there");
            soonest = Math.Min(soonest, submission.Ended);
        }
    }
}
