using System.Security.Cryptography;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// The name of a blob, computed while it streams by: the RFC 6962 root over its chunks of <see cref="Limits.ChunkBytes"/>, the last of
/// which may be shorter (docs/spec/aggregation.md §4). An empty blob has no chunk and the root SHA-256 of nothing.
/// </summary>
public sealed class ChunkTree : IDisposable
{
    private readonly IncrementalHash _leaf = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private MerkleFrontier _tree = MerkleFrontier.Empty;
    private int _filled;

    /// <summary>Bytes appended so far.</summary>
    public long Length { get; private set; }

    /// <summary>Number of chunks of a blob of this length.</summary>
    public static long ChunksOf(long length) => (length + Limits.ChunkBytes - 1) / Limits.ChunkBytes;

    /// <summary>The leaf of one chunk: SHA-256(0x00 ‖ chunk).</summary>
    public static Digest LeafOf(ReadOnlySpan<byte> chunk) => MerkleHash.Leaf(chunk);

    /// <summary>Appends the next bytes, however they are cut.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        Length += bytes.Length;
        while (!bytes.IsEmpty)
        {
            if (_filled == 0) _leaf.AppendData([0]);
            var part = bytes[..Math.Min(bytes.Length, Limits.ChunkBytes - _filled)];
            _leaf.AppendData(part);
            _filled += part.Length;
            bytes = bytes[part.Length..];
            if (_filled == Limits.ChunkBytes) CloseChunk();
        }
    }

    /// <summary>The root of what was appended; the tree is empty again afterwards.</summary>
    public Digest Finish()
    {
        if (_filled > 0) CloseChunk();
        var root = _tree.Root;
        (Length, _tree) = (0, MerkleFrontier.Empty);
        return root;
    }

    /// <inheritdoc/>
    public void Dispose() => _leaf.Dispose();

    private void CloseChunk()
    {
        Span<byte> leaf = stackalloc byte[Digest.Size];
        _leaf.GetHashAndReset(leaf);
        _tree = _tree.Append([Digest.From(leaf)]);
        _filled = 0;
    }
}

/// <summary>Blobs that are at hand as a whole.</summary>
public static class ChunkedBlob
{
    /// <summary>The name of the blob: see <see cref="ChunkTree"/>.</summary>
    public static Digest Root(ReadOnlySpan<byte> blob)
    {
        using var tree = new ChunkTree();
        tree.Append(blob);
        return tree.Finish();
    }
}
