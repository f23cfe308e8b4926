using Orleans.Training.Grains.History;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Simulation;

/// <summary>
/// One running instance of the real core with a simulated disk and clock. It does what the contract of <see cref="ConsensusStep"/> asks: write,
/// sync, sign, send; and it may die at every one of these points.
/// </summary>
internal sealed class Host
{
    private readonly World _world;
    private readonly HashSet<int> _keys = [0];
    private ConsensusSetup _first;
    private readonly SharedGuard? _sharedGuard;
    private Journal _journal;
    private long _owner;
    private readonly Queue<ConsensusInput> _inbox = new();
    private readonly long _clockSkewMs;
    private readonly int _timerSkewPercent;
    private ConsensusCore _core;
    private int _life;
    private bool _busy;

    /// <param name="world">Where it runs.</param>
    /// <param name="node">The machine.</param>
    /// <param name="behaviour">What may happen to it.</param>
    /// <param name="shared">The journal that two activations of one seat share; null for one of its own.</param>
    /// <param name="sharedGuard">The guard that two activations share, or null.</param>
    /// <param name="side">The half in which it is while the network is split.</param>
    public Host(World world, int node, Behaviour behaviour, Journal? shared, SharedGuard? sharedGuard, int side)
    {
        _world = world;
        _sharedGuard = sharedGuard;
        _journal = shared ?? new Journal(world, node);
        Node = node;
        Behaviour = behaviour;
        Side = side;
        IsHonest = behaviour is not Behaviour.Twins;
        var profile = world.Profile;
        _clockSkewMs = world.Chance.Between(-profile.ClockSkewMs, profile.ClockSkewMs);
        _timerSkewPercent = (int)world.Chance.Between(-profile.TimerSkewPercent, profile.TimerSkewPercent);
        _first = world.Setup(SeatIn, world.Mutant.Rules with { DetectLostGuard = behaviour is not (Behaviour.Twins or Behaviour.SharesGuard) }) with { Seat = SeatIn(world.Validators), OtherPeers = SeatIn(world.Validators) < 0 ? world.Nodes : 0 };
        _core = new ConsensusCore(_first);
        if (world.Ledger is not null) Clerk = new Clerk(world, this);
    }

    /// <summary>The machine's number, for ever; its seat is another one in each era.</summary>
    public int Node { get; }
    public int Seat => Setup.Seat;
    public Behaviour Behaviour { get; }
    public int Side { get; }
    /// <summary>It never contradicts itself, unless its disk has forgotten what it had written.</summary>
    public bool IsHonest { get; private set; }
    public bool IsUp { get; private set; }
    /// <summary>Whether it has to be there in the end: not if its disk is bad, or if another activation has its journal.</summary>
    public bool IsNeeded => Behaviour is Behaviour.Honest or Behaviour.SharesGuard || (Behaviour is Behaviour.ActivatedTwice && _owner == _journal.Owner);
    public Journal Journal => _journal;
    public ConsensusSetup Setup => _core.Setup;
    public ConsensusCore Core => _core;
    public long ClockMs => _world.NowMs + _clockSkewMs;
    public int Height => Final.Height;
    /// <summary>What it does beside the core on the real ledger.</summary>
    public Clerk? Clerk { get; }
    public FinalBlocks Final { get; } = new();

    public void Start()
    {
        var opening = _journal.Open(readsGoAstray: Behaviour is Behaviour.BadDisk && _world.Chance.Percent(25));
        _owner = opening.Owner;
        if (_journal.HasForgotten && IsHonest)
        {
            _world.Trace($"node {Node} has forgotten what it had written");
            _world.Forgot(Node);
            IsHonest = false;
        }

        if (opening.Records is null)
        {
            _world.Trace($"node {Node} refuses its journal");
            if (opening.MayPass) StartLater();
            return;
        }

        var before = Final.Blocks.ToList();
        if (!FromSnapshot(opening.Records))
        {
            Forget(0);
            _core = ConsensusCore.Restore(_first with { Seat = SeatIn(_world.Validators) }, opening.Records, Commit);
        }

        var lost = before.Zip(Final.Blocks).TakeWhile(pair => pair.First.Digest == pair.Second.Digest).Count();
        if (lost < before.Count && IsHonest) throw new InvariantException($"I5: node {Node} lost height {before[lost].Header.Height} in a crash");

        IsUp = true;
        _busy = false;
        _inbox.Clear();
        _world.Trace($"node {Node} starts in view {_core.View}, height {Height}");
        Clerk?.Begin();
        Give(new Started(ClockMs));
    }

