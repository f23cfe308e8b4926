using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Simulation;

/// <summary>A disk: what is appended is durable only after a sync; a crash keeps some prefix of the rest.</summary>
internal sealed class Journal
{
    private readonly List<JournalRecord> _records = [];
    private int _durable;

    public int Durable => _durable;

    public int Written => _records.Count;

    public void Append(IReadOnlyList<JournalRecord> writes) => _records.AddRange(writes);

    /// <summary>Makes durable what had been written when the sync began.</summary>
    public void Sync(int written) => _durable = Math.Max(_durable, written);

    public void Crash(Chance chance)
    {
        var kept = _durable + chance.Below(_records.Count - _durable + 1);
        if (kept > _durable && chance.Percent(50)) kept = _durable;
        _records.RemoveRange(kept, _records.Count - kept);
        _durable = kept;
    }

    public IEnumerable<JournalRecord> Read() => _records.Take(_durable);
}

/// <summary>The guard of a seat that is activated twice: each vote is a compare-and-swap on this one store, durable at once.</summary>
internal sealed class SharedGuard(ulong era, ConsensusRules rules)
{
    private VoteGuard _guard = VoteGuard.Empty(era);

    /// <summary>A new era begins with an empty guard; whoever brings it has the end of the last one on its disk.</summary>
    public void Enter(ulong next)
    {
        if (next > _guard.Era) _guard = VoteGuard.Empty(next);
    }

    public bool TryAdmit(Vote vote)
    {
        if (!_guard.TryAdmit(vote, vote.PreimageDigest(SimulatedMachine.Chain, SimulatedMachine.Shard), rules, out var next)) return false;
        _guard = next;
        return true;
    }
}
