using Orleans.Training.Client.Exports;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.History;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Cli;

/// <summary>Exports a shard from what this machine can reach: the journal of one of its validators, which must not run, and its blobs. Receipts are made from the tree and the checkpoint.</summary>
internal static class LocalExport
{
    /// <summary>Writes the shard up to the block that ends at the checkpoint.</summary>
    public static async Task Write(string root, ValidatorStores stores, Genesis genesis, SignedNote note, string folder, CancellationToken cancellationToken)
    {
        if (!Checkpoint.TryParse(note.Text, out var checkpoint)) throw new OperationalException("OT-7009", "The checkpoint does not parse.");
        var chain = await ReadJournal(stores, genesis, checkpoint!.Size, cancellationToken);
        var files = new ShardFiles(root);
        var writer = new ExportWriter(folder);
        writer.WriteGenesis(genesis);
        writer.WriteCheckpoint(note);
        var tree = new MerkleTree();
        var leaves = new List<byte[]>();
        foreach (var (executed, finalization) in chain)
        {
            foreach (var leaf in LedgerState.Of(executed).Leaves)
            {
                tree.Append(MerkleHash.Leaf(leaf));
                leaves.Add(leaf);
            }

            if (executed.Block.Header.Height > 0) writer.WriteBlock(executed.Block, finalization?.Digest == executed.Block.Digest ? finalization : null);
        }

        for (var index = 0; index < leaves.Count; index++) writer.WriteReceipt(new Receipt(leaves[index], index, tree.InclusionProof(index, checkpoint.Size), note));
        await WriteBlobs(writer, new FileBlobStore(files.BlobFolder), LedgerState.Of(chain[^1].Executed).Contracts, genesis.Validators.Quorum, cancellationToken);
        await WriteStatements(writer, files, genesis, chain, cancellationToken);
    }

    // Whoever cosigned a checkpoint had a finalization of the very block that it ends at, so one of the journals holds both.
    private static async Task<List<(ExecutedBlock Executed, Certificate? Finalization)>> ReadJournal(ValidatorStores stores, Genesis genesis, long size, CancellationToken cancellationToken)
    {
        for (var seat = 0; seat < genesis.Validators.Count; seat++)
        {
            var organisation = genesis.Validators.Seats[seat].Organisation;
            var machine = new LedgerMachine(genesis, Signatures.Verify);
            var setup = new ConsensusSetup { Chain = genesis.Chain, Shard = genesis.Shard, Validators = genesis.Validators, Seat = seat, Genesis = machine.CreateGenesis(), Machine = machine };
            var records = new List<JournalRecord>();
            await using var store = await stores.Open(genesis.Shard, organisation, cancellationToken);
            await foreach (var frame in store.Read(cancellationToken)) records.AddRange(frame);
            var chain = new List<(ExecutedBlock Executed, Certificate? Finalization)> { (setup.Genesis, null) };
            ConsensusCore.Restore(setup, records, committed => chain.Add((committed.Executed, committed.Finalization)));
            var end = chain.FindIndex(block => LedgerState.Of(block.Executed).Tree.Size == size && block.Finalization?.Digest == block.Executed.Block.Digest);
            if (end > 0) return chain.GetRange(0, end + 1);
        }

        throw new OperationalException("OT-7013", $"No validator's journal on this machine has the final block that the checkpoint of {size} leaves ends at: export where a validator has cosigned it.");
    }

    // By the validators whose keys lie here.
    private static async Task WriteStatements(ExportWriter writer, ShardFiles files, Genesis genesis, List<(ExecutedBlock Executed, Certificate? Finalization)> blocks, CancellationToken cancellationToken)
    {
        var chain = new CommittedChain(blocks[0].Executed);
        foreach (var (executed, finalization) in blocks.Skip(1)) chain.Append(executed, finalization);
        var statements = new Statements(genesis, chain, new FileBlobStore(files.BlobFolder));
        if (statements.Last is not { } last) return;
        foreach (var seat in LedgerState.Of(chain.Head).Validators.Seats)
        {
            if (!Directory.Exists(Path.Combine(files.KeyRoot, seat.Organisation.Name))) continue;
            var signer = new KeyFolder(files.KeyRoot, seat.Organisation).Open(KeyFolder.IdentityKey);
            using var owned = signer as IDisposable;
            if (signer.PublicKey == seat.TransactionKey) writer.WriteStatement(seat.Organisation, (await statements.Sign(last.Agreement, last.Round, signer, cancellationToken))!);
        }
    }

    private static async Task WriteBlobs(ExportWriter writer, FileBlobStore blobs, ContractState state, int quorum, CancellationToken cancellationToken)
    {
        foreach (var round in state.All<RoundRecord>(RoundRecord.Prefix).Where(round => round.Phase is Phase.Published))
        {
            foreach (var root in ExpiryContract.Counted(state, round, quorum)) await Copy(root);
        }

        foreach (var model in state.All<ModelRecord>(ModelRecord.Prefix))
        {
            await Copy(model.SumRoot);
            var bytes = await Copy(model.Root);
            var terms = state.Find<AgreementRecord>(AgreementRecord.Key(model.Agreement))!;
            if (model.Round == state.Find<RunRecord>(RunRecord.Key(model.Agreement))!.PublishedRounds && ModelSpec.TryParse(terms.Agreement.ModelSpec, out var spec) && ModelBlob.TryRead(spec, bytes, out var parameters)) writer.WriteModel(ModelFile.Write(spec, parameters));
        }

        async Task<byte[]> Copy(Digest root)
        {
            var content = new MemoryStream();
            await blobs.CopyTo(root, content, cancellationToken);
            writer.WriteBlob(root, content.ToArray());
            return content.ToArray();
        }
    }
}
