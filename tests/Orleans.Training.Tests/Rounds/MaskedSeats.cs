using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.Rounds;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Cluster;
using Orleans.Training.Tests.Ledger;
using Orleans.Training.Tests.Validators;

namespace Orleans.Training.Tests.Rounds;

/// <summary>
/// Four validators with their workers and a blob store each, not linked with each other, and participants made of the pure state machine, which act whenever the ledger grows. Time is
/// the real one: deadlines pass as they would.
/// </summary>
internal sealed class MaskedSeats : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);
    private readonly TemporaryFolder _folder = new();
    private readonly LocalValidators _validators = new();
    private readonly SortedDictionary<int, RoundWorker> _workers = [];
    private readonly SortedDictionary<int, MaskState> _states = [];
    private readonly SortedDictionary<int, HashSet<Digest>> _consumed = [];
    private readonly Dictionary<Digest, byte[]> _blobs = [];
    private readonly CancellationTokenSource _patience = new(Patience);
    private string _attempt = "";
    private int _seat;

    public MaskedSeats(int count, int windowMs, int rounds = 1, GroupTerms? groups = null, SumCheck check = SumCheck.Recomputed, long? challengeMs = null, KeyExchange exchange = KeyExchange.X25519)
    {
        Names = [.. Enumerable.Range(0, count).Select(i => $"p{i:D3}")];
        Stores = [.. TestShard.Hospitals.Select(seat => new FileBlobStore(_folder[seat]))];
        var plan = new MaskedLedger(count, activate: false, groups: groups).Agreement with { Rounds = rounds, InputWindowMs = windowMs, AggregateWindowMs = windowMs, Masking = new MaskingTerms(0, windowMs, windowMs, windowMs, windowMs, windowMs, windowMs, Groups: groups, Check: check, Exchange: exchange) };
        plan = plan with { ChallengeWindowMs = challengeMs ?? plan.ChallengeWindowMs };
        Agreement = plan with { InitialModel = Digest.Of(RoundAggregate.InitialModelOf(plan)) };
    }

    public string[] Names { get; }
    public FileBlobStore[] Stores { get; }
    public TrainingAgreement Agreement { get; }
    public ConcurrentQueue<string> Told { get; } = [];
    /// <summary>Which seats a participant's blob reaches.</summary>
    public Func<int, MaskMessage, IEnumerable<int>> Reaches { get; set; } = (_, _) => [0, 1, 2, 3];
    /// <summary>Whether a participant takes its next step.</summary>
    public Func<int, MaskedGroup, MaskState, bool> Acts { get; set; } = (_, _, _) => true;
    /// <summary>What a participant's host sends in place of what its state machine says.</summary>
    public Func<int, MaskMessage, MaskMessage> Sends { get; set; } = (_, message) => message;
    /// <summary>By round and participant.</summary>
    public SortedDictionary<(int Round, int Who), int[]> Lanes { get; } = [];
    public LedgerState State => LedgerState.Of(_validators[_seat].Chain.Head);
    public RunRecord Run => State.Contracts.Find<RunRecord>(RunRecord.Key(Agreement.ComputeDigest()))!;
    public AgreementRecord Terms => State.Contracts.Find<AgreementRecord>(AgreementRecord.Key(Agreement.ComputeDigest()))!;

    /// <summary>Starts these seats, and the run of the agreement.</summary>
    public async Task Start(params int[] seats)
    {
        _seat = seats[0];
        await _validators.Start(seats);
        await Commit([.. Names.SelectMany(name => TestShard.Hospitals.Take(3).Select(seat => _validators.Sign(seat, new Admit(ParticipantId.Parse(name), name, Roles.Trainer | Roles.DataOwner, TestShard.Key(name).Public))))]);
        await Commit([.. Names.Select((name, i) => _validators.Sign(name, new RegisterDataset("heart", Digest.Of("d"u8), 10 + i, "age")))]);
        await Commit([_validators.Sign(Names[0], new ProposeAgreement(Agreement))]);
        await Commit([.. Names.Select(name => _validators.Sign(name, new AcceptAgreement(Agreement.ComputeDigest(), Policy.Open)))]);
        foreach (var seat in seats) _workers.Add(seat, NewWorker(seat));
    }

    /// <summary>Ends a seat's worker and starts another one, which knows only what the ledger says.</summary>
    public async Task Restart(int seat)
    {
        await _workers[seat].DisposeAsync();
        _workers[seat] = NewWorker(seat);
    }

    private RoundWorker NewWorker(int seat)
    {
        var (genesis, name) = (_validators.Genesis, TestShard.Hospitals[seat]);
        var writer = new TransactionWriter(genesis.Chain, genesis.Shard, ParticipantId.Parse(name), LocalValidators.Signer(name), TimeProvider.System);
        return new RoundWorker(_validators[seat], genesis, writer, Stores[seat], Stores[seat], TimeProvider.System, new Listener(Told));
    }

    /// <summary>Lets everybody act until the ledger is so.</summary>
    public async Task Until(Func<LedgerState, bool> holds)
    {
        while (true)
        {
            var height = _validators[_seat].Chain.Count;
            if (holds(State)) return;
            await Act();
            await _validators[_seat].Chain.WaitFor(height, _patience.Token);
        }
    }

    public MaskedAttempt? Attempt(int number, int attempt)
    {
        var state = State.Contracts;
        return state.Find<RoundRecord>(RoundRecord.Key(Agreement.ComputeDigest(), number, attempt)) is { } round ? new(key => state.Find<StateRecord>(key), Terms, round) : null;
    }

    public async Task Send(string actor, ContractCall call) => Assert.Equal([Rejection.None], await _validators[_seat].Submit([_validators.Sign(actor, call)]));

    /// <summary>The model that the updates of these give without masks.</summary>
    public RoundAggregate Plain(int number, byte[] parent, IEnumerable<int> who)
    {
        var sum = RoundAggregate.NewSum(Terms);
        foreach (var i in who) Assert.True(sum.TryAdd(UpdateBlob.Write(Lanes[(number, i)]), Terms.Weights[i]));
        return RoundAggregate.Compute(Terms, new RoundRecord(Terms.Digest, number, 1, Digest.Of(parent), Phase.Input, 0, [], null, [], null), parent, sum)!;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var worker in _workers.Values) await worker.DisposeAsync();
        await _validators.DisposeAsync();
        _patience.Dispose();
        _folder.Dispose();
    }

    private async Task Act()
    {
        var run = Run;
        if (Attempt(run.PublishedRounds + 1, run.Attempts + 1) is not { } masked) return;
        if (masked.Round.StateKey != _attempt)
        {
            _attempt = masked.Round.StateKey;
            for (var i = 0; i < Names.Length; i++) Begin(masked.GroupOf(i), i);
        }

        for (var i = 0; i < Names.Length; i++)
        {
            while (Acts(i, masked.GroupOf(i), _states[i]) && Step(masked.GroupOf(i), i) is { } message)
            {
                var sent = Sends(i, message);
                // Whose host lies about its update goes on as if it were so.
                if (sent is CommitInput lie && sent != message) _states[i] = _states[i] with { Input = new((ushort)i, lie.Root) };
                await Say(masked.GroupOf(i), i, sent);
            }
        }
    }

    private void Begin(MaskedGroup masked, int who)
    {
        _consumed.TryAdd(who, []);
        _states[who] = MaskParticipant.Begin(masked.SetupOf(who, masked.Round.BaseModel, MaskedLedger.Length));
        var random = new Random(100 * masked.Round.Number + who);
        float[] delta = [.. Enumerable.Range(0, MaskedLedger.Length).Select(_ => (float)(random.NextDouble() - 0.5) / 4)];
        Assert.True(Agreement.FixedPoint.TryQuantize(delta, Terms.Weights[who], Digest.Of([(byte)who]).ToArray(), out var lanes));
        Lanes[(masked.Round.Number, who)] = lanes;
    }

    private MaskMessage? Step(MaskedGroup masked, int who)
    {
        var state = _states[who];
        MaskEvent? next = state.Phase is MaskPhase.Idle && masked.Round.Phase is Phase.AdvertiseKeys
            ? new AttemptOpened(new MaskSecrets(System.Security.Cryptography.RandomNumberGenerator.GetBytes(MaskSecrets.RandomBytes)), _consumed[who])
            : state.Phase is MaskPhase.Idle ? null : MaskedParticipation.Next(masked, state, root => _blobs.TryGetValue(root, out var bytes) ? bytes : (ReadOnlyMemory<byte>?)null, _validators[_seat].Chain.Head.Block.Header.TimeMs, _consumed[who]);
        if (next is null && state is { Phase: MaskPhase.Acked, Masks: not null } && masked.Round.Phase is Phase.Input) next = new UpdateReady(Lanes[(masked.Round.Number, who)], new MaskTail(Terms.Weights[who], 7, 5, 9, 1, 0, 0));
        if (next is null) return null;
        var step = MaskParticipant.Step(state, next);
        _states[who] = step.State;
        if (step.Records.Any(record => record.Decode() is MaskRecord.ConsumedContent)) _consumed[who].Add(masked.Round.BaseModel);
        return step.Message is null && next is AcksClosed && step.Fault is MaskFault.None ? Step(masked, who) : step.Message;
    }

    private async Task Say(MaskedGroup masked, int who, MaskMessage message)
    {
        if (MaskedParticipation.BlobOf(message) is { } blob)
        {
            _blobs[ChunkedBlob.Root(blob.Span)] = blob.ToArray();
            foreach (var seat in Reaches(who, message)) await Stores[seat].Put(new MemoryStream(blob.ToArray()), null, CancellationToken.None);
        }

        await _validators[_seat].Submit([_validators.Sign(Names[who], MaskedParticipation.CallOf(masked, message))]);
    }

    private async Task Commit(Transaction[] transactions)
    {
        Assert.All(await _validators[_seat].Submit(transactions), answer => Assert.Equal(Rejection.None, answer));
        foreach (var transaction in transactions) await LocalValidators.Committed(_validators[_seat], transaction);
    }

    private sealed class Listener(ConcurrentQueue<string> told) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;
        public bool IsEnabled(LogLevel logLevel) => true;
        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => told.Enqueue(formatter(state, exception));
    }
}
