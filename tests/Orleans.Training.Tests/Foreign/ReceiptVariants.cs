using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Exports;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.Foreign;

/// <summary>
/// A receipt as text with the policy to check it under, and who must accept it: who looks at the log's line and the path only, and who looks at cosignatures too.
/// </summary>
internal sealed record ReceiptVariant(string Name, string Text, string Policy, bool ByLog, bool ByPolicy);

/// <summary>Good receipts, and one for every way to spoil one.</summary>
internal sealed class ReceiptVariants
{
    private readonly TestExport _export = new();
    private readonly MerkleTree _tree;
    private readonly byte[][] _leaves;
    private readonly string _policy;

    public ReceiptVariants()
    {
        _tree = _export.Shard.Tree();
        _leaves = [.. _export.Shard.Blocks.SelectMany(block => LedgerState.Of(block).Leaves)];
        _policy = TrustPolicy.Text(Genesis.Origin, Genesis.Validators);
    }

    /// <summary>The log that every checkpoint here is signed by.</summary>
    public NoteKey Log => new(Genesis.Origin, NoteKeyKind.Log, _export.Shard.KeyOf("va", "/log").Public);

    public TestExport Export => _export;

    private Genesis Genesis => _export.Shard.Genesis;

    private Receipt Good => Make(7);

    public IEnumerable<ReceiptVariant> All() => [.. Accepted(), .. Structure(), .. Checkpoints(), .. Cosignatures(), .. Policies()];

    private Receipt Make(int index, int cosigners = 3, long? size = null) => new(_leaves[index], index, _tree.InclusionProof(index, size ?? _tree.Size), _export.Checkpoint(_tree, size ?? _tree.Size, cosigners));

    private ReceiptVariant Variant(string name, Receipt receipt, bool byLog = false, bool byPolicy = false) => new(name, receipt.ToString(), _policy, byLog, byPolicy);

    private ReceiptVariant Variant(string name, Func<Receipt, string> text, bool byLog = false, bool byPolicy = false) => new(name, text(Good), _policy, byLog, byPolicy);

    private IEnumerable<ReceiptVariant> Accepted()
    {
        for (var index = 0; index < _leaves.Length; index++) yield return Variant($"leaf-{index}", Make(index), true, true);
        for (var size = 1; size < 20; size++) yield return Variant($"size-{size}", Make(size / 2, size: size), true, true);
        yield return Variant("four-cosigners", Make(7, cosigners: 4), true, true);
        yield return Variant("line-of-an-unknown-key", WithLines(Good, [.. Good.Note.Signatures, Cosign(new NoteKey("somebody", NoteKeyKind.Cosignature, TestShard.Key("somebody").Public), TestShard.Key("somebody"))]), true, true);
    }

    private IEnumerable<ReceiptVariant> Structure()
    {
        yield return Variant("leaf-byte", Good with { Leaf = Flip(Good.Leaf.ToArray(), 20) });
        yield return Variant("leaf-of-another-index", Good with { Leaf = _leaves[8] });
        yield return Variant("leaf-empty", Good with { Leaf = Array.Empty<byte>() });
        yield return Variant("index-next", Good with { Index = 8 });
        yield return Variant("index-beyond", Good with { Index = _tree.Size });
        yield return Variant("index-huge", Good with { Index = long.MaxValue });
        for (var i = 0; i < Good.Path.Count; i++) yield return Variant($"path-hash-{i}", Good with { Path = [.. Good.Path.Select((hash, at) => at == i ? Digest.From(Flip(hash.ToArray(), 31)) : hash)] });
        yield return Variant("path-short", Good with { Path = [.. Good.Path.SkipLast(1)] });
        yield return Variant("path-without-first", Good with { Path = [.. Good.Path.Skip(1)] });
        yield return Variant("path-long", Good with { Path = [.. Good.Path, Digest.Zero] });
        yield return Variant("path-empty", Good with { Path = [] });
        yield return Variant("path-reversed", Good with { Path = [.. Good.Path.Reverse()] });
        yield return Variant("path-of-another-leaf", Good with { Path = Make(6).Path });
        yield return Variant("path-of-another-size", Good with { Path = Make(7, size: 30).Path });
        yield return Variant("header", receipt => receipt.ToString().Replace("proof@v1", "proof@v2", StringComparison.Ordinal));
        yield return Variant("cut", receipt => receipt.ToString()[..^1]);
        yield return Variant("no-note", receipt => receipt.ToString()[..(receipt.ToString().IndexOf("\n\n", StringComparison.Ordinal) + 2)]);
        yield return Variant("index-negative", receipt => receipt.ToString().Replace("index 7\n", "index -7\n", StringComparison.Ordinal));
    }

