using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Tests.Ledger;

public class MerkleTests
{
    // The well-known leaves and roots of the certificate-transparency reference implementation (RFC 6962 hashing).
    private static readonly string[] Leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

    private static readonly string[] Roots =
    [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    [Fact]
    public void Root_EqualsTheReferenceVectors()
    {
        var tree = new MerkleTree();
        var frontier = MerkleFrontier.Empty;
        for (var i = 0; i < Leaves.Length; i++)
        {
            var leaf = MerkleHash.Leaf(Convert.FromHexString(Leaves[i]));
            tree.Append(leaf);
            frontier = frontier.Append([leaf]);
            Assert.Equal(Roots[i], tree.Root(i + 1).ToString());
            Assert.Equal(Roots[i], frontier.Root.ToString());
        }

        Assert.Equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", tree.Root(0).ToString());
    }

    [Fact]
    public void Proofs_VerifyForEveryTreeUpTo40_AndForNothingElse()
    {
        var tree = new MerkleTree();
        for (var i = 0; i < 40; i++) tree.Append(MerkleHash.Leaf([(byte)i]));
        for (var size = 1; size <= 40; size++)
        {
            var root = tree.Root(size);
            for (var index = 0; index < size; index++)
            {
                var path = tree.InclusionProof(index, size);
                Assert.True(MerkleProof.VerifyInclusion(tree[index], index, size, path, root));
                Assert.False(MerkleProof.VerifyInclusion(tree[index], index, size, path, Digest.Zero));
                Assert.False(MerkleProof.VerifyInclusion(tree[(index + 1) % 40], index, size, path, root));
                Assert.False(MerkleProof.VerifyInclusion(tree[index], index, size, [.. path, Digest.Zero], root));
                if (path.Length > 0) Assert.False(MerkleProof.VerifyInclusion(tree[index], index, size, path[..^1], root));
                for (var other = 0; other < size; other++) Assert.Equal(other == index, MerkleProof.VerifyInclusion(tree[index], other, size, path, root));
            }

            for (var old = 1; old <= size; old++)
            {
                var proof = tree.ConsistencyProof(old, size);
                Assert.True(MerkleProof.VerifyConsistency(old, size, proof, tree.Root(old), root));
                Assert.False(MerkleProof.VerifyConsistency(old, size, proof, Digest.Zero, root));
                Assert.False(MerkleProof.VerifyConsistency(old, size, proof, tree.Root(old), Digest.Zero));
                Assert.False(MerkleProof.VerifyConsistency(old, size, [.. proof, Digest.Zero], tree.Root(old), root));
            }
        }
    }

    [Fact]
    public void Frontier_GivesTheTreesRoot_HoweverTheLeavesAreGrouped()
    {
        var leaves = Enumerable.Range(0, 300).Select(i => MerkleHash.Leaf(BitConverter.GetBytes(i))).ToArray();
        var tree = new MerkleTree();
        foreach (var leaf in leaves) tree.Append(leaf);
        for (var step = 1; step < 40; step++)
        {
            var frontier = MerkleFrontier.Empty;
            foreach (var group in leaves.Chunk(step)) frontier = frontier.Append(group);
            Assert.Equal(tree.Root(300), frontier.Root);
            Assert.Equal(300, frontier.Size);
        }
    }
}