    // Every other life begins at the state after one of its final blocks, if the journal still holds that as final, with what of the journal is needed then.
    private bool FromSnapshot(IEnumerable<JournalRecord> records)
    {
        if (Final.Joined is null && (_life + Node) % 2 == 0 || Final.Beginning(_life * 31 + Node) is not { } state) return false;
        var tail = new JournalTail(state.Block);
        tail.Add(records);
        if (state.Seals is not null || !tail.Reached) return false;
        EraLink[] past = [.. Setup.Past.Where(link => link.Era < state.Block.Header.Era)];
        var validators = past.Length == 0 ? _first.Validators : past[^1].Next;
        Forget((int)state.Block.Header.Height);
        _world.FromSnapshots++;
        _core = ConsensusCore.Restore(_first with { Genesis = state, Validators = validators, Seat = SeatIn(validators), Past = past }, tail.Records, Commit);
        return true;
    }

    private void Forget(int height)
    {
        Final.Forget(height);
        Clerk?.Open(Final);
    }

    /// <summary>Goes on from a snapshot, once the journal says so.</summary>
    public void Join(SnapshotOffer offer, ExecutedBlock executed)
    {
        if (_busy)
        {
            _world.After(1_000, WhileAlive(() => Join(offer, executed)));
            return;
        }

        if (Seat >= 0 || DiesHere() || !_journal.Append(_owner, [new JournalRecord(JournalRecordKind.Joined, offer.Encode())]) || !_journal.Sync(_owner, _journal.Written)) return;
        var past = Final.LeapTo(executed);
        _first = _first with { Machine = _world.Ledger!.NewMachine() };
        _core = _core.From(SnapshotJoining.SetupAt(_core.Setup, executed, offer, SeatIn) with { Machine = _first.Machine });
        _world.Trace($"node {Node} joins at height {Height}");
        Clerk!.Joined(offer, executed, past);
        Give(new Started(ClockMs));
    }

    public void Crash()
    {
        if (!IsUp) return;
        IsUp = false;
        _life++;
        _world.Crashes++;
        if (_owner == _journal.Owner) _journal.Crash();
        if (Behaviour is Behaviour.BadDisk && _world.Chance.Percent(50)) _journal.Rot();
        _world.Trace($"node {Node} crashes");
        StartLater();
    }

    private void StartLater()
    {
        var life = _life;
        _world.After(_world.Chance.Between(10_000, 2_000_000), () =>
        {
            if (_life == life && !IsUp) Start();
        });
    }

    // Another activation has opened the journal: this one ends. Somebody may activate it again, until the cluster agrees where it lives.
    private void Fence()
    {
        IsUp = false;
        _life++;
        _world.Fenced++;
        _world.Trace($"node {Node} is fenced off");
        if (!_world.IsStable && _world.Chance.Percent(50)) StartLater();
    }

    /// <summary>The disk and everything on it is gone, the vote key too: another one takes its place, and the journal begins anew.</summary>
    public void LoseDisk(int newKey)
    {
        _world.Trace($"node {Node} loses its disk");
        _keys.Clear();
        _keys.Add(newKey);
        if (IsUp) Crash();
        _journal = new Journal(_world, Node);
        Forget(0);
    }

    /// <summary>There is a further vote key on the disk, for the era that begins with it.</summary>
    public void AddKey(int newKey) => _keys.Add(newKey);

    public void Receive(int fromNode, ConsensusMessage message)
    {
        if (IsUp && Clerk?.Take(fromNode, message) is not true && _core.News(message) is { } news) Give(new MessageReceived(ClockMs, PeerOf(fromNode), news));
    }

    public void Submit(Transaction transaction)
    {
        if (IsUp) Give(new TransactionsSubmitted(ClockMs, [transaction]));
    }

