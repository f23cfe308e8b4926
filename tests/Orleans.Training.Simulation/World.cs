using System.Buffers.Binary;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Simulation;

/// <summary>One seed: validators, network, disks, clocks and clients under one virtual clock. The seed decides everything.</summary>
internal sealed class World
{
    private const long EpochMs = 1_800_000_000_000;
    private const long LivenessBoundMs = 120_000;
    private const long QuietMs = 5_000;
    private const int CodecSample = 97;

    private readonly PriorityQueue<Action, (long At, long Order)> _events = new();
    private readonly List<Host> _hosts = [];
    private readonly List<Liar> _liars = [];
    private readonly List<Forger> _forgers = [];
    private readonly List<Transaction> _submitted = [];
    private readonly HashSet<int> _convicted = [];
    private readonly HashSet<int> _forgotten = [];
    private readonly Action<string>? _trace;
    private readonly int[] _side;
    private readonly Relays _relays;
    private readonly IReadOnlyList<PlannedChange> _plan;
    private long _order;
    private long _nowUs;
    private long _messages;

    public World(ulong seed, Mutant mutant, Action<string>? trace = null, bool overBudget = false, bool onLedger = false)
    {
        Chance = new Chance(seed);
        IsOverBudget = overBudget;
        Profile = new Profile(Chance, overBudget, onLedger);
        Mutant = mutant;
        _trace = trace;
        _plan = PlannedChange.Draw(Chance, Profile);
        Nodes = Profile.Seats + _plan.Count + Profile.Newcomers;
        _side = new int[Nodes];
        Validators = new ValidatorSet(1, [.. Enumerable.Range(0, Profile.Seats).Select(node => onLedger ? LedgerShard.Entry(node) : SimulatedSeat.Entry(node, 0))]);
        if (onLedger)
        {
            Ledger = new LedgerShard(Validators, EpochMs, mutant.Contracts ?? LedgerRules.Correct);
            Watch = new LedgerWitness(this);
        }

        Genesis = Ledger?.First ?? SimulatedMachine.Genesis(Validators, EpochMs);
        Machine = Ledger?.Machine ?? new SimulatedMachine(entryOf: Entry, sealsUnready: mutant.SealsUnready, believesHeaders: mutant.BelievesHeaders);
        Witness = new Witness(Genesis, Validators, Ledger?.NewMachine() ?? (IStateMachine)new SimulatedMachine(entryOf: Entry)) { Grown = Watch is null ? null : Watch.Committed };
        _relays = new Relays(this);
        Trace($"{Profile}; {string.Join(", ", _plan)}");
        AddValidators();
        ScheduleFaults();
        ScheduleClients();
        foreach (var planned in _plan) Schedule(planned);
    }

    public Chance Chance { get; }
    public Profile Profile { get; }
    public Mutant Mutant { get; }
    public Witness Witness { get; }
    /// <summary>More lie than can be borne: nothing is demanded of the shard but that those are named.</summary>
    public bool IsOverBudget { get; }
    public IReadOnlyList<Host> Hosts => _hosts;
    /// <summary>Machines: those with a seat in genesis first.</summary>
    public int Nodes { get; }
    public ValidatorSet Validators { get; }
    public ExecutedBlock Genesis { get; }
    public IStateMachine Machine { get; }
    /// <summary>The real ledger with the judge of what is on it, or null for the small one.</summary>
    public LedgerShard? Ledger { get; }
    public LedgerWitness? Watch { get; }
    public long NowMs => EpochMs + _nowUs / 1000;
    public long ElapsedMs => _nowUs / 1000;
    public bool IsStable => ElapsedMs >= Profile.StabilizesAtMs;
    /// <summary>How long after the network calmed down everything was final everywhere.</summary>
    public long RecoveryMs { get; private set; }

    public int Commits { get; set; }
    public int Crashes { get; set; }
    public int Fenced { get; set; }
    /// <summary>Starts from the state after a final block instead of from genesis.</summary>
    public int FromSnapshots { get; set; }
    /// <summary>Validators that saw in time that their disk had forgotten a vote.</summary>
    public int GuardsLost { get; set; }
    public int Forgotten => _forgotten.Count;
    /// <summary>Recoveries with a torn frame, and refusals of damage.</summary>
    public (int Torn, int Refused) Recoveries => (_hosts.DistinctBy(host => host.Journal).Sum(host => host.Journal.Seen.Torn), _hosts.DistinctBy(host => host.Journal).Sum(host => host.Journal.Seen.Refused));

