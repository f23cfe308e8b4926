using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Simulation;

namespace Orleans.Training.Tests.Consensus;

public sealed class ConsensusMessageTests
{
    private static readonly TestShard Shard = new(4);
    private static readonly ConsensusMessage[] Examples = [.. NewExamples()];

    public static TheoryData<string> Names => [.. Examples.Select(message => message.GetType().Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Message_HasOneEncoding_AndIsReadBackFromIt(string name)
    {
        var message = Example(name);
        Assert.True(ConsensusMessage.TryParse(message.Encode(), out var read));
        Assert.IsType(message.GetType(), read);
        Assert.Equal(message.Encode().ToArray(), read!.Encode().ToArray());
        Assert.True(MessageVerifier.Verify(Shard.Setups[2], read));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Message_IsRefused_WhenAnyByteIsMissingOrTooMany(string name)
    {
        var bytes = Example(name).Encode().ToArray();
        for (var length = 0; length < bytes.Length; length++) Assert.False(ConsensusMessage.TryParse(bytes.AsMemory(0, length), out _));
        Assert.False(ConsensusMessage.TryParse((byte[])[.. bytes, 0], out _));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Message_WithChangedBytes_IsRefusedOrCanonicalAndNeverThrows(string name)
    {
        const ulong Seed = 20_261_122;
        var chance = new Chance(Seed);
        var original = Example(name).Encode().ToArray();
        for (var i = 0; i < 3_000; i++)
        {
            var bytes = original.ToArray();
            for (var changes = 1 + chance.Below(3); changes > 0; changes--) bytes[chance.Below(bytes.Length)] = (byte)chance.Next();
            if (!ConsensusMessage.TryParse(bytes, out var read)) continue;
            Assert.True(read!.Encode().Span.SequenceEqual(bytes), $"seed {Seed}, change {i}: two encodings of one {name}");
            _ = MessageVerifier.Verify(Shard.Setups[2], read);
        }
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(1024, 1024)]
    [InlineData(1025, 1024)]
    public void Blocks_AreAsManyAsAMessageHolds_AndTheirFinalizationIsOfTheLast(int there, int fit)
    {
        var (final, block) = ((BlocksMessage)Example(nameof(BlocksMessage))) is { Final: { } known, Blocks: [.., var last] } ? (known, last) : throw new InvalidOperationException("There is no such example.");
        Assert.True(ConsensusMessage.TryParse(BlocksMessage.Fitting(final, [.. Enumerable.Repeat(block, there)]).Encode(), out var read));
        var message = (BlocksMessage)read!;
        Assert.Equal(fit, message.Blocks.Count);
        Assert.Equal(there == fit, message.Final is not null);
    }

    [Fact]
    public void Bytes_AtRandom_NeverThrow()
    {
        const ulong Seed = 7;
        var chance = new Chance(Seed);
        for (var i = 0; i < 20_000; i++)
        {
            var bytes = new byte[chance.Below(200)];
            chance.Fill(bytes);
            if (bytes.Length > 1) (bytes[0], bytes[1]) = ((byte)(0x80 + chance.Below(9)), (byte)chance.Below(11));
            _ = ConsensusMessage.TryParse(bytes, out _);
            _ = Certificate.TryParse(bytes, out _);
            _ = Vote.TryParse(bytes, out _);
        }
    }

    [Fact]
    public void Certificates_AreLimited_To128()
    {
        var certificate = Shard.Certify(Vote.Nullify(1, 1), 0, 1, 2);
        Assert.True(ConsensusMessage.TryParse(new CertificateMessage([.. Enumerable.Repeat(certificate, 128)]).Encode(), out _));
        Assert.False(ConsensusMessage.TryParse(new CertificateMessage([.. Enumerable.Repeat(certificate, 129)]).Encode(), out _));
    }

    [Fact]
    public void Verifier_Refuses_WhatTheWrongSeatSigned()
    {
        var propose = (Propose)Example(nameof(Propose));
        var setup = Shard.Setups[2];
        Assert.False(MessageVerifier.Verify(setup, new Propose(propose.View, propose.ParentView, propose.Block, Shard.Sign(2, propose.Vote).Signature, propose.Justification)));
        Assert.False(MessageVerifier.Verify(setup, new Propose(propose.View + 4, propose.ParentView, propose.Block, propose.Signature, propose.Justification)));
        Assert.False(MessageVerifier.Verify(setup, new VoteMessage(Shard.Sign(1, Vote.Nullify(1, 5)) with { Seat = 0 })));
        Assert.False(MessageVerifier.Verify(setup, new CertificateMessage([Shard.Certify(Vote.Nullify(1, 5), 0, 1)])));
        Assert.False(MessageVerifier.Verify(setup, new StatusMessage(1, 1, 0, 0, [Shard.Sign(1, Vote.Nullify(1, 5))], false)));
    }

    private static ConsensusMessage Example(string name) => Examples.Single(message => message.GetType().Name == name);

    private static IEnumerable<ConsensusMessage> NewExamples()
    {
        var machine = Shard.Setups[0].Machine;
        var block = machine.Build(Shard.Genesis, TestShard.StartMs + 1, 1, [TestShard.NewTransaction(1), TestShard.NewTransaction(2)]).Block;
        var vote = Vote.Notarize(1, 2, 0, block.Digest);
        yield return new Propose(2, 0, block, Shard.Sign(1, vote).Signature, [Shard.Certify(Vote.Nullify(1, 1), 0, 2, 3)]);
        yield return new VoteMessage(Shard.Sign(3, vote));
        yield return new CertificateMessage([Shard.Certify(vote, 0, 1, 3), Shard.Certify(Vote.Nullify(1, 2), 1, 2, 3)]);
        yield return new StatusMessage(1, 3, 2, 1, [Shard.Sign(2, vote), Shard.Sign(2, Vote.Nullify(1, 1))], true);
        yield return new GetCertificates(1, 4, 300);
        yield return new GetBlocks(70_000, block.Digest);
        yield return new BlocksMessage(Shard.Certify(Vote.Finalize(1, 2, block.Digest), 0, 1, 3), [block]);
        yield return new TransactionGossip([TestShard.NewTransaction(1), TestShard.NewTransaction(2)]);
        yield return new CosignatureMessage(12, "line"u8.ToArray());
        yield return new EraProof(EraTests.Chain(Shard, 2).Links);
    }
}
