using System.Buffers.Binary;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Simulation;

/// <summary>One seed: validators, network, disks, clocks and clients under one virtual clock. The seed decides everything.</summary>
internal sealed class World
{
    private const long EpochMs = 1_800_000_000_000;
    private const long LivenessBoundMs = 120_000;
    private const long QuietMs = 5_000;
    private const int CodecSample = 97;
    private static readonly byte[][] SeatSignatures = [.. Enumerable.Range(0, Limits.Validators).Select(seat => Enumerable.Repeat((byte)(seat + 1), Signatures.Size).ToArray())];

    private readonly PriorityQueue<Action, (long At, long Order)> _events = new();
    private readonly List<Host> _hosts = [];
    private readonly List<Liar> _liars = [];
    private readonly List<Transaction> _submitted = [];
    private readonly Action<string>? _trace;
    private readonly int[] _side;
    private long _order;
    private long _nowUs;
    private long _messages;

    public World(ulong seed, Mutant mutant, Action<string>? trace = null)
    {
        Chance = new Chance(seed);
        Profile = new Profile(Chance);
        Mutant = mutant;
        _trace = trace;
        _side = new int[Profile.Seats];
        Validators = new ValidatorSet(1, [.. Enumerable.Range(0, Profile.Seats).Select(Seat)]);
        Genesis = SimulatedMachine.Genesis(Validators, EpochMs);
        Machine = new SimulatedMachine(Validators);
        Trace(Profile.ToString());
        AddValidators();
        ScheduleFaults();
        ScheduleClients();
    }

    public Chance Chance { get; }
    public Profile Profile { get; }
    public Mutant Mutant { get; }
    public Witness Witness { get; } = new();
    public ValidatorSet Validators { get; }
    public ExecutedBlock Genesis { get; }
    public SimulatedMachine Machine { get; }
    public long NowMs => EpochMs + _nowUs / 1000;
    public long ElapsedMs => _nowUs / 1000;
    public bool IsStable => ElapsedMs >= Profile.StabilizesAtMs;
    /// <summary>How long after the network calmed down everything was final everywhere.</summary>
    public long RecoveryMs { get; private set; }

    public int Commits { get; set; }
    public int Crashes { get; set; }

    public static ReadOnlyMemory<byte> SignatureOf(int seat) => SeatSignatures[seat];

    public ConsensusSetup Setup(int seat, ConsensusRules rules) => new()
    {
        Chain = SimulatedMachine.Chain,
        Shard = SimulatedMachine.Shard,
        Validators = Validators,
        Seat = seat,
        Genesis = Genesis,
        Machine = Machine,
        Rules = rules,
        RecentBlocks = Profile.RecentBlocks,
    };

    /// <summary>Runs until every submitted transaction is final everywhere and the shard has come to rest.</summary>
    /// <exception cref="InvariantException">An invariant does not hold, or the shard is not live.</exception>
    public void Run()
    {
        var bound = Profile.StabilizesAtMs + LivenessBoundMs;
        while (!(IsStable && IsDone()))
        {
            if (ElapsedMs > bound) throw new InvariantException($"I12: not live: {Describe()}");
            Advance();
        }

        RecoveryMs = ElapsedMs - Profile.StabilizesAtMs;
        RunQuietly();
    }

    public void After(long delayUs, Action action) => _events.Enqueue(action, (_nowUs + delayUs, _order++));

    public void Trace(string text) => _trace?.Invoke($"{ElapsedMs,7} {text}");

    public void Send(Host from, int to, ConsensusMessage message)
    {
        if (from.IsUp) Send(from.Seat, to, message);
    }

    public void Send(int from, int to, ConsensusMessage message)
    {
        if (message is GetBlocks asked) Trace($"seat {from} asks {to} for blocks above {asked.Above} to {asked.Tip.ToString()[..8]}");
        if (message is BlocksMessage { Blocks: var blocks }) Trace($"seat {from} sends {to} blocks {blocks[0].Header.Height} to {blocks[^1].Header.Height}");
        var copies = 1;
        if (!IsStable)
        {
            if (_side[from] != _side[to] || Chance.Percent(Profile.LossPercent)) return;
            if (Chance.Percent(Profile.DuplicatePercent)) copies++;
        }

        if (++_messages % CodecSample == 0) message = ThroughTheCodec(message);
        for (; copies > 0; copies--) After(1000 * (IsStable ? Chance.Between(1, 20) : Chance.Between(1, Profile.SlowestMs)), () => Deliver(from, to, message));
    }

    private void Deliver(int from, int to, ConsensusMessage message)
    {
        foreach (var liar in _liars)
        {
            if (liar.Seat == to) liar.Receive(from, message);
        }

        foreach (var host in _hosts)
        {
            // Each of two instances of one seat hears most of what is sent to it.
            if (host.Seat == to && (Profile.Behaviours[to] is Behaviour.Honest || IsStable || Chance.Percent(75))) host.Receive(from, message);
        }
    }

    private void Advance()
    {
        if (!_events.TryDequeue(out var action, out var at)) throw new InvariantException($"I12: nothing will ever happen again: {Describe()}");
        _nowUs = Math.Max(_nowUs, at.At);
        action();
    }

    private bool IsDone()
    {
        if (_submitted.Count < Profile.Transactions || Witness.CommittedTransactions < _submitted.Count || !_submitted.All(Witness.IsCommitted)) return false;
        return _hosts.All(host => !host.IsHonest || (host.IsUp && host.Height == Witness.Chain.Count && host.Core.PoolCount == 0 && host.Core.Final.NextDeadlineMs is null));
    }

