using System.Text;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Contracts;

namespace Orleans.Training.Tests.Ledger;

/// <summary>What a quorum says about a snapshot, and how somebody who believes in genesis alone is shown it.</summary>
public class SnapshotOfferTests
{
    private static readonly Digest Name = Digest.Of("a snapshot"u8);
    private readonly TestShard _shard = new();

    [Fact]
    public void AQuorumOfThePresentSeats_AttestsASnapshot_AndNothingLess()
    {
        _shard.Commit(10);
        var call = Call(_shard, 1);
        Assert.Equal(Rejection.None, _shard.Send("va", call));
        Assert.Equal(Rejection.AlreadyExists, _shard.Send("va", call));
        Assert.Equal(Rejection.None, _shard.Send("cleveland", call with { Name = Digest.Zero }));
        Assert.Equal(Rejection.None, _shard.Send("hungarian", call));
        Assert.Null(Attested(_shard));
        Assert.Equal(Rejection.None, _shard.Send("switzerland", call));
        Assert.Equal(new SnapshotRecord(1, call.Block, Name, 6), Attested(_shard));
        Assert.Equal([SnapshotRecord.AttestedEvent], LedgerState.Of(_shard.Head).Events[1].Select(item => item.Type));
        // Too late, and below it.
        Assert.Equal(Rejection.AlreadyExists, _shard.Send("cleveland", call));
        Assert.Equal(Rejection.AlreadyExists, _shard.Send("va", Call(_shard, 0)));
        Assert.Equal(Rejection.None, _shard.Send("va", Call(_shard, 2)));
    }

    [Fact]
    public void WhoHasNoSeat_AndWhatIsNotThereYet_AreRefused()
    {
        AgreementTests.Admit(_shard, "outsider", Roles.Trainer);
        Assert.Equal(Rejection.MissingRole, _shard.Send("outsider", Call(_shard, 1)));
        var height = _shard.Head.Block.Header.Height;
        Assert.Equal(Rejection.NotFound, _shard.Send("va", new AttestSnapshot(height + 1, Name, Name)));
        Assert.Equal(Rejection.None, _shard.Send("va", new AttestSnapshot(height + 1, Name, Name)));
    }

    // Seats that have left no longer count, and those that stay need not say it again.
    [Fact]
    public void WordsOfSeatsThatHaveLeft_DoNotCount()
    {
        var governance = new TestGovernance(_shard);
        var one = governance.Newcomer("one");
        foreach (var seat in new[] { "va", "cleveland" }) Assert.Equal(Rejection.None, _shard.Send(seat, Call(_shard, 1)));
        governance.Approve(SeatChange.Replace(governance.Seat("va").TransactionKey.Id, one));
        Assert.Equal(Rejection.None, governance.Ready(one));
        Assert.Equal(2UL, governance.Validators.Era);
        Assert.Equal(Rejection.MissingRole, _shard.Send("va", Call(_shard, 2)));
        Assert.Equal(Rejection.None, _shard.Send("hungarian", Call(_shard, 1)));
        Assert.Null(Attested(_shard));
        Assert.Equal(Rejection.None, _shard.Send("one", Call(_shard, 1)));
        Assert.Equal(1UL, Attested(_shard)!.Height);
    }

    [Fact]
    public void TheOffer_ProvesItToWhoeverBelievesInGenesis()
    {
        var shard = Example();
        var offer = Offer(shard);
        var (snapshot, leaves) = offer.Verify(shard.Genesis, shard.Genesis.Validators)!.Value;
        Assert.Equal(Attested(shard), snapshot);
        Assert.Equal(LedgerState.Of(shard.Head).Tree.Size - 1, leaves);
        Assert.True(ConsensusMessage.TryParse(offer.Encode(), out var parsed));
        Assert.Equal(snapshot, ((SnapshotOffer)parsed!).Verify(shard.Genesis, shard.Genesis.Validators)!.Value.Snapshot);
    }