    /// <summary>Says that this node is ready for the next era when a change waits for its word.</summary>
    public void SayReady()
    {
        if (!IsUp) return;
        var state = (SimulatedMachine.State)_core.Final.State;
        var entering = state.Pending.Select(change => change.Entering).Where(entry => entry is { } to && to.Node == Node).Select(entry => (int)entry!.Value.Version);
        var staying = Seat >= 0 && state.Validators.Count <= 3 && state.Pending.Any(_world.IsExpected) ? _keys.Where(key => _world.Entry(Node, key).VoteKey == Setup.Validators.Seats[Seat].VoteKey) : [];
        foreach (var version in entering.Concat(staying).Where(_keys.Contains)) _world.SubmitReady(Node, version, (int)state.Validators.Era + 1);
    }

    // The seat of this node's transaction key, if the vote key there is one that it has.
    private int SeatIn(ValidatorSet validators) => validators.SeatOf(_world.Entry(Node, 0).TransactionKey.Id) is >= 0 and var seat && _keys.Any(key => _world.Entry(Node, key).VoteKey == validators.Seats[seat].VoteKey) ? seat : -1;

    public int PeerOf(int node) => Setup.Validators.SeatOf(_world.Entry(node, 0).TransactionKey.Id) is >= 0 and var seat ? seat : Setup.Validators.Count + node;

    private int NodeOf(int peer) => peer < Setup.Validators.Count ? SimulatedSeat.NodeOf(Setup.Validators.Seats[peer]) : peer - Setup.Validators.Count;

    private void Give(ConsensusInput input)
    {
        _inbox.Enqueue(input);
        while (IsUp && !_busy && _inbox.TryDequeue(out var next)) Handle(next);
    }

    private void Handle(ConsensusInput input)
    {
        var step = _core.Step(input with { NowMs = ClockMs });
        CheckBounds();
        if (DiesHere()) return;
        if (!_journal.Append(_owner, step.Writes))
        {
            Fence();
            return;
        }

        if (DiesHere()) return;
        if (!step.Outputs.Any(output => output is SignVote or BlockCommitted))
        {
            Release(step.Outputs);
            return;
        }

        var written = _journal.Written;
        var life = _life;
        var syncUs = _world.Chance.Between(100, 1_000L * _world.Profile.SyncMs);
        if (_world.Mutant.ReleasesBeforeSync)
        {
            _world.After(syncUs, () => SyncIfAlive(life, written));
            Release(step.Outputs);
            return;
        }

        _busy = true;
        _world.After(syncUs, () =>
        {
            if (!SyncIfAlive(life, written)) return;
            _busy = false;
            Release(step.Outputs);
            if (IsUp && !_busy && _inbox.TryDequeue(out var next)) GiveFirst(next);
        });
    }

    private void GiveFirst(ConsensusInput input)
    {
        Handle(input);
        while (IsUp && !_busy && _inbox.TryDequeue(out var next)) Handle(next);
    }

    private bool SyncIfAlive(int life, int written)
    {
        if (!IsUp || _life != life) return false;
        if (_journal.Sync(_owner, written)) return true;
        Fence();
        return false;
    }

    private void Release(IReadOnlyList<ConsensusOutput> outputs)
    {
        foreach (var output in outputs)
        {
            if (DiesHere()) return;
            switch (output)
            {
                case SignVote sign: Sign(sign.Vote); break;
                case SendMessage send: _world.Send(this, NodeOf(send.To), send.Message); break;
                case BroadcastMessage broadcast: Broadcast(broadcast.Message); break;
                case SetTimer timer: SetTimer(timer); break;
                case SetDeadline { TimeMs: { } timeMs }: _world.After(Math.Max(0, timeMs - ClockMs) * 1000, WhileAlive(() => Give(new DeadlineReached(ClockMs)))); break;
                case BlockCommitted committed:
                    Commit(committed);
                    Clerk?.Cosign();
                    break;
                case EraEnded: Succeed(); break;
                case ServeBlocks serve when Final.From(serve.FirstHeight) is { } blocks: _world.Send(this, NodeOf(serve.To), blocks); break;
                // The newer activation has voted; this one just ends.
                case GuardLost when _owner != _journal.Owner: Fence(); break;
                case GuardLost when !IsHonest: _world.GuardsLost++; break;
                case GuardLost lost: throw new InvariantException($"node {Node} believes that its guard was lost: {lost.Evidence.Vote}");
                case EvidenceFound found:
                    _world.Convict(Setup.Validators.Seats[found.Seat], found.Evidence);
                    Clerk?.Keep(found.Evidence);
                    break;
                case RaiseAlarm alarm when IsHonest && !_world.IsOverBudget: throw new InvariantException($"node {Node} raises an alarm: {alarm.Text}");
            }

            if (!IsUp) return;
        }
    }

