using System.Formats.Cbor;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Simulation;

namespace Orleans.Training.Tests.Consensus;

public sealed class CertificateTests
{
    private static readonly TestShard Shard = new(4);
    private static readonly Vote Example = Vote.Notarize(1, 7, 6, Digest.Of("block"u8));

    [Fact]
    public void Preimage_HasTheBytes_ThatTheSpecificationGives()
    {
        var chain = Digest.From(Enumerable.Range(0, 32).Select(i => (byte)i).ToArray());
        var shard = Identifier.From(Enumerable.Range(0, 16).Select(i => (byte)(0x40 + i)).ToArray());
        var digest = Digest.From(Enumerable.Range(0, 32).Select(i => (byte)(0x80 + i)).ToArray());
        Assert.Equal(
            "464c76312d766f746500" + "01"
            + "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" + "404142434445464748494a4b4c4d4e4f"
            + "0000000000000001" + "0000000000000102" + "0000000000000101"
            + "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
            Convert.ToHexStringLower(Vote.Notarize(1, 0x102, 0x101, digest).Preimage(chain, shard)));
        Assert.Equal(Vote.PreimageSize, Vote.Nullify(1, 1).Preimage(chain, shard).Length);
    }

    [Fact]
    public void Certificate_Verifies_WithAQuorumOfDistinctSeats()
    {
        Assert.True(Verify(Shard.Certify(Example, 0, 1, 3)));
        Assert.True(Verify(Shard.Certify(Example, 0, 1, 2, 3)));
        Assert.False(Verify(Shard.Certify(Example, 1, 3)));
    }

    [Fact]
    public void Certificate_IsRefused_ForAnotherChainShardEraOrVote()
    {
        var good = Shard.Certify(Example, 0, 1, 3);
        Assert.False(good.Verify(Shard.Validators, Digest.Of("other"u8), SimulatedMachine.Shard));
        Assert.False(good.Verify(Shard.Validators, SimulatedMachine.Chain, Identifier.Of("other"u8)));
        Assert.False(Shard.Certify(Vote.Notarize(2, 7, 6, Example.Digest), 0, 1, 3).Verify(Shard.Validators, SimulatedMachine.Chain, SimulatedMachine.Shard));
        Assert.False(Verify(Encoded(Vote.Notarize(1, 7, 5, Example.Digest), 0b1011, good.Signatures)));
        Assert.False(Verify(Encoded(Vote.Finalize(1, 7, Example.Digest), 0b1011, good.Signatures)));
    }

    [Fact]
    public void Certificate_IsRefused_WhenASignatureIsCountedTwice()
    {
        var one = Shard.Sign(0, Example).Signature;
        Assert.False(Verify(Encoded(Example, 0b0111, (byte[])[.. one.Span, .. one.Span, .. one.Span])));
    }

    [Fact]
    public void Certificate_IsRefused_WhenSeatsAreSwappedOrDoNotExist()
    {
        var good = Shard.Certify(Example, 0, 1, 3);
        Assert.False(Verify(Encoded(Example, 0b0111, good.Signatures)));
        Assert.False(Verify(Encoded(Example, 0b10011, good.Signatures)));
    }

    [Fact]
    public void Certificate_IsMalformed_WhenSignersAndSignaturesDiffer()
    {
        var good = Shard.Certify(Example, 0, 1, 3);
        Assert.False(Certificate.TryParse(Bytes(Example, 0b0011, good.Signatures), out _));
        Assert.False(Certificate.TryParse(Bytes(Example, 0, ReadOnlyMemory<byte>.Empty), out _));
        Assert.Throws<ArgumentException>(() => Certificate.Join([Shard.Sign(1, Example), Shard.Sign(1, Example)]));
        Assert.Throws<ArgumentException>(() => Certificate.Join([Shard.Sign(1, Example), Shard.Sign(2, Vote.Nullify(1, 7))]));
    }

    [Fact]
    public void Certificate_GivesBack_EachVote()
    {
        var good = Shard.Certify(Example, 0, 1, 3);
        Assert.True(good.VoteOf(3).Verify(Shard.Validators, SimulatedMachine.Chain, SimulatedMachine.Shard));
        Assert.Throws<ArgumentOutOfRangeException>(() => good.VoteOf(2));
    }

    private static bool Verify(Certificate certificate) => certificate.Verify(Shard.Validators, SimulatedMachine.Chain, SimulatedMachine.Shard);

    private static Certificate Encoded(Vote vote, uint signers, ReadOnlyMemory<byte> signatures)
    {
        Assert.True(Certificate.TryParse(Bytes(vote, signers, signatures), out var certificate));
        return certificate!;
    }

    private static byte[] Bytes(Vote vote, uint signers, ReadOnlyMemory<byte> signatures) => Wire.Encode(writer =>
    {
        writer.WriteStartArray(7);
        writer.WriteUInt32((uint)vote.Kind);
        writer.WriteUInt64(vote.Era);
        writer.WriteUInt64(vote.View);
        writer.WriteUInt64(vote.ParentView);
        writer.Write(vote.Digest);
        writer.WriteUInt32(signers);
        writer.WriteByteString(signatures.Span);
        writer.WriteEndArray();
    });
}