    [Fact]
    public void EveryFalseOffer_ProvesNothing()
    {
        var shard = Example();
        var offer = Offer(shard);
        var good = LedgerState.Of(shard.Head).Events[^1];
        var other = new SnapshotRecord(1, Name, Digest.Zero, Attested(shard)!.At);
        SnapshotOffer[] bad =
        [
            offer with { Events = [] },
            // Another snapshot than the leaf binds.
            offer with { Events = [good[0] with { Record = other }] },
            offer with { Events = [.. good, good[0] with { Record = other }] },
            // An event of another name, or about another key.
            Offer(shard, [good[0] with { Type = "ModelPublished" }]),
            Offer(shard, [good[0] with { Key = SnapshotRecord.Key(shard.KeyOf("va").Public.Id) }]),
            // A receipt of another entry, of no quorum, of another log.
            offer with { Receipt = Text(ReceiptOf(shard, LedgerState.Of(shard.Head).Tree.Size - 2)) },
            offer with { Receipt = Text(ReceiptOf(shard, LedgerState.Of(shard.Head).Tree.Size - 1, cosigners: 2)) },
            offer with { Receipt = Text(ReceiptOf(shard, LedgerState.Of(shard.Head).Tree.Size - 1, origin: "other.example/log")) },
            offer with { Receipt = default },
            // A link that does not follow.
            offer with { Links = [new EraLink(Certificate.Join([new SignedVote(Vote.Finalize(1, 2, shard.Blocks[1].Block.Digest), 0, new byte[64])]), shard.Blocks[1].Block.HeaderBytes, shard.Genesis.Validators)] },
        ];
        Assert.All(bad, (one, number) => Assert.True(one.Verify(shard.Genesis, shard.Genesis.Validators) is null, $"false offer {number} was believed"));
        Assert.Null(offer.Verify(shard.Genesis, new TestShard("/others").Genesis.Validators));
    }

    /// <summary>A shard whose newest entry attests a snapshot.</summary>
    internal static TestShard Example()
    {
        var shard = new TestShard();
        shard.Commit(10);
        foreach (var seat in TestShard.Hospitals[..3]) Assert.Equal(Rejection.None, shard.Send(seat, Call(shard, 1)));
        return shard;
    }

    /// <summary>The offer of that snapshot.</summary>
    internal static SnapshotOffer Offer(TestShard shard, IReadOnlyList<LedgerEvent>? events = null) =>
        new([], Text(ReceiptOf(shard, LedgerState.Of(shard.Head).Tree.Size - 1)), events ?? LedgerState.Of(shard.Head).Events[^1]);

    private static ReadOnlyMemory<byte> Text(Receipt receipt) => Encoding.UTF8.GetBytes(receipt.ToString());

    private static Receipt ReceiptOf(TestShard shard, long index, int cosigners = 3, string? origin = null)
    {
        var tree = shard.Tree();
        var leaves = shard.Blocks.SelectMany(block => LedgerState.Of(block).Leaves).ToArray();
        var text = new Checkpoint(origin ?? shard.Genesis.Origin, tree.Size, tree.Root(tree.Size)).Text;
        var log = new NoteKey(origin ?? shard.Genesis.Origin, NoteKeyKind.Log, shard.KeyOf("va", "/log").Public);
        var lines = shard.Genesis.Validators.Seats.Take(cosigners).Select(seat => SignedNote.Cosignature(TrustPolicy.CosignKey(seat), 1_700_000_000, shard.KeyOf(seat.Organisation.Name, "/cosign").Sign(SignedNote.CosignatureMessage(text, 1_700_000_000))));
        return new Receipt(leaves[index], index, tree.InclusionProof(index, tree.Size), new SignedNote(text, [new NoteSignature(log.Name, log.Id, shard.KeyOf("va", "/log").Sign(SignedNote.LogMessage(text))), .. lines]));
    }

    private static AttestSnapshot Call(TestShard shard, int height) => new((ulong)height, shard.Blocks[height].Block.Digest, Name);

    private static SnapshotRecord? Attested(TestShard shard) => shard.State.Find<SnapshotRecord>(SnapshotRecord.Attested);
}
