using System.Buffers;
using System.Buffers.Binary;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.History;

/// <summary>
/// The final blocks of a shard, the state after the newest, and the tree of all leaves: what proofs, followers and late peers are served from. With an archive only the newest blocks are in memory; without one all of them.
/// Appended to by one, read by many.
/// </summary>
public sealed class CommittedChain
{
    /// <summary>Blocks that stay in memory beside an archive, and the bytes that they may have together.</summary>
    private const int RecentBlocks = 256, RecentBytes = 16 * 1024 * 1024;

    private readonly Lock _lock = new();
    private ChainArchive? _archive;
    private List<FinalBlock> _recent = [];
    private MerkleTree _tree;
    private ExecutedBlock _head;
    // What comes before this block and this leaf is not known here.
    private long _unknownBlocks;
    private long _unknownLeaves;
    // The height of the first block in memory.
    private long _first;
    private long _bytes;
    private TaskCompletionSource _grown = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>A chain that begins with genesis.</summary>
    public CommittedChain(ExecutedBlock genesis, ChainArchive? archive = null)
    {
        archive?.Clear();
        (_head, _archive, _tree) = (genesis, archive, archive is null ? new MerkleTree() : new MerkleTree(archive.Tree));
        Append(genesis, null);
    }

    private CommittedChain(ExecutedBlock head, ChainArchive? archive, MerkleTree tree, List<FinalBlock> recent, long first) => (_head, _archive, _tree, _recent, _first) = (head, archive, tree, recent, first);

    /// <summary>The chain of an archive up to this block; null when it does not hold it.</summary>
    public static CommittedChain? Open(ChainArchive archive, ExecutedBlock head) => archive.TryKeep(head.Block) ? new CommittedChain(head, archive, new MerkleTree(archive.Tree), [], archive.Count) : null;

    /// <summary>A chain that goes on behind a block, of whose past nothing is known here yet (<see cref="Complete"/>). All of it is in memory until then.</summary>
    public static CommittedChain After(ExecutedBlock head)
    {
        var next = (long)head.Block.Header.Height + 1;
        return new CommittedChain(head, null, new MerkleTree(LedgerState.Of(head).Tree), [], next) { _unknownBlocks = next, _unknownLeaves = head.Block.Header.TreeSize };
    }

