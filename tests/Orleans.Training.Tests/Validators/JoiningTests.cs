using System.Collections.Concurrent;
using Orleans.Training.Grains;
using Orleans.Training.Grains.History;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Tests.Validators;

/// <summary>Who comes late begins at a state that a quorum has attested, and has the whole past, executed by itself, a while later.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "Disposed of in DisposeAsync.")]
public sealed class JoiningTests : IAsyncLifetime
{
    private readonly string _root = Directory.CreateTempSubdirectory("joining").FullName;
    private readonly ConcurrentDictionary<ParticipantId, House> _network = [];
    private readonly CancellationTokenSource _limit = new(TimeSpan.FromMinutes(3));
    private readonly House _alpha, _beta, _gamma, _delta, _epsilon;
    private Genesis _genesis = null!;

    public JoiningTests() => (_alpha, _beta, _gamma, _delta, _epsilon) = (NewHouse("alpha"), NewHouse("beta"), NewHouse("gamma"), NewHouse("delta"), NewHouse("epsilon"));

    private House[] Founders => [_alpha, _beta, _gamma, _delta];

    public async Task InitializeAsync()
    {
        _genesis = new Genesis("fed.example/joining", Identifier.Of("joining"u8), TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() - 1000, new ValidatorSet(1, [.. Founders.Select(house => house.MakeKeys())]));
        foreach (var house in Founders) await house.Start(_genesis);
    }

