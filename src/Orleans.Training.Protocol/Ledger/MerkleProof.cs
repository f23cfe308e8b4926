namespace Orleans.Training.Protocol.Ledger;

/// <summary>Verification of inclusion and consistency proofs by the algorithms of RFC 9162 §2.1.3.2 and §2.1.4.2.</summary>
public static class MerkleProof
{
    /// <summary>Whether the leaf stands at <paramref name="index"/> in the tree of this size and root.</summary>
    public static bool VerifyInclusion(Digest leafHash, long index, long size, IReadOnlyList<Digest> path, Digest root)
    {
        if (index < 0 || index >= size) return false;
        var (node, last, hash) = (index, size - 1, leafHash);
        foreach (var sibling in path)
        {
            if (last == 0) return false;
            if ((node & 1) == 1 || node == last)
            {
                hash = MerkleHash.Node(sibling, hash);
                while ((node & 1) == 0 && node != 0) (node, last) = (node >> 1, last >> 1);
            }
            else
            {
                hash = MerkleHash.Node(hash, sibling);
            }

            (node, last) = (node >> 1, last >> 1);
        }

        return last == 0 && hash == root;
    }

    /// <summary>Whether the tree of <paramref name="size"/> leaves begins with the one of <paramref name="oldSize"/> leaves.</summary>
    public static bool VerifyConsistency(long oldSize, long size, IReadOnlyList<Digest> proof, Digest oldRoot, Digest root)
    {
        if (oldSize < 1 || oldSize > size) return false;
        if (oldSize == size) return proof.Count == 0 && oldRoot == root;
        // When the old tree is complete its root is the first node of the proof, and is left out.
        var next = 0;
        Digest first;
        if (long.IsPow2(oldSize)) first = oldRoot;
        else if (proof.Count > 0) first = proof[next++];
        else return false;

        var (node, last) = (oldSize - 1, size - 1);
        while ((node & 1) == 1) (node, last) = (node >> 1, last >> 1);
        var (oldHash, hash) = (first, first);
        for (; next < proof.Count; next++)
        {
            if (last == 0) return false;
            if ((node & 1) == 1 || node == last)
            {
                oldHash = MerkleHash.Node(proof[next], oldHash);
                hash = MerkleHash.Node(proof[next], hash);
                while ((node & 1) == 0 && node != 0) (node, last) = (node >> 1, last >> 1);
            }
            else
            {
                hash = MerkleHash.Node(hash, proof[next]);
            }

            (node, last) = (node >> 1, last >> 1);
        }

        return last == 0 && oldHash == oldRoot && hash == root;
    }
}
