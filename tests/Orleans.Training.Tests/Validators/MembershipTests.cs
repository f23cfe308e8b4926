using System.Collections.Concurrent;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Tests.Validators;

/// <summary>Real hosts with real journals and key folders while organisations come, go and change their vote keys.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "Disposed of in DisposeAsync.")]
public sealed class MembershipTests : IAsyncLifetime
{
    private readonly string _root = Directory.CreateTempSubdirectory("members").FullName;
    private readonly ConcurrentDictionary<ParticipantId, House> _network = [];
    private readonly CancellationTokenSource _limit = new(TimeSpan.FromMinutes(3));
    private readonly House _alpha, _beta, _gamma, _delta, _epsilon;
    private Genesis _genesis = null!;

    public MembershipTests() => (_alpha, _beta, _gamma, _delta, _epsilon) = (NewHouse("alpha"), NewHouse("beta"), NewHouse("gamma"), NewHouse("delta"), NewHouse("epsilon"));

    private House[] Founders => [_alpha, _beta, _gamma, _delta];

    public async Task InitializeAsync()
    {
        _genesis = new Genesis("fed.example/members", Identifier.Of("members"u8), TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() - 1000, new ValidatorSet(1, [.. Founders.Select(house => house.MakeKeys())]));
        foreach (var house in Founders) await house.Start(_genesis);
    }

