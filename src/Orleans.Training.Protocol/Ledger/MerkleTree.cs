namespace Orleans.Training.Protocol.Ledger;

/// <summary>Where a tree keeps its complete nodes. Level l holds the roots of complete subtrees of 2^l leaves, in order.</summary>
public interface IMerkleNodes
{
    /// <summary>How many nodes a level has.</summary>
    long Count(int level);

    /// <summary>The node of a level at an index.</summary>
    Digest this[int level, long index] { get; }

    /// <summary>Appends to a level.</summary>
    void Append(int level, Digest node);
}

/// <summary>
/// An RFC 6962 tree with all its complete nodes (about 64 bytes a leaf), so that proofs cost O(log n): what a read model or an auditor keeps. Not thread-safe while appending.
/// </summary>
/// <param name="nodes">Where the nodes are kept.</param>
public sealed class MerkleTree(IMerkleNodes nodes)
{
    /// <summary>A tree in memory.</summary>
    public MerkleTree() : this(new NodesInMemory(null))
    {
    }

    /// <summary>A tree in memory that goes on from another, of which only the complete subtrees are known: what needs anything of below is not in it.</summary>
    public MerkleTree(MerkleFrontier below) : this(new NodesInMemory(below))
    {
    }

    /// <summary>Leaves so far.</summary>
    public long Size => nodes.Count(0);

    /// <summary>The hash of the leaf at <paramref name="index"/>.</summary>
    public Digest this[long index] => nodes[0, index];

    /// <summary>The hashes of a tile, one after the other; null when the tree does not reach so far.</summary>
    public byte[]? Read(LogTile tile)
    {
        var level = 8 * tile.Level;
        if (level < 0 || nodes.Count(level) < tile.First + tile.Width) return null;
        var hashes = new byte[tile.Width * Digest.Size];
        for (var i = 0; i < tile.Width; i++) nodes[level, tile.First + i].CopyTo(hashes.AsSpan(i * Digest.Size));
        return hashes;
    }

    /// <summary>Appends a leaf by its hash.</summary>
    public void Append(Digest leafHash)
    {
        nodes.Append(0, leafHash);
        for (var (level, node) = (0, leafHash); nodes.Count(level) % 2 == 0; level++)
        {
            node = MerkleHash.Node(nodes[level, nodes.Count(level) - 2], node);
            nodes.Append(level + 1, node);
        }
    }

    /// <summary>The root when the tree had <paramref name="size"/> leaves.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Larger than the tree.</exception>
    public Digest Root(long size)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, Size);
        return size == 0 ? MerkleHash.Empty : Subtree(0, size);
    }

    /// <summary>The audit path of RFC 6962 §2.1.1 from a leaf to the root at <paramref name="size"/>, leaf side first.</summary>
    /// <exception cref="ArgumentOutOfRangeException">No such leaf or size.</exception>
    public Digest[] InclusionProof(long index, long size)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, Size);
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, size);
        var path = new List<Digest>();
        for (long from = 0, to = size; to - from > 1;)
        {
            var middle = from + LargestPowerBelow(to - from);
            if (index < middle)
            {
                path.Add(Subtree(middle, to));
                to = middle;
            }
            else
            {
                path.Add(Subtree(from, middle));
                from = middle;
            }
        }

        path.Reverse();
        return [.. path];
    }

    /// <summary>The proof of RFC 6962 §2.1.2 that the tree of <paramref name="size"/> leaves begins with the one of <paramref name="oldSize"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Not 0 &lt; oldSize ≤ size ≤ Size.</exception>
    public Digest[] ConsistencyProof(long oldSize, long size)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, Size);
        ArgumentOutOfRangeException.ThrowIfLessThan(oldSize, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(oldSize, size);
        var proof = new List<Digest>();
        long from = 0, to = size;
        var old = oldSize;
        while (to - from != old - from)
        {
            var middle = from + LargestPowerBelow(to - from);
            if (old <= middle)
            {
                proof.Add(Subtree(middle, to));
                to = middle;
            }
            else
            {
                proof.Add(Subtree(from, middle));
                from = middle;
            }
        }

        if (from != 0) proof.Add(Subtree(from, to));
        proof.Reverse();
        return [.. proof];
    }

    // The root of leaves [from, to), where from is a multiple of the largest power of two below or at the length.
    private Digest Subtree(long from, long to)
    {
        var length = to - from;
        if (long.IsPow2(length)) return nodes[(int)long.Log2(length), from / length];
        var middle = from + LargestPowerBelow(length);
        return MerkleHash.Node(Subtree(from, middle), Subtree(middle, to));
    }

    private static long LargestPowerBelow(long length) => 1L << (int)long.Log2(length - 1);

    private sealed class NodesInMemory : IMerkleNodes
    {
        // The nodes of each level from a number on.
        private readonly List<(long First, List<Digest> Nodes)> _levels = [];

        public NodesInMemory(MerkleFrontier? below)
        {
            // A level ends with a root of a complete subtree if the size has its bit; what is before that is not known.
            var known = below?.Subtrees.Count ?? 0;
            for (var level = 0; below is not null && below.Size >> level > 0; level++)
            {
                var count = below.Size >> level;
                _levels.Add((count & 1) == 1 ? (count - 1, [below.Subtrees[--known]]) : (count, []));
            }
        }

        public long Count(int level) => level < _levels.Count ? _levels[level].First + _levels[level].Nodes.Count : 0;

        public Digest this[int level, long index] => _levels[level].Nodes[checked((int)(index - _levels[level].First))];

        public void Append(int level, Digest node)
        {
            if (level == _levels.Count) _levels.Add((0, []));
            _levels[level].Nodes.Add(node);
        }
    }
}
