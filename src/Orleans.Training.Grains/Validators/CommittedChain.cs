using System.Buffers;
using System.Buffers.Binary;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>A final block with a finalization of it or of a descendant.</summary>
public sealed record CommittedBlock(ExecutedBlock Executed, Certificate? Finalization);

/// <summary>
/// The final blocks of a shard in memory, with the tree of all leaves: what proofs, followers and late peers are served from. Appended to by one, read by many.
/// </summary>
public sealed class CommittedChain
{
    private readonly Lock _lock = new();
    private readonly List<CommittedBlock> _blocks = [];
    private readonly MerkleTree _tree = new();
    private TaskCompletionSource _grown = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public CommittedChain(ExecutedBlock genesis) => Append(new CommittedBlock(genesis, null));

    /// <summary>The newest final block.</summary>
    public CommittedBlock Head
    {
        get
        {
            lock (_lock) return _blocks[^1];
        }
    }

    /// <summary>Blocks so far, genesis included: the height of the next one.</summary>
    public long Count
    {
        get
        {
            lock (_lock) return _blocks.Count;
        }
    }

    /// <summary>Appends the next block in height order.</summary>
    public void Append(CommittedBlock block)
    {
        TaskCompletionSource grown;
        lock (_lock)
        {
            if (block.Executed.Block.Header.Height != (ulong)_blocks.Count) throw new InvalidOperationException($"Block {block.Executed.Block.Header.Height} does not follow {_blocks.Count - 1}.");
            foreach (var leaf in LedgerState.Of(block.Executed).Leaves) _tree.Append(MerkleHash.Leaf(leaf));
            _blocks.Add(block);
            (grown, _grown) = (_grown, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        grown.SetResult();
    }

    /// <summary>Up to <paramref name="most"/> blocks from a height on.</summary>
    public IReadOnlyList<CommittedBlock> From(long height, int most)
    {
        lock (_lock) return height >= _blocks.Count ? [] : _blocks.GetRange((int)height, (int)Math.Min(most, _blocks.Count - height));
    }

    /// <summary>Waits until there is a block at this height.</summary>
    public Task WaitFor(long height, CancellationToken cancellationToken) => WaitUntil(() => _blocks.Count > height, cancellationToken);

    /// <summary>Waits until there is a leaf at this index.</summary>
    public Task WaitForLeaf(long index, CancellationToken cancellationToken) => WaitUntil(() => _tree.Size > index, cancellationToken);

    /// <summary>The block that holds the leaf at an index, and the leaf's place in it; null when there is none yet.</summary>
    public (CommittedBlock Block, int Position)? Locate(long index)
    {
        lock (_lock)
        {
            if (index < 0 || index >= _tree.Size) return null;
            int low = 0, high = _blocks.Count - 1;
            while (low < high)
            {
                var middle = (low + high) / 2;
                if (LedgerState.Of(_blocks[middle].Executed).Tree.Size > index) high = middle; else low = middle + 1;
            }

            return (_blocks[low], (int)(index - LedgerState.Of(_blocks[low].Executed).FirstIndex));
        }
    }

    /// <summary>The audit path of a leaf in the tree of a size.</summary>
    public Digest[] InclusionProof(long index, long size)
    {
        lock (_lock) return _tree.InclusionProof(index, size);
    }

    /// <summary>The proof that the tree of one size begins with the one of another.</summary>
    public Digest[] ConsistencyProof(long oldSize, long size)
    {
        lock (_lock) return _tree.ConsistencyProof(oldSize, size);
    }

    /// <summary>The root when the tree had this size; null when it is larger than the tree.</summary>
    public Digest? RootAt(long size)
    {
        lock (_lock) return size <= _tree.Size ? _tree.Root(size) : null;
    }

    /// <summary>A tile's content as c2sp.org/tlog-tiles defines it; null when the tree does not reach so far.</summary>
    public byte[]? Read(LogTile tile)
    {
        lock (_lock)
        {
            if (tile.Level is not LogTile.Entries) return _tree.Read(tile);
            if (_tree.Size < tile.First + tile.Width) return null;
        }

        var bundle = new ArrayBufferWriter<byte>();
        for (var index = tile.First; index < tile.First + tile.Width; index++)
        {
            var (block, position) = Locate(index)!.Value;
            var leaf = LedgerState.Of(block.Executed).Leaves[position];
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
        return new Receipt(LedgerState.Of(block.Executed).Leaves[position], index, InclusionProof(index, checkpoint.Size), note);
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