    private IEnumerable<ReceiptVariant> Checkpoints()
    {
        var root = Convert.ToBase64String(_tree.Root(_tree.Size).ToArray());
        yield return Variant("root", receipt => receipt.ToString().Replace(root, Convert.ToBase64String(Flip(_tree.Root(_tree.Size).ToArray(), 0)), StringComparison.Ordinal));
        yield return Variant("root-of-an-older-tree", receipt => receipt.ToString().Replace(root, Convert.ToBase64String(_tree.Root(49).ToArray()), StringComparison.Ordinal));
        yield return Variant("size", receipt => receipt.ToString().Replace("\n50\n", "\n51\n", StringComparison.Ordinal));
        yield return Variant("origin", receipt => receipt.ToString().Replace("\n\nledger.example/fed-heart\n", "\n\nledger.example/fed-lungs\n", StringComparison.Ordinal));
        yield return Variant("origin-signed-for-another", Good with { Note = _export.Checkpoint(_tree, 50, origin: "ledger.example/fed-lungs") });
        yield return Variant("extension-line", receipt => receipt.ToString().Replace(root + "\n", root + "\nmore\n", StringComparison.Ordinal));
        yield return Variant("log-signature", WithLines(Good, [Flipped(Good.Note.Signatures[0], 40), .. Good.Note.Signatures.Skip(1)]));
        yield return Variant("log-key-id", WithLines(Good, [Good.Note.Signatures[0] with { KeyId = Good.Note.Signatures[0].KeyId ^ 1 }, .. Good.Note.Signatures.Skip(1)]));
        yield return Variant("log-line-missing", WithLines(Good, [.. Good.Note.Signatures.Skip(1)]));
        yield return Variant("log-unknown", Good with { Note = _export.Checkpoint(_tree, 50, logger: "stranger") });
        yield return Variant("log-unknown-under-a-known-id", WithLines(Good, [_export.Checkpoint(_tree, 50, logger: "stranger").Signatures[0] with { KeyId = Log.Id }, .. Good.Note.Signatures.Skip(1)]));
        // Everybody signs another history: only the path shows it.
        var other = new MerkleTree();
        for (var i = 0; i < 50; i++) other.Append(MerkleHash.Leaf([(byte)i]));
        yield return Variant("another-tree-fully-signed", Good with { Note = _export.Checkpoint(other, 50) });
        yield return Variant("older-tree-fully-signed", Good with { Note = _export.Checkpoint(_tree, 40) });
    }

