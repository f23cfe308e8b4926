using System.Numerics;
using System.Security.Cryptography;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Blobs;

/// <summary>RFC 6962 hashes over chunks; the same function as Protocol's chunk tree, over leaf hashes that lie in one buffer.</summary>
internal static class ChunkHashes
{
    public static void Leaf(ReadOnlySpan<byte> chunk, Span<byte> destination)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData([0]);
        hash.AppendData(chunk);
        hash.GetHashAndReset(destination);
    }

    /// <summary>The root over leaf hashes of 32 bytes each.</summary>
    public static Digest Root(ReadOnlySpan<byte> leaves)
    {
        if (leaves.IsEmpty) return Digest.Of([]);
        Span<byte> root = stackalloc byte[Digest.Size];
        Root(leaves, root);
        return Digest.From(root);
    }

    private static void Root(ReadOnlySpan<byte> leaves, Span<byte> destination)
    {
        var count = leaves.Length / Digest.Size;
        if (count == 1)
        {
            leaves.CopyTo(destination);
            return;
        }

        var left = (int)BitOperations.RoundUpToPowerOf2((uint)count) / 2 * Digest.Size;
        Span<byte> node = stackalloc byte[1 + 2 * Digest.Size];
        node[0] = 1;
        Root(leaves[..left], node.Slice(1, Digest.Size));
        Root(leaves[left..], node[(1 + Digest.Size)..]);
        SHA256.HashData(node, destination);
    }
}
