using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
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
/// <param name="Model">Digest of the last published model; null when there is none.</param>
/// <param name="LedgerBytes">Bytes of blocks and certificates.</param>
/// <param name="BlobBytes">Bytes kept off the ledger.</param>
/// <param name="Size">Leaves of the tree.</param>
public sealed record ExportReport(long Blocks, long Entries, long Refused, long Certificates, long Receipts, int Rounds, Digest? Model, long LedgerBytes, long BlobBytes, long Size);

/// <summary>
/// Checks an export offline against a trust policy from outside (docs/spec/export.md): every signature, certificate, hash and receipt, and every round's aggregation, computed again
/// bit for bit. Believes nothing in the folder; throws at the first fault.
/// </summary>
public sealed class ExportVerifier
{
    private readonly string _folder;
    private readonly TrustPolicy _policy;
    private readonly Func<ModelSpec, float[], byte[]>? _modelFile;
    private readonly HashSet<string> _seen = new(StringComparer.Ordinal);
    private readonly MerkleTree _tree = new();
    private readonly List<byte[]> _leaves = [];
    private readonly List<ExecutedBlock> _blocks = [];
    private readonly Dictionary<(Digest Agreement, int Round), List<(long Height, ParticipantId Actor, Digest Work)>> _verdicts = [];
    private long _certificates, _entries, _refused, _ledgerBytes, _blobBytes;

    private ExportVerifier(string folder, TrustPolicy policy, Func<ModelSpec, float[], byte[]>? modelFile) => (_folder, _policy, _modelFile) = (folder, policy, modelFile);

    /// <summary>Checks everything.</summary>
    /// <param name="folder">The export.</param>
    /// <param name="policy">Whom to believe.</param>
    /// <param name="modelFile">Writes a model as the export's model file; without it that file is not looked at.</param>
    /// <exception cref="ExportException">Something is wrong.</exception>
    public static ExportReport Verify(string folder, TrustPolicy policy, Func<ModelSpec, float[], byte[]>? modelFile = null) => new ExportVerifier(folder, policy, modelFile).Run();