    private IEnumerable<ReceiptVariant> Cosignatures()
    {
        var lines = Good.Note.Signatures;
        yield return Variant("cosigners-two", Make(7, cosigners: 2), byLog: true);
        yield return Variant("cosigners-none", Make(7, cosigners: 0), byLog: true);
        yield return Variant("cosigner-thrice", WithLines(Good, [lines[0], lines[1], lines[1], lines[1]]), byLog: true);
        yield return Variant("cosignature-bit", WithLines(Good, [.. lines.Take(3), Flipped(lines[3], 60)]), byLog: true);
        yield return Variant("cosignature-time", WithLines(Good, [.. lines.Take(3), Flipped(lines[3], 7)]), byLog: true);
        yield return Variant("cosignature-time-beyond-63-bits", WithLines(Good, [.. lines.Take(3), Flipped(lines[3], 0, 0x80)]), byLog: true);
        yield return Variant("cosigner-name", WithLines(Good, [.. lines.Take(3), lines[3] with { Name = "switzerland/verifier" }]), byLog: true);
        yield return Variant("cosigner-key-id", WithLines(Good, [.. lines.Take(3), lines[3] with { KeyId = 7 }]), byLog: true);
        yield return Variant("cosigner-of-another-seat", WithLines(Good, [.. lines.Take(3), lines[3] with { Content = lines[2].Content }]), byLog: true);
        yield return Variant("cosigner-unknown", WithLines(Good, [.. lines.Take(3), Cosign(new NoteKey("stranger/validator", NoteKeyKind.Cosignature, TestShard.Key("stranger").Public), TestShard.Key("stranger"))]), byLog: true);
        yield return Variant("cosignature-by-the-vote-key", WithLines(Good, [.. lines.Take(3), Cosign(TrustPolicy.CosignKey(Genesis.Validators.Seats[2]), _export.Shard.KeyOf("switzerland", "/vote"))]), byLog: true);
        yield return Variant("cosignature-of-an-older-tree", WithLines(Good, [.. lines.Take(3), _export.Checkpoint(_tree, 49).Signatures[3]]), byLog: true);
        var key = TrustPolicy.CosignKey(Genesis.Validators.Seats[2]);
        var untimed = SignedNote.Cosignature(key, TestExport.CosignedAt, _export.Shard.KeyOf("switzerland", "/cosign").Sign(SignedNote.LogMessage(Good.Note.Text)));
        yield return Variant("cosignature-without-its-time", WithLines(Good, [.. lines.Take(3), untimed]), byLog: true);
        yield return Variant("cosignature-without-its-time-bytes", WithLines(Good, [.. lines.Take(3), untimed with { Content = untimed.Content[8..] }]), byLog: true);
    }

    private IEnumerable<ReceiptVariant> Policies()
    {
        var text = Good.ToString();
        yield return new("policy-all", text, _policy.Replace("validators 3 ", "validators all ", StringComparison.Ordinal), true, false);
        yield return new("policy-four", text, _policy.Replace("validators 3 ", "validators 4 ", StringComparison.Ordinal), true, false);
        yield return new("policy-any", Make(7, cosigners: 1).ToString(), _policy.Replace("validators 3 ", "validators any ", StringComparison.Ordinal), true, true);
        yield return new("policy-none", Make(7, cosigners: 0).ToString(), _policy.Replace("quorum validators", "quorum none", StringComparison.Ordinal), true, true);
        yield return new("policy-one-witness", text, _policy.Replace("quorum validators", "quorum v3", StringComparison.Ordinal), true, false);
        yield return new("policy-nested", text, _policy.Replace("quorum validators", "group a 2 v0 v1\ngroup b any v2 v3\ngroup both all a b\nquorum both", StringComparison.Ordinal), true, true);
        yield return new("policy-nested-missing", text, _policy.Replace("quorum validators", "group a 2 v0 v1\ngroup b any v3\ngroup both all a b\nquorum both", StringComparison.Ordinal), true, false);
        var others = new TestExport(new TestExportPlan { Keys = "/other" });
        yield return new("policy-of-other-keys", text, TrustPolicy.Text(Genesis.Origin, others.Shard.Genesis.Validators), true, false);
    }

    private static Receipt WithLines(Receipt receipt, NoteSignature[] lines) => receipt with { Note = new SignedNote(receipt.Note.Text, lines) };

    private NoteSignature Cosign(NoteKey name, TestKey key) => SignedNote.Cosignature(name, TestExport.CosignedAt, key.Sign(SignedNote.CosignatureMessage(Good.Note.Text, TestExport.CosignedAt)));

    private static NoteSignature Flipped(NoteSignature line, int at, byte mask = 1) => line with { Content = Flip(line.Content.ToArray(), at, mask) };

    private static byte[] Flip(byte[] bytes, int at, byte mask = 1)
    {
        bytes[at] ^= mask;
        return bytes;
    }
}