    public async Task DisposeAsync()
    {
        foreach (var house in Founders.Append(_epsilon)) await house.DisposeAsync();
        _limit.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    [Fact]
    public async Task ANewcomer_BeginsAtTheAttestedState_TakesItsSeat_AndHasThePastAfterwards()
    {
        // An era that is over, so that the way there has a link.
        Assert.Equal(Rejection.None, await _delta.Commit(await _delta.NewVoteKey(_genesis), Founders, _limit.Token));
        foreach (var house in Founders) await house.Until(_ => house.Host.Chain.Head.Block.Header.Era == 2, _limit.Token);
        var attested = await UntilAttested(above: (long)_alpha.Host.Chain.Head.Block.Header.Height);
        await Enter();
        await _epsilon.Until(_ => _epsilon.Host.StartedFrom > 0, _limit.Token);
        Assert.True(_epsilon.Host.StartedFrom >= (long)attested.Height);
        await _epsilon.Until(state => state.Validators.Era == 3, _limit.Token);
        Assert.Equal(Rejection.None, await _epsilon.Commit(Something(), [.. Founders, _epsilon], _limit.Token));
        Assert.Equal(4, _epsilon.Host.Seat);
        await _epsilon.Host.Filled.WaitAsync(_limit.Token);
        AssertSame(_alpha, _epsilon);

        // From its archive now, as any other.
        await _epsilon.Stop();
        await _epsilon.Start(_genesis);
        Assert.True(_epsilon.Host.StartedFrom > 0);
        Assert.True(_epsilon.Host.Filled.IsCompleted);
        Assert.Equal(3, _epsilon.Host.Eras.Count());
        // Four of five are needed.
        await _beta.Stop();
        Assert.Equal(Rejection.None, await _epsilon.Commit(Something(), [_alpha, _gamma, _delta, _epsilon], _limit.Token));
        AssertSame(_alpha, _epsilon);
    }

    [Fact]
    public async Task StoppedBeforeThePastIsHere_ItBeginsAtTheSameStateAgain()
    {
        await UntilAttested(above: 0);
        // Nobody answers for what is old.
        _epsilon.Passes = message => message is not BlocksMessage { Blocks: [{ Header.Height: 1 }, ..] };
        await Enter();
        await _epsilon.Until(_ => _epsilon.Host.StartedFrom > 0, _limit.Token);
        var from = _epsilon.Host.StartedFrom;
        await _epsilon.Until(state => state.Validators.Era == 2, _limit.Token);
        await _alpha.Commit(Something(), [.. Founders, _epsilon], _limit.Token);
        Assert.Equal(4, _epsilon.Host.Seat);
        AssertOnlyWhatIsKnown(_epsilon);
        await _epsilon.Stop();

        await _epsilon.Start(_genesis);
        Assert.Equal(from, _epsilon.Host.StartedFrom);
        Assert.False(_epsilon.Host.Filled.IsCompleted);
        Assert.Equal(4, _epsilon.Host.Seat);
        Assert.Equal(Rejection.None, await _epsilon.Commit(Something(), [.. Founders, _epsilon], _limit.Token));
        AssertOnlyWhatIsKnown(_epsilon);
        _epsilon.Passes = _ => true;
        await _epsilon.Host.Filled.WaitAsync(_limit.Token);
        AssertSame(_alpha, _epsilon);
    }

    // The bytes come from somebody; the name is a quorum's.
    [Fact]
    public async Task BytesOfAnotherName_AreNotBegunAt_AndEveryBlockIsExecuted()
    {
        await UntilAttested(above: 0);
        _epsilon.Tampers = bytes => bytes[^1] ^= 1;
        await Enter();
        await _epsilon.Until(state => state.Validators.Era == 2, _limit.Token);
        Assert.Equal(0, _epsilon.Host.StartedFrom);
        Assert.Equal(Rejection.None, await _epsilon.Commit(Something(), [.. Founders, _epsilon], _limit.Token));
        AssertSame(_alpha, _epsilon);
    }

    // Its journal begins where it has joined: without that state there is nothing to begin at.
    [Fact]
    public async Task WithoutItsSnapshotAndItsArchive_ItSaysWhatToDo()
    {
        await UntilAttested(above: 0);
        await Enter();
        await _epsilon.Until(_ => _epsilon.Host.StartedFrom > 0, _limit.Token);
        await _epsilon.Host.Filled.WaitAsync(_limit.Token);
        await _epsilon.Stop();
        Directory.Delete(_epsilon.HistoryPath, recursive: true);
        var refused = await Assert.ThrowsAsync<LedgerCorruptException>(() => _epsilon.Start(_genesis));
        Assert.Equal("OT-4016", refused.Code);
        await _epsilon.Stop();
        Directory.Move(_epsilon.JournalFolder, _epsilon.JournalFolder + ".old");
        await _epsilon.Start(_genesis);
        await _epsilon.Until(_ => _epsilon.Host.Chain.Count >= _alpha.Host.Chain.Count, _limit.Token);
    }

    private House NewHouse(string name) => new(_root, name, _network);

    private static AddKey Something() => new(Ledger.TestShard.Key(Guid.NewGuid().ToString()).Public);

    // Until a quorum has attested a snapshot of a later block, and so much stands behind it that whoever is at genesis is worth it.
    private async Task<SnapshotRecord> UntilAttested(long above)
    {
        while (true)
        {
            // Refused or not, it is an entry.
            await _alpha.Commit(Something(), Founders, _limit.Token);
            if (Attested(_alpha) is { } attested && (long)attested.Height > above && _alpha.State.Tree.Size > 3 * House.Interval) return attested;
        }
    }

    private static SnapshotRecord? Attested(House house) => house.State.Contracts.Find<SnapshotRecord>(SnapshotRecord.Attested);

    private async Task Enter()
    {
        var change = SeatChange.Add(_epsilon.MakeKeys());
        await _epsilon.Start(_genesis);
        Assert.Equal(Rejection.None, await _alpha.Commit(new ProposeChange(change), Founders, _limit.Token));
        foreach (var house in Founders.Skip(1)) await house.Commit(new VoteOnChange(change.ComputeDigest(), true), [house], _limit.Token);
    }

    private static void AssertSame(House expected, House actual)
    {
        var count = Math.Min(expected.Host.Chain.Count, actual.Host.Chain.Count);
        for (var height = 0L; height < count; height++) Assert.Equal(expected.Host.Chain[height].Block.Digest, actual.Host.Chain[height].Block.Digest);
        var size = actual.Host.Chain[count - 1].Block.Header.TreeSize;
        for (var index = 0L; index < size; index++) Assert.Equal(expected.Host.Chain.InclusionProof(index, size), actual.Host.Chain.InclusionProof(index, size));
        Assert.Equal(0, actual.Host.Chain.First);
    }

    // What it knows it proves; of what it does not know it says nothing.
    private static void AssertOnlyWhatIsKnown(House house)
    {
        var chain = house.Host.Chain;
        var (first, header) = (chain.First, chain.Head.Block.Header);
        Assert.Equal(house.Host.StartedFrom + 1, first);
        var known = chain[first].FirstIndex;
        Assert.Null(chain.Locate(known - 1));
        Assert.Null(chain.RootAt(known - 1));
        Assert.Null(chain.ConsistencyProof(known - 1, header.TreeSize));
        Assert.Null(chain.Read(new LogTile(0, 0, 1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => chain[first - 1]);
        Assert.Empty(house.Host.FinalFrom(1).Blocks);
        for (var index = known; index < header.TreeSize; index++)
        {
            var (block, position) = chain.Locate(index)!.Value;
            Assert.True(MerkleProof.VerifyInclusion(MerkleHash.Leaf(block.Leaves[position]), index, header.TreeSize, chain.InclusionProof(index, header.TreeSize), header.TreeRoot));
            Assert.True(MerkleProof.VerifyConsistency(index, header.TreeSize, chain.ConsistencyProof(index, header.TreeSize)!, chain.RootAt(index)!.Value, header.TreeRoot));
        }
    }
}