    // An idle shard passes no views: some time to settle, then nothing moves.
    private void RunQuietly()
    {
        if (Profile.Behaviours.Any(behaviour => behaviour is Behaviour.Twins or Behaviour.Liar)) return;
        for (var until = ElapsedMs + QuietMs; ElapsedMs < until;) Advance();
        var honest = _hosts.Where(host => host.IsHonest).ToList();
        var views = honest.Select(host => host.Core.View).ToList();
        for (var until = ElapsedMs + QuietMs; ElapsedMs < until;) Advance();
        if (!views.SequenceEqual(honest.Select(host => host.Core.View))) throw new InvariantException($"an idle shard passes views: {string.Join(' ', views)} → {Describe()}");
    }

    private void AddValidators()
    {
        for (var seat = 0; seat < Profile.Seats; seat++)
        {
            var behaviour = Profile.Behaviours[seat];
            var shared = behaviour is Behaviour.ActivatedTwice ? new SharedGuard(Validators.Era, Mutant.Rules) : null;
            if (behaviour is Behaviour.Liar) _liars.Add(new Liar(this, seat));
            if (behaviour is Behaviour.Liar or Behaviour.Silent) continue;
            for (var i = 0; i < (behaviour is Behaviour.Honest ? 1 : 2); i++) _hosts.Add(new Host(this, seat, Profile.IsHonest(behaviour), shared, behaviour is Behaviour.Honest));
        }

        foreach (var host in _hosts) After(Chance.Between(0, 200_000), host.Start);
        foreach (var liar in _liars) After(Chance.Between(0, 100_000), liar.Lead);
    }

    private void ScheduleFaults()
    {
        var end = Profile.StabilizesAtMs * 1000L;
        for (var i = 0; i < Profile.Crashes; i++) After(Chance.Between(0, end), () => Chance.Pick(_hosts).Crash());
        for (var i = 0; i < Profile.PowerCuts; i++)
        {
            // A cut near the end meets the calm network with whatever survived on the disks.
            After(i == 0 ? end - 1 : Chance.Between(0, end), () =>
            {
                foreach (var host in _hosts) host.Crash();
            });
        }

        for (var i = 0; i < Profile.Partitions; i++)
        {
            var start = Chance.Between(0, end);
            After(start, () =>
            {
                for (var seat = 0; seat < _side.Length; seat++) _side[seat] = Chance.Below(2);
            });
            After(Math.Min(end, start + Chance.Between(100_000, 3_000_000)), () => Array.Clear(_side));
        }
    }

    private void ScheduleClients()
    {
        for (var i = 0; i < Profile.Transactions; i++)
        {
            var number = i;
            After(Chance.Between(0, Profile.StabilizesAtMs * 900L), () =>
            {
                var transaction = NewTransaction(number);
                _submitted.Add(transaction);
                Submit(transaction);
            });
        }
    }

    // A client submits to f+1 validators, and again until it sees its transaction final.
    private void Submit(Transaction transaction)
    {
        if (Witness.IsCommitted(transaction)) return;
        for (var i = 0; i <= Validators.MaxFaulty; i++) Chance.Pick(_hosts).Submit(transaction);
        After(Chance.Between(500_000, 2_000_000), () => Submit(transaction));
    }

    private Transaction NewTransaction(int number)
    {
        var withDeadline = Profile.WithDeadlines && Chance.Percent(30);
        var arguments = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(arguments, (int)Chance.Between(100, 3_000));
        var id = new byte[Identifier.Size];
        Chance.Fill(id);
        var payload = new TransactionPayload
        {
            Chain = SimulatedMachine.Chain,
            Shard = SimulatedMachine.Shard,
            Actor = ParticipantId.Parse($"client-{number % 5}"),
            KeyId = default,
            Id = Identifier.From(id),
            NotAfterMs = NowMs + 3_600_000,
            Contract = "simulated",
            Method = withDeadline ? "deadline" : "write",
            Arguments = arguments,
        };
        var signature = new byte[Signatures.Size];
        Chance.Fill(signature);
        _ = Transaction.TryParse(Transaction.Assemble(SignatureAlgorithm.Ed25519, payload.Encode(), signature), out var transaction);
        return transaction!;
    }

    private static ConsensusMessage ThroughTheCodec(ConsensusMessage message)
    {
        if (!ConsensusMessage.TryParse(message.Encode(), out var parsed) || !parsed!.Encode().Span.SequenceEqual(message.Encode().Span)) throw new InvariantException($"the codec changes a {message.GetType().Name}");
        return parsed;
    }

    private static Validator Seat(int seat)
    {
        PublicKey Key(int role)
        {
            _ = PublicKey.TryCreate(SignatureAlgorithm.Ed25519, Enumerable.Repeat((byte)(seat * 4 + role), 32).ToArray(), out var key);
            return key!;
        }

        return new Validator(ParticipantId.Parse($"validator-{seat}"), Key(0), Key(1), Key(2), Key(3));
    }

    private string Describe() => $"{Witness.CommittedTransactions}/{_submitted.Count} committed; {string.Join("; ", _hosts.Where(host => host.IsHonest).Select(host => $"seat {host.Seat} {(host.IsUp ? "up" : "down")} view {host.Core.View} final {host.Core.FinalView} height {host.Height} pool {host.Core.PoolCount}"))}";
}
