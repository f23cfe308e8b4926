using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Tests.Ledger;

/// <summary>Two checkpoints that no one tree can have prove it of the key that signed both; anything else proves nothing.</summary>
public sealed class SplitViewTests
{
    private const string Origin = "ledger.example/fed-heart";
    private static readonly TestKey Secret = TestShard.Key("cleveland/cosign");
    private static readonly NoteKey Cosigner = new("cleveland.example/validator", NoteKeyKind.Cosignature, Secret.Public);
    private static readonly NoteKey Logger = new(Origin, NoteKeyKind.Log, Secret.Public);
    private static readonly MerkleTree Tree = Grow(20, 0);
    // The same up to leaf 4, another tree from there on.
    private static readonly MerkleTree Other = Grow(20, 5);

    internal static SplitView SameSize => new(Cosigner, Note(Cosigner, Tree, 13), Note(Cosigner, Other, 13, time: 1_800_000_001));

    internal static SplitView OtherSize => new(Cosigner, Note(Cosigner, Tree, 13), Note(Cosigner, Other, 20), Other.Root(13), Other.ConsistencyProof(13, 20));

    [Fact]
    public void TwoRootsOfOneSize_AreProof()
    {
        Assert.Equal(FaultKind.TwoTrees, SameSize.Check());
        Assert.Equal(FaultKind.TwoTrees, new SplitView(Logger, Note(Logger, Tree, 13), Note(Logger, Other, 13)).Check());
        Assert.InRange(SameSize.Encode().Length, 1, 1024);
    }

    [Fact]
    public void ATreeThatDoesNotBeginWithTheOther_IsProof()
    {
        for (var old = 5; old < 20; old++)
        {
            for (var size = old + 1; size <= 20; size++)
            {
                var (first, second) = (Note(Cosigner, Tree, old), Note(Cosigner, Other, size));
                var expected = Tree.Root(old) == Other.Root(old) ? FaultKind.None : FaultKind.TwoTrees;
                Assert.Equal(expected, new SplitView(Cosigner, first, second, Other.Root(old), Other.ConsistencyProof(old, size)).Check());
            }
        }

        Assert.InRange(OtherSize.Encode().Length, 1, 2048);
    }

    [Fact]
    public void WhatOneTreeCanHave_ProvesNothing()
    {
        for (var old = 1; old <= 20; old++)
        {
            for (var size = old; size <= 20; size++)
            {
                var (first, second) = (Note(Cosigner, Tree, old), Note(Cosigner, Tree, size, time: 1_800_000_002));
                Assert.Equal(FaultKind.None, new SplitView(Cosigner, first, second).Check());
                // Whatever root is claimed for the smaller one, its own is the only one with a proof.
                foreach (var root in new[] { Tree.Root(old), Other.Root(old), Other.Root(20) })
                {
                    Assert.Equal(FaultKind.None, new SplitView(Cosigner, first, second, root, size > old ? Tree.ConsistencyProof(old, size) : []).Check());
                    Assert.Equal(FaultKind.None, new SplitView(Cosigner, first, second, root, size > old ? Other.ConsistencyProof(old, size) : []).Check());
                }
            }
        }
    }

    [Fact]
    public void WithoutTheConsistencyProof_TwoSizesProveNothing()
    {
        Assert.Equal(FaultKind.None, new SplitView(Cosigner, Note(Cosigner, Tree, 13), Note(Cosigner, Other, 20)).Check());
        Assert.Equal(FaultKind.None, (OtherSize with { Proof = OtherSize.Proof.Skip(1).ToList() }).Check());
        Assert.Equal(FaultKind.None, (OtherSize with { Root = Tree.Root(13) }).Check());
        Assert.Equal(FaultKind.None, (OtherSize with { First = OtherSize.Second, Second = OtherSize.First }).Check());
        Assert.Equal(FaultKind.None, (SameSize with { Root = Other.Root(13) }).Check());
    }

    [Fact]
    public void TwoKeys_TwoLogs_OrABadLine_ProveNothing()
    {
        var elsewhere = new NoteKey(Cosigner.Name, NoteKeyKind.Cosignature, TestShard.Key("va/cosign").Public);
        Assert.Equal(FaultKind.None, (SameSize with { Key = elsewhere }).Check());
        Assert.Equal(FaultKind.None, (SameSize with { Key = new NoteKey("another.example/name", NoteKeyKind.Cosignature, Secret.Public) }).Check());
        Assert.Equal(FaultKind.None, new SplitView(Cosigner, Note(Cosigner, Tree, 13), Note(Cosigner, Other, 13, origin: "ledger.example/other")).Check());
        Assert.Equal(FaultKind.None, new SplitView(Cosigner, Note(Cosigner, Tree, 13), new SignedNote(Note(Cosigner, Other, 13).Text, Note(Cosigner, Tree, 13).Signatures)).Check());
    }

    [Fact]
    public void AnyByteChanged_ProvesNothing()
    {
        foreach (var whole in new[] { SameSize, OtherSize })
        {
            var bytes = whole.Encode();
            Assert.True(SplitView.TryParse(bytes, out var parsed));
            Assert.Equal(FaultKind.TwoTrees, parsed!.Check());
            Assert.Equal(bytes, parsed.Encode());
            for (var i = 0; i < bytes.Length; i++)
            {
                var changed = bytes.ToArray();
                changed[i] ^= 1;
                Assert.True(!SplitView.TryParse(changed, out var view) || view!.Check() is FaultKind.None, $"byte {i}");
            }
        }
    }

    private static MerkleTree Grow(int leaves, int other)
    {
        var tree = new MerkleTree();
        for (var i = 0; i < leaves; i++) tree.Append(MerkleHash.Leaf([(byte)i, (byte)(other > 0 && i >= other ? 1 : 0)]));
        return tree;
    }

    private static SignedNote Note(NoteKey key, MerkleTree tree, long size, ulong time = 1_800_000_000, string origin = Origin)
    {
        var text = new Checkpoint(origin, size, tree.Root(size)).Text;
        var line = key.Kind is NoteKeyKind.Log ? new NoteSignature(key.Name, key.Id, Secret.Sign(SignedNote.LogMessage(text))) : SignedNote.Cosignature(key, time, Secret.Sign(SignedNote.CosignatureMessage(text, time)));
        return new SignedNote(text, [line]);
    }
}
