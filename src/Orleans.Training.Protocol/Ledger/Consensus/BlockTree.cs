namespace Orleans.Training.Protocol.Ledger;

/// <summary>
/// The last final block and the executed blocks that hang on it. Only blocks that own execution accepted are in here, each journaled when it
/// came in, parents before children. Final blocks stay for a while, to serve peers that are a little behind.
/// </summary>
internal sealed class BlockTree(ConsensusSetup setup, StepEffects effects)
{
    private const int MaximumUnfinal = 4096;
    private const long MaximumUnfinalBytes = 256L * 1024 * 1024;
    private const long MaximumRecentBytes = 16L * 1024 * 1024;

    private readonly Dictionary<Digest, ExecutedBlock> _unfinal = [];
    private readonly Dictionary<Digest, Block> _recent = [];
    private readonly Queue<Block> _recentOrder = new();
    private readonly HashSet<Digest> _refused = [];
    private long _recentBytes;
    private long _unfinalBytes;

    public ExecutedBlock Final { get; private set; } = setup.Genesis;

    /// <summary>Whether the era has no block of its own yet: its first one is wanted at once, so that peers learn that the era before is over.</summary>
    public bool IsUnopened => Final.Seals is not null && setup.Rules.OpenEra;

    /// <summary>Whether this block is the last one of this era.</summary>
    public bool EndsEra(ExecutedBlock executed) => executed.Seals is not null && executed.Block.Header.Era == setup.Era;

    public ExecutedBlock? Find(Digest digest) => digest == Final.Block.Digest ? Final : _unfinal.GetValueOrDefault(digest);

    /// <summary>Whether the block is executed here, or final.</summary>
    public bool Has(Digest digest) => digest == Final.Block.Digest || _unfinal.ContainsKey(digest) || _recent.ContainsKey(digest);

    /// <summary>Whether own execution refused this block.</summary>
    public bool Refused(Digest digest) => _refused.Contains(digest);

    /// <summary>Files and journals a block that was just executed or built.</summary>
    public void Add(ExecutedBlock executed)
    {
        if (!_unfinal.TryAdd(executed.Block.Digest, executed)) return;
        _unfinalBytes += executed.Block.Body.Length;
        effects.Write(JournalRecordKind.Block, executed.Block.Encode());
    }

    /// <summary>Executes a block on its parent and files it; null when the parent is not here, the tree is full, or the block is refused.</summary>
    public ExecutedBlock? Execute(Block block)
    {
        if (Find(block.Digest) is { } known) return known;
        if (_unfinal.Count >= MaximumUnfinal || _unfinalBytes > MaximumUnfinalBytes || Refused(block.Digest) || Find(block.Header.Parent) is not { } parent) return null;
        var header = block.Header;
        var fits = header.Chain == setup.Chain && header.Shard == setup.Shard && header.Era == setup.Era
            && header.Height == parent.Block.Header.Height + 1 && header.TimeMs > parent.Block.Header.TimeMs;
        if (fits && setup.Machine.Execute(parent, block) is { } executed)
        {
            Add(executed);
            return executed;
        }

        _refused.Add(block.Digest);
        return null;
    }

    /// <summary>The blocks above the last final one up to this one, ascending; null while any is missing. <paramref name="conflict"/>: it does not descend from the final block.</summary>
    public List<ExecutedBlock>? PathTo(Digest digest, out bool conflict)
    {
        conflict = false;
        var path = new List<ExecutedBlock>();
        while (digest != Final.Block.Digest)
        {
            if (!_unfinal.TryGetValue(digest, out var executed)) return null;
            conflict = executed.Block.Header.Height <= Final.Block.Header.Height + 1 && executed.Block.Header.Parent != Final.Block.Digest;
            if (conflict) return null;
            path.Add(executed);
            digest = executed.Block.Header.Parent;
        }

        path.Reverse();
        return path;
    }

    /// <summary>The digests of the blocks from this one down to, without, the final one.</summary>
    public List<Digest> Branch(ExecutedBlock tip)
    {
        var branch = new List<Digest>();
        for (var at = tip; at.Block.Digest != Final.Block.Digest && branch.Count < MaximumUnfinal; at = Find(at.Block.Header.Parent) ?? Final) branch.Add(at.Block.Digest);
        return branch;
    }

    /// <summary>Whether uncertified blocks take up so much room that it is time for <see cref="KeepOnly"/>.</summary>
    public bool IsCrowded => _unfinal.Count > MaximumUnfinal / 2 || _unfinalBytes > MaximumUnfinalBytes / 2;

    /// <summary>Drops every block that is not on the way to one of these.</summary>
    public void KeepOnly(IEnumerable<Digest> tips)
    {
        var kept = new HashSet<Digest>();
        foreach (var tip in tips)
        {
            for (var digest = tip; _unfinal.TryGetValue(digest, out var executed) && kept.Add(digest); digest = executed.Block.Header.Parent) { }
        }

        Drop(executed => !kept.Contains(executed.Block.Digest));
    }

    /// <summary>Makes the next block final and drops every rival of it.</summary>
    public void Finalize(ExecutedBlock next)
    {
        Final = next;
        var height = next.Block.Header.Height;
        Drop(executed => executed.Block.Header.Height <= height);
        _refused.Clear();

        _recent[next.Block.Digest] = next.Block;
        _recentOrder.Enqueue(next.Block);
        _recentBytes += next.Block.Body.Length;
        while (_recentOrder.Count > setup.RecentBlocks || (_recentBytes > MaximumRecentBytes && _recentOrder.Count > 1))
        {
            var oldest = _recentOrder.Dequeue();
            _recentBytes -= oldest.Body.Length;
            _recent.Remove(oldest.Digest);
        }
    }

    /// <summary>
    /// The blocks on the path to <paramref name="tip"/> that are higher than <paramref name="above"/>, ascending, the lowest that fit into one
    /// message. Null when the lowest of them is no longer in memory, or the tip is not known.
    /// </summary>
    public IReadOnlyList<Block>? Serve(ulong above, Digest tip)
    {
        var path = new List<Block>();
        for (var block = FindBlock(tip); block is not null && block.Header.Height > above; block = FindBlock(block.Header.Parent))
        {
            path.Add(block);
            if (block.Header.Height == above + 1) break;
        }

        if (path.Count == 0 || path[^1].Header.Height != above + 1) return null;
        path.Reverse();
        return BlocksMessage.Fitting(null, path).Blocks;
    }

    private void Drop(Predicate<ExecutedBlock> unwanted)
    {
        foreach (var executed in _unfinal.Values.Where(executed => unwanted(executed)).ToList())
        {
            _unfinal.Remove(executed.Block.Digest);
            _unfinalBytes -= executed.Block.Body.Length;
        }
    }

    private Block? FindBlock(Digest digest) => _unfinal.TryGetValue(digest, out var executed) ? executed.Block : _recent.GetValueOrDefault(digest);
}
