using Orleans.Training.Grains.History;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Simulation;

/// <summary>What must hold on the real ledger of convictions (I19) and of snapshots (I20), judged by one who has executed everything from genesis on.</summary>
internal sealed class LedgerWitness(World world)
{
    private readonly List<ExecutedBlock> _states = [world.Ledger!.First];
    private readonly HashSet<int> _convicted = [];
    private readonly List<(ulong Height, Digest Block, Digest Name, ulong At, Identifier Seat)> _words = [];
    private ulong _due;

    /// <summary>Seats that the ledger has convicted.</summary>
    public int Convicted => _convicted.Count;
    /// <summary>Snapshots that somebody has begun at; pasts that were fetched; bytes that were no snapshot.</summary>
    public int Joins { get; private set; }
    public int Filled { get; set; }
    public int Refusals { get; set; }

    /// <summary>The state after the newest final block.</summary>
    public ExecutedBlock Tip => _states[^1];

    /// <summary>The state after the final block of a height.</summary>
    public ExecutedBlock At(ulong height) => _states[(int)height];

    /// <summary>The newest snapshot that was due is attested, and every proof that somebody honest holds has had its effect.</summary>
    public bool IsSettled
    {
        get
        {
            var contracts = LedgerState.Of(Tip).Contracts;
            var proofs = world.Hosts.Where(host => host is { IsHonest: true, Seat: >= 0 }).SelectMany(host => host.Clerk!.Proofs);
            return (contracts.Find<SnapshotRecord>(SnapshotRecord.Attested)?.Height ?? 0) >= _due
                && !proofs.Any(proof => Convict.IsNews(contracts, world.Ledger!.Genesis, proof))
                && !Voters(LedgerState.Of(Tip).Validators).Any(_convicted.Contains);
        }
    }

    public string Describe() => $"; snapshot of {LedgerState.Of(Tip).Contracts.Find<SnapshotRecord>(SnapshotRecord.Attested)?.Height} attested, of {_due} due; convicted {string.Join(' ', _convicted)}, of whom vote {string.Join(' ', Voters(LedgerState.Of(Tip).Validators).Where(_convicted.Contains))}";

    /// <summary>I19: nobody honest is convicted, and whoever was votes in no later era: its seat is gone, or of a set that may not shrink its vote key.</summary>
    public void Committed(ExecutedBlock executed)
    {
        _states.Add(executed);
        if (Snapshot.IsDue(executed, LedgerShard.Interval)) _due = executed.Block.Header.Height;
        foreach (var bytes in executed.Block.Transactions)
        {
            _ = Transaction.TryParse(bytes, out var transaction);
            if (ContractCalls.TryRead(transaction!.Payload.Contract, transaction.Payload.Method, transaction.Payload.Arguments, out var call) is Rejection.None && call is AttestSnapshot said) _words.Add((said.Height, said.Block, said.Name, executed.Block.Header.Height, transaction.Payload.KeyId));
        }

        foreach (var record in LedgerState.Of(executed).Events.SelectMany(events => events).Select(item => item.Record).OfType<ConvictionRecord>())
        {
            var node = SimulatedSeat.NodeOf(record.Organisation);
            if (!world.MayLie(node)) throw new InvariantException($"I19: honest node {node} is convicted at height {executed.Block.Header.Height}");
            _convicted.Add(node);
        }

        if (executed.Seals is { } next && Voters(next).FirstOrDefault(_convicted.Contains, -1) is >= 0 and var guilty) throw new InvariantException($"I19: node {guilty} was convicted and votes in era {next.Era}");
    }

    /// <summary>I20: a state that somebody begins at is what execution gives, and a quorum has said so.</summary>
    public void Adopted(int node, ExecutedBlock executed, SnapshotRecord snapshot)
    {
        Joins++;
        Same(node, executed);
        var validators = ValidatorsRecord.Current(LedgerState.Of(_states[(int)snapshot.At - 1]).Contracts).Set;
        var seats = _words.Where(word => (word.Height, word.Block, word.Name) == (snapshot.Height, snapshot.Block, snapshot.Name) && word.At <= snapshot.At && validators.SeatOf(word.Seat) >= 0).Select(word => word.Seat).Distinct().Count();
        if (seats < validators.Quorum) throw new InvariantException($"I20: node {node} begins at a snapshot of height {snapshot.Height} that {seats} of {validators.Count} have attested");
    }

    /// <summary>I20: the same block, and the same state after it to the byte.</summary>
    public void Same(int node, ExecutedBlock executed)
    {
        var height = (int)executed.Block.Header.Height;
        if (height >= _states.Count || _states[height].Block.Digest != executed.Block.Digest) throw new InvariantException($"I20: node {node} has another block at height {height}");
        if (!executed.Block.IsSealing && Snapshots.NameOf(executed) != Snapshots.NameOf(_states[height])) throw new InvariantException($"I20: node {node} has another state after height {height}");
    }

    private static IEnumerable<int> Voters(ValidatorSet set) => set.Seats.Where(seat => seat.VoteKey is not null).Select(SimulatedSeat.NodeOf);
}
