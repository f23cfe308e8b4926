using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Tests.Consensus;

public sealed class VoteGuardTests
{
    private static readonly Digest Chain = Digest.Of("chain"u8);
    private static readonly Identifier Shard = Identifier.Of("shard"u8);
    private static readonly Digest A = Digest.Of("a"u8);
    private static readonly Digest B = Digest.Of("b"u8);

    // The guard has seen notarize 5/A, finalize 4/A and nullify 3.
    [Theory]
    [InlineData("n", 6, 'b', true)]
    [InlineData("n", 5, 'a', true)]
    [InlineData("n", 5, 'b', false)]
    [InlineData("n", 4, 'a', false)]
    [InlineData("z", 5, '-', true)]
    [InlineData("z", 4, '-', false)]
    [InlineData("z", 3, '-', false)]
    [InlineData("f", 5, 'b', true)]
    [InlineData("f", 4, 'a', true)]
    [InlineData("f", 4, 'b', false)]
    [InlineData("f", 3, 'a', false)]
    public void Guard_AdmitsAVote_OnlyWhenItContradictsNone(string kind, ulong view, char block, bool admitted)
    {
        var guard = Admit(Admit(Admit(VoteGuard.Empty(1), Vote.Nullify(1, 3)), Vote.Finalize(1, 4, A)), Vote.Notarize(1, 5, 4, A));
        var digest = block == 'a' ? A : B;
        var vote = kind switch { "n" => Vote.Notarize(1, view, 4 < view ? 4UL : 0, digest), "z" => Vote.Nullify(1, view), _ => Vote.Finalize(1, view, digest) };

        Assert.Equal(admitted, guard.TryAdmit(vote, vote.PreimageDigest(Chain, Shard), out var next));
        if (!admitted) Assert.Same(guard, next);
    }

    [Fact]
    public void Guard_RefusesFinalize_AtOrBelowANullifiedView()
    {
        var guard = Admit(VoteGuard.Empty(1), Vote.Nullify(1, 7));
        Assert.False(TryAdmit(guard, Vote.Finalize(1, 7, A)));
        Assert.False(TryAdmit(guard, Vote.Finalize(1, 6, A)));
        Assert.True(TryAdmit(guard, Vote.Finalize(1, 8, A)));
    }

    [Fact]
    public void Guard_RefusesTheSameBlock_OnAnotherParentView()
    {
        var guard = Admit(VoteGuard.Empty(1), Vote.Notarize(1, 5, 4, A));
        Assert.False(TryAdmit(guard, Vote.Notarize(1, 5, 3, A)));
    }

    [Theory]
    [InlineData(0UL)]
    [InlineData(2UL)]
    public void Guard_RefusesEveryVote_OfAnotherEra(ulong era)
    {
        Assert.False(TryAdmit(VoteGuard.Empty(1), Vote.Notarize(era, 1, 0, A)));
        Assert.False(TryAdmit(VoteGuard.Empty(1), Vote.Nullify(era, 1)));
        Assert.False(TryAdmit(VoteGuard.Empty(1), Vote.Finalize(era, 1, A)));
    }

    [Fact]
    public void Guard_Covers_ExactlyWhatItMayHaveAdmitted()
    {
        var guard = Admit(Admit(Admit(VoteGuard.Empty(1), Vote.Nullify(1, 3)), Vote.Finalize(1, 4, A)), Vote.Notarize(1, 5, 4, A));
        Assert.True(Covers(guard, Vote.Notarize(1, 5, 4, A)));
        Assert.True(Covers(guard, Vote.Notarize(1, 4, 3, B)));
        Assert.False(Covers(guard, Vote.Notarize(1, 5, 4, B)));
        Assert.False(Covers(guard, Vote.Notarize(1, 6, 5, A)));
        Assert.True(Covers(guard, Vote.Finalize(1, 4, A)));
        Assert.False(Covers(guard, Vote.Finalize(1, 4, B)));
        Assert.True(Covers(guard, Vote.Nullify(1, 3)));
        Assert.False(Covers(guard, Vote.Nullify(1, 4)));
        Assert.False(Covers(guard, Vote.Nullify(2, 1)));
    }

    [Fact]
    public void Guard_Survives_ItsNinetySixBytes()
    {
        var guard = Admit(Admit(Admit(VoteGuard.Empty(9), Vote.Nullify(9, 3)), Vote.Finalize(9, 4, A)), Vote.Notarize(9, 5, 4, B));
        var bytes = guard.Encode();
        Assert.Equal(96, bytes.Length);
        Assert.True(VoteGuard.TryDecode(bytes, out var read));
        Assert.Equal(guard, read);
        Assert.False(VoteGuard.TryDecode(bytes.AsSpan(1), out _));
        bytes.AsSpan(16, 32).Clear();
        Assert.False(VoteGuard.TryDecode(bytes, out _));
    }

    private static VoteGuard Admit(VoteGuard guard, Vote vote)
    {
        Assert.True(guard.TryAdmit(vote, vote.PreimageDigest(Chain, Shard), out var next));
        return next;
    }

    private static bool TryAdmit(VoteGuard guard, Vote vote) => guard.TryAdmit(vote, vote.PreimageDigest(Chain, Shard), out _);

    private static bool Covers(VoteGuard guard, Vote vote) => guard.Covers(vote, vote.PreimageDigest(Chain, Shard));
}
