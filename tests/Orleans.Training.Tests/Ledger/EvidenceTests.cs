using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Tests.Ledger;

/// <summary>What proves that a validator lied, and that nothing else does.</summary>
public sealed class EvidenceTests
{
    private static readonly TestKey Key = TestShard.Key("cleveland/vote");
    private static readonly Digest Chain = Digest.Of("chain"u8);
    private static readonly Identifier Shard = Identifier.Of("shard"u8);

    internal static Vote Notarize(int block, ulong view = 7, ulong era = 1, ulong parent = 6) => Vote.Notarize(era, view, parent, Digest.Of([(byte)block]));

    internal static Evidence Of(Vote first, Vote second) => new(Chain, Shard, Key.Public, Sign(first), Sign(second));

    [Fact]
    public void TwoVotes_ThatNoGuardAdmits_AreProof()
    {
        Assert.Equal(FaultKind.TwoNotarizations, Of(Notarize(1), Notarize(2)).Check());
        Assert.Equal(FaultKind.TwoNotarizations, Of(Notarize(1), Notarize(1, parent: 5)).Check());
        Assert.Equal(FaultKind.TwoFinalizations, Of(Finalize(1), Finalize(2)).Check());
        Assert.Equal(FaultKind.NullifiedAndFinalized, Of(Finalize(1), Vote.Nullify(1, 7)).Check());
        Assert.Equal(FaultKind.NullifiedAndFinalized, Of(Vote.Nullify(1, 7), Finalize(1)).Check());
        Assert.True(Of(Notarize(1), Notarize(2)).Encode().Length < 600);
    }

    [Fact]
    public void WhatAnHonestValidatorSigns_ProvesNothing()
    {
        Assert.Equal(FaultKind.None, Of(Notarize(1), Notarize(1)).Check());
        Assert.Equal(FaultKind.None, Of(Notarize(1), Vote.Nullify(1, 7)).Check());
        Assert.Equal(FaultKind.None, Of(Notarize(1), Finalize(2)).Check());
        Assert.Equal(FaultKind.None, Of(Notarize(1), Notarize(2, view: 8)).Check());
        Assert.Equal(FaultKind.None, Of(Notarize(1), Notarize(2, era: 2)).Check());
        Assert.Equal(FaultKind.None, Of(Finalize(1), Vote.Nullify(1, 8)).Check());
    }

    // Whatever the guard admits one after the other is never proof.
    [Fact]
    public void WhatTheGuardAdmits_NeverContradicts()
    {
        var random = new Random(20261123);
        for (var run = 0; run < 2_000; run++)
        {
            var guard = VoteGuard.Empty(1);
            var given = new List<Vote>();
            for (var step = 0; step < 30; step++)
            {
                var view = (ulong)random.Next(1, 6);
                var vote = random.Next(3) switch { 0 => Notarize(random.Next(3), view, parent: 0), 1 => Vote.Nullify(1, view), _ => Vote.Finalize(1, view, Digest.Of([(byte)random.Next(3)])) };
                if (!guard.TryAdmit(vote, vote.PreimageDigest(Chain, Shard), out var next)) continue;
                guard = next;
                Assert.All(given, other => Assert.Equal(FaultKind.None, Evidence.FaultOf(other, vote)));
                given.Add(vote);
            }
        }
    }

    [Fact]
    public void AnyByteChanged_ProvesNothing()
    {
        var bytes = Of(Notarize(1), Notarize(2)).Encode();
        Assert.True(Evidence.TryParse(bytes, out var whole));
        Assert.Equal(FaultKind.TwoNotarizations, whole!.Check());
        for (var i = 0; i < bytes.Length; i++)
        {
            var changed = bytes.ToArray();
            changed[i] ^= 1;
            Assert.True(!Evidence.TryParse(changed, out var evidence) || evidence!.Check() is FaultKind.None, $"byte {i}");
        }
    }

    [Fact]
    public void VotesOfTwoSeats_ProveNothing()
    {
        var other = Sign(Notarize(2)) with { Seat = 1 };
        Assert.Equal(FaultKind.None, new Evidence(Chain, Shard, Key.Public, Sign(Notarize(1)), other).Check());
    }

    private static Vote Finalize(int block) => Vote.Finalize(1, 7, Digest.Of([(byte)block]));

    private static SignedVote Sign(Vote vote) => new(vote, 0, Key.Sign(vote.Preimage(Chain, Shard)));
}
