using Orleans.Training.Grains.History;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.History;

/// <summary>Blocks of answers count when a quorum stands for them, however many answers that takes.</summary>
public sealed class FinalRunTests
{
    private static readonly TestShard Shard = Blocks();
    private readonly FinalRun _run = new(Shard.Genesis, Shard.Machine);

    [Fact]
    public void AFinalization_StandsForAllThatCameBefore()
    {
        var genesis = Shard.Blocks[0];
        Assert.Equal(1, _run.Next(genesis));
        Assert.Empty(_run.Take(genesis, Range(1, 3), null)!);
        Assert.Equal(4, _run.Next(genesis));
        // What is here already does no harm.
        Assert.Empty(_run.Take(genesis, Range(2, 5), null)!);
        Assert.Equal(Shard.Blocks[1..8].Select(block => block.Block.Digest), _run.Take(genesis, Range(6, 7), Final(7, 3))!.Select(block => block.Block.Digest));
        Assert.Equal(8, _run.Next(Shard.Blocks[7]));
        Assert.Equal([8UL], _run.Take(Shard.Blocks[7], Range(8, 10), Final(10, 3), upTo: 8)!.Select(block => block.Block.Header.Height));
    }

    [Fact]
    public void WhatIsNotFinal_OrDoesNotFollow_IsRefused()
    {
        var genesis = Shard.Blocks[0];
        foreach (var (blocks, final) in new[] { (Range(1, 3), Final(3, 2)), (Range(1, 3), Final(2, 3)), (Range(2, 3), Final(3, 3)), ([.. Range(1, 1), .. Range(3, 3)], Final(3, 3)) })
        {
            Assert.Null(_run.Take(genesis, blocks, final));
            _run.Forget();
            Assert.Equal(1, _run.Next(genesis));
        }

        Assert.Null(_run.Take(genesis, Range(1, 3), Certificate.Join([.. Enumerable.Range(0, 3).Select(seat => Signed(Vote.Notarize(1, 9, 0, Shard.Blocks[3].Block.Digest), seat))])));
        _run.Forget();
        Assert.Equal(3, _run.Take(genesis, Range(1, 3), Final(3, 3))!.Count);
    }

    private static TestShard Blocks()
    {
        var shard = new TestShard();
        for (var i = 0; i < 10; i++) shard.Commit(10, shard.Sign("va", new AddKey(TestShard.Key($"{i}").Public)));
        return shard;
    }

    private static Block[] Range(int from, int to) => [.. Shard.Blocks[from..(to + 1)].Select(block => block.Block)];

    private static Certificate Final(int height, int seats) => Certificate.Join([.. Enumerable.Range(0, seats).Select(seat => Signed(Vote.Finalize(1, (ulong)height + 7, Shard.Blocks[height].Block.Digest), seat))]);

    private static SignedVote Signed(Vote vote, int seat) => new(vote, seat, Shard.KeyOf(TestShard.Hospitals[seat], "/vote").Sign(vote.Preimage(Shard.Genesis.Chain, Shard.Genesis.Shard)));
}
