using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Cluster;
using Xunit.Abstractions;

namespace Orleans.Training.Tests.Foreign;

/// <summary>Other people's programs and ours say the same of receipts, checkpoints and consistency proofs.</summary>
public sealed class ForeignTests(ITestOutputHelper output)
{
    private readonly ReceiptVariants _variants = new();

    [Fact]
    public void Receipts_AreAcceptedAndRefusedAlike_ByGoByPythonAndByUs()
    {
        using var folder = new TemporaryFolder();
        var variants = _variants.All().ToArray();
        foreach (var variant in variants)
        {
            File.WriteAllText(folder[variant.Name + ".proof"], variant.Text);
            File.WriteAllText(folder[variant.Name + ".policy"], variant.Policy);
        }

        var (go, python) = (ForeignTool.Go(_variants.Log.ToString(), folder.Path), ForeignTool.Python(folder.Path));
        Assert.Equal((variants.Length, variants.Length), (go.Count, python.Count));
        foreach (var variant in variants)
        {
            Assert.True(TrustPolicy.TryParse(variant.Policy, out var policy, out var problem), problem);
            var ours = Receipt.TryParse(variant.Text, out var receipt) ? receipt!.Verify(policy!).ToString() : "Malformed";
            var said = $"{variant.Name}: Go {go[variant.Name]}, Python {python[variant.Name]}, we say {ours}";
            if (!variant.ByPolicy) output.WriteLine(said);
            Assert.True(variant.ByLog == (go[variant.Name] == "accepted"), said);
            Assert.True(variant.ByPolicy == (python[variant.Name] == "accepted"), said);
            Assert.True(variant.ByPolicy == (ours == "Good"), said);
        }

        var (byGo, byPython) = (variants.Count(variant => !variant.ByLog), variants.Count(variant => !variant.ByPolicy));
        output.WriteLine($"{variants.Length} receipts; Go refuses {byGo}, Python refuses {byPython}");
        Assert.True(byGo >= 20 && byPython >= 35, $"Go refuses {byGo}, Python {byPython}");
    }

    [Fact]
    public void ConsistencyProofs_AreAcceptedAndRefusedAlike_ByGoAndByUs()
    {
        using var folder = new TemporaryFolder();
        var cases = Consistency().ToArray();
        foreach (var item in cases)
        {
            File.WriteAllText(folder[item.Name + ".old"], item.Old.ToString());
            File.WriteAllText(folder[item.Name + ".new"], item.New.ToString());
            File.WriteAllText(folder[item.Name + ".tree"], string.Concat(item.Proof.Select(hash => Convert.ToBase64String(hash.ToArray()) + "\n")));
        }

        var go = ForeignTool.Go(_variants.Log.ToString(), folder.Path);
        Assert.Equal(cases.Length, go.Count);
        foreach (var (name, old, next, proof, good) in cases)
        {
            var ours = Checkpoint.TryParse(old.Text, out var before) && Checkpoint.TryParse(next.Text, out var after) && old.IsSignedBy(_variants.Log) && next.IsSignedBy(_variants.Log)
                && before!.Origin == after!.Origin && MerkleProof.VerifyConsistency(before.Size, after.Size, proof, before.Root, after.Root);
            var said = $"{name}: Go {go[name]}, we say {ours}";
            if (!good) output.WriteLine(said);
            Assert.True(good == (go[name] == "accepted") && good == ours, said);
        }

        output.WriteLine($"{cases.Count(item => item.Good)} consistency proofs accepted, {cases.Count(item => !item.Good)} refused");
    }

    private IEnumerable<(string Name, SignedNote Old, SignedNote New, Digest[] Proof, bool Good)> Consistency()
    {
        var tree = _variants.Export.Shard.Tree();
        for (var old = 1; old <= 17; old++)
        {
            for (var size = old; size <= 17; size++) yield return ($"{old}-to-{size}", Note(old), Note(size), tree.ConsistencyProof(old, size), true);
        }

        var proof = tree.ConsistencyProof(13, 50);
        yield return ("13-to-50", Note(13), Note(50), proof, true);
        for (var i = 0; i < proof.Length; i++) yield return ($"hash-{i}", Note(13), Note(50), [.. proof.Select((hash, at) => at == i ? MerkleHash.Leaf([1]) : hash)], false);
        yield return ("short", Note(13), Note(50), proof[..^1], false);
        yield return ("without-first", Note(13), Note(50), proof[1..], false);
        yield return ("long", Note(13), Note(50), [.. proof, Digest.Zero], false);
        yield return ("empty", Note(13), Note(50), [], false);
        yield return ("reversed", Note(13), Note(50), [.. proof.Reverse()], false);
        yield return ("notes-swapped", Note(50), Note(13), proof, false);
        yield return ("proof-of-another-old-size", Note(13), Note(50), tree.ConsistencyProof(14, 50), false);
        yield return ("proof-of-another-new-size", Note(13), Note(50), tree.ConsistencyProof(13, 49), false);
        yield return ("inclusion-proof-instead", Note(13), Note(50), tree.InclusionProof(13, 50), false);
        yield return ("another-old-root", Resigned(13, tree.Root(12)), Note(50), proof, false);
        yield return ("another-new-root", Note(13), Resigned(50, tree.Root(49)), proof, false);
        yield return ("another-old-size", Resigned(12, tree.Root(13)), Note(50), proof, false);
        yield return ("same-size-other-root", Resigned(50, tree.Root(49)), Note(50), [], false);
        yield return ("same-size-with-a-proof", Note(50), Note(50), proof, false);
        yield return ("old-note-of-another-log", _variants.Export.Checkpoint(tree, 13, logger: "stranger"), Note(50), proof, false);
        yield return ("new-note-of-another-origin", Note(13), _variants.Export.Checkpoint(tree, 50, origin: "ledger.example/another"), proof, false);

        SignedNote Note(long size) => _variants.Export.Checkpoint(tree, size, cosigners: 0);

        SignedNote Resigned(long size, Digest root)
        {
            var text = new Checkpoint(_variants.Export.Shard.Genesis.Origin, size, root).Text;
            return new SignedNote(text, [new NoteSignature(_variants.Log.Name, _variants.Log.Id, _variants.Export.Shard.KeyOf("va", "/log").Sign(SignedNote.LogMessage(text)))]);
        }
    }
}
