using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.EndToEnd.Validators;

/// <summary>The judge of the drills: it accepts a good history, and finds every kind of bad one.</summary>
public sealed class LedgerHistoryTests
{
    private readonly TestShard _shard = new();
    private readonly List<Submission> _submissions = [];
    private List<SeatLedger> _ledgers = [];

    public LedgerHistoryTests()
    {
        for (var number = 0; number < 6; number++)
        {
            var transaction = Something(number);
            _shard.Commit(10, transaction);
            _submissions.Add(new Submission(transaction, default, Begun: 10 * number, Ended: 10 * number + 15, Receipt(_shard, transaction)));
        }

        var blocks = _shard.Blocks.Skip(1).Select(block => block.Block).ToArray();
        _ledgers = [.. _shard.Genesis.Validators.Seats.Select((seat, i) => new SeatLedger(seat.Organisation, blocks[..(blocks.Length - i)], Note(_shard, blocks[^(i + 1)].Header.TreeSize)))];
    }

    [Fact]
    public void AGoodHistory_HasNoFaults() => Assert.Empty(Faults());

    [Fact]
    public void WhatNobodyAcknowledged_MayBeMissing()
    {
        _submissions.Add(new Submission(Something(100), default, 0, 1, null));
        Assert.Empty(Faults());
    }

    [Fact]
    public void AnAcknowledgedTransaction_ThatIsMissing()
    {
        _ledgers = [.. _ledgers.Select(ledger => ledger with { Blocks = [.. ledger.Blocks.Take(3)], Checkpoint = Note(_shard, ledger.Blocks[2].Header.TreeSize) })];
        RequireFault("was acknowledged and is missing");
    }

    [Fact]
    public void ATransaction_ThatStandsTwice()
    {
        var (longest, again) = (_ledgers[0], _submissions[0].Transaction);
        var body = Block.EncodeBody([again.Encoded]);
        var header = longest.Blocks[^1].Header;
        _ledgers[0] = longest with { Blocks = [.. longest.Blocks, Block.Create(header with { Height = header.Height + 1, Parent = longest.Blocks[^1].Digest, TimeMs = header.TimeMs + 1, BodyHash = Digest.Of(body) }, body)] };
        RequireFault("stands twice");
    }

    [Fact]
    public void TwoReceipts_OfOneTransaction_AtTwoPlaces()
    {
        var rival = Rival(_submissions[2].Transaction, [Something(50)]);
        _submissions.Add(_submissions[2] with { Receipt = rival });
        RequireFault("have two indices");
        RequireFault("is of another tree");
    }

    [Fact]
    public void TwoReceipts_OfOnePlace_ForTwoTransactions()
    {
        var other = Something(60);
        _submissions.Add(new Submission(other, default, 0, 1000, Rival(other, [])));
        RequireFault("are about two leaves");
        RequireFault("have two roots");
    }

    [Fact]
    public void AReceipt_ThatIsAboutAnotherTransaction()
    {
        _submissions[1] = _submissions[1] with { Receipt = _submissions[2].Receipt };
        RequireFault("is about another transaction");
    }

    [Fact]
    public void AReceipt_ThatDoesNotVerify()
    {
        _submissions[1] = _submissions[1] with { Receipt = _submissions[1].Receipt! with { Path = [] } };
        RequireFault("does not verify");
    }

    [Fact]
    public void AReceipt_WithoutAQuorum()
    {
        var note = _submissions[1].Receipt!.Note;
        _submissions[1] = _submissions[1] with { Receipt = _submissions[1].Receipt! with { Note = new SignedNote(note.Text, [.. note.Signatures.SkipLast(1)]) } };
        RequireFault("is not accepted by the policy");
    }

    [Fact]
    public void AValidator_WithAnotherBlock()
    {
        var rival = new TestShard();
        rival.Commit(11, Something(70));
        _ledgers[3] = _ledgers[3] with { Blocks = [rival.Head.Block] };
        RequireFault("block 1 of va is not the one of cleveland");
    }

    [Fact]
    public void AValidator_WithACheckpointOfAnotherTree()
    {
        var rival = new TestShard();
        rival.Commit(11, Something(70));
        _ledgers[3] = _ledgers[3] with { Checkpoint = Note(rival, rival.Head.Block.Header.TreeSize) };
        RequireFault("the checkpoint of va is of another tree");
    }

    [Fact]
    public void ABlock_ThatDoesNotExecute()
    {
        _ledgers = [.. _ledgers.Select(ledger => ledger with { Blocks = [.. ledger.Blocks.Skip(1)] })];
        RequireFault("does not execute");
    }

    [Fact]
    public void WhatWasHandedInLater_ThatStandsBefore()
    {
        _submissions[1] = _submissions[1] with { Begun = _submissions[4].Ended + 1, Ended = _submissions[4].Ended + 2 };
        RequireFault("was handed in when a receipt of a later entry was there");
    }

    private IReadOnlyList<string> Faults() => LedgerHistory.Faults(_shard.Genesis, [TrustPolicy.Of(_shard.Genesis.Origin, _shard.Genesis.Validators)], _submissions, _ledgers);

    private void RequireFault(string text) => Assert.Contains(Faults(), fault => fault.Contains(text, StringComparison.Ordinal));

    private Transaction Something(int number) => _shard.Sign("va", new AddKey(TestShard.Key($"va/{number}").Public));

    // What a quorum that forks would sign: another second block, in which this transaction is the last.
    private Receipt Rival(Transaction transaction, Transaction[] before)
    {
        var rival = new TestShard();
        rival.Commit(10, _submissions[0].Transaction);
        rival.Commit(20, [.. before, transaction]);
        return Receipt(rival, transaction);
    }

    private static Receipt Receipt(TestShard shard, Transaction transaction)
    {
        var tree = shard.Tree();
        var leaves = LedgerState.Of(shard.Head).Leaves;
        Assert.True(Leaf.TryParse(leaves[^1], out var leaf) && ((Entry)leaf!).TransactionDigest == transaction.Digest);
        return new Receipt(leaves[^1], tree.Size - 1, tree.InclusionProof(tree.Size - 1, tree.Size), Note(shard, tree.Size));
    }

    private static SignedNote Note(TestShard shard, long size)
    {
        var text = new Checkpoint(shard.Genesis.Origin, size, shard.Tree().Root(size)).Text;
        var log = new NoteKey(shard.Genesis.Origin, NoteKeyKind.Log, shard.KeyOf("va", "/log").Public);
        return new SignedNote(text,
        [
            new NoteSignature(log.Name, log.Id, shard.KeyOf("va", "/log").Sign(SignedNote.LogMessage(text))),
            .. shard.Genesis.Validators.Seats.Take(3).Select(seat => SignedNote.Cosignature(TrustPolicy.CosignKey(seat), 1_700_000_001, shard.KeyOf(seat.Organisation.Name, "/cosign").Sign(SignedNote.CosignatureMessage(text, 1_700_000_001)))),
        ]);
    }
}
