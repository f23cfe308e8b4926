using System.Security.Cryptography;
using System.Text.Json;
using CsCheck;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Exports;

namespace Orleans.Training.Tests.Contracts;

/// <summary>Statements about models, in the forms that other people's tools read. Those tools themselves are in the end-to-end tests.</summary>
public sealed class StatementTests
{
    [Fact]
    public void AStatement_NamesWhatTheLedgerSays()
    {
        var export = new TestExport();
        using var bundle = JsonDocument.Parse(export.Statement("va"));
        using var statement = JsonDocument.Parse(bundle.RootElement.GetProperty("dsseEnvelope").GetProperty("payload").GetBytesFromBase64());
        var model = export.Shard.State.All<ModelRecord>(ModelRecord.Prefix).Last();
        var build = statement.RootElement.GetProperty("predicate").GetProperty("buildDefinition");
        var subjects = statement.RootElement.GetProperty("subject").EnumerateArray().Select(one => (one.GetProperty("name").GetString(), one.GetProperty("digest").GetProperty("sha256").GetString())).ToArray();
        Assert.Equal([("model.safetensors", Digest.Of(export.Files["model.safetensors"]).ToString()), ("model", model.Model.ToString())], subjects);
        Assert.Equal((export.Shard.Genesis.Chain.ToString(), model.Agreement.ToString(), 2), (build.GetProperty("externalParameters").GetProperty("chain").GetString(), build.GetProperty("externalParameters").GetProperty("agreement").GetString(), build.GetProperty("externalParameters").GetProperty("round").GetInt32()));
        var entry = build.GetProperty("internalParameters").GetProperty("entry").GetInt32();
        Assert.True(Leaf.TryParse(export.Shard.Blocks.SelectMany(block => LedgerState.Of(block).Leaves).ElementAt(entry), out var leaf));
        Assert.Equal(Rejection.None, Assert.IsType<Entry>(leaf).Result);
        var names = build.GetProperty("resolvedDependencies").EnumerateArray().Select(one => one.GetProperty("name").GetString()!.Split('/')[0]).ToArray();
        var trainers = export.Shard.State.Find<AgreementRecord>(AgreementRecord.Key(model.Agreement))!.Agreement.Datasets.Count;
        Assert.Equal(["base", .. Enumerable.Repeat("dataset", trainers), .. Enumerable.Repeat("update", trainers)], names);
    }

    // About one in 128 signatures has a shorter r or s, and every second number needs a zero before it.
    [Fact]
    public void AnEs256Bundle_CarriesDer_AndOnlyTheOneFormVerifies()
    {
        using var ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var point = ecdsa.ExportParameters(false).Q;
        Assert.True(PublicKey.TryCreate(SignatureAlgorithm.Es256, [4, .. point.X!, .. point.Y!], out var key));
        Assert.Equal(ecdsa.ExportSubjectPublicKeyInfoPem() + "\n", StatementBundle.Pem(key!));
        Gen.Byte.Array[1, 40].Sample(
            statement =>
            {
                var signature = Signatures.NormalizeEs256(ecdsa.SignData(StatementBundle.Preimage(statement), HashAlgorithmName.SHA256));
                var bundle = StatementBundle.Write(statement, key!, signature);
                using var json = JsonDocument.Parse(bundle);
                var der = json.RootElement.GetProperty("dsseEnvelope").GetProperty("signatures")[0].GetProperty("sig").GetBytesFromBase64();
                Assert.True(ecdsa.VerifyData(StatementBundle.Preimage(statement), der, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence));
                Assert.True(StatementBundle.Verify(bundle, statement, key!, Signatures.Verify));
                Assert.False(StatementBundle.Verify(bundle, [.. statement, 0], key!, Signatures.Verify));
                bundle[^7] ^= 1;
                Assert.False(StatementBundle.Verify(bundle, statement, key!, Signatures.Verify));
            },
            iter: 600);
    }

    // github.com/secure-systems-lab/dsse, protocol.md: PAE(type, body) = "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body.
    [Fact]
    public void ThePreimage_IsDssesEncoding() =>
        Assert.Equal("DSSEv1 28 application/vnd.in-toto+json 11 hello world"u8.ToArray(), StatementBundle.Preimage("hello world"u8));
}
