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
    private readonly Journal _journal = new();
    private readonly SharedGuard? _sharedGuard;
    private readonly Queue<ConsensusInput> _inbox = new();
    private readonly List<Certificate> _finals = [];
    private readonly List<Block> _committed = [];
    private readonly long _clockSkewMs;
    private readonly int _timerSkewPercent;
    private ConsensusCore _core;
    private int _life;
    private bool _busy;

    public Host(World world, int seat, bool honest, SharedGuard? sharedGuard, bool detectsLostGuard)
    {
        _world = world;
        _sharedGuard = sharedGuard;
        Seat = seat;
        IsHonest = honest;
        var profile = world.Profile;
        _clockSkewMs = world.Chance.Between(-profile.ClockSkewMs, profile.ClockSkewMs);
        _timerSkewPercent = (int)world.Chance.Between(-profile.TimerSkewPercent, profile.TimerSkewPercent);
        Setup = world.Setup(seat, world.Mutant.Rules with { DetectLostGuard = detectsLostGuard });
        _core = new ConsensusCore(Setup);
    }

    public int Seat { get; }
    public bool IsHonest { get; }
    public bool IsUp { get; private set; }
    public ConsensusSetup Setup { get; }
    public ConsensusCore Core => _core;
    public long ClockMs => _world.NowMs + _clockSkewMs;
    public int Height => _committed.Count;

    public void Start()
    {
        var before = _committed.ToList();
        _committed.Clear();
        _finals.Clear();
        _core = ConsensusCore.Restore(Setup, _journal.Read(), Commit);
        for (var i = 0; i < before.Count && IsHonest; i++)
        {
            if (i >= _committed.Count || _committed[i].Digest != before[i].Digest) throw new InvariantException($"I5: seat {Seat} lost height {i + 1} in a crash");
        }

        IsUp = true;
        _busy = false;
        _inbox.Clear();
        _world.Trace($"seat {Seat} starts in view {_core.View}, height {Height}");
        Give(new Started(ClockMs));
    }

    public void Crash()
    {
        if (!IsUp) return;
        IsUp = false;
        _life++;
        _world.Crashes++;
        _journal.Crash(_world.Chance);
        _world.Trace($"seat {Seat} crashes");
        var life = _life;
        _world.After(_world.Chance.Between(10_000, 2_000_000), () =>
        {
            if (_life == life && !IsUp) Start();
        });
    }

    public void Receive(int from, ConsensusMessage message)
    {
        if (IsUp && _core.News(message) is { } news) Give(new MessageReceived(ClockMs, from, news));
    }

    public void Submit(Transaction transaction)
    {
        if (IsUp) Give(new TransactionsSubmitted(ClockMs, [transaction]));
    }

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
        _journal.Append(step.Writes);
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
        _journal.Sync(written);
        return true;
    }

    private void Release(IReadOnlyList<ConsensusOutput> outputs)
    {
        foreach (var output in outputs)
        {
            if (DiesHere()) return;
            switch (output)
            {
                case SignVote sign: Sign(sign.Vote); break;
                case SendMessage send: _world.Send(this, send.To, send.Message); break;
                case BroadcastMessage broadcast: Broadcast(broadcast.Message); break;
                case SetTimer timer: SetTimer(timer); break;
                case SetDeadline { TimeMs: { } timeMs }: _world.After(Math.Max(0, timeMs - ClockMs) * 1000, WhileAlive(() => Give(new DeadlineReached(ClockMs)))); break;
                case BlockCommitted committed: Commit(committed); break;
                case ServeBlocks serve: Serve(serve); break;
                case GuardLost lost when IsHonest: throw new InvariantException($"seat {Seat} believes that its guard was lost: {lost.Evidence.Vote}");
                case RaiseAlarm alarm when IsHonest: throw new InvariantException($"seat {Seat} raises an alarm: {alarm.Text}");
            }

            if (!IsUp) return;
        }
    }

    private void Sign(Vote vote)
    {
        if (_sharedGuard is not null && !_sharedGuard.TryAdmit(vote)) return;
        _world.Trace($"seat {Seat} signs {vote.Kind} {vote.View}/{vote.ParentView} {vote.Digest.ToString()[..8]}");
        if (IsHonest) _world.Witness.Signed(Seat, vote);
        if (DiesHere()) return;
        _inbox.Enqueue(new VoteSigned(ClockMs, new SignedVote(vote, Seat, World.SignatureOf(Seat))));
        _world.After(0, WhileAlive(() =>
        {
            while (IsUp && !_busy && _inbox.TryDequeue(out var next)) Handle(next);
        }));
    }

    private void Broadcast(ConsensusMessage message)
    {
        if (IsHonest && message is CertificateMessage certificates)
        {
            foreach (var certificate in certificates.Certificates) _world.Witness.Certified(certificate);
        }

        for (var seat = 0; seat < _world.Profile.Seats; seat++)
        {
            if (seat != Seat) _world.Send(this, seat, message);
        }
    }

    private void SetTimer(SetTimer timer) =>
        _world.After(timer.DurationMs * 10 * (100 + _timerSkewPercent), WhileAlive(() => Give(new TimerExpired(ClockMs, timer.Token))));

    private void Commit(BlockCommitted committed)
    {
        var block = committed.Executed.Block;
        if ((int)block.Header.Height != _committed.Count + 1) throw new InvariantException($"I5: seat {Seat} commits height {block.Header.Height} after {_committed.Count}");
        _committed.Add(block);
        _finals.Add(committed.Finalization);
        _world.Commits++;
        _world.Trace($"seat {Seat} commits height {block.Header.Height} {block.Digest.ToString()[..8]} with {block.Transactions.Count}");
        if (!IsHonest) return;
        _world.Witness.Certified(committed.Finalization);
        _world.Witness.Committed(Seat, block, _world.NowMs + _world.Profile.ClockSkewMs);
    }

    // What a real host does from its store: final blocks upwards, as many as fit, with a finalization of the last.
    private void Serve(ServeBlocks serve)
    {
        var first = (int)serve.FirstHeight - 1;
        var last = Math.Min(first + 8, _committed.Count) - 1;
        while (last >= first && _finals[last].Digest != _committed[last].Digest && last + 1 < _committed.Count) last++;
        if (last >= first) _world.Send(this, serve.To, new BlocksMessage(_finals[last], [.. _committed[first..(last + 1)]]));
    }

    private Action WhileAlive(Action action)
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
        if (_core.TrackedViews > (int)(_core.View - _core.FinalView) + Limits.FutureViews + 2) throw new InvariantException($"I14: seat {Seat} keeps {_core.TrackedViews} views");
    }
}
