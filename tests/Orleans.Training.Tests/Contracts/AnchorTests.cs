using CsCheck;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.Contracts;

/// <summary>A ledger that records checkpoints of another, whose validators may lie together.</summary>
public sealed class AnchorTests
{
    private const string Origin = "fed.example/seven";
    private const long Minute = 60_000;
    private static readonly ValidatorSet Others = new(1, [.. Enumerable.Range(0, 4).Select(i => new Validator(ParticipantId.Parse($"other-{i}"), Key(i, "").Public, Key(i, "/vote").Public, Key(i, "/cosign").Public, Key(i, "/log").Public))]);
    private static readonly string Policy = TrustPolicy.Text(Origin, Others);
    private readonly TestShard _root = new();

    public AnchorTests()
    {
        foreach (var seat in TestShard.Hospitals.Take(3)) Assert.Equal(Rejection.None, _root.Send(seat, new Watch(Origin, Policy)));
    }

    private WatchedRecord? Watched => _root.State.Find<WatchedRecord>(WatchedRecord.Key(Origin));

    private SplitViewRecord? Split => _root.State.Find<SplitViewRecord>(SplitViewRecord.Key(Origin));

    [Fact]
    public void AQuorumOfSeats_DecidesWhatIsWatched()
    {
        var root = new TestShard();
        Assert.Equal(Rejection.None, root.Send("va", new Watch(Origin, Policy)));
        Assert.Equal(Rejection.None, root.Send("va", new Watch(Origin, Policy)));
        Assert.Equal(Rejection.None, root.Send("cleveland", new Watch(Origin, Policy)));
        Assert.Null(root.State.Find<WatchedRecord>(WatchedRecord.Key(Origin)));
        Assert.Equal(Rejection.NotFound, root.Send("va", Carry(Tree(3), 3, 0)));
        Assert.Equal(Rejection.None, root.Send("hungarian", new Watch(Origin, Policy)));
        Assert.Equal((Origin, Policy), (Watched!.Origin, Watched.Policy));
        Assert.Equal(Rejection.AlreadyExists, root.Send("switzerland", new Watch(Origin, Policy)));
        AgreementTests.Admit(root, "newcomer", Roles.All);
        // A participant without a seat has no vote, not even for another text of the same policy.
        Assert.Equal(Rejection.MissingRole, root.Send("newcomer", new Watch(Origin, Policy + "\n")));
        // Whoever is a participant may carry a checkpoint here: it speaks for itself.
        Assert.Equal(Rejection.None, root.Send("newcomer", Carry(Tree(3), 3, 0)));
    }

    [Theory]
    [InlineData("quorum none")]
    [InlineData("nonsense")]
    [InlineData("")]
    public void APolicyThatAsksForNobody_IsNone(string policy) => Assert.Equal(Rejection.BadArguments, _root.Send("va", new Watch(Origin, policy)));

    [Fact]
    public void APolicyOfAnotherLog_IsNone() => Assert.Equal(Rejection.BadArguments, _root.Send("va", new Watch("fed.example/eight", Policy)));

    [Fact]
    public void AnchorsContinueEachOther()
    {
        var tree = Tree(40);
        Assert.Equal(Rejection.None, Send(Carry(tree, 5, 0)));
        Assert.Equal(Rejection.AlreadyExists, Send(Carry(tree, 5, 0)));
        Assert.Equal(Rejection.NotConsistent, Send(Carry(tree, 9, 0)));
        Assert.Equal(Rejection.NotConsistent, Send(Carry(tree, 9, 4)));
        Assert.Equal(Rejection.None, Send(Carry(tree, 9, 5)));
        Assert.Equal(Rejection.OldCheckpoint, Send(Carry(tree, 7, 5)));
        Assert.Equal(Rejection.None, Send(Carry(tree, 40, 9)));
        Assert.Equal([5L, 9L, 40L], Watched!.Anchors.Select(anchor => anchor.Size));
        Assert.Equal(tree.Root(40), Watched.Anchors[^1].Root);
        Assert.Null(Split);
    }

    [Fact]
    public void OneInAMinute()
    {
        var tree = Tree(40);
        Assert.Equal(Rejection.None, Send(Carry(tree, 5, 0)));
        Assert.Equal(Rejection.AnchoredJustNow, _root.Send("va", Carry(tree, 9, 5)));
        Assert.Equal(Rejection.None, Send(Carry(tree, 9, 5)));
    }

    [Theory]
    [InlineData(2, 0)]
    [InlineData(3, 9)]
    public void WhatTheQuorumDidNotSign_IsNotRecorded(int cosigners, int log) => Assert.Equal(Rejection.CheckpointNotTrusted, Send(new RecordCheckpoint(Sign(Tree(5), 5, cosigners, log).ToString(), [])));

