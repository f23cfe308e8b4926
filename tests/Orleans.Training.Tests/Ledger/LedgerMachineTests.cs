using System.Security.Cryptography;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Tests.Ledger;

public class LedgerMachineTests
{
    private readonly TestShard _shard = new();
    private readonly ContractCall _call = new AddKey(TestShard.Key("another").Public);

    private Rejection Check(Transaction transaction) => _shard.Machine.Check(_shard.Head, transaction, _shard.Head.Block.Header.TimeMs + 10);

    [Fact]
    public void Admission_RefusesEachRuleBroken_WithItsOwnNumber()
    {
        var time = TestShard.StartMs + 10;
        Assert.Equal(Rejection.None, Check(_shard.Sign("va", _call)));
        Assert.Equal(Rejection.WrongChain, Check(_shard.Sign("va", _call, chain: Digest.Zero)));
        Assert.Equal(Rejection.WrongShard, Check(_shard.Sign("va", _call, shard: Identifier.Of("other"u8))));
        Assert.Equal(Rejection.Expired, Check(_shard.Sign("va", _call, notAfterMs: time)));
        Assert.Equal(Rejection.None, Check(_shard.Sign("va", _call, notAfterMs: time + 1)));
        Assert.Equal(Rejection.None, Check(_shard.Sign("va", _call, notAfterMs: time + Limits.ExpiryWindowMs)));
        Assert.Equal(Rejection.ExpiryTooFar, Check(_shard.Sign("va", _call, notAfterMs: time + Limits.ExpiryWindowMs + 1)));
        Assert.Equal(Rejection.UnknownKey, Check(_shard.Sign("stranger", _call)));
        Assert.Equal(Rejection.UnknownKey, Check(_shard.Sign("va", _call, key: TestShard.Key("cleveland"))));
        Assert.Equal(Rejection.UnknownKey, Check(_shard.Sign("va", _call, key: TestShard.Key("va/vote"))));

        var forged = _shard.Sign("va", _call).Encoded.ToArray();
        forged[^1] ^= 1;
        Assert.Equal(Rejection.None, Transaction.TryParse(forged, out var transaction));
        Assert.Equal(Rejection.BadSignature, Check(transaction!));
    }

    [Fact]
    public void Transaction_CommitsOnce_AndItsIdIsTaken()
    {
        var first = _shard.Sign("va", _call);
        var other = _shard.Sign("va", new AddKey(TestShard.Key("third").Public), id: first.Payload.Id);
        Assert.Equal(Rejection.None, Assert.Single(_shard.Commit(10, first)).Result);
        Assert.Equal(Rejection.Duplicate, Check(first));
        Assert.Equal(Rejection.TransactionIdReused, Check(other));
        Assert.Empty(_shard.Commit(10, first, other));
        // Another actor may use the same id: a bare id cannot be taken by whoever sees it first.
        Assert.Equal(Rejection.None, Check(_shard.Sign("cleveland", _call, id: first.Payload.Id)));
    }

    [Fact]
    public void Window_ForgetsATransaction_OnlyWhenItHasExpired()
    {
        var transaction = _shard.Sign("va", _call, notAfterMs: TestShard.StartMs + 1_000);
        _shard.Commit(10, transaction);
        _shard.Commit(989);
        Assert.Single(LedgerState.Of(_shard.Head).Recent);
        _shard.Commit(1);
        Assert.Empty(LedgerState.Of(_shard.Head).Recent);
        Assert.Equal(Rejection.Expired, Check(transaction));
    }

    [Fact]
    public void Block_IsRefused_WhenAnythingInItDiffersFromItsExecution()
    {
        var block = _shard.Machine.Build(_shard.Head, TestShard.StartMs + 10, 2, [_shard.Sign("va", _call)]).Block;
        Assert.NotNull(_shard.Machine.Execute(_shard.Head, block));
        var header = block.Header;
        BlockHeader[] wrong =
        [
            header with { Chain = Digest.Zero }, header with { Shard = default }, header with { Era = 2 }, header with { Height = 2 }, header with { Parent = Digest.Zero },
            header with { TimeMs = header.TimeMs + 1 }, header with { TreeSize = header.TreeSize + 1 }, header with { TreeRoot = Digest.Zero }, header with { WriteSet = Digest.Zero },
            header with { Validators = Digest.Zero }, header with { NextValidators = Digest.Zero }, header with { Proposer = 4 }, header with { TimeMs = TestShard.StartMs },
        ];
        foreach (var other in wrong) Assert.Null(_shard.Machine.Execute(_shard.Head, Block.Create(other, block.Body)));
    }

