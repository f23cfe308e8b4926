using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Training.Grains;
using Orleans.Training.Grains.History;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.Validators;

/// <summary>Four validators in this process, each with its own keys and its own journal, on disk or in PostgreSQL, joined by a transport that can be cut.</summary>
internal sealed class LocalValidators : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly string _folder = Directory.CreateTempSubdirectory("validators").FullName;
    private readonly ValidatorHost?[] _hosts = new ValidatorHost?[4];
    private readonly ValidatorStores _stores;

    public LocalValidators(string? postgres = null)
    {
        _stores = new ValidatorStores(new ShardFiles(_folder), postgres);
        var seats = TestShard.Hospitals.Select(name => new Validator(ParticipantId.Parse(name), TestShard.Key(name).Public, TestShard.Key(name + "/vote").Public, TestShard.Key(name + "/cosign").Public, TestShard.Key(name + "/log").Public)).ToArray();
        Genesis = new Genesis("ledger.example/fed-heart", Identifier.Of("heart"u8), TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() - 1000, new ValidatorSet(1, seats));
    }

    public Genesis Genesis { get; }

    public ValidatorHost this[int seat] => _hosts[seat]!;

    /// <summary>Every vote that was sent, as often as it was sent.</summary>
    public ConcurrentQueue<SignedVote> Votes { get; } = [];

    /// <summary>What each validator has proven.</summary>
    public EvidenceFolder[] Evidence { get; } = new EvidenceFolder[4];

    /// <summary>An earlier activation of a seat, which hears what the seat hears.</summary>
    public ValidatorHost? Stale { get; set; }

    public static ISigner Signer(string name) => new Ed25519Signer(Digest.Of(System.Text.Encoding.UTF8.GetBytes(name)).ToArray());

    public string HistoryOf(int seat) => Path.Combine(_folder, TestShard.Hospitals[seat], "history");

    public async Task Start(params int[] seats)
    {
        foreach (var seat in seats)
        {
            var name = TestShard.Hospitals[seat];
            var keys = new ValidatorKeys(Signer(name), Signer(name + "/vote"), Signer(name + "/cosign"), Signer(name + "/log"));
            var store = await _stores.Open(Genesis.Shard, ParticipantId.Parse(name), CancellationToken.None);
            Evidence[seat] = new EvidenceFolder(Path.Combine(_folder, name, "evidence"));
            _hosts[seat] = await ValidatorHost.Start(Genesis, ParticipantId.Parse(name), [], keys, store, new Network(this, ParticipantId.Parse(name)), TimeProvider.System, NullLogger.Instance, CancellationToken.None, Evidence[seat], HistoryFolder.OpenIfFree(HistoryOf(seat), NullLogger.Instance, interval: 8));
        }
    }

    public async Task Stop(int seat)
    {
        var host = _hosts[seat]!;
        _hosts[seat] = null;
        await host.DisposeAsync();
    }

    public Transaction Sign(string actor, ContractCall call)
    {
        var key = TestShard.Key(actor);
        var payload = new TransactionPayload
        {
            Chain = Genesis.Chain,
            Shard = Genesis.Shard,
            Actor = ParticipantId.Parse(actor),
            KeyId = key.Public.Id,
            Id = Identifier.From(Guid.NewGuid().ToByteArray()),
            NotAfterMs = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() + 600_000,
            Contract = call.Contract,
            Method = call.Method,
            Arguments = Wire.Encode(call.WriteArguments),
        }.Encode();
        Transaction.TryParse(Transaction.Assemble(SignatureAlgorithm.Ed25519, payload, key.Sign(Transaction.SigStructure(SignatureAlgorithm.Ed25519, payload))), out var transaction);
        return transaction!;
    }

    /// <summary>Waits until a validator's final state holds the transaction.</summary>
    public static async Task Committed(ValidatorHost host, Transaction transaction)
    {
        using var patience = new CancellationTokenSource(Patience);
        for (var height = 0L; ; height++)
        {
            await host.Chain.WaitFor(height, patience.Token);
            if (host.Chain[height].Block.Transactions.Any(bytes => bytes.Span.SequenceEqual(transaction.Encoded.Span))) return;
        }
    }

    public async ValueTask DisposeAsync()
    {
        for (var seat = 0; seat < 4; seat++)
        {
            if (_hosts[seat] is not null) await Stop(seat);
        }

        Directory.Delete(_folder, recursive: true);
    }

    private sealed class Network(LocalValidators validators, ParticipantId from) : ITransport
    {
        public void Send(ParticipantId to, ReadOnlyMemory<byte> message)
        {
            var seat = Array.IndexOf(TestShard.Hospitals, to.Name);
            if (ConsensusMessage.TryParse(message, out var parsed) && parsed is VoteMessage { Vote: var vote }) validators.Votes.Enqueue(vote);
            validators._hosts[seat]?.Receive(from, message);
            if (validators.Stale?.Seat == seat) validators.Stale.Receive(from, message);
        }
    }
}