    // All of that ledger's validators lie together: it cannot have two histories here, and when it shows the other one at an anchored size, that is proof.
    [Fact]
    public void TwoHistories_CannotBothBeAnchored_AndTheSecondShows()
    {
        var (first, second) = (Tree(40), Tree(40, from: 3));
        Assert.Equal(Rejection.None, Send(Carry(first, 5, 0)));
        Assert.Equal(Rejection.NotConsistent, Send(Carry(second, 9, 5)));
        Assert.Equal(Rejection.CheckpointNotTrusted, Send(new RecordCheckpoint(Sign(second, 5, cosigners: 2).ToString(), [])));
        Assert.Null(Split);
        var lie = Carry(second, 5, 0);
        Assert.Equal(Rejection.None, _root.Send("va", lie));
        Assert.Equal((Origin, 5L, first.Root(5), lie.Note), (Split!.Origin, Split.Size, Split.Root, Split.Other));
        Assert.Equal(Rejection.AlreadyExists, Send(lie));
        // What continues the first history is recorded on.
        Assert.Equal(Rejection.None, Send(Carry(first, 40, 5)));
    }

    [Fact]
    public void ANewPolicy_NeedsTheQuorumToo_AndKeepsTheAnchors()
    {
        var tree = Tree(40);
        Assert.Equal(Rejection.None, Send(Carry(tree, 5, 0)));
        var next = TrustPolicy.Text(Origin, new ValidatorSet(2, [.. Others.Seats.Select((seat, i) => seat with { CosignKey = Key(i, "/cosign-2").Public })]));
        foreach (var seat in TestShard.Hospitals.Take(3)) Assert.Equal(Rejection.None, _root.Send(seat, new Watch(Origin, next)));
        Assert.Equal((next, 5L), (Watched!.Policy, Assert.Single(Watched.Anchors).Size));
        Assert.Equal(Rejection.CheckpointNotTrusted, Send(Carry(tree, 9, 5)));
    }

    // Whatever is sent in whatever order: the anchors are sizes and roots of one history.
    [Fact]
    public void OfTwoHistories_OneIsRecorded()
    {
        var trees = new[] { Tree(64), Tree(64, from: 2) };
        Gen.Select(Gen.Int[0, 1], Gen.Int[3, 64], Gen.Bool).Array[1, 90].Sample(
            steps =>
            {
                var root = new TestShard();
                foreach (var seat in TestShard.Hospitals.Take(3)) root.Send(seat, new Watch(Origin, Policy));
                foreach (var (history, size, honest) in steps)
                {
                    var old = honest ? root.State.Find<WatchedRecord>(WatchedRecord.Key(Origin))!.Anchors is [.., var newest] ? newest.Size : 0 : size / 2;
                    root.Commit(Minute, root.Sign("va", Carry(trees[history], size, old < size ? old : 0)));
                }

                var anchors = root.State.Find<WatchedRecord>(WatchedRecord.Key(Origin))!.Anchors;
                Assert.Contains(trees, tree => anchors.All(anchor => tree.Root(anchor.Size) == anchor.Root));
                Assert.True(anchors.Zip(anchors.Skip(1)).All(pair => pair.First.Size < pair.Second.Size));
                Assert.True(anchors.Count <= WatchedRecord.Kept);
            },
            iter: 12, threads: 1);
    }

    /// <summary>A shard that has watched another, anchored it and been shown its second history.</summary>
    internal static TestShard Example()
    {
        var tests = new AnchorTests();
        tests.Send(Carry(Tree(40), 5, 0));
        tests.Send(Carry(Tree(40), 9, 5));
        tests.Send(Carry(Tree(40, from: 3), 9, 0));
        return tests._root;
    }

    // What a checkpoint meets after the one of five leaves, at once or a minute later.
    internal Rejection SendAfterFirst(RecordCheckpoint call, bool waits = true)
    {
        Assert.Equal(Rejection.None, Send(Carry(5, 0)));
        return waits ? Send(call) : _root.Send("va", call);
    }

    internal Rejection SendUntrusted() => Send(new RecordCheckpoint(Sign(Tree(5), 5, cosigners: 2).ToString(), []));

    internal static RecordCheckpoint Carry(long size, long old) => Carry(Tree(40), size, old);

    private Rejection Send(RecordCheckpoint call) => Assert.Single(_root.Commit(Minute, _root.Sign("va", call))).Result;

    private static RecordCheckpoint Carry(MerkleTree tree, long size, long old) => new(Sign(tree, size).ToString(), old == 0 ? [] : tree.ConsistencyProof(old, size));

    private static SignedNote Sign(MerkleTree tree, long size, int cosigners = 3, int log = 0)
    {
        var text = new Checkpoint(Origin, size, tree.Root(size)).Text;
        var logKey = new NoteKey(Origin, NoteKeyKind.Log, Key(log, "/log").Public);
        return new SignedNote(text, [new NoteSignature(Origin, logKey.Id, Key(log, "/log").Sign(SignedNote.LogMessage(text))), .. Enumerable.Range(0, cosigners).Select(i => SignedNote.Cosignature(TrustPolicy.CosignKey(Others.Seats[i]), 1_700_000_000, Key(i, "/cosign").Sign(SignedNote.CosignatureMessage(text, 1_700_000_000))))]);
    }

    private static MerkleTree Tree(int size, int from = int.MaxValue)
    {
        var tree = new MerkleTree();
        for (var i = 0; i < size; i++) tree.Append(MerkleHash.Leaf([(byte)i, i >= from ? (byte)1 : (byte)0]));
        return tree;
    }

    private static TestKey Key(int seat, string role) => TestKey.Of($"other-{seat}{role}");
}
