using System.Buffers.Binary;
using CsCheck;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Tests.Ledger;

/// <summary>c2sp.org/tlog-tiles: paths in their one form, and tiles from which every hash of the tree follows.</summary>
public sealed class LogTileTests
{
    // The examples of the specification, and the edges.
    [Theory]
    [InlineData("tile/0/x001/x234/067", 0, 1_234_067, 256)]
    [InlineData("tile/0/000.p/1", 0, 0, 1)]
    [InlineData("tile/1/x001/000.p/255", 1, 1_000, 255)]
    [InlineData("tile/entries/999", -1, 999, 256)]
    [InlineData("tile/entries/x001/000.p/112", -1, 1_000, 112)]
    public void APath_NamesOneTile(string path, int level, long index, int width)
    {
        Assert.True(LogTile.TryParse(path, out var tile));
        Assert.Equal(new LogTile(level, index, width), tile);
        Assert.Equal(path, tile.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("tile/0")]
    [InlineData("tile/00/000")]
    [InlineData("tile/8/000")]
    [InlineData("tile/-1/000")]
    [InlineData("tile/0/0")]
    [InlineData("tile/0/x000/001")]
    [InlineData("tile/0/001/001")]
    [InlineData("tile/0/000.p/0")]
    [InlineData("tile/0/000.p/256")]
    [InlineData("tile/0/000.p/01")]
    [InlineData("tile/0/000.p")]
    [InlineData("tile/entries/000/")]
    [InlineData("tile/0/x999/x999/x999/x999/x999/x999/999")]
    public void AnotherForm_IsRefused(string path) => Assert.False(LogTile.TryParse(path, out _));

    [Fact]
    public void Paths_ComeBack() => Gen.Select(Gen.Int[-1, 7], Gen.Long[0, long.MaxValue / 1024], Gen.Int[1, 256]).Sample((level, index, width) =>
    {
        var tile = new LogTile(level, index, width);
        return tile.ToString().Length > 64 || LogTile.TryParse(tile.ToString(), out var read) && read == tile;
    });

    // Level 1 is what the whole tiles of level 0 hash to, and the root follows from the tiles alone.
    [Fact]
    public void Tiles_HoldTheTree()
    {
        var tree = new MerkleTree();
        const int leaves = 70_000;
        for (var i = 0; i < leaves; i++)
        {
            var leaf = new byte[4];
            BinaryPrimitives.WriteInt32BigEndian(leaf, i);
            tree.Append(MerkleHash.Leaf(leaf));
        }

        var frontier = MerkleFrontier.Empty;
        for (var index = 0; index <= leaves / 256; index++)
        {
            var width = Math.Min(256, leaves - index * 256);
            var tile = tree.Read(new LogTile(0, index, width))!;
            var hashes = Enumerable.Range(0, width).Select(i => Digest.From(tile.AsSpan(i * 32, 32))).ToArray();
            frontier = frontier.Append(hashes);
            if (width < 256) continue;
            var above = tree.Read(new LogTile(1, index / 256, index % 256 + 1))!;
            Assert.Equal(MerkleFrontier.Empty.Append(hashes).Root, Digest.From(above.AsSpan(index % 256 * 32, 32)));
        }

        Assert.Equal(tree.Root(leaves), frontier.Root);
        Assert.Null(tree.Read(new LogTile(0, leaves / 256, leaves % 256 + 1)));
        Assert.Null(tree.Read(new LogTile(3, 0, 1)));
        Assert.NotNull(tree.Read(new LogTile(2, 0, 1)));
    }
}
