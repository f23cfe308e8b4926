using System.Text;
using Orleans.Training.Client.Exports;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.Exports;

/// <summary>Ways to spoil an export or to lie in it, each with the fault that must be found and the file that must be named.</summary>
internal static class ExportTampering
{
    private static readonly TrustPolicy Honest = new TestExport().Policy;

    public static IEnumerable<(string What, TestExport Export, TrustPolicy? Policy, ExportFault Fault, string File)> All() =>
        [.. Files(), .. Blocks(), .. Notes(), .. Contents(), .. Lies()];

    private static IEnumerable<(string, TestExport, TrustPolicy?, ExportFault, string)> Files()
    {
        yield return ("no genesis", With(files => files.Remove(ExportLayout.Genesis)), null, ExportFault.MissingFile, ExportLayout.Genesis);
        yield return ("no block 5", With(files => files.Remove(ExportLayout.Block(5))), null, ExportFault.MissingFile, ExportLayout.Block(5));
        yield return ("no model file", With(files => files.Remove(ExportLayout.Model)), null, ExportFault.MissingFile, ExportLayout.Model);
        yield return ("a note from nobody", With(files => files["README.txt"] = [1]), null, ExportFault.UnexpectedFile, "README.txt");
        yield return ("a blob more", With(files => files["blobs/extra"] = [1]), null, ExportFault.UnexpectedFile, "blobs/extra");
        yield return ("a receipt beyond the tree", With(files => files[ExportLayout.Receipt(50)] = files[ExportLayout.Receipt(49)]), null, ExportFault.UnexpectedFile, ExportLayout.Receipt(50));
        yield return ("a block file with another name", With(files => files["blocks/0000000001.cbor"] = files[ExportLayout.Block(1)]), null, ExportFault.UnexpectedFile, "blocks/0000000001.cbor");
        yield return ("a genesis of 64 KiB and one", With(files => files[ExportLayout.Genesis] = new byte[(64 * 1024) + 1]), null, ExportFault.TooLarge, ExportLayout.Genesis);
        yield return ("a huge block", With(files => files[ExportLayout.Block(3)] = new byte[Limits.MessageBytes + 1]), null, ExportFault.TooLarge, ExportLayout.Block(3));
        yield return ("a huge receipt", With(files => files[ExportLayout.Receipt(2)] = new byte[(256 * 1024) + 1]), null, ExportFault.TooLarge, ExportLayout.Receipt(2));
        yield return ("a genesis of nothing", With(files => files[ExportLayout.Genesis] = []), null, ExportFault.Malformed, ExportLayout.Genesis);
        yield return ("a checkpoint that is no text", With(files => files[ExportLayout.Checkpoint] = [0xff, 0xfe]), null, ExportFault.Malformed, ExportLayout.Checkpoint);
        yield return ("a receipt that is none", With(files => files[ExportLayout.Receipt(2)] = "c2sp.org/tlog-proof@v2\n"u8.ToArray()), null, ExportFault.Malformed, ExportLayout.Receipt(2));
    }

    private static IEnumerable<(string, TestExport, TrustPolicy?, ExportFault, string)> Blocks()
    {
        yield return ("blocks 2 and 3 swapped", With(files => (files[ExportLayout.Block(2)], files[ExportLayout.Block(3)]) = (files[ExportLayout.Block(3)], files[ExportLayout.Block(2)])), null, ExportFault.BlockDoesNotExecute, ExportLayout.Block(2));
        yield return ("a genesis with another time", WithGenesis(genesis => genesis with { TimeMs = genesis.TimeMs - 1 }), null, ExportFault.BlockDoesNotExecute, ExportLayout.Block(1));
        yield return ("a genesis with another origin", WithGenesis(genesis => genesis with { Origin = "ledger.example/another" }), null, ExportFault.BlockDoesNotExecute, ExportLayout.Block(1));
        var export = new TestExport();
        var blocks = export.Shard.Blocks;
        var newest = blocks[^1].Block;
        yield return ("two of four finalize", WithNewest(export.Finalization(newest, 0, 1)), null, ExportFault.BadFinalization, export.Newest);
        yield return ("another block is finalized", WithNewest(export.Finalization(blocks[^2].Block, 0, 1, 2)), null, ExportFault.BadFinalization, export.Newest);
        yield return ("a finalization with other keys", WithNewest(new TestExport(new TestExportPlan { Keys = "/other" }).Finalization(newest, 0, 1, 2)), null, ExportFault.BadFinalization, export.Newest);
        yield return ("a nullification", WithNewest(Certify(export, Vote.Nullify(1, 18))), null, ExportFault.BadFinalization, export.Newest);
        yield return ("a notarization", WithNewest(Certify(export, Vote.Notarize(1, 18, 17, newest.Digest))), null, ExportFault.BadFinalization, export.Newest);
        yield return ("a finalization of another era", WithNewest(Certify(export, Vote.Finalize(2, 18, newest.Digest))), null, ExportFault.BadFinalization, export.Newest);
        yield return ("nobody finalizes", WithNewest(null), null, ExportFault.NotFinal, export.Newest);
    }