public class ValidatorHostTests
{
    [Fact]
    public async Task Hosts_CrossIntoTheNextEra_AndReplayIt()
    {
        await using var validators = new LocalValidators();
        await validators.Start(0, 1, 2, 3);
        // Seat 3 gives its vote key up: it stays as a machine that follows.
        var given = validators.Sign("va", new Redelegate(null, default));
        Assert.Equal([Rejection.None], await validators[0].Submit([given]));
        foreach (var seat in new[] { 0, 1, 2, 3 }) await LocalValidators.Committed(validators[seat], given);

        var later = validators.Sign("cleveland", new AddKey(TestShard.Key("cleveland/more").Public));
        Assert.Equal([Rejection.None], await validators[1].Submit([later]));
        foreach (var seat in new[] { 0, 1, 2, 3 }) await LocalValidators.Committed(validators[seat], later);
        Assert.Equal([0, 1, 2, -1], new[] { 0, 1, 2, 3 }.Select(seat => validators[seat].Seat));
        Assert.All(validators.Votes.Where(vote => vote.Vote.Era == 2), vote => Assert.NotEqual(3, vote.Seat));

        await validators.Stop(2);
        await validators.Start(2);
        Assert.Equal(2, validators[2].Seat);
        Assert.Equal(2UL, validators[2].Chain.Head.Block.Header.Era);
        var last = validators.Sign("va", new AddKey(TestShard.Key("va/more").Public));
        Assert.Equal([Rejection.None], await validators[2].Submit([last]));
        await LocalValidators.Committed(validators[0], last);
    }

    private static readonly RegisterDataset Nonsense = new("none", Digest.Zero, 1, "");

    [Fact]
    public async Task FourValidators_CommitTheSameBlocks_AndCosignThem()
    {
        await using var validators = new LocalValidators();
        await validators.Start(0, 1, 2, 3);
        var transactions = Enumerable.Range(0, 20).Select(i => validators.Sign(TestShard.Hospitals[i % 4], new AddKey(TestShard.Key($"extra {i}").Public))).ToArray();
        Assert.All(await validators[1].Submit(transactions), answer => Assert.Equal(Rejection.None, answer));
        foreach (var transaction in transactions)
        {
            for (var seat = 0; seat < 4; seat++) await LocalValidators.Committed(validators[seat], transaction);
        }

        var height = Enumerable.Range(0, 4).Min(seat => validators[seat].Chain.Count) - 1;
        Assert.Single(Enumerable.Range(0, 4).Select(seat => validators[seat].Chain[height].Block.Digest).Distinct());
        Assert.Equal([Rejection.Duplicate], await validators[0].Submit([transactions[3]]));
    }

    [Fact]
    public async Task Checkpoint_IsAcceptedByThePolicyOfTheGenesis()
    {
        await using var validators = new LocalValidators();
        await validators.Start(0, 1, 2, 3);
        await validators[0].Submit([validators.Sign("va", Nonsense)]);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var height = 1;
        while (validators[2].Checkpoint is null)
        {
            await validators[2].Chain.WaitFor(height++, patience.Token);
            await validators[0].Submit([validators.Sign("va", Nonsense)]);
        }

        Assert.True(TrustPolicy.TryParse(TrustPolicy.Text(validators.Genesis.Origin, validators.Genesis.Validators), out var policy, out _));
        Assert.Equal(ReceiptCheck.Good, policy!.Accepts(validators[2].Checkpoint!));
        Assert.True(Checkpoint.TryParse(validators[2].Checkpoint!.Text, out var checkpoint));
        Assert.Equal(checkpoint!.Root, validators[2].Chain.RootAt(checkpoint.Size));
    }

