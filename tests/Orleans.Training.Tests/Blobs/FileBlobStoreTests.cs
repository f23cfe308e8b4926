using System.Security.Cryptography;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Protocol;
using Orleans.Training.Tests.Cluster;

namespace Orleans.Training.Tests.Blobs;

public sealed class FileBlobStoreTests : IDisposable
{
    private const int Chunk = Limits.ChunkBytes;

    private readonly TemporaryFolder _folder = new();
    private readonly FileBlobStore _store;

    public FileBlobStoreTests() => _store = new FileBlobStore(_folder.Path);

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(Chunk - 1)]
    [InlineData(Chunk)]
    [InlineData(Chunk + 1)]
    [InlineData(3 * Chunk)]
    [InlineData(5 * Chunk + 17)]
    public async Task Content_IsNamedByItsTree_AndReadBack(int length)
    {
        var content = Content(length);
        var blob = await _store.Put(new TrickleStream(content), null, default);
        Assert.Equal(new StoredBlob(Tree(content), length), blob);
        Assert.Equal(blob, await _store.Find(blob.Name, default));
        var copy = new MemoryStream();
        await _store.CopyTo(blob.Name, copy, default);
        Assert.Equal(content, copy.ToArray());
    }

    [Fact]
    public async Task Chunks_AreReadByNumber_AsManyAsFit()
    {
        var content = Content(3 * Chunk + 5);
        var blob = await _store.Put(new MemoryStream(content), null, default);
        var buffer = new byte[2 * Chunk + 4];
        Assert.Equal(2 * Chunk, await _store.Read(blob.Name, 1, buffer, default));
        Assert.Equal(content[Chunk..(3 * Chunk)], buffer[..(2 * Chunk)]);
        Assert.Equal(Chunk + 5, await _store.Read(blob.Name, 2, buffer, default));
        Assert.Equal(5, await _store.Read(blob.Name, 3, buffer, default));
        Assert.Equal(content[(3 * Chunk)..], buffer[..5]);
        Assert.Equal(0, await _store.Read(blob.Name, 4, buffer, default));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await _store.Read(blob.Name, 0, new byte[Chunk - 1], default));
    }

    [Fact]
    public async Task TamperedChunk_IsRefusedWithItsNumber_AndNothingIsHandedOver()
    {
        var content = Content(3 * Chunk + 5);
        var blob = await _store.Put(new MemoryStream(content), null, default);
        for (var chunk = 0; chunk < 4; chunk++)
        {
            Flip(chunk * Chunk + 3);
            var buffer = new byte[4 * Chunk];
            var damage = await Assert.ThrowsAsync<LedgerCorruptException>(async () => await _store.Read(blob.Name, 0, buffer, default));
            Assert.Contains($"Chunk {chunk} of blob", damage.Message, StringComparison.Ordinal);
            Assert.Equal("OT-4021", damage.Code);
            Assert.DoesNotContain(buffer, value => value != 0);
            Flip(chunk * Chunk + 3);
        }

        await _store.CopyTo(blob.Name, Stream.Null, default);
    }

    [Fact]
    public async Task EveryByte_BehindTheContent_IsChecked()
    {
        var content = Content(2 * Chunk + 5);
        var blob = await _store.Put(new MemoryStream(content), null, default);
        var size = new FileInfo(StoredFile()).Length;
        for (var at = content.Length; at < size; at++)
        {
            Flip(at);
            Assert.Equal("OT-4022", (await Assert.ThrowsAsync<LedgerCorruptException>(async () => await _store.CopyTo(blob.Name, Stream.Null, default))).Code);
            Flip(at);
        }
    }

    [Fact]
    public async Task TamperedContent_StoredAgain_IsRepaired()
    {
        var content = Content(100);
        var blob = await _store.Put(new MemoryStream(content), null, default);
        Flip(7);
        await _store.Put(new MemoryStream(content), blob.Name, default);
        await _store.CopyTo(blob.Name, Stream.Null, default);
    }

    [Fact]
    public async Task Limit_HoldsAtNAndRefusesNPlusOne()
    {
        var store = new FileBlobStore(_folder["small"], maximumBytes: Chunk + 10);
        Assert.Equal(Chunk + 10, (await store.Put(new MemoryStream(Content(Chunk + 10)), null, default)).Length);
        Assert.Equal("OT-4024", (await Assert.ThrowsAsync<OperationalException>(async () => await store.Put(new MemoryStream(Content(Chunk + 11)), null, default))).Code);
        Assert.Empty(Directory.GetFiles(_folder[Path.Combine("small", "new")]));
    }

    [Fact]
    public async Task OtherContentThanExpected_IsRefused_AndNotStored()
    {
        var expected = Tree(Content(10));
        Assert.Equal("OT-4023", (await Assert.ThrowsAsync<OperationalException>(async () => await _store.Put(new MemoryStream(Content(11)), expected, default))).Code);
        Assert.Null(await _store.Find(Tree(Content(11)), default));
        Assert.Equal("OT-4020", (await Assert.ThrowsAsync<OperationalException>(async () => await _store.CopyTo(expected, Stream.Null, default))).Code);
    }

    [Fact]
    public async Task Death_BeforeTheRename_LeavesNothingVisible()
    {
        var left = "";
        var dying = new FileBlobStore(_folder.Path)
        {
            BeforeRename = temporary =>
            {
                // What a killed process would leave: the temporary file, no name.
                left = Path.Combine(Path.GetDirectoryName(temporary)!, "left");
                File.Copy(temporary, left);
                throw new IOException("killed");
            },
        };
        await Assert.ThrowsAsync<IOException>(async () => await dying.Put(new MemoryStream(Content(100)), null, default));
        Assert.Null(await _store.Find(Tree(Content(100)), default));
        Assert.True(File.Exists(left));
        _ = new FileBlobStore(_folder.Path);
        Assert.False(File.Exists(left));
    }

    [Fact]
    public async Task OpeningTheFolder_DoesNotDisturbAPutInProgress()
    {
        var content = Content(10 * Chunk);
        var opened = 0;
        var blob = await _store.Put(new TrickleStream(content, () => { if (opened++ == 5) _ = new FileBlobStore(_folder.Path); }), null, default);
        await _store.CopyTo(blob.Name, Stream.Null, default);
    }

    [Fact]
    public async Task ConcurrentPuts_OfTheSameContent_AllSucceed()
    {
        var content = Content(3 * Chunk);
        var blobs = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(async () => await _store.Put(new TrickleStream(content), null, default))).ToArray());
        Assert.Single(blobs.Distinct());
        await _store.CopyTo(blobs[0].Name, Stream.Null, default);
        Assert.Empty(Directory.GetFiles(_folder["new"]));
    }

    [Fact]
    public async Task Deleted_IsGone()
    {
        var blob = await _store.Put(new MemoryStream(Content(5)), null, default);
        Assert.True(await _store.Delete(blob.Name, default));
        Assert.False(await _store.Delete(blob.Name, default));
        Assert.Null(await _store.Find(blob.Name, default));
    }

    // RFC 6962 §2.1, as it is written there.
    private static Digest Tree(byte[] content) => content.Length == 0
        ? Digest.Of([])
        : Digest.From(Node([.. content.Chunk(Chunk).Select(chunk => SHA256.HashData([0, .. chunk]))]));

    private static byte[] Node(byte[][] leaves)
    {
        if (leaves.Length == 1) return leaves[0];
        var left = 1;
        while (left * 2 < leaves.Length) left *= 2;
        return SHA256.HashData([1, .. Node(leaves[..left]), .. Node(leaves[left..])]);
    }

    private static byte[] Content(int length)
    {
        var content = new byte[length];
        new Random(length).NextBytes(content);
        return content;
    }

    private string StoredFile() => Directory.EnumerateFiles(_folder.Path, "*.blob", SearchOption.AllDirectories).Single();

    private void Flip(long at)
    {
        using var file = File.Open(StoredFile(), FileMode.Open, FileAccess.ReadWrite);
        file.Position = at;
        var value = file.ReadByte();
        file.Position = at;
        file.WriteByte((byte)(value ^ 0x10));
    }

    /// <summary>A stream that gives less than it is asked for, as networks do.</summary>
    private sealed class TrickleStream(byte[] content, Action? onRead = null) : MemoryStream(content)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            onRead?.Invoke();
            return base.ReadAsync(buffer[..Math.Min(buffer.Length, 40_000)], cancellationToken);
        }
    }
}