    /// <summary>Goes on behind a later block, as if this chain had been made by <see cref="After"/>; gives what it held until now as a chain of its own.</summary>
    public CommittedChain LeapTo(ExecutedBlock head)
    {
        TaskCompletionSource grown;
        CommittedChain past;
        lock (_lock)
        {
            past = new CommittedChain(_head, _archive, _tree, _recent, _first);
            var after = After(head);
            (_head, _archive, _tree, _recent, _first, _bytes) = (head, null, after._tree, after._recent, after._first, 0);
            (_unknownBlocks, _unknownLeaves) = (after._unknownBlocks, after._unknownLeaves);
            (grown, _grown) = (_grown, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        grown.SetResult();
        return past;
    }

    /// <summary>Takes over the past, which must end where this chain begins, with its archive. The past is not to be used afterwards.</summary>
    public void Complete(CommittedChain past)
    {
        lock (_lock)
        {
            if (past.Count != _unknownBlocks || past._tree.Root(past._tree.Size) != _tree.Root(_unknownLeaves)) throw new InvalidOperationException("This is another chain's past.");
            foreach (var block in _recent)
            {
                past._archive?.Append(block);
                foreach (var leaf in block.Leaves) past._tree.Append(MerkleHash.Leaf(leaf));
            }

            (_archive, _tree) = (past._archive, past._tree);
            if (_archive is null) (_recent, _first) = ([.. past._recent, .. _recent], past._first);
            (_unknownBlocks, _unknownLeaves) = (0, 0);
            if (_archive is not null) Forget();
        }
    }

    /// <summary>The newest final block, with the state after it.</summary>
    public ExecutedBlock Head
    {
        get
        {
            lock (_lock) return _head;
        }
    }

    /// <summary>The height of the first block that is known here: 0, or more while the past is being fetched.</summary>
    public long First
    {
        get
        {
            lock (_lock) return _unknownBlocks;
        }
    }

    /// <summary>Blocks so far, genesis included: the height of the next one.</summary>
    public long Count
    {
        get
        {
            lock (_lock) return _first + _recent.Count;
        }
    }

    /// <summary>The block at a height from <see cref="First"/> on, below <see cref="Count"/>.</summary>
    public FinalBlock this[long height]
    {
        get
        {
            lock (_lock)
            {
                ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(height, _first + _recent.Count);
                ArgumentOutOfRangeException.ThrowIfLessThan(height, _unknownBlocks);
                if (height >= _first) return _recent[(int)(height - _first)];
            }

            return _archive!.Read(height);
        }
    }

    /// <summary>The blocks that are known from a height on, each read when it is asked for.</summary>
    public IEnumerable<FinalBlock> From(long height)
    {
        height = Math.Max(height, First);
        for (var count = Count; height < count; height++) yield return this[height];
    }

    /// <summary>How the eras so far ended, in order.</summary>
    public IReadOnlyList<EraLink> PastEras
    {
        get
        {
            var sealing = _archive is { } archive ? archive.Sealing.Select(height => this[height]) : From(0).Where(block => block.Block.IsSealing);
            var contracts = LedgerState.Of(Head).Contracts;
            return [.. sealing.Select(block => new EraLink(block.Finalization!, block.Block.HeaderBytes, contracts.Find<ValidatorsRecord>(ValidatorsRecord.Key(block.Block.Header.Era + 1))!.Set))];
        }
    }

    /// <summary>Appends the next block in height order.</summary>
    /// <param name="executed">The block, executed.</param>
    /// <param name="finalization">A finalization of it or of a descendant; null for genesis, or when it is not known here.</param>
    public void Append(ExecutedBlock executed, Certificate? finalization)
    {
        var block = FinalBlock.Of(executed, finalization);
        TaskCompletionSource grown;
        lock (_lock)
        {
            if (executed.Block.Header.Height != (ulong)(_first + _recent.Count)) throw new InvalidOperationException($"Block {executed.Block.Header.Height} does not follow {_first + _recent.Count - 1}.");
            _archive?.Append(block);
            foreach (var leaf in block.Leaves) _tree.Append(MerkleHash.Leaf(leaf));
            _recent.Add(block);
            _bytes += block.Block.Body.Length;
            _head = executed;
            if (_archive is not null) Forget();
            (grown, _grown) = (_grown, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        grown.SetResult();
    }

    /// <summary>Waits until there is a block at this height.</summary>
    public Task WaitFor(long height, CancellationToken cancellationToken) => WaitUntil(() => _first + _recent.Count > height, cancellationToken);

    /// <summary>Waits until there is a leaf at this index.</summary>
    public Task WaitForLeaf(long index, CancellationToken cancellationToken) => WaitUntil(() => _tree.Size > index, cancellationToken);

    /// <summary>The block that holds the leaf at an index, and the leaf's place in it; null when there is none yet, or its block is not known here.</summary>
    public (FinalBlock Block, int Position)? Locate(long index)
    {
        FinalBlock? block = null;
        lock (_lock)
        {
            if (index < _unknownLeaves || index < 0 || index >= _tree.Size) return null;
            if (_recent.Count > 0 && index >= _recent[0].FirstIndex) block = Recent(index);
        }

        block ??= _archive!.Read(_archive.HeightOf(index));
        var position = index - block.FirstIndex;
        return position >= 0 && position < block.Leaves.Count ? (block, (int)position) : throw _archive!.Damaged($"The index of leaf {index}");
    }

    /// <summary>The audit path of a leaf in the tree of a size.</summary>
    public Digest[] InclusionProof(long index, long size)
    {
        lock (_lock)
        {
            var path = _tree.InclusionProof(index, size);
            return _archive is null || MerkleProof.VerifyInclusion(_tree[index], index, size, path, TrueRoot(size)) ? path : throw DamagedTree();
        }
    }

    /// <summary>The proof that the tree of one size begins with the one of another; null when the smaller one lies in a past that is not known here.</summary>
    public Digest[]? ConsistencyProof(long oldSize, long size)
    {
        lock (_lock)
        {
            if (oldSize < _unknownLeaves) return null;
            var proof = _tree.ConsistencyProof(oldSize, size);
            return _archive is null || MerkleProof.VerifyConsistency(oldSize, size, proof, TrueRoot(oldSize), TrueRoot(size)) ? proof : throw DamagedTree();
        }
    }

    /// <summary>The root when the tree had this size; null when it is larger than the tree, or lies in a past that is not known here.</summary>
    public Digest? RootAt(long size)
    {
        lock (_lock) return size <= _tree.Size && size >= _unknownLeaves ? TrueRoot(size) : null;
    }

    /// <summary>A tile's content as c2sp.org/tlog-tiles defines it; null when the tree does not reach so far, or the tile lies in a past that is not known here.</summary>
    public byte[]? Read(LogTile tile)
    {
        lock (_lock)
        {
            if (_unknownLeaves > 0 && tile.First < _unknownLeaves >> (8 * Math.Max(tile.Level, 0))) return null;
            if (tile.Level is not LogTile.Entries)
            {
                var hashes = _tree.Read(tile);
                // The only row of tiles that lies in a file; the row above is in memory.
                return _archive is null || hashes is null || tile is not { Level: 0, IsPartial: false } || MerkleFrontier.RootOf(hashes) == _archive.Tree[8, tile.Index] ? hashes : throw DamagedTree();
            }

            if (_tree.Size < tile.First + tile.Width) return null;
        }

        var bundle = new ArrayBufferWriter<byte>();
        FinalBlock? block = null;
        for (var index = tile.First; index < tile.First + tile.Width; index++)
        {
            if (block is null || index - block.FirstIndex >= block.Leaves.Count) block = Locate(index)!.Value.Block;
            var leaf = block.Leaves[(int)(index - block.FirstIndex)];
            BinaryPrimitives.WriteUInt16BigEndian(bundle.GetSpan(2), checked((ushort)leaf.Length));
            bundle.Advance(2);
            bundle.Write(leaf);
        }

        return bundle.WrittenSpan.ToArray();
    }

    /// <summary>The receipt of the leaf at an index under a checkpoint of this tree; null when the checkpoint does not cover it.</summary>
    public Receipt? Receipt(long index, SignedNote note)
    {
        if (Locate(index) is not var (block, position) || !Checkpoint.TryParse(note.Text, out var checkpoint) || checkpoint!.Size <= index) return null;
        var path = InclusionProof(index, checkpoint.Size);
        lock (_lock) return _tree[index] == MerkleHash.Leaf(block.Leaves[position]) ? new Receipt(block.Leaves[position], index, path, note) : throw DamagedTree();
    }

    // A root from nodes that lie in a file is believed when the tree that the newest block names grows from it.
    private Digest TrueRoot(long size)
    {
        var header = _head.Block.Header;
        if (size == header.TreeSize) return header.TreeRoot;
        if (_recent.Count > 0 && size >= _recent[0].Block.Header.TreeSize && Recent(size - 1).Block.Header is var recent && recent.TreeSize == size) return recent.TreeRoot;
        var root = _tree.Root(size);
        return _archive is null || size == 0 || MerkleProof.VerifyConsistency(size, header.TreeSize, _tree.ConsistencyProof(size, header.TreeSize), root, header.TreeRoot) ? root : throw DamagedTree();
    }

    private LedgerCorruptException DamagedTree() => _archive?.Damaged("A node of the tree") ?? new LedgerCorruptException("OT-4013", "A leaf in memory is not the one that was appended.");

    private FinalBlock Recent(long index)
    {
        int low = 0, high = _recent.Count - 1;
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (_recent[middle].Block.Header.TreeSize > index) high = middle; else low = middle + 1;
        }

        return _recent[low];
    }

    // Half of them at a time, so that the list is moved seldom; the newest stays.
    private void Forget()
    {
        if (_recent.Count <= 2 * RecentBlocks && _bytes <= 2 * RecentBytes) return;
        var gone = 0;
        while (_recent.Count - gone > 1 && (_recent.Count - gone > RecentBlocks || _bytes > RecentBytes)) _bytes -= _recent[gone++].Block.Body.Length;
        _recent.RemoveRange(0, gone);
        _first += gone;
    }

    private async Task WaitUntil(Func<bool> reached, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task grown;
            lock (_lock)
            {
                if (reached()) return;
                grown = _grown.Task;
            }

            await grown.WaitAsync(cancellationToken);
        }
    }
}
