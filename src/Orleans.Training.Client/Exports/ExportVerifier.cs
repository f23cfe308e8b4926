using System.Globalization;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Client.Exports;

/// <summary>What a verification has shown.</summary>
/// <param name="Blocks">Blocks executed again, genesis left out.</param>
/// <param name="Entries">Transactions, every signature checked.</param>
/// <param name="Refused">Entries that record a refusal by a contract.</param>
/// <param name="Certificates">Finalizations, every signature checked.</param>
/// <param name="Receipts">Receipts, each checked under the policy.</param>
/// <param name="Rounds">Published rounds, each recomputed from the committed updates.</param>
/// <param name="Expired">Of these, rounds whose updates have expired: their models follow from sums that a quorum has attested.</param>
/// <param name="Model">Digest of the last published model; null when there is none.</param>
/// <param name="LedgerBytes">Bytes of blocks and certificates.</param>
/// <param name="BlobBytes">Bytes kept off the ledger.</param>
/// <param name="Statements">Validators whose statement about the last model is in the export, each checked.</param>
/// <param name="Size">Leaves of the tree.</param>
/// <param name="FalseWork">What somebody has signed that is not so, too little in any round to matter.</param>
public sealed record ExportReport(long Blocks, long Entries, long Refused, long Certificates, long Receipts, int Rounds, int Expired, Digest? Model, long LedgerBytes, long BlobBytes, int Statements, long Size, IReadOnlyList<FalseWork> FalseWork);

/// <summary>What is not so of what somebody has signed about a round.</summary>
public enum FalseWord
{
    /// <summary>That it had the sum which it attested: its work digest is not the one that the sum gives.</summary>
    Work,
    /// <summary>The image of an update.</summary>
    Image,
    /// <summary>The sum, or the model, that it proposed.</summary>
    Proposal,
    /// <summary>That a proposal is right, or that it is wrong.</summary>
    Verdict,
}

/// <summary>Somebody has signed about a published round what its committed updates do not bear out. The export proves it: the round was computed again from them.</summary>
public sealed record FalseWork(ParticipantId Actor, Digest Run, int Round, string File, ParticipantId? Update = null, FalseWord Word = FalseWord.Work)
{
    /// <summary>One line for people.</summary>
    public override string ToString() => $"{File}: {Actor} " + Word switch
    {
        FalseWord.Image => FormattableString.Invariant($"told an image of {Update}'s update in round {Round} of run {Run} that it does not have"),
        FalseWord.Proposal => FormattableString.Invariant($"proposed in round {Round} of run {Run} a sum or a model that the updates do not give"),
        FalseWord.Verdict => FormattableString.Invariant($"said of a proposal in round {Round} of run {Run} what is not so"),
        _ => FormattableString.Invariant($"attested round {Round} of run {Run} without the sum: its work digest is not the one that the sum gives"),
    };
}

/// <summary>
/// Checks an export offline against a trust policy from outside (docs/spec/export.md): every signature, certificate, hash and receipt, and every round's aggregation, computed again
/// bit for bit. Believes nothing in the folder; throws at the first fault.
/// </summary>
public sealed class ExportVerifier
{
    private readonly ExportReader _files;
    private readonly TrustPolicy _policy;
    private readonly SignatureCheck _signatures;
    private readonly MerkleTree _tree = new();
    private readonly List<byte[]> _leaves = [];
    private readonly List<ExecutedBlock> _blocks = [];
    private readonly RoundHistory _history = new();
    private string _acceptedNote = "";
    private long _certificates, _entries, _refused, _ledgerBytes;

    private ExportVerifier(IExportFiles files, TrustPolicy policy, SignatureCheck signatures) => (_files, _policy, _signatures) = (new ExportReader(files), policy, signatures);

    /// <summary>Checks everything.</summary>
    /// <param name="folder">The export.</param>
    /// <param name="policy">Whom to believe.</param>
    /// <exception cref="ExportException">Something is wrong.</exception>
    public static ExportReport Verify(string folder, TrustPolicy policy) => Verify(new ExportFolder(folder), policy, Signatures.Verify);

    internal static ExportReport Verify(IExportFiles files, TrustPolicy policy, SignatureCheck signatures) => new ExportVerifier(files, policy, signatures).Run();

    private ExportReport Run()
    {
        if (!Genesis.TryParse(_files.Read(ExportLayout.Genesis, 64 * 1024), out var genesis)) throw new ExportException(ExportFault.Malformed, ExportLayout.Genesis, "is no genesis");
        ExecuteBlocks(genesis!);
        CheckCheckpoint(genesis!);
        var receipts = CheckReceipts();
        var verifier = new RoundVerifier(_files, _history, LedgerState.Of(_blocks[^1]).Contracts, genesis!, _signatures);
        var (rounds, model) = verifier.CheckAll();
        if (_files.FirstUnread is { } file) throw new ExportException(ExportFault.UnexpectedFile, file, "is no part of this export; nothing vouches for it");
        return new ExportReport(_blocks.Count - 1, _entries, _refused, _certificates, receipts, rounds, verifier.Expired, model, _ledgerBytes, _files.BlobBytes, verifier.Statements, _tree.Size, verifier.FalseWork);
    }