    public async Task DisposeAsync()
    {
        foreach (var house in Founders.Append(_epsilon)) await house.DisposeAsync();
        _limit.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    [Fact]
    public async Task OneComes_OneGoes_OneGetsANewKey_AndNobodyRestarts()
    {
        var entry = _epsilon.MakeKeys();
        await _epsilon.Start(_genesis);
        Assert.Equal(-1, _epsilon.Host.Seat);
        await Approve(Founders, SeatChange.Add(entry));
        House[] all = [.. Founders, _epsilon];
        foreach (var house in all) await house.Until(state => state.Validators.Era == 2, _limit.Token);
        Assert.Equal(Rejection.None, await _alpha.Commit(Something(), all, _limit.Token));
        Assert.Equal(4, _epsilon.Host.Seat);

        // Four of five are needed: the newcomer votes.
        await _delta.Stop();
        Assert.Equal(Rejection.None, await _epsilon.Commit(Something(), [_alpha, _beta, _gamma, _epsilon], _limit.Token));
        await _delta.Start(_genesis);

        var gone = _genesis.Validators.Seats[0];
        await Approve([_beta, _gamma, _delta, _epsilon], SeatChange.Remove(gone.TransactionKey.Id));
        House[] left = [_beta, _gamma, _delta, _epsilon];
        foreach (var house in left) await house.Until(state => state.Validators.Era == 3, _limit.Token);
        Assert.Equal(Rejection.None, await _beta.Commit(Something(), left, _limit.Token));
        Assert.True(_beta.Host.Members.Contains(_alpha.Name));

        var before = _genesis.Validators.Seats[1].VoteKey;
        Assert.Equal(Rejection.None, await _beta.Commit(await _beta.NewVoteKey(_genesis), left, _limit.Token));
        foreach (var house in left) await house.Until(state => state.Validators.Era == 4 && house.Host.Chain.Head.Block.Header.Era == 4, _limit.Token);
        Assert.Equal(["cosign", "log", "transaction", "vote-2"], _beta.Keys.Names);
        Assert.Contains("vote", _gamma.Keys.Names);
        Assert.NotEqual(before, _beta.State.Validators.Seats[0].VoteKey);
        Assert.All(left, house => Assert.False(house.Host.Members.Contains(_alpha.Name)));

        // Three of four are needed: the new key votes.
        await _gamma.Stop();
        Assert.Equal(Rejection.None, await _delta.Commit(Something(), [_beta, _delta, _epsilon], _limit.Token));
        await _gamma.Start(_genesis);
        Assert.Equal(Rejection.None, await _gamma.Commit(Something(), left, _limit.Token));
        var height = left.Min(house => house.Host.Chain.Count) - 1;
        Assert.Single(left.Select(house => house.Host.Chain[height].Block.Digest).Distinct());
        // Who has left holds a good beginning.
        var last = _alpha.Host.Chain.Head.Block;
        Assert.Equal(last.Digest, _beta.Host.Chain[(long)last.Header.Height].Block.Digest);
        Assert.Equal(-1, _alpha.Host.Seat);
    }

    // OT-4011: the journal is lost. The organisation's other key gives its seat another voice.
    [Fact]
    public async Task ALostJournal_LocksTheVoteKeyOut_AndNotTheOrganisation()
    {
        Assert.Equal(Rejection.None, await _delta.Commit(Something(), Founders, _limit.Token));
        await _delta.Stop();
        Directory.Delete(_delta.JournalFolder, recursive: true);
        await _delta.Start(_genesis);
        Assert.Equal("OT-4011", (await Assert.ThrowsAsync<OperationalException>(() => _delta.Host.Completion.WaitAsync(_limit.Token))).Code);
        await _delta.Stop();
        Assert.DoesNotContain("vote", _delta.Keys.Names);

        await _delta.Start(_genesis);
        Assert.Equal(-1, _delta.Host.Seat);
        Assert.Equal(Rejection.None, await _alpha.Commit(Something(), Founders, _limit.Token));
        Assert.Equal(Rejection.None, await _delta.Commit(await _delta.NewVoteKey(_genesis), Founders, _limit.Token));
        foreach (var house in Founders) await house.Until(_ => house.Host.Chain.Head.Block.Header.Era == 2, _limit.Token);
        Assert.Equal(3, _delta.Host.Seat);
        await _alpha.Stop();
        Assert.Equal(Rejection.None, await _delta.Commit(Something(), [_beta, _gamma, _delta], _limit.Token));
    }

    // One who was seen lying leaves by everybody else's hand, without anybody asking for it.
    [Fact]
    public async Task WhoSignsTwice_IsShownToTheLedger_AndLosesItsVote()
    {
        var (first, second) = await TwoVotes(_delta);
        // The machine that has not signed this is shown it, as every peer shows it what it holds of its votes; here before the era is over.
        _delta.Host.Receive(_alpha.Name, new StatusMessage(1, first.Vote.View, 0, 0, [first], WantsReply: false).Encode());
        foreach (var vote in new[] { first, second }) _alpha.Host.Receive(_delta.Name, new VoteMessage(vote).Encode());
        House[] honest = [_alpha, _beta, _gamma];
        foreach (var house in honest) await house.Until(_ => house.Host.Chain.Head.Block.Header.Era == 2, _limit.Token);
        Assert.Equal(["alpha", "beta", "gamma"], _alpha.State.Validators.Seats.Where(seat => seat.VoteKey is not null).Select(seat => seat.Organisation.Name));
        Assert.Single(Directory.EnumerateFiles(_alpha.EvidenceFolder));
        // It is locked out, and its organisation cannot undo it.
        Assert.Equal("OT-4011", (await Assert.ThrowsAsync<OperationalException>(() => _delta.Host.Completion.WaitAsync(_limit.Token))).Code);
        await _delta.Stop();
        await _delta.Start(_genesis);
        await _delta.Until(_ => _delta.Host.Chain.Head.Block.Header.Era == 2, _limit.Token);
        Assert.Equal(Rejection.Convicted, await _delta.Commit(await _delta.NewVoteKey(_genesis), Founders, _limit.Token));
        Assert.Equal(Rejection.None, await _alpha.Commit(Something(), Founders, _limit.Token));
        // The proof is on the ledger, for whoever has nothing but an export.
        var proof = _gamma.Host.Chain.From(0).SelectMany(block => block.Block.Transactions).Select(Parsed).First(transaction => transaction.Payload.Method == "Convict").Payload.Arguments;
        Assert.Equal(Rejection.None, ContractCalls.TryRead("governance", "Convict", proof, out var call));
        Assert.True(FaultProof.TryParse(((Convict)call!).Proof, out var shown));
        Assert.Equal(FaultKind.TwoNotarizations, shown!.Check());
    }

    // Found before a crash, or brought by people: a proof in the folder is shown at the next start. What proves nothing stays where it is.
    [Fact]
    public async Task AProofInTheFolder_IsShownAtTheNextStart()
    {
        await _beta.Stop();
        Directory.CreateDirectory(_beta.EvidenceFolder);
        var (first, second) = await TwoVotes(_delta);
        var proof = new Evidence(_genesis.Chain, _genesis.Shard, _genesis.Validators.Seats[3].VoteKey!, first, second);
        await File.WriteAllBytesAsync(Path.Combine(_beta.EvidenceFolder, "false.evidence"), (proof with { Second = first }).Encode());
        await File.WriteAllBytesAsync(Path.Combine(_beta.EvidenceFolder, "found.evidence"), proof.Encode());
        await _beta.Start(_genesis);
        foreach (var house in Founders) await house.Until(_ => house.Host.Chain.Head.Block.Header.Era == 2, _limit.Token);
        Assert.Null(_alpha.State.Validators.Seats[3].VoteKey);
        Assert.Equal(2, Directory.EnumerateFiles(_beta.EvidenceFolder).Count());
    }

    // All by themselves, with rounds of nobody in the way: each seat votes with another key then, once, and the old ones are gone.
    [Fact]
    public async Task AVoteKeyThatHasServedItsTime_IsReplaced_AndDestroyed()
    {
        Assert.Equal(Rejection.None, await _alpha.Commit(Something(), Founders, _limit.Token));
        var spare = VoteKeys.Create(_gamma.Keys).PublicKey;
        foreach (var house in Founders)
        {
            await house.Stop();
            await house.Start(_genesis, TimeSpan.FromMilliseconds(1));
        }

        var before = _genesis.Validators.Seats.Select(seat => seat.VoteKey).ToArray();
        foreach (var house in Founders) await house.Until(state => state.Validators.Seats.All(seat => !before.Contains(seat.VoteKey)) && house.Host.Chain.Head.Block.Header.Era == state.Validators.Era, _limit.Token);
        foreach (var house in Founders) Assert.Equal(["cosign", "log", "transaction", "vote-2"], house.Keys.Names);
        Assert.Equal(spare, _alpha.State.Validators.Seats[2].VoteKey);
        var era = _alpha.State.Validators.Era;
        Assert.InRange(era, 2UL, 5UL);
        // Not again within the hour, and all four vote: three are needed.
        await _delta.Stop();
        Assert.Equal(Rejection.None, await _alpha.Commit(Something(), [_alpha, _beta, _gamma], _limit.Token));
        Assert.Equal(era, _alpha.State.Validators.Era);
        await _delta.Start(_genesis, TimeSpan.FromMilliseconds(1));
        await _alpha.Stop();
        Assert.Equal(Rejection.None, await _beta.Commit(Something(), [_beta, _gamma, _delta], _limit.Token));
        Assert.Equal(era, _beta.State.Validators.Era);
        Assert.True(_beta.Host.VoteKeySinceMs > _genesis.TimeMs);
    }

    // A crash after the era's end was durable and before its key was destroyed, at any step of that: the next start finishes it, and the seat votes.
    [Theory]
    [InlineData("vote.key")]
    [InlineData("vote.destroyed")]
    public async Task AKeyThatACrashHasLeft_IsDestroyedAtTheNextStart(string leftover)
    {
        var path = Path.Combine(_root, "keys", "beta", "vote.key");
        var old = await File.ReadAllBytesAsync(path);
        Assert.Equal(Rejection.None, await _beta.Commit(await _beta.NewVoteKey(_genesis), Founders, _limit.Token));
        foreach (var house in Founders) await house.Until(_ => house.Host.Chain.Head.Block.Header.Era == 2, _limit.Token);
        await _beta.Stop();
        Assert.Equal(["cosign", "log", "transaction", "vote-2"], _beta.Keys.Names);
        var left = Path.Combine(_root, "keys", "beta", leftover);
        await File.WriteAllBytesAsync(left, old);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(left, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await _beta.Start(_genesis);
        Assert.False(File.Exists(left));
        Assert.Equal(["cosign", "log", "transaction", "vote-2"], _beta.Keys.Names);
        Assert.Equal(1, _beta.Host.Seat);
        await _alpha.Stop();
        Assert.Equal(Rejection.None, await _beta.Commit(Something(), [_beta, _gamma, _delta], _limit.Token));
    }

    // The new key lies in the folder before the ledger knows of it, and an era may end meanwhile.
    [Fact]
    public async Task AKeyThatTheLedgerHasNotSeen_Stays()
    {
        var waiting = await _beta.NewVoteKey(_genesis);
        Assert.Equal(Rejection.None, await _gamma.Commit(await _gamma.NewVoteKey(_genesis), Founders, _limit.Token));
        foreach (var house in Founders) await house.Until(_ => house.Host.Chain.Head.Block.Header.Era == 2, _limit.Token);
        Assert.Equal(["cosign", "log", "transaction", "vote", "vote-2"], _beta.Keys.Names);
        Assert.Equal(["cosign", "log", "transaction", "vote-2"], _gamma.Keys.Names);
        // It was signed for the era that has begun.
        Assert.Equal(Rejection.BadProof, await _beta.Commit(waiting, Founders, _limit.Token));
        await _beta.Stop();
        await _beta.Start(_genesis);
        Assert.Contains("vote-2", _beta.Keys.Names);
        Assert.Equal(1, _beta.Host.Seat);
    }

    // Nobody answers somebody who was never asked in, and so it never believes that it has caught up.
    [Fact]
    public async Task AStranger_HearsNothing()
    {
        _epsilon.MakeKeys();
        await _epsilon.Start(_genesis);
        for (var i = 0; i < 5; i++) Assert.Equal(Rejection.None, await _alpha.Commit(Something(), Founders, _limit.Token));
        Assert.Equal(1, _epsilon.Host.Chain.Count);
        Assert.False(_epsilon.Host.HasCaughtUp);
        Assert.False(_alpha.Host.Members.Contains(_epsilon.Name));
    }

    private async Task<(SignedVote First, SignedVote Second)> TwoVotes(House liar)
    {
        var key = liar.Keys.Open("vote");
        var seat = _genesis.Validators.SeatOf(liar.Keys.Open("transaction").PublicKey.Id);
        async Task<SignedVote> Sign(string block)
        {
            var vote = Vote.Notarize(1, 30, 29, Digest.Of(System.Text.Encoding.UTF8.GetBytes(block)));
            return new SignedVote(vote, seat, await key.Sign(vote.Preimage(_genesis.Chain, _genesis.Shard), _limit.Token));
        }

        return (await Sign("one"), await Sign("another"));
    }

    private static Transaction Parsed(ReadOnlyMemory<byte> bytes) => Transaction.TryParse(bytes, out var transaction) is Rejection.None ? transaction! : throw new InvalidDataException();

    private House NewHouse(string name) => new(_root, name, _network);

    private static int _number;

    private static Admit Something() => new(ParticipantId.Parse($"somebody-{Interlocked.Increment(ref _number)}"), "Somebody", Roles.Trainer, LocalValidators.Signer($"somebody {_number}").PublicKey);

    private async Task Approve(House[] seats, SeatChange change)
    {
        var quorum = seats[0].State.Validators.Quorum;
        Assert.Equal(Rejection.None, await seats[0].Commit(new ProposeChange(change), seats, _limit.Token));
        foreach (var house in seats[1..quorum]) Assert.Equal(Rejection.None, await house.Commit(new VoteOnChange(change.ComputeDigest(), true), seats, _limit.Token));
    }
}