    [Fact]
    public async Task AValidatorThatSignsTwice_IsProvenGuilty_ByItsKey()
    {
        await using var validators = new LocalValidators();
        await validators.Start(0, 1, 2);
        var key = LocalValidators.Signer(TestShard.Hospitals[3] + "/vote");
        foreach (var block in new byte[] { 1, 2 })
        {
            var vote = Vote.Notarize(1, 9, 0, Digest.Of([block]));
            var signed = new SignedVote(vote, 3, await key.Sign(vote.Preimage(validators.Genesis.Chain, validators.Genesis.Shard), CancellationToken.None));
            for (var seat = 0; seat < 3; seat++) validators[seat].Receive(ParticipantId.Parse(TestShard.Hospitals[3]), new VoteMessage(signed).Encode());
        }

        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        using var glance = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (validators.Evidence.Take(3).Any(folder => folder.Proofs.Count < 1)) await glance.WaitForNextTickAsync(patience.Token);
        Assert.All(validators.Evidence.Take(3), folder =>
        {
            var proof = Assert.Single(folder.Proofs).Value;
            Assert.Equal(FaultKind.TwoNotarizations, proof.Check());
            Assert.Equal(validators.Genesis.Validators.Seats[3].VoteKey, Assert.Single(proof.Keys));
        });
    }

    // Nothing happens after it has caught up: the others' lines, which it missed, come because it asks by repeating its own.
    [Fact]
    public async Task AValidatorThatComesLate_GetsTheCheckpointOfTheHead()
    {
        await using var validators = new LocalValidators();
        await validators.Start(0, 1, 2);
        await validators[0].Submit([validators.Sign("va", Nonsense)]);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        using var glance = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        var size = await Confirmed(0, 2);
        await validators.Start(3);
        Assert.True(await Confirmed(3, size) >= size);

        async Task<long> Confirmed(int seat, long least)
        {
            while (true)
            {
                if (validators[seat].Checkpoint is { } note && Checkpoint.TryParse(note.Text, out var checkpoint) && checkpoint!.Size >= least) return checkpoint.Size;
                await glance.WaitForNextTickAsync(patience.Token);
            }
        }
    }

    [Fact]
    public async Task ThreeOfFour_GoOn_AndTheFourthCatchesUpFromItsJournalAndItsPeers()
    {
        await using var validators = new LocalValidators();
        await validators.Start(0, 1, 2, 3);
        var first = validators.Sign("va", Nonsense);
        await validators[0].Submit([first]);
        await LocalValidators.Committed(validators[3], first);
        await validators.Stop(3);
        var second = validators.Sign("va", Nonsense);
        await validators[0].Submit([second]);
        for (var seat = 0; seat < 3; seat++) await LocalValidators.Committed(validators[seat], second);
        await validators.Start(3);
        await LocalValidators.Committed(validators[3], first);
        await LocalValidators.Committed(validators[3], second);
    }

    [Fact]
    public async Task AllFour_ResumeAfterAStop_AndLoseNothing()
    {
        await using var validators = new LocalValidators();
        await validators.Start(0, 1, 2, 3);
        var first = validators.Sign("va", Nonsense);
        await validators[0].Submit([first]);
        await LocalValidators.Committed(validators[0], first);
        for (var seat = 0; seat < 4; seat++) await validators.Stop(seat);
        await validators.Start(0, 1, 2, 3);
        await LocalValidators.Committed(validators[0], first);
        var second = validators.Sign("va", Nonsense);
        await validators[2].Submit([second]);
        for (var seat = 0; seat < 4; seat++) await LocalValidators.Committed(validators[seat], second);
    }
}
