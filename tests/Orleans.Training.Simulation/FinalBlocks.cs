using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Simulation;

/// <summary>What a host keeps of final blocks, with the states after them: from height 1 on, or behind the snapshot that it has joined at until the past is there.</summary>
internal sealed class FinalBlocks
{
    private const int InAnAnswer = 8;
    private readonly List<(ExecutedBlock Executed, Certificate Final)> _known = [];
    // Of what lies at and below this height nothing is here.
    private int _base;

    /// <summary>The blocks, with what finalizes each or a descendant.</summary>
    public IReadOnlyList<(ExecutedBlock Executed, Certificate Final)> Known => _known;

    public IEnumerable<Block> Blocks => _known.Select(known => known.Executed.Block);

    /// <summary>The snapshot that was joined at, or null.</summary>
    public ExecutedBlock? Joined { get; private set; }

    /// <summary>The snapshot behind which the blocks begin; null when they begin with the first.</summary>
    public ExecutedBlock? Root => _base > 0 ? Joined : null;

    public int Height => _base + _known.Count;

    public void Add(BlockCommitted committed) => _known.Add((committed.Executed, committed.Finalization));

    /// <summary>Forgets what lies above a height.</summary>
    public void Forget(int height) => _known.RemoveRange(Math.Max(0, height - _base), Height - Math.Max(_base, height));

    /// <summary>Where to begin after a restart: at any of the states, and not before the one that was joined at. Null when there is none.</summary>
    public ExecutedBlock? Beginning(int chance)
    {
        if (_known.Count == 0) return Joined;
        var state = _known[chance % _known.Count].Executed;
        return Joined is not null && (state.Seals is not null || state.Block.Header.Height < Joined.Block.Header.Height) ? Joined : state;
    }

    /// <summary>Goes on behind a snapshot; gives the states until now.</summary>
    public IReadOnlyList<ExecutedBlock> LeapTo(ExecutedBlock executed)
    {
        IReadOnlyList<ExecutedBlock> past = [.. _known.Select(known => known.Executed)];
        _known.Clear();
        (Joined, _base) = (executed, (int)executed.Block.Header.Height);
        return past;
    }

    /// <summary>The past is here.</summary>
    public void Complete(IEnumerable<(ExecutedBlock Executed, Certificate Final)> past)
    {
        _base = 0;
        _known.InsertRange(0, past);
    }

    /// <summary>What a real host does from its store: final blocks upwards, as many as fit, with a finalization of the last. Null when there are none.</summary>
    public BlocksMessage? From(ulong height)
    {
        var first = (int)height - 1 - _base;
        if (first < 0) return null;
        var last = Math.Min(first + InAnAnswer, _known.Count) - 1;
        while (last >= first && _known[last].Final.Digest != _known[last].Executed.Block.Digest && last + 1 < _known.Count) last++;
        var sealing = first < _known.Count ? _known.FindIndex(first, known => known.Executed.Block.IsSealing) : -1;
        if (sealing >= 0) last = Math.Min(last, sealing);
        return last >= first ? new BlocksMessage(_known[last].Final, [.. Blocks.Take(last + 1).Skip(first)]) : null;
    }
}