    private void ExecuteBlocks(Genesis genesis)
    {
        var machine = new LedgerMachine(genesis, _signatures);
        var head = machine.CreateGenesis();
        Append(head);
        var final = true;
        var height = 1L;
        for (; _files.Has(ExportLayout.Block(height)); height++)
        {
            var file = ExportLayout.Block(height);
            var bytes = _files.Read(file, Limits.MessageBytes);
            _ledgerBytes += bytes.Length;
            if (ExportLayout.DecodeBlock(bytes) is not var (block, finalization)) throw new ExportException(ExportFault.Malformed, file, "is no block with its finalization");
            var validators = LedgerState.Of(head).Validators;
            head = machine.Execute(head, block) ?? throw new ExportException(ExportFault.BlockDoesNotExecute, file, $"does not follow from block {height - 1}: a transaction or signature is inadmissible, or a hash differs from what its execution gives");
            Append(head);
            final = finalization is not null;
            if (finalization is null) continue;
            if (finalization.Kind is not VoteKind.Finalize || finalization.Digest != block.Digest || !finalization.Verify(validators, genesis.Chain, genesis.Shard)) throw new ExportException(ExportFault.BadFinalization, file, $"is not finalized by {validators.Quorum} of {validators.Count} validators");
            _certificates++;
        }

        if (_files.HasBlockAbove(height)) throw new ExportException(ExportFault.MissingFile, ExportLayout.Block(height), "is missing, and later blocks are there");
        if (!final) throw new ExportException(ExportFault.NotFinal, ExportLayout.Block(_blocks.Count - 1), "is the newest block and carries no finalization");
    }

    private void Append(ExecutedBlock executed)
    {
        _blocks.Add(executed);
        _history.Append(executed);
        foreach (var leaf in LedgerState.Of(executed).Leaves)
        {
            _tree.Append(MerkleHash.Leaf(leaf));
            _leaves.Add(leaf);
            if (!Leaf.TryParse(leaf, out var parsed) || parsed is not Entry entry) continue;
            _entries++;
            if (entry.Result is not Rejection.None) _refused++;
        }
    }

    private void CheckCheckpoint(Genesis genesis)
    {
        if (!SignedNote.TryParse(_files.ReadText(ExportLayout.Checkpoint, 64 * 1024), out var note)) throw new ExportException(ExportFault.Malformed, ExportLayout.Checkpoint, "is no signed note");
        var accepted = Accepts(note!);
        if (accepted is not ReceiptCheck.Good) throw new ExportException(ExportFault.CheckpointNotTrusted, ExportLayout.Checkpoint, $"is not accepted by the trust policy (OT-{(int)accepted} {accepted})");
        if (!Checkpoint.TryParse(note!.Text, out var checkpoint) || checkpoint!.Origin != genesis.Origin || checkpoint.Size != _tree.Size || checkpoint.Root != _tree.Root(_tree.Size))
            throw new ExportException(ExportFault.CheckpointDiffers, ExportLayout.Checkpoint, $"is not about the tree of {_tree.Size} leaves that the blocks make");
    }

    // Most receipts carry one and the same note: its signatures are checked once.
    private ReceiptCheck Accepts(SignedNote note)
    {
        var text = note.ToString();
        if (text == _acceptedNote) return ReceiptCheck.Good;
        var accepted = _policy.Accepts(note);
        if (accepted is ReceiptCheck.Good) _acceptedNote = text;
        return accepted;
    }

    private long CheckReceipts()
    {
        var count = 0L;
        for (var index = 0L; index < _tree.Size; index++)
        {
            var file = ExportLayout.Receipt(index);
            // Every transaction has its receipt; a block's own leaf may have one.
            if (!_files.Has(file) && Leaf.TryParse(_leaves[(int)index], out var leaf) && leaf is BlockLeaf) continue;
            if (!Receipt.TryParse(_files.ReadText(file, 256 * 1024), out var receipt)) throw new ExportException(ExportFault.Malformed, file, "is no tlog-proof");
            CheckReceipt(file, index, receipt!);
            count++;
        }

        return count;
    }

    private void CheckReceipt(string file, long index, Receipt receipt)
    {
        var check = Accepts(receipt.Note);
        if (!Checkpoint.TryParse(receipt.Note.Text, out var checkpoint)) check = ReceiptCheck.NoCheckpoint;
        if (check is ReceiptCheck.Good && !MerkleProof.VerifyInclusion(MerkleHash.Leaf(receipt.Leaf.Span), receipt.Index, checkpoint!.Size, receipt.Path, checkpoint.Root)) check = ReceiptCheck.NotIncluded;
        if (check is not ReceiptCheck.Good) throw new ExportException(ExportFault.BadReceipt, file, $"does not verify (OT-{(int)check} {check})");
        if (receipt.Index != index || !receipt.Leaf.Span.SequenceEqual(_leaves[(int)index])) throw new ExportException(ExportFault.ReceiptDiffers, file, $"proves another leaf than the one at index {index}");
        // A receipt may be of a later checkpoint than the export's; one of an earlier must be of this very tree.
        if (checkpoint!.Size <= _tree.Size && checkpoint.Root != _tree.Root(checkpoint.Size)) throw new ExportException(ExportFault.ReceiptDiffers, file, $"is about another tree of {checkpoint.Size} leaves than the blocks make");
    }
}
