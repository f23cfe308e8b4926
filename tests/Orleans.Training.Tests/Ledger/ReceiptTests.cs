using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Tests.Ledger;

public class ReceiptTests
{
    private readonly TestShard _shard = new();

    private TrustPolicy Policy
    {
        get
        {
            Assert.True(TrustPolicy.TryParse(TrustPolicy.Text(_shard.Genesis.Origin, _shard.Genesis.Validators), out var policy, out var problem), problem);
            return policy!;
        }
    }

    private Receipt Make(int cosigners = 3, string? origin = null, string logger = "va")
    {
        _shard.Send("va", new AddKey(TestShard.Key("va/second").Public));
        var tree = _shard.Tree();
        var checkpoint = new Checkpoint(origin ?? _shard.Genesis.Origin, tree.Size, tree.Root(tree.Size));
        var signatures = new List<NoteSignature>();
        var log = new NoteKey(checkpoint.Origin, NoteKeyKind.Log, TestShard.Key(logger + "/log").Public);
        signatures.Add(new NoteSignature(log.Name, log.Id, TestShard.Key(logger + "/log").Sign(SignedNote.LogMessage(checkpoint.Text))));
        foreach (var seat in _shard.Genesis.Validators.Seats.Take(cosigners))
        {
            var key = TestShard.Key(seat.Organisation.Name + "/cosign");
            signatures.Add(SignedNote.Cosignature(TrustPolicy.CosignKey(seat), 1_700_000_001, key.Sign(SignedNote.CosignatureMessage(checkpoint.Text, 1_700_000_001))));
        }

        var index = tree.Size - 1;
        return new Receipt(LedgerState.Of(_shard.Head).Leaves[^1], index, tree.InclusionProof(index, tree.Size), new SignedNote(checkpoint.Text, signatures));
    }

    [Fact]
    public void Receipt_VerifiesAfterARoundTripThroughItsText()
    {
        var text = Make().ToString();
        Assert.True(Receipt.TryParse(text, out var receipt));
        Assert.Equal(ReceiptCheck.Good, receipt!.Verify(Policy));
        Assert.Equal(text, receipt.ToString());
        Assert.True(text.Length <= 1_700, $"{text.Length} characters");
    }

    [Fact]
    public void Receipt_IsRefused_WhenCosignersAreTooFew() => Assert.Equal(ReceiptCheck.QuorumMissing, Make(cosigners: 2).Verify(Policy));

    [Fact]
    public void Receipt_IsRefused_WhenNoKnownLogSigned() => Assert.Equal(ReceiptCheck.UnknownLog, Make(logger: "stranger").Verify(Policy));

    [Fact]
    public void Receipt_IsRefused_WhenTheOriginIsAnothers() => Assert.Equal(ReceiptCheck.UnknownLog, Make(origin: "ledger.example/other").Verify(Policy));

    [Fact]
    public void Receipt_IsRefused_WhenTheLeafIsAnother()
    {
        var receipt = Make();
        Assert.Equal(ReceiptCheck.NotIncluded, (receipt with { Leaf = LedgerState.Of(_shard.Head).Leaves[0] }).Verify(Policy));
        Assert.Equal(ReceiptCheck.NotIncluded, (receipt with { Index = 0 }).Verify(Policy));
    }

    [Fact]
    public void AnyChangedCharacter_IsNoticed_OrChangesNothingThatIsSaid()
    {
        var receipt = Make();
        var text = receipt.ToString();
        for (var i = 0; i < text.Length; i++)
        {
            var changed = text[..i] + (char)(text[i] ^ 1) + text[(i + 1)..];
            if (Receipt.TryParse(changed, out var parsed) && parsed!.Verify(Policy) is ReceiptCheck.Good)
            {
                // Only the fourth line, which the quorum does not need, could break unnoticed, and none was sent.
                Assert.Fail($"character {i} ({text[i]}) can be changed unnoticed");
            }
        }
    }

    [Theory]
    [InlineData("", "no quorum line")]
    [InlineData("quorum nobody\n", "line 1: 'nobody' is not defined above")]
    [InlineData("log x+00000000+AAAA\nquorum none\n", "line 1: not 'log <vkey> [<url>]' with an Ed25519 log key (type 0x01)")]
    [InlineData("frob x\n", "line 1: 'frob' is not log, witness, group or quorum")]
    [InlineData("quorum none\nquorum none\n", "line 2: not one line 'quorum <name>'")]
    public void Policy_IsRefused_WithTheLineThatIsWrong(string text, string expected)
    {
        Assert.False(TrustPolicy.TryParse(text, out _, out var problem));
        Assert.Equal(expected, problem);
    }

    [Fact]
    public void Policy_TakesNestedGroups_AndCountsEachMemberOnce()
    {
        var keys = Enumerable.Range(0, 5).Select(i => new NoteKey($"w{i}.example", NoteKeyKind.Cosignature, TestShard.Key($"w{i}").Public)).ToArray();
        var log = new NoteKey("ledger.example/x", NoteKeyKind.Log, TestShard.Key("x").Public);
        var text = $"log {log}\n# two levels\n" + string.Concat(keys.Select((key, i) => $"witness w{i} {key}\n")) + "group a 2 w0 w1 w2\ngroup b any w3 w4\ngroup both all a b\nquorum both\n";
        Assert.True(TrustPolicy.TryParse(text, out var policy, out var problem), problem);
        var checkpoint = new Checkpoint("ledger.example/x", 0, MerkleHash.Empty);
        Assert.Equal(ReceiptCheck.Good, policy!.Accepts(Note(0, 2, 4)));
        Assert.Equal(ReceiptCheck.QuorumMissing, policy.Accepts(Note(0, 1, 2)));
        Assert.Equal(ReceiptCheck.QuorumMissing, policy.Accepts(Note(0, 0, 0, 4)));

        SignedNote Note(params int[] witnesses) => new(checkpoint.Text,
        [
            new NoteSignature(log.Name, log.Id, TestShard.Key("x").Sign(SignedNote.LogMessage(checkpoint.Text))),
            .. witnesses.Select(i => SignedNote.Cosignature(keys[i], 7, TestShard.Key($"w{i}").Sign(SignedNote.CosignatureMessage(checkpoint.Text, 7)))),
        ]);
    }
}
