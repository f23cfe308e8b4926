using Orleans.Training.Grains.History;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Simulation;

/// <summary>What a host on the real ledger does beside the core: it cosigns, takes snapshots and attests them, shows the ledger proofs of faults, joins at a snapshot and fetches its past. What is decided, real code decides.</summary>
internal sealed class Clerk
{
    // The chains of seeds are short.
    private const ulong FarBehind = 6;
    private const long AskAgainMs = 60_000, AnswerPatienceMs = 2_000, SayAgainMs = 5_000;

    private readonly World _world;
    private readonly Host _host;
    private readonly LedgerShard _ledger;
    private readonly List<(SnapshotRecord Record, byte[] Bytes)> _snapshots = [];
    private readonly Dictionary<Identifier, Evidence> _proofs = [];
    private readonly Dictionary<string, long> _said = [];
    private readonly Dictionary<int, long> _asked = [];
    private readonly List<ExecutedBlock> _filled = [];
    private CommittedChain _chain;
    private CheckpointKeeper _keeper;
    private SignedNote? _newest;
    private SnapshotRecord? _target;
    private PastRun? _past;
    private (int Node, ulong From)? _question;
    private long? _awaitingSinceMs;
    private bool _fetching;

    public Clerk(World world, Host host)
    {
        (_world, _host, _ledger) = (world, host, world.Ledger!);
        _chain = new CommittedChain(_ledger.First);
        _keeper = _ledger.Keeper(host.Node, host.Setup, _chain);
        _world.After(_world.Chance.Between(400_000, 1_200_000), Glance);
    }

    /// <summary>The past of the snapshot that it has joined at is not whole yet.</summary>
    public bool IsFilling => _past is not null;

    public IEnumerable<Evidence> Proofs => _proofs.Values;

    private bool MayJoin => _host is { Seat: < 0, IsHonest: true } && _past is null && !_fetching;

    private bool IsOnTheWay => _fetching || (_awaitingSinceMs is { } since && _world.ElapsedMs - since < AnswerPatienceMs);

    /// <summary>A start, before the journal is replayed: the chain is what was kept.</summary>
    public void Open(FinalBlocks kept)
    {
        _chain = kept.Root is { } root ? CommittedChain.After(root) : new CommittedChain(_ledger.First);
        foreach (var (executed, final) in kept.Known) _chain.Append(executed, final);
        _past = kept.Root is null ? null : new PastRun(_ledger.Genesis, new CommittedChain(_ledger.First), _target!);
        _filled.Clear();
        _asked.Clear();
        (_newest, _awaitingSinceMs, _fetching, _question) = (null, null, false, null);
    }

    /// <summary>A start or an era: the journal has been replayed.</summary>
    public void Begin()
    {
        _keeper = _ledger.Keeper(_host.Node, _host.Setup, _chain);
        Cosign();
        if (_past is not null) _world.After(_world.Chance.Between(100_000, 400_000), _host.WhileAlive(AskForPast));
    }

    public void Append(ExecutedBlock executed, Certificate final)
    {
        _chain.Append(executed, final);
        if (_past is not null || !Snapshot.IsDue(executed, LedgerShard.Interval)) return;
        var header = executed.Block.Header;
        _snapshots.Add((new SnapshotRecord(header.Height, executed.Block.Digest, Snapshots.NameOf(executed), header.Height + 1), [.. Snapshot.Write(executed).SelectMany(part => part)]));
        if (_snapshots.Count > 2) _snapshots.RemoveAt(0);
    }

    public void Cosign()
    {
        if (_host.Seat < 0) return;
        Tell(Now(_keeper.Cosign(DateTimeOffset.FromUnixTimeMilliseconds(_host.ClockMs), default)));
        _newest = _keeper.Newest ?? _newest;
    }

    public void Keep(Evidence evidence) => _proofs.TryAdd(evidence.Key.Id, evidence);

    /// <summary>The bytes of a snapshot; null when it is not here.</summary>
    public byte[]? Find(Digest name) => _snapshots.Find(snapshot => snapshot.Record.Name == name).Bytes;

    public SnapshotOffer? Offer(GetSnapshot ask, Func<Digest, bool> isHere) => SnapshotJoining.Offer(ask, _chain, _newest, _host.Setup.Past, isHere);

    /// <summary>True for a message that is none of the core's business.</summary>
    public bool Take(int from, ConsensusMessage message)
    {
        switch (message)
        {
            case CosignatureMessage line:
                if (Now(_keeper.Receive(_host.PeerOf(from), line, default)) is { } own) _world.Send(_host, from, own);
                _newest = _keeper.Newest ?? _newest;
                return true;
            case GetSnapshot ask:
                _world.Send(_host, from, Offer(ask, name => Find(name) is not null) ?? SnapshotOffer.None);
                return true;
            case SnapshotOffer offer:
                if (_awaitingSinceMs is not null) Consider(offer);
                return true;
            case BlocksMessage blocks when _question is { } question && question.Node == from && blocks.Blocks is [var first, ..] && first.Header.Height == question.From:
                TakePast(blocks);
                return true;
            case StatusMessage or EraProof when MayJoin && !IsOnTheWay && SnapshotJoining.IsFarAhead(message, (ulong)_host.Height, FarBehind) && _world.ElapsedMs - _asked.GetValueOrDefault(from, -AskAgainMs) >= AskAgainMs:
                _awaitingSinceMs = _asked[from] = _world.ElapsedMs;
                _world.Send(_host, from, new GetSnapshot(_host.Setup.Validators.Era, (ulong)_host.Height));
                return true;
            default: return IsOnTheWay;
        }
    }