    private void Sign(Vote vote)
    {
        if (_sharedGuard?.TryAdmit(vote) is false || vote.Era != Setup.Era) return;
        // I4: the fence ends an activation before it signs anything that the next one does not know.
        if (IsHonest && (_owner != _journal.Owner || _journal.Guard?.Covers(vote, vote.PreimageDigest(Setup.Chain, Setup.Shard)) is not true)) throw new InvariantException($"I4: node {Node} signs {vote.Kind} for view {vote.View}, which no durable guard of its own covers");
        _world.Trace($"node {Node} signs {vote.Kind} {vote.Era}:{vote.View}/{vote.ParentView} {vote.Digest.ToString()[..8]}");
        if (IsHonest) _world.Witness.Signed(Node, Seat, vote);
        if (DiesHere()) return;
        _inbox.Enqueue(new VoteSigned(ClockMs, new SignedVote(vote, Seat, _world.Sign(Node, Seat, vote))));
        _world.After(0, WhileAlive(() =>
        {
            while (IsUp && !_busy && _inbox.TryDequeue(out var next)) Handle(next);
        }));
    }

    private void Succeed()
    {
        _core = _core.Successor();
        Clerk?.Begin();
        _sharedGuard?.Enter(Setup.Validators.Era);
        _world.Trace($"node {Node} begins era {Setup.Validators.Era} in node {Node} of {Setup.Validators.Count}");
        _inbox.Enqueue(new Started(ClockMs));
        _world.After(0, WhileAlive(() =>
        {
            while (IsUp && !_busy && _inbox.TryDequeue(out var next)) Handle(next);
        }));
    }

    private void Broadcast(ConsensusMessage message)
    {
        if (IsHonest && !_world.IsOverBudget && message is CertificateMessage certificates)
        {
            foreach (var certificate in certificates.Certificates) _world.Witness.Certified(certificate);
        }

        for (var seat = 0; seat < Setup.Validators.Count; seat++)
        {
            if (seat != Seat) _world.Send(this, NodeOf(seat), message);
        }
    }

    private void SetTimer(SetTimer timer)
    {
        if (_world.Mutant.StopsTimer is { } stopped && Protocol.Ledger.Timers.PurposeOf(timer.Token) == stopped) return;
        _world.After(timer.DurationMs * 10 * (100 + _timerSkewPercent), WhileAlive(() => Give(new TimerExpired(ClockMs, timer.Token))));
    }

    private void Commit(BlockCommitted committed)
    {
        var block = committed.Executed.Block;
        if ((int)block.Header.Height != Height + 1) throw new InvariantException($"I5: node {Node} commits height {block.Header.Height} after {Height}");
        Final.Add(committed);
        Clerk?.Append(committed.Executed, committed.Finalization);
        _world.Commits++;
        _world.Trace($"node {Node} commits height {block.Header.Height} {block.Digest.ToString()[..8]} with {block.Transactions.Count}");
        if (!IsHonest || _world.IsOverBudget) return;
        _world.Witness.Certified(committed.Finalization);
        _world.Witness.Committed(Node, committed.Executed, committed.Finalization, _world.NowMs + _world.Profile.ClockSkewMs);
        if (Final.Joined is not null) _world.Watch!.Same(Node, committed.Executed);
    }

    public Action WhileAlive(Action action)
    {
        var life = _life;
        return () =>
        {
            if (IsUp && _life == life) action();
        };
    }

    private bool DiesHere()
    {
        if (!IsUp) return true;
        if (_world.IsStable || !_world.Chance.Percent(_world.Profile.CrashAtDurablePointPercent)) return false;
        Crash();
        return true;
    }

    // I14
    private void CheckBounds()
    {
        if (_core.TrackedViews > (int)(_core.View - _core.FinalView) + Limits.FutureViews + 2) throw new InvariantException($"I14: node {Node} keeps {_core.TrackedViews} views");
    }
}
