using Orleans.Training.Grains;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Cluster;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.Validators;

/// <summary>Two activations of one seat at once, as a cluster has them that is split for a moment: nothing but the database is common to them.</summary>
[Collection(PostgresFixture.Collection)]
public sealed class PostgresValidatorHostTests(PostgresFixture postgres)
{
    private const int Contested = 3;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly RegisterDataset Nonsense = new("none", Digest.Zero, 1, "");

    [Fact]
    public async Task SecondActivation_GoesOn_AndTheFirstSignsNoMore()
    {
        await using var validators = new LocalValidators(await postgres.CreateDatabase());
        await validators.Start(0, 1, 2, Contested);
        await CommitOnAll(validators, 0, 1, 2, Contested);
        await using var first = validators[Contested];
        validators.Stale = first;
        await validators.Start(Contested);
        // Three are left, so that nothing is final without the contested seat.
        await validators.Stop(0);
        await CommitOnAll(validators, 1, 2, Contested);
        Assert.Equal("OT-4003", (await Assert.ThrowsAsync<OperationalException>(() => first.Completion.WaitAsync(Patience))).Code);
        await CommitOnAll(validators, 1, 2, Contested);
        var votes = validators.Votes.Where(vote => vote.Seat == Contested).Select(vote => vote.Vote).Distinct().ToList();
        Assert.NotEmpty(votes);
        Assert.All(votes.GroupBy(vote => (vote.Kind, vote.View)), group => Assert.Single(group));
    }

    [Fact]
    public async Task FirstActivation_ThatIsShownAVoteOfTheSecond_DoesNotTakeItsGuardForLost()
    {
        await using var validators = new LocalValidators(await postgres.CreateDatabase());
        await validators.Start(0, 1, 2, Contested);
        await CommitOnAll(validators, 0, 1, 2, Contested);
        await using var first = validators[Contested];
        await validators.Start(Contested);
        validators.Votes.Clear();
        await validators.Stop(0);
        await CommitOnAll(validators, 1, 2, Contested);
        await CommitOnAll(validators, 1, 2, Contested);
        var shown = validators.Votes.Where(vote => vote.Seat == Contested && vote.Vote.Kind is VoteKind.Notarize).MaxBy(vote => vote.Vote.View)!;
        first.Receive(ParticipantId.Parse(TestShard.Hospitals[1]), new StatusMessage(1, shown.Vote.View, 0, 0, [shown], WantsReply: false).Encode());
        Assert.Equal("OT-4003", (await Assert.ThrowsAsync<OperationalException>(() => first.Completion.WaitAsync(Patience))).Code);
    }

    private static async Task CommitOnAll(LocalValidators validators, params int[] seats)
    {
        var transaction = validators.Sign("va", Nonsense);
        Assert.Equal([Rejection.None], await validators[seats[0]].Submit([transaction]));
        foreach (var seat in seats) await LocalValidators.Committed(validators[seat], transaction);
    }
}