    private static IEnumerable<(string, TestExport, TrustPolicy?, ExportFault, string)> Notes()
    {
        yield return ("everything signed with other keys", new TestExport(new TestExportPlan { Keys = "/other" }), Honest, ExportFault.CheckpointNotTrusted, ExportLayout.Checkpoint);
        yield return ("two cosigners", WithCheckpoint(size => size, cosigners: 2), null, ExportFault.CheckpointNotTrusted, ExportLayout.Checkpoint);
        yield return ("a log that nobody knows", WithCheckpoint(size => size, logger: "stranger"), null, ExportFault.CheckpointNotTrusted, ExportLayout.Checkpoint);
        yield return ("another log's checkpoint", WithCheckpoint(size => size, origin: "ledger.example/another"), null, ExportFault.CheckpointNotTrusted, ExportLayout.Checkpoint);
        yield return ("an older checkpoint", WithCheckpoint(size => size - 1), null, ExportFault.CheckpointDiffers, ExportLayout.Checkpoint);
        yield return ("the checkpoint of another tree", WithOtherTree((export, tree) => Set(export, ExportLayout.Checkpoint, export.Checkpoint(tree, tree.Size).ToString())), null, ExportFault.CheckpointDiffers, ExportLayout.Checkpoint);
        yield return ("a receipt with two cosigners", WithReceipt(7, (export, tree) => new Receipt(export.Leaf(7), 7, tree.InclusionProof(7, tree.Size), export.Checkpoint(tree, tree.Size, cosigners: 2))), null, ExportFault.BadReceipt, ExportLayout.Receipt(7));
        yield return ("a receipt with another's path", WithReceipt(7, (export, tree) => new Receipt(export.Leaf(7), 7, tree.InclusionProof(6, tree.Size), export.Checkpoint(tree, tree.Size))), null, ExportFault.BadReceipt, ExportLayout.Receipt(7));
        yield return ("a receipt with another leaf", WithReceipt(7, (export, tree) => new Receipt(export.Leaf(8), 7, tree.InclusionProof(7, tree.Size), export.Checkpoint(tree, tree.Size))), null, ExportFault.BadReceipt, ExportLayout.Receipt(7));
        yield return ("another leaf's receipt", WithReceipt(7, (export, tree) => new Receipt(export.Leaf(8), 8, tree.InclusionProof(8, tree.Size), export.Checkpoint(tree, tree.Size))), null, ExportFault.ReceiptDiffers, ExportLayout.Receipt(7));
        yield return ("a receipt of a tree that differs elsewhere", WithOtherTree((export, tree) => Set(export, ExportLayout.Receipt(7), new Receipt(export.Leaf(7), 7, tree.InclusionProof(7, tree.Size), export.Checkpoint(tree, tree.Size)).ToString())), null, ExportFault.ReceiptDiffers, ExportLayout.Receipt(7));
    }

