using CsCheck;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Tests.Aggregation;

public sealed class ChunkTreeTests
{
    [Theory]
    [InlineData(0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    [InlineData(1, "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7")]
    [InlineData(65_535, "b62eb37447a762f0bdd6494a0ece5e841a0a9e52c851161b4874727a301b528d")]
    [InlineData(65_536, "4c200c2b0fc99fe28896ff9411be8073b016c724a110dd135b17a3521131e19b")]
    [InlineData(65_537, "68f2ad7dce628a9baca64ccf42fab098a0766c5db68117cce8b9bf886e775ff0")]
    [InlineData(196_608, "65fd30695efefa7cc76e82f45f172838357353a8b308dcabc9f2480c485d41da")]
    [InlineData(300_000, "572e8b21276eaac2ae06286e77cbdddd106e8aabacb497c35a5959e940ce2ad7")]
    [InlineData(458_752, "256a612f92e39916b49c4e5ac2eb3f1d17186f7b014f52a76cb9989cca9a54d6")]
    public void Root_IsTheVectorOfTheSpecPage(int length, string root) => Assert.Equal(root, ChunkedBlob.Root(Blob(length)).ToString());

    [Fact]
    public void Root_DoesNotDependOnHowTheBytesArrive() => Gen.Int[1, 100_000].Array[1, 8].Sample(
        parts =>
        {
            var blob = Blob(parts.Sum());
            using var tree = new ChunkTree();
            var position = 0;
            foreach (var part in parts)
            {
                tree.Append(blob.AsSpan(position, part));
                position += part;
            }

            Assert.Equal(blob.Length, tree.Length);
            Assert.Equal(ChunkedBlob.Root(blob), tree.Finish());
            tree.Append(blob);
            Assert.Equal(ChunkedBlob.Root(blob), tree.Finish());
        },
        iter: 50);

    [Fact]
    public void Root_OfOneChunk_IsItsLeaf()
    {
        Assert.Equal(ChunkTree.LeafOf(Blob(Limits.ChunkBytes)), ChunkedBlob.Root(Blob(Limits.ChunkBytes)));
        Assert.Equal((0L, 1L, 1L, 2L), (ChunkTree.ChunksOf(0), ChunkTree.ChunksOf(1), ChunkTree.ChunksOf(Limits.ChunkBytes), ChunkTree.ChunksOf(Limits.ChunkBytes + 1)));
    }

    [Fact]
    public void DatasetCommitment_IsTheVectorOfTheSpecPage()
    {
        byte[] secret = [.. Enumerable.Range(32, 32).Select(i => (byte)i)];
        var commitment = new DatasetCommitment(secret);
        commitment.Append(CanonicalRecord.OfRow(["a", null, "1.5"]));
        commitment.Append(CanonicalRecord.OfImage(7, [1, 2, 3]));
        commitment.Append(CanonicalRecord.OfRow([]));
        Assert.Equal(3, commitment.Count);
        Assert.Equal("721a7bf2dab4f8c925aa501f35ae8d3653469a3b8873b5b904e5cf19569a31e6", commitment.Finish().ToString());
    }

    [Fact]
    public void DatasetCommitment_HidesRecordsBehindTheSecret()
    {
        var (one, other) = (new DatasetCommitment(new byte[32]), new DatasetCommitment([1, .. new byte[31]]));
        one.Append(CanonicalRecord.OfRow(["a"]));
        other.Append(CanonicalRecord.OfRow(["a"]));
        Assert.NotEqual(one.Finish(), other.Finish());
        Assert.Throws<ArgumentException>(() => new DatasetCommitment(new byte[16]));
    }

    private static byte[] Blob(int length)
    {
        var blob = new byte[length];
        for (var i = 0; i < length; i++) blob[i] = (byte)((i * 7) + (i / 256));
        return blob;
    }
}