    private ExportReport Run()
    {
        if (!Genesis.TryParse(Read(ExportLayout.Genesis, 64 * 1024), out var genesis)) throw new ExportException(ExportFault.Malformed, ExportLayout.Genesis, "is no genesis");
        ExecuteBlocks(genesis!);
        CheckCheckpoint(genesis!);
        var receipts = CheckReceipts();
        var (rounds, model) = CheckRounds(genesis!);
        foreach (var file in Directory.EnumerateFiles(_folder, "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(_folder, path).Replace('\\', '/')).Order(StringComparer.Ordinal))
        {
            if (!_seen.Contains(file)) throw new ExportException(ExportFault.UnexpectedFile, file, "is no part of this export; nothing vouches for it");
        }

        return new ExportReport(_blocks.Count - 1, _entries, _refused, _certificates, receipts, rounds, model, _ledgerBytes, _blobBytes, _tree.Size);
    }

    private void ExecuteBlocks(Genesis genesis)
    {
        var machine = new LedgerMachine(genesis, Signatures.Verify);
        var head = machine.CreateGenesis();
        Append(head);
        var final = true;
        for (var height = 1L; File.Exists(Path.Combine(_folder, ExportLayout.Block(height))); height++)
        {
            var file = ExportLayout.Block(height);
            var bytes = Read(file, Limits.MessageBytes);
            _ledgerBytes += bytes.Length;
            if (ExportLayout.DecodeBlock(bytes) is not var (block, finalization)) throw new ExportException(ExportFault.Malformed, file, "is no block with its finalization");
            head = machine.Execute(head, block) ?? throw new ExportException(ExportFault.BlockDoesNotExecute, file, $"does not follow from block {height - 1}: a transaction or signature is inadmissible, or a hash differs from what its execution gives");
            Append(head);
            final = finalization is not null;
            if (finalization is null) continue;
            if (finalization.Kind is not VoteKind.Finalize || finalization.Digest != block.Digest || !finalization.Verify(genesis.Validators, genesis.Chain, genesis.Shard)) throw new ExportException(ExportFault.BadFinalization, file, $"is not finalized by {genesis.Validators.Quorum} of {genesis.Validators.Count} validators");
            _certificates++;
        }

        if (!final) throw new ExportException(ExportFault.NotFinal, ExportLayout.Block(_blocks.Count - 1), "is the newest block and carries no finalization");
    }

    private void Append(ExecutedBlock executed)
    {
        _blocks.Add(executed);
        foreach (var leaf in LedgerState.Of(executed).Leaves)
        {
            _tree.Append(MerkleHash.Leaf(leaf));
            _leaves.Add(leaf);
            if (!Leaf.TryParse(leaf, out var parsed) || parsed is not Entry entry) continue;
            _entries++;
            if (entry.Result is not Rejection.None) _refused++;
            else Remember(executed.Block, entry);
        }
    }

    private void Remember(Block block, Entry entry)
    {
        if (Transaction.TryParse(block.Transactions[entry.Position], out var transaction) is not Rejection.None || transaction!.Payload is not { Contract: "round", Method: "Attest" } payload) return;
        if (ContractCalls.TryRead(payload.Contract, payload.Method, payload.Arguments, out var call) is not Rejection.None || call is not Attest { Ok: true } attest) return;
        if (!_verdicts.TryGetValue((attest.Agreement, attest.Number), out var verdicts)) _verdicts[(attest.Agreement, attest.Number)] = verdicts = [];
        verdicts.Add(((long)block.Header.Height, payload.Actor, attest.Work));
    }

    private void CheckCheckpoint(Genesis genesis)
    {
        if (!SignedNote.TryParse(System.Text.Encoding.UTF8.GetString(Read(ExportLayout.Checkpoint, 64 * 1024)), out var note)) throw new ExportException(ExportFault.Malformed, ExportLayout.Checkpoint, "is no signed note");
        var accepted = _policy.Accepts(note!);
        if (accepted is not ReceiptCheck.Good) throw new ExportException(ExportFault.CheckpointNotTrusted, ExportLayout.Checkpoint, $"is not accepted by the trust policy (OT-{(int)accepted} {accepted})");
        if (!Checkpoint.TryParse(note!.Text, out var checkpoint) || checkpoint!.Origin != genesis.Origin || checkpoint.Size != _tree.Size || checkpoint.Root != _tree.Root(_tree.Size))
            throw new ExportException(ExportFault.CheckpointDiffers, ExportLayout.Checkpoint, $"is not about the tree of {_tree.Size} leaves that the blocks make");
    }

    private long CheckReceipts()
    {
        var count = 0L;
        for (var index = 0L; index < _tree.Size; index++)
        {
            var file = ExportLayout.Receipt(index);
            if (!File.Exists(Path.Combine(_folder, file))) continue;
            if (!Receipt.TryParse(System.Text.Encoding.UTF8.GetString(Read(file, 256 * 1024)), out var receipt)) throw new ExportException(ExportFault.Malformed, file, "is no tlog-proof");
            var check = receipt!.Verify(_policy);
            if (check is not ReceiptCheck.Good) throw new ExportException(ExportFault.BadReceipt, file, $"does not verify (OT-{(int)check} {check})");
            if (receipt.Index != index || !receipt.Leaf.Span.SequenceEqual(_leaves[(int)index])) throw new ExportException(ExportFault.ReceiptDiffers, file, $"proves another leaf than the one at index {index}");
            count++;
        }

        return count;
    }

    private (int Rounds, Digest? Model) CheckRounds(Genesis genesis)
    {
        var state = LedgerState.Of(_blocks[^1]).Contracts;
        var (rounds, last) = (0, (Digest?)null);
        foreach (var run in state.All<RunRecord>(RunRecord.Prefix))
        {
            var terms = state.Find<AgreementRecord>(AgreementRecord.Key(run.Agreement))!;
            var model = RoundAggregate.InitialModelOf(terms.Agreement);
            if (Digest.Of(model) != terms.Agreement.InitialModel) throw new ExportException(ExportFault.InitialModelDiffers, $"agreement {run.Agreement}", "names an initial model that its specification and seed do not give");
            for (var number = 1; number <= run.PublishedRounds; number++)
            {
                var published = state.Find<ModelRecord>(ModelRecord.Key(run.Agreement, number))!;
                var round = state.All<RoundRecord>($"{RoundRecord.Prefix}{run.Agreement}/{number:D6}/").Single(attempt => attempt.Phase is Phase.Published);
                var what = $"round {number} of run {run.Agreement}";
                var aggregate = RoundAggregate.Compute(terms, round, genesis.Validators.Quorum, model, ReadBlob) ?? throw new ExportException(ExportFault.ModelDiffers, what, "has an update that may not be added");
                if (aggregate.Model != published.Model || aggregate.SumRoot != published.SumRoot || aggregate.ModelRoot != published.Root) throw new ExportException(ExportFault.ModelDiffers, what, $"published {published.Model}, but its committed updates give {aggregate.Model}");
                CheckBlob(aggregate.SumRoot, aggregate.Sum);
                CheckBlob(aggregate.ModelRoot, aggregate.ModelBytes);
                CheckWork(run.Agreement, number, aggregate.Sum);
                (model, last) = (aggregate.ModelBytes, aggregate.Model);
                rounds++;
            }

            CheckModelFile(terms, model, run.PublishedRounds);
        }

        return (rounds, last);
    }

    private void CheckWork(Digest agreement, int number, byte[] sum)
    {
        foreach (var (height, actor, work) in _verdicts.GetValueOrDefault((agreement, number)) ?? [])
        {
            if (work != RoundAggregate.WorkOf(actor, sum)) throw new ExportException(ExportFault.WorkNotDone, ExportLayout.Block(height), $"{actor} attested round {number} without the sum: its work digest is not the one that the sum gives");
        }
    }

    private ReadOnlyMemory<byte>? ReadBlob(Digest root)
    {
        var file = ExportLayout.Blob(root);
        if (!File.Exists(Path.Combine(_folder, file))) throw new ExportException(ExportFault.MissingBlob, file, "is needed by a published round and missing");
        var known = !_seen.Add(file);
        var content = Read(file, ExportLayout.MaximumBlobBytes);
        if (!known) _blobBytes += content.Length;
        return ChunkedBlob.Root(content) == root ? content : throw new ExportException(ExportFault.BadBlob, file, "is not the content that its name says");
    }

    private void CheckBlob(Digest root, byte[] expected)
    {
        if (!ReadBlob(root)!.Value.Span.SequenceEqual(expected)) throw new ExportException(ExportFault.BadBlob, ExportLayout.Blob(root), "is not the content that the round gives");
    }

    private void CheckModelFile(AgreementRecord terms, byte[] model, int rounds)
    {
        if (_modelFile is null || rounds == 0 || !File.Exists(Path.Combine(_folder, ExportLayout.Model))) return;
        if (!ModelSpec.TryParse(terms.Agreement.ModelSpec, out var spec) || !ModelBlob.TryRead(spec, model, out var parameters) || !Read(ExportLayout.Model, ExportLayout.MaximumBlobBytes).AsSpan().SequenceEqual(_modelFile(spec, parameters)))
            throw new ExportException(ExportFault.ModelFileDiffers, ExportLayout.Model, "does not hold the published model");
    }

    private byte[] Read(string file, int limit)
    {
        var info = new FileInfo(Path.Combine(_folder, file));
        if (!info.Exists) throw new ExportException(ExportFault.MissingFile, file, "is missing");
        if (info.Length > limit) throw new ExportException(ExportFault.TooLarge, file, $"is larger than {limit} bytes");
        _seen.Add(file);
        return File.ReadAllBytes(info.FullName);
    }
}
