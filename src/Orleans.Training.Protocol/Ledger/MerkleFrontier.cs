namespace Orleans.Training.Protocol.Ledger;

/// <summary>
/// The least that is needed to append to an RFC 6962 tree and know its root: the roots of its complete subtrees, largest first (one per set bit
/// of the size). Immutable; at most 63 digests.
/// </summary>
public sealed class MerkleFrontier
{
    private readonly Digest[] _subtrees;

    private MerkleFrontier(long size, Digest[] subtrees)
    {
        Size = size;
        _subtrees = subtrees;
    }

    /// <summary>The tree without leaves.</summary>
    public static MerkleFrontier Empty { get; } = new(0, []);

    /// <summary>Leaves so far.</summary>
    public long Size { get; }

    /// <summary>The RFC 6962 root: the subtrees hashed together from the smallest to the largest.</summary>
    public Digest Root
    {
        get
        {
            if (Size == 0) return MerkleHash.Empty;
            var root = _subtrees[^1];
            for (var i = _subtrees.Length - 2; i >= 0; i--) root = MerkleHash.Node(_subtrees[i], root);
            return root;
        }
    }

    /// <summary>The root over leaf hashes that lie one behind the other, 32 bytes each.</summary>
    public static Digest RootOf(ReadOnlySpan<byte> leafHashes)
    {
        var leaves = new Digest[leafHashes.Length / Digest.Size];
        for (var i = 0; i < leaves.Length; i++) leaves[i] = Digest.From(leafHashes.Slice(i * Digest.Size, Digest.Size));
        return Empty.Append(leaves).Root;
    }

    /// <summary>The roots of the complete subtrees, largest first.</summary>
    public IReadOnlyList<Digest> Subtrees => _subtrees;

    /// <summary>The tree of these complete subtrees; null unless there is one for each set bit of the size.</summary>
    public static MerkleFrontier? Of(long size, IReadOnlyList<Digest> subtrees) => size >= 0 && long.PopCount(size) == subtrees.Count ? new MerkleFrontier(size, [.. subtrees]) : null;

    /// <summary>The tree with these leaf hashes appended.</summary>
    public MerkleFrontier Append(IReadOnlyList<Digest> leafHashes)
    {
        Span<Digest> subtrees = stackalloc Digest[64];
        _subtrees.CopyTo(subtrees);
        var count = _subtrees.Length;
        var size = Size;
        foreach (var leaf in leafHashes)
        {
            var node = leaf;
            for (var bits = size; (bits & 1) == 1; bits >>= 1) node = MerkleHash.Node(subtrees[--count], node);
            subtrees[count++] = node;
            size++;
        }

        return new MerkleFrontier(size, subtrees[..count].ToArray());
    }
}
