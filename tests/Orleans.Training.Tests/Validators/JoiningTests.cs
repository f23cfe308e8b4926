using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Training.Grains;
using Orleans.Training.Grains.History;
using Orleans.Training.Grains.Validators;
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
        // And another one since: the offer leads further than the snapshot.
        Assert.Equal(Rejection.None, await _gamma.Commit(await _gamma.NewVoteKey(_genesis), Founders, _limit.Token));
        foreach (var house in Founders) await house.Until(_ => house.Host.Chain.Head.Block.Header.Era == 3, _limit.Token);
        await Enter();
        await _epsilon.Until(_ => _epsilon.Host.StartedFrom > 0, _limit.Token);
        Assert.True(_epsilon.Host.StartedFrom >= (long)attested.Height);
        await _epsilon.Until(state => state.Validators.Era == 4, _limit.Token);
        Assert.Equal(Rejection.None, await _epsilon.Commit(Something(), [.. Founders, _epsilon], _limit.Token));
        Assert.Equal(4, _epsilon.Host.Seat);
        Assert.Equal(_alpha.Host.Eras.Select(set => set.Digest), _epsilon.Host.Eras.Select(set => set.Digest));
        await _epsilon.Host.Filled.WaitAsync(_limit.Token);
        AssertSame(_alpha, _epsilon);

        // From its archive now, as any other.
        await _epsilon.Stop();
        await _epsilon.Start(_genesis);
        Assert.True(_epsilon.Host.StartedFrom > 0);
        Assert.True(_epsilon.Host.Filled.IsCompleted);
        Assert.Equal(_alpha.Host.Eras.Select(set => set.Digest), _epsilon.Host.Eras.Select(set => set.Digest));
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

    // What is no answer is left to others; what is not final, or other blocks, is refused, and asked for again.
    [Fact]
    public async Task ThePast_IsTakenFromWhoeverTellsTheTruth()
    {
        var attested = await UntilAttested(above: 0);
        var asked = 0;
        // Executes as well as the true one.
        var machine = new LedgerMachine(_genesis, Signatures.Verify);
        var forged = machine.Build(machine.CreateGenesis(), _genesis.TimeMs + 1, 0, []).Block;
        await using var backfill = Fetch(attested, new Answers(this, (backfill, from, blocks, final) =>
        {
            Assert.False(backfill.TryTake(_gamma.Name, new BlocksMessage(final, blocks)));
            Assert.False(backfill.TryTake(from, new BlocksMessage(final, [.. blocks.Skip(1)])));
            var unsigned = Certificate.Join([.. Enumerable.Range(0, 3).Select(seat => new SignedVote(final.Vote, seat, new byte[Signatures.Size]))]);
            return asked++ switch
            {
                0 => new BlocksMessage(unsigned, blocks),
                1 => new BlocksMessage(final, [blocks[0], .. blocks.Skip(2)]),
                2 => new BlocksMessage(final, [forged]),
                // The next answer is asked for behind these.
                3 => new BlocksMessage(null, [.. blocks.Take(1)]),
                4 => new BlocksMessage(null, [.. blocks.Take(1)]),
                5 => new BlocksMessage(unsigned, blocks),
                _ => new BlocksMessage(final, blocks),
            };
        }));
        var past = await backfill.Done.WaitAsync(_limit.Token);
        Assert.True(asked > 6);
        Assert.Equal((attested.Height, attested.Block), (past.Head.Block.Header.Height, past.Head.Block.Digest));
        for (var height = 0L; height < past.Count; height++) Assert.Equal(_alpha.Host.Chain[height].Block.Digest, past[height].Block.Digest);
    }

    // More lie than the ledger bears: whoever joins there finds out.
    [Theory, InlineData(true), InlineData(false)]
    public async Task AStateThatItsBlocksDoNotGive_StopsTheValidator(bool otherName)
    {
        var attested = await UntilAttested(above: 0);
        var lie = otherName ? attested with { Name = Digest.Zero } : attested with { Block = Digest.Zero };
        await using var backfill = Fetch(lie, new Answers(this, (_, _, blocks, final) => new BlocksMessage(final, blocks)));
        Assert.Equal("OT-4015", (await Assert.ThrowsAsync<LedgerCorruptException>(() => backfill.Done.WaitAsync(_limit.Token))).Code);
    }

    private Backfill Fetch(SnapshotRecord target, Answers answers)
    {
        var past = new CommittedChain(new LedgerMachine(_genesis, Signatures.Verify).CreateGenesis());
        return answers.Backfill = new Backfill(_genesis, past, target, () => [_alpha.Name, _beta.Name], answers, TimeProvider.System, NullLogger.Instance);
    }

    private sealed class Answers(JoiningTests tests, Func<Backfill, ParticipantId, IReadOnlyList<Block>, Certificate, BlocksMessage> answer) : ITransport
    {
        private readonly TaskCompletionSource<Backfill> _backfill = new();

        public Backfill Backfill
        {
            set => _backfill.SetResult(value);
        }

        public void Send(ParticipantId to, ReadOnlyMemory<byte> message)
        {
            Assert.True(ConsensusMessage.TryParse(message, out var ask));
            _ = Task.Run(async () =>
            {
                var (blocks, final) = tests._alpha.Host.FinalFrom((long)((GetBlocks)ask!).Above + 1);
                var backfill = await _backfill.Task;
                backfill.TryTake(to, answer(backfill, to, blocks, final!));
            });
        }
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
