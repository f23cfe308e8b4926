using System.Numerics;
using System.Security.Cryptography;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>RFC 6962 §2.1 over leaf hashes that arrive in order: one pending root for every one-bit of the count.</summary>
internal sealed class MerkleAccumulator
{
    private readonly Stack<Digest> _roots = new();
    private long _count;

    public void Append(Digest leaf)
    {
        for (var merges = BitOperations.TrailingZeroCount(~(ulong)_count); merges > 0; merges--) leaf = NodeOf(_roots.Pop(), leaf);
        _roots.Push(leaf);
        _count++;
    }

    public Digest Finish()
    {
        _count = 0;
        if (_roots.Count == 0) return Digest.Of([]);
        var root = _roots.Pop();
        while (_roots.Count > 0) root = NodeOf(_roots.Pop(), root);
        return root;
    }

    public static Digest Finish(IncrementalHash hash)
    {
        Span<byte> bytes = stackalloc byte[Digest.Size];
        hash.GetHashAndReset(bytes);
        return Digest.From(bytes);
    }

    private static Digest NodeOf(Digest left, Digest right)
    {
        Span<byte> node = stackalloc byte[1 + (2 * Digest.Size)];
        node[0] = 1;
        left.CopyTo(node[1..]);
        right.CopyTo(node[(1 + Digest.Size)..]);
        return Digest.Of(node);
    }
}