    private static IEnumerable<(string, TestExport, TrustPolicy?, ExportFault, string)> Contents()
    {
        var export = new TestExport();
        foreach (var blob in export.Names.Where(name => name.StartsWith("blobs/", StringComparison.Ordinal)))
        {
            yield return ($"a byte more in {blob}", With(files => files[blob] = [.. files[blob], 0]), null, ExportFault.BadBlob, blob);
            yield return ($"no {blob}", With(files => files.Remove(blob)), null, ExportFault.MissingBlob, blob);
        }

        var (statement, ofNobody) = (ExportLayout.Statement(ParticipantId.Parse(TestExport.Stating)), ExportLayout.Statement(ParticipantId.Parse("nobody")));
        yield return ("a statement about another file", With(files => files[statement] = export.Statement(TestExport.Stating, Digest.Of([1]))), null, ExportFault.BadStatement, statement);
        yield return ("a statement signed by somebody else", With(files => files[statement] = export.Statement(TestExport.Stating, signedBy: "va")), null, ExportFault.BadStatement, statement);
        yield return ("a statement with a byte more", With(files => files[statement] = [.. files[statement], 10]), null, ExportFault.BadStatement, statement);
        yield return ("another seat's statement", With(files => files[statement] = export.Statement("va")), null, ExportFault.BadStatement, statement);
        yield return ("a statement by nobody", With(files => files[ofNobody] = files[statement]), null, ExportFault.UnexpectedFile, ofNobody);
        yield return ("another model file", With(files => files[ExportLayout.Model] = [.. files[ExportLayout.Model], 0]), null, ExportFault.ModelFileDiffers, ExportLayout.Model);
    }

    // Lies that q seats signed: no signature is wrong, and only computing again shows them.
    private static IEnumerable<(string, TestExport, TrustPolicy?, ExportFault, string)> Lies()
    {
        yield return ("an initial model that the seed does not give", new TestExport(new TestExportPlan { OtherInitialModel = true }), null, ExportFault.InitialModelDiffers, ExportLayout.Block(3));
        yield return ("a sum that the updates do not give", new TestExport(new TestExportPlan { WrongSum = true }), null, ExportFault.ModelDiffers, ExportLayout.Block(7));
        yield return ("two verdicts copied from another seat", new TestExport(new TestExportPlan { FalseWork = 2 }), null, ExportFault.WorkNotDone, ExportLayout.Block(7));
    }

    private static byte[] Leaf(this TestExport export, int index) => export.Shard.Blocks.SelectMany(block => LedgerState.Of(block).Leaves).ElementAt(index);

    private static TestExport With(Action<SortedDictionary<string, byte[]>> change)
    {
        var export = new TestExport();
        change(export.Files);
        return export;
    }

    private static TestExport WithGenesis(Func<Genesis, Genesis> change)
    {
        var export = new TestExport();
        var genesis = change(export.Shard.Genesis);
        export.Files[ExportLayout.Genesis] = new Genesis(genesis.Origin, genesis.Shard, genesis.TimeMs, genesis.Validators).Encode();
        return export;
    }

    private static TestExport WithNewest(Certificate? finalization)
    {
        var export = new TestExport();
        export.Files[export.Newest] = ExportLayout.EncodeBlock(export.Shard.Head.Block, finalization);
        return export;
    }

    private static Certificate Certify(TestExport export, Vote vote)
    {
        var preimage = vote.Preimage(export.Shard.Genesis.Chain, export.Shard.Genesis.Shard);
        return Certificate.Join([.. Enumerable.Range(0, 3).Select(seat => new SignedVote(vote, seat, export.Shard.KeyOf(TestShard.Hospitals[seat], "/vote").Sign(preimage)))]);
    }

    private static TestExport WithCheckpoint(Func<long, long> size, int cosigners = 3, string logger = "va", string? origin = null)
    {
        var export = new TestExport();
        var tree = export.Shard.Tree();
        Set(export, ExportLayout.Checkpoint, export.Checkpoint(tree, size(tree.Size), cosigners, logger, origin).ToString());
        return export;
    }

    private static TestExport WithReceipt(int index, Func<TestExport, MerkleTree, Receipt> make)
    {
        var export = new TestExport();
        Set(export, ExportLayout.Receipt(index), make(export, export.Shard.Tree()).ToString());
        return export;
    }

    private static TestExport WithOtherTree(Action<TestExport, MerkleTree> change)
    {
        var export = new TestExport();
        var tree = new MerkleTree();
        for (var index = 0; index < export.Shard.Head.Block.Header.TreeSize; index++) tree.Append(MerkleHash.Leaf(index == 20 ? [1] : export.Leaf(index)));
        change(export, tree);
        return export;
    }

    private static void Set(TestExport export, string file, string text) => export.Files[file] = Encoding.UTF8.GetBytes(text);
}