    [Fact]
    public void Block_IsRefused_WhenItCarriesAnInadmissibleTransactionOrOneTwice()
    {
        var good = _shard.Sign("va", _call);
        foreach (var body in new[] { Block.EncodeBody([good.Encoded, good.Encoded]), Block.EncodeBody([_shard.Sign("stranger", _call).Encoded]), Block.EncodeBody([new byte[] { 1, 2, 3 }]) })
        {
            var header = _shard.Machine.Build(_shard.Head, TestShard.StartMs + 10, 0, [good]).Block.Header;
            Assert.Null(_shard.Machine.Execute(_shard.Head, Block.Create(header with { BodyHash = Digest.Of(body) }, body)));
        }
    }

    [Fact]
    public void RefusalByAContract_IsAnEntryWithoutWrites()
    {
        var before = _shard.State;
        var entry = Assert.Single(_shard.Commit(10, _shard.Sign("va", new RevokeKey(Identifier.Of("nothing"u8)))));
        Assert.Equal(Rejection.NotFound, entry.Result);
        Assert.Equal(before.Records, _shard.State.Records);
        Assert.Equal(3, LedgerState.Of(_shard.Head).Tree.Size);
    }

    [Fact]
    public void UnknownMethodsAndBadArguments_AreEntries()
    {
        Assert.Equal(Rejection.UnknownMethod, _shard.Send("va", new Raw("round", "Frobnicate", [0x80])));
        Assert.Equal(Rejection.BadArguments, _shard.Send("va", new Raw("round", "Open", [0x80])));
        Assert.Equal(Rejection.BadArguments, _shard.Send("va", new Raw("federation", "AddKey", [0x81, 0x82, 0x26, 0x41, 0x00])));
    }

    [Fact]
    public void Es256_IsAcceptedInItsLowForm_AndRefusedInItsHighForm()
    {
        using var ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var q = ecdsa.ExportParameters(false).Q;
        Assert.True(PublicKey.TryCreate(SignatureAlgorithm.Es256, [4, .. q.X!, .. q.Y!], out var key));
        Assert.Equal(Rejection.None, _shard.Send("va", new AddKey(key!)));
        var payload = _shard.Sign("va", _call).Payload with { KeyId = key!.Id };
        var message = Transaction.SigStructure(SignatureAlgorithm.Es256, payload.Encode());
        for (var i = 0; i < 16; i++)
        {
            var low = Signatures.NormalizeEs256(ecdsa.SignData(message, HashAlgorithmName.SHA256));
            var high = Flip(low);
            Assert.True(ecdsa.VerifyData(message, high, HashAlgorithmName.SHA256));
            Assert.Equal(Rejection.None, Check(Parse(payload, low)));
            Assert.Equal(Rejection.BadSignature, Check(Parse(payload, high)));
            Assert.Equal(low, Signatures.NormalizeEs256(high));
        }

        static Transaction Parse(TransactionPayload payload, byte[] signature)
        {
            Assert.Equal(Rejection.None, Transaction.TryParse(Transaction.Assemble(SignatureAlgorithm.Es256, payload.Encode(), signature), out var transaction));
            return transaction!;
        }

        static byte[] Flip(byte[] signature)
        {
            var order = System.Numerics.BigInteger.Parse("0FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551", System.Globalization.NumberStyles.HexNumber);
            var s = (order - new System.Numerics.BigInteger(signature.AsSpan(32), isUnsigned: true, isBigEndian: true)).ToByteArray(isUnsigned: true, isBigEndian: true);
            return [.. signature[..32], .. new byte[32 - s.Length], .. s];
        }
    }

    private sealed record Raw(string Name, string Verb, byte[] Arguments) : ContractCall
    {
        public override string Contract => Name;

        public override string Method => Verb;

        public override void WriteArguments(System.Formats.Cbor.CborWriter writer) => writer.WriteEncodedValue(Arguments);

        internal override Rejection Apply(ContractContext context) => throw new InvalidOperationException();
    }
}
