using System.Security.Cryptography;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>The two hashes of an RFC 6962 §2.1 tree, kept apart by their first byte.</summary>
public static class MerkleHash
{
    /// <summary>The root of the tree without leaves: SHA-256 of nothing.</summary>
    public static Digest Empty { get; } = Digest.Of([]);

    /// <summary>SHA-256(0x00 ‖ leaf).</summary>
    public static Digest Leaf(ReadOnlySpan<byte> leaf)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData([0x00]);
        hash.AppendData(leaf);
        Span<byte> result = stackalloc byte[Digest.Size];
        hash.GetHashAndReset(result);
        return Digest.From(result);
    }

    /// <summary>SHA-256(0x01 ‖ left ‖ right).</summary>
    public static Digest Node(Digest left, Digest right)
    {
        Span<byte> node = stackalloc byte[1 + 2 * Digest.Size];
        node[0] = 0x01;
        left.CopyTo(node[1..]);
        right.CopyTo(node[33..]);
        return Digest.Of(node);
    }
}