    private void Consider(SnapshotOffer offer)
    {
        _awaitingSinceMs = null;
        if (!MayJoin) return;
        var snapshot = _world.Mutant.BelievesOffers ? offer.Snapshot : SnapshotJoining.Consider(offer, _ledger.Genesis, _host.Setup.Validators, _chain.Head, LedgerShard.Interval);
        if (snapshot is null || snapshot.Height <= (ulong)_host.Height) return;
        _fetching = true;
        var whole = offer with { Links = [.. _host.Setup.Past, .. offer.Links] };
        _world.After(_world.Chance.Between(5_000, 300_000), _host.WhileAlive(() => Fetch(whole, snapshot)));
    }

    // One after the other is asked until the bytes are good.
    private void Fetch(SnapshotOffer offer, SnapshotRecord snapshot)
    {
        var first = _world.Chance.Below(_world.Nodes);
        for (var i = 0; i < _world.Nodes; i++)
        {
            if (_world.SnapshotAt((first + i) % _world.Nodes, snapshot) is not { } content) continue;
            var executed = _world.Mutant.BelievesBytes ? Snapshot.TryRead(content, out var read) ? read : null : SnapshotJoining.Read(content, snapshot);
            if (executed is null)
            {
                _world.Watch!.Refusals++;
                continue;
            }

            _host.Join(offer, executed);
            return;
        }

        _fetching = false;
    }

    /// <summary>The host goes on behind a snapshot; <paramref name="known"/> is what it had executed by then.</summary>
    public void Joined(SnapshotOffer offer, ExecutedBlock executed, IEnumerable<ExecutedBlock> known)
    {
        _fetching = false;
        _target = offer.Snapshot!;
        _world.Watch!.Adopted(_host.Node, executed, _target);
        _past = new PastRun(_ledger.Genesis, _chain.LeapTo(executed), _target);
        _filled.Clear();
        _filled.AddRange(known);
        Begin();
    }

    private void AskForPast()
    {
        if (_past is null) return;
        if (_past.IsWhole)
        {
            Complete();
        }
        else
        {
            if (_question is not null) _past.Forget();
            var question = _past.Question;
            _question = (SimulatedSeat.NodeOf(_world.Chance.Pick(_host.Setup.Validators.Seats)), question.Above + 1);
            _world.Send(_host, _question.Value.Node, question);
        }

        _world.After(_world.Chance.Between(100_000, 600_000), _host.WhileAlive(AskForPast));
    }

    private void TakePast(BlocksMessage answer)
    {
        _question = null;
        if (_past!.Take(answer) is not { } executed) return;
        foreach (var block in executed) _world.Watch!.Same(_host.Node, block);
        _filled.AddRange(executed);
    }

    // What finalizes the last of the past is in the next block.
    private void Complete()
    {
        if (_host.Final.Known is not [(_, var final), ..]) return;
        var past = _past!.Finish();
        var finals = new Certificate[_filled.Count];
        for (var i = finals.Length - 1; i >= 0; i--) finals[i] = final = past[i + 1].Finalization ?? final;
        _chain.Complete(past);
        _past = null;
        _host.Final.Complete(_filled.Zip(finals));
        _world.Watch!.Filled++;
    }

    private void Glance()
    {
        _world.After(_world.Chance.Between(400_000, 1_200_000), Glance);
        if (!_host.IsUp || _host.Seat < 0) return;
        if (_keeper.Unconfirmed is { } own) Tell(own);
        var contracts = LedgerState.Of(_chain.Head).Contracts;
        if (_snapshots is [.., var (taken, _)] && AttestSnapshot.IsNews(contracts, _world.Entry(_host.Node, 0).TransactionKey.Id, taken.Height)) Say($"attest {taken.Height}", new AttestSnapshot(taken.Height, taken.Block, taken.Name));
        foreach (var proof in _proofs.Values)
        {
            if (Convict.IsNews(contracts, _ledger.Genesis, proof)) Say($"convict {proof.Key.Id}", new Convict(proof.Encode()));
        }
    }

    private void Say(string what, ContractCall call)
    {
        if (_said.TryGetValue(what, out var last) && _world.ElapsedMs - last < SayAgainMs) return;
        _said[what] = _world.ElapsedMs;
        _host.Submit(_world.Write(_host.Node, call));
    }

    private void Tell(CosignatureMessage line)
    {
        for (var seat = 0; seat < _host.Setup.Validators.Count; seat++)
        {
            if (seat != _host.Seat) _world.Send(_host, SimulatedSeat.NodeOf(_host.Setup.Validators.Seats[seat]), line);
        }
    }

    // Its signers are in memory, so it never waits.
    private static T Now<T>(ValueTask<T> done) => done.AsTask().GetAwaiter().GetResult();
}