    /// <summary>A node's disk has lost what was said to be durable: from now on it may contradict itself.</summary>
    public void Forgot(int node) => _forgotten.Add(node);

    public ReadOnlyMemory<byte> Sign(int node, int seat, Vote vote) => Ledger?.Sign(node, vote) ?? SimulatedSeat.SignatureOf(seat);

    public ConsensusSetup Setup(Func<ValidatorSet, int> seatIn, ConsensusRules rules) => new()
    {
        Chain = Ledger?.Genesis.Chain ?? SimulatedMachine.Chain,
        Shard = SimulatedMachine.Shard,
        Validators = Validators,
        Seat = -1,
        SeatIn = seatIn,
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

    /// <summary>Runs for a fixed time, whatever the validators come to.</summary>
    public void RunOverBudget()
    {
        while (ElapsedMs < Profile.StabilizesAtMs && _events.Count > 0) Advance();
    }

    public void After(long delayUs, Action action) => _events.Enqueue(action, (_nowUs + delayUs, _order++));

    public void Trace(string text) => _trace?.Invoke($"{ElapsedMs,7} {text}");

    public void Send(Host from, int to, ConsensusMessage message)
    {
        if (from.IsUp && message.GetType() != Mutant.NeverSends) Send(from.Node, to, message, Profile.IsSplit ? from.Side : null);
    }

    public void Send(int from, int to, ConsensusMessage message, int? side = null)
    {
        if (from == to || to >= Nodes) return;
        if (message is GetBlocks asked) Trace($"node {from} asks {to} for blocks above {asked.Above} to {asked.Tip.ToString()[..8]}");
        if (message is BlocksMessage { Blocks: var blocks }) Trace($"node {from} sends {to} blocks {blocks[0].Header.Height} to {blocks[^1].Header.Height}");
        var copies = 1;
        if (!IsStable)
        {
            if (_side[from] != _side[to] || Chance.Percent(Profile.LossPercent)) return;
            if (Chance.Percent(Profile.DuplicatePercent)) copies++;
        }

        if (++_messages % CodecSample == 0) message = ThroughTheCodec(message);
        if (_relays.Way(from, to) is not var (relayUs, arrives)) return;
        for (; copies > 0; copies--)
        {
            After(relayUs + 1000 * (IsStable ? Chance.Between(1, 20) : Chance.Between(1, Profile.SlowestMs)), () =>
            {
                if (arrives()) Deliver(from, to, message, side);
            });
        }
    }

    private void Deliver(int from, int to, ConsensusMessage message, int? side)
    {
        foreach (var liar in _liars)
        {
            if (liar.Node == to) liar.Receive(from, message);
        }

        _forgers.Find(forger => forger.Node == to)?.Receive(from, message);

        foreach (var host in _hosts)
        {
            if (side is not null && host.Side != side) continue;
            // Each of two instances of one seat hears most of what is sent to it.
            if (host.Node == to && (BehaviourOf(to) is Behaviour.Honest or Behaviour.BadDisk || IsStable || Profile.IsSplit || Chance.Percent(75))) host.Receive(from, message);
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
        if (_submitted.Count < Profile.Transactions + _plan.Count || !_submitted.All(Witness.IsCommitted)) return false;
        // All changes are made but those that must not be, and the last era has a block of its own.
        if ((Ledger is null && Witness.Era != 1 + (ulong)_plan.Count(planned => !planned.NeverReady)) || Witness.Chain is [.., { IsSealing: true }] || Watch?.IsSettled is false) return false;
        return _hosts.All(host => !host.IsNeeded || !(IsMember(host) || Ledger is not null) || (host.IsUp && host.Clerk?.IsFilling is not true && host.Height == Witness.Chain.Count && (host.Core.PoolCount == 0 || !IsMember(host)) && host.Core.Final.NextDeadlineMs is null));
    }

    // An idle shard passes no views: some time to settle, then nothing moves.
    private void RunQuietly()
    {
        if (Profile.Behaviours.Any(behaviour => behaviour is Behaviour.Twins or Behaviour.Liar)) return;
        var (views, height) = (new List<ulong>(), -1);
        // A machine that comes late still says its word, and there is a block for it: then the wait begins anew.
        while (height != Witness.Chain.Count)
        {
            for (var until = ElapsedMs + QuietMs; ElapsedMs < until;) Advance();
            var honest = _hosts.Where(host => host.IsNeeded && IsMember(host)).ToList();
            (views, height) = ([.. honest.Select(host => host.Core.View)], Witness.Chain.Count);
            for (var until = ElapsedMs + QuietMs; ElapsedMs < until;) Advance();
            if (height == Witness.Chain.Count && !views.SequenceEqual(honest.Select(host => host.Core.View))) throw new InvariantException($"an idle shard passes views: {string.Join(' ', views)} → {Describe()}");
        }
    }

    private void AddValidators()
    {
        var half = 0;
        for (var seat = 0; seat < Nodes; seat++)
        {
            var behaviour = BehaviourOf(seat);
            if (_plan.Any(planned => planned.NeverReady && planned.Change.Other == seat)) continue;
            var shared = behaviour is Behaviour.ActivatedTwice ? new Journal(this, seat) : null;
            var sharedGuard = behaviour is Behaviour.SharesGuard ? new SharedGuard(Validators.Era, Mutant.Rules) : null;
            if (behaviour is Behaviour.Liar) _liars.Add(new Liar(this, seat));
            if (behaviour is Behaviour.Forger) _forgers.Add(new Forger(this, seat));
            if (behaviour is Behaviour.Liar or Behaviour.Silent or Behaviour.Forger) continue;
            for (var i = 0; i < (behaviour is Behaviour.Honest or Behaviour.BadDisk ? 1 : 2); i++) _hosts.Add(new Host(this, seat, behaviour, shared, sharedGuard, behaviour is Behaviour.Twins ? i : half++ % 2));
        }

        foreach (var host in _hosts)
        {
            After(Chance.Between(Ledger is not null && host.Node >= Profile.Seats ? Profile.StabilizesAtMs * 600L : 0, host.Node < Profile.Seats ? 200_000 : Profile.StabilizesAtMs * 1000L), host.Start);
            if (_plan.Count > 0 && host.IsHonest) KeepSayingReady(host);
        }

        foreach (var liar in _liars) After(Chance.Between(0, 100_000), liar.Lead);
    }

    private void ScheduleFaults()
    {
        var end = Profile.StabilizesAtMs * 1000L;
        for (var i = 0; i < Profile.Crashes; i++) After(Chance.Between(0, end), () => Chance.Pick(_hosts).Crash());
        foreach (var host in _hosts.Where(host => host.Behaviour is Behaviour.BadDisk))
        {
            for (var i = 0; i < 2; i++) After(Chance.Between(0, end), host.Crash);
        }

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

    private void Schedule(PlannedChange planned) => After(planned.AtMs * 1000, () =>
    {
        var change = planned.Change;
        foreach (var host in _hosts.Where(host => host.Node == change.Node && change.Kind is ReconfigurationKind.Redelegate))
        {
            if (planned.LosesDisk) host.LoseDisk(change.Version); else host.AddKey(change.Version);
        }

        var transaction = NewTransaction("governance", "change", change.Encode());
        _submitted.Add(transaction);
        Submit(transaction);
    });

    private void KeepSayingReady(Host host) => After(Chance.Between(400_000, 1_200_000), () =>
    {
        host.SayReady();
        KeepSayingReady(host);
    });

    /// <summary>Whether a change will be made one day.</summary>
    public bool IsExpected(Reconfiguration change) => !_plan.Any(planned => planned.NeverReady && planned.Change == change);

    /// <summary>A node's word, sent to f+1 validators once: it comes again when it is lost.</summary>
    public void SubmitReady(int node, int version, int era)
    {
        var transaction = NewTransaction($"node-{node}", "ready", [(byte)node, (byte)version, (byte)era]);
        for (var i = 0; i <= Validators.MaxFaulty; i++) Chance.Pick(_hosts).Submit(transaction);
    }

    private Behaviour BehaviourOf(int node) => node < Profile.Seats ? Profile.Behaviours[node] : Behaviour.Honest;

    private bool IsMember(Host host) => Witness.Find(Witness.Era)!.Value.Set.SeatOf(Entry(host.Node, 0).TransactionKey.Id) >= 0;

    // A client submits to f+1 validators, and again until it sees its transaction final.
    private void Submit(Transaction transaction)
    {
        if (Witness.IsCommitted(transaction)) return;
        for (var i = 0; i <= Validators.MaxFaulty; i++) Chance.Pick(_hosts).Submit(transaction);
        After(Chance.Between(500_000, 2_000_000), () => Submit(transaction));
    }

    /// <summary>A transaction that nobody says again, to all.</summary>
    public void SubmitToAll(Transaction transaction)
    {
        foreach (var host in _hosts) host.Submit(transaction);
    }

    /// <summary>What a node has or makes up as the bytes of a snapshot; null when it has none.</summary>
    public byte[]? SnapshotAt(int node, SnapshotRecord snapshot)
    {
        var forger = _forgers.Find(forger => forger.Node == node);
        var real = _hosts.Where(host => (host.Node == node && host.IsUp) || forger is not null).Select(host => host.Clerk!.Find(snapshot.Name)).FirstOrDefault(bytes => bytes is not null);
        return forger is null ? real : forger.Serve(snapshot, real);
    }

    /// <summary>A node's transaction on the real ledger.</summary>
    public Transaction Write(int node, ContractCall call)
    {
        var id = new byte[Identifier.Size];
        Chance.Fill(id);
        return Ledger!.Write(node, call, Identifier.From(id), NowMs);
    }

    private Transaction NewTransaction(int number)
    {
        if (Ledger is not null) return Write(number % Profile.Seats, new Admit(ParticipantId.Parse($"client-{number}"), "A client", Roles.Auditor, LedgerShard.Entry(1_000 + number).TransactionKey));
        var withDeadline = Profile.WithDeadlines && Chance.Percent(30);
        var arguments = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(arguments, (int)Chance.Between(100, 3_000));
        return NewTransaction($"client-{number % 5}", withDeadline ? "deadline" : "write", arguments);
    }

    private Transaction NewTransaction(string actor, string method, byte[] arguments)
    {
        var id = new byte[Identifier.Size];
        Chance.Fill(id);
        var payload = new TransactionPayload
        {
            Chain = SimulatedMachine.Chain,
            Shard = SimulatedMachine.Shard,
            Actor = ParticipantId.Parse(actor),
            KeyId = default,
            Id = Identifier.From(id),
            NotAfterMs = NowMs + 3_600_000,
            Contract = "simulated",
            Method = method,
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

    /// <summary>The entry of a node in a validator set; a version has another vote key and the same others. On the real ledger there is one version.</summary>
    public Validator Entry(int node, int version) => Ledger is null ? SimulatedSeat.Entry(node, version) : LedgerShard.Entry(node);

    /// <summary>Nodes that somebody has proven to lie.</summary>
    public int Convicted => _convicted.Count;

    /// <summary>Nodes that may sign what contradicts itself.</summary>
    public int Liars => Profile.Behaviours.Count(behaviour => behaviour is Behaviour.Liar or Behaviour.Twins);

    /// <summary>Whether a node may sign what contradicts itself.</summary>
    public bool MayLie(int node) => _forgotten.Contains(node) || BehaviourOf(node) is Behaviour.Liar or Behaviour.Twins;

    /// <summary>I10: whoever is named has lied; I4 makes sure that no honest node can be.</summary>
    public void Convict(Validator seat, Evidence evidence)
    {
        var node = Enumerable.Range(0, Nodes).First(candidate => Entry(candidate, 0).TransactionKey.Id == seat.TransactionKey.Id);
        if (!MayLie(node)) throw new InvariantException($"I10: honest node {node} is named for {evidence.First.Vote} and {evidence.Second.Vote}");
        if (Evidence.FaultOf(evidence.First.Vote, evidence.Second.Vote) is FaultKind.None) throw new InvariantException($"I10: {evidence.First.Vote} and {evidence.Second.Vote} prove nothing");
        _convicted.Add(node);
    }

    private string Describe() => $"{_submitted.Count(Witness.IsCommitted)}/{_submitted.Count} committed, era {Witness.Era} of {1 + _plan.Count(planned => !planned.NeverReady)}; {string.Join("; ", _hosts.Where(host => host.IsHonest).Select(host => $"node {host.Node} {(host.IsUp ? "up" : "down")} era {host.Setup.Validators.Era} seat {host.Seat} view {host.Core.View} final {host.Core.FinalView} height {host.Height} pool {host.Core.PoolCount}{(host.Clerk?.IsFilling is true ? " filling" : "")}"))}{Watch?.Describe()}";
}
