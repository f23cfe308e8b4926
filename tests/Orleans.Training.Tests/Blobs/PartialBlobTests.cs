using Orleans.Training.Grains;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Cluster;

namespace Orleans.Training.Tests.Blobs;

/// <summary>What has arrived of a blob is there after any end of the process, and nothing counts that is not what the name demands.</summary>
public sealed class PartialBlobTests : IDisposable
{
    private const int Chunk = Limits.ChunkBytes;
    private readonly TemporaryFolder _folder = new();
    private readonly byte[] _content = new byte[(5 * Chunk) + 17];
    private readonly Digest _name;
    private readonly byte[] _leaves;

    public PartialBlobTests()
    {
        new Random(7).NextBytes(_content);
        (_name, _leaves) = (ChunkedBlob.Root(_content), [.. _content.Chunk(Chunk).SelectMany(chunk => MerkleHash.Leaf(chunk).ToArray())]);
    }

    private FileBlobStore Store => new(_folder.Path);

    private string Partial => Path.Combine(_folder["new"], _name + ".part");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Chunks_ComeInAnyOrder_AndSurviveRestarts()
    {
        for (var number = 0; number < 6; number++)
        {
            using var partial = number == 0 ? await Store.Begin(_name, _content.Length, _leaves, default) : await Store.Resume(_name, default);
            Assert.Equal(6 - number, Missing(partial!).Length);
            var chunk = new[] { 5, 0, 3, 1, 2, 4 }[number];
            Assert.True(await partial!.TryWrite(chunk, Piece(chunk), default));
            Assert.DoesNotContain(chunk, Missing(partial));
            // Again, nothing is written; and it is not to be seen before it is whole.
            Assert.True(await partial.TryWrite(chunk, Piece(chunk), default));
            Assert.Null(await Store.Find(_name, default));
        }

        var store = Store;
        using var whole = await store.Resume(_name, default);
        Assert.Equal(new StoredBlob(_name, _content.Length), await store.Finish(whole!, default));
        Assert.Equal(_content, await store.ReadAll(_name, default));
        Assert.Equal(_leaves, await store.FindLeaves(_name, default));
        Assert.False(File.Exists(Partial));
    }

    [Fact]
    public async Task WhatIsNotTheNamedContent_IsRefused_AndChangesNothing()
    {
        using var partial = await Store.Begin(_name, _content.Length, _leaves, default);
        byte[] changed = [.. Piece(1).Span];
        changed[100] ^= 1;
        Assert.False(await partial.TryWrite(1, changed, default));
        Assert.False(await partial.TryWrite(1, Piece(2), default));
        Assert.False(await partial.TryWrite(1, Piece(1)[1..], default));
        Assert.False(await partial.TryWrite(6, Piece(1), default));
        Assert.False(await partial.TryWrite(-1, Piece(1), default));
        Assert.Equal(6, Missing(partial).Length);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await Store.Finish(partial, default));

        Assert.Equal("OT-4023", (await Assert.ThrowsAsync<OperationalException>(async () => await Store.Begin(ChunkedBlob.Root(changed), changed.Length, _leaves, default))).Code);
        Assert.Equal("OT-4023", (await Assert.ThrowsAsync<OperationalException>(async () => await Store.Begin(_name, _content.Length + Chunk, _leaves, default))).Code);
        Assert.Equal("OT-4024", (await Assert.ThrowsAsync<OperationalException>(async () => await new FileBlobStore(_folder["small"], maximumBytes: 1000).Begin(_name, _content.Length, _leaves, default))).Code);
    }

    [Fact]
    public async Task DamageOnTheDisk_IsMissingAgain()
    {
        using (var partial = await Store.Begin(_name, _content.Length, _leaves, default))
        {
            for (var chunk = 0; chunk < 5; chunk++) await partial.TryWrite(chunk, Piece(chunk), default);
        }

        Flip(2 * Chunk);
        using (var partial = await Store.Resume(_name, default)) Assert.Equal([2, 5], Missing(partial!));

        // Where its hashes are damaged, or its end, it is begun anew.
        foreach (var at in new[] { _content.Length + 40, _content.Length + _leaves.Length + 3, _content.Length + _leaves.Length + 12 })
        {
            using (await Store.Begin(_name, _content.Length, _leaves, default))
            {
            }

            Flip(at);
            Assert.Null(await Store.Resume(_name, default));
            Assert.False(File.Exists(Partial));
        }
    }

    [Fact]
    public async Task AnotherLength_WasWrong_AndIsForgotten()
    {
        using (var partial = await Store.Begin(_name, _content.Length - 1, _leaves, default))
        {
            Assert.True(await partial.TryWrite(0, Piece(0), default));
            Assert.False(await partial.TryWrite(5, Piece(5), default));
        }

        using var right = await Store.Begin(_name, _content.Length, _leaves, default);
        Assert.True(await right.TryWrite(5, Piece(5), default));
    }

    [Fact]
    public async Task OneAtATime_ReceivesABlob()
    {
        var (one, other) = (Store, Store);
        using (await one.Begin(_name, _content.Length, _leaves, default))
        {
            Assert.Null(await other.Resume(_name, default));
            Assert.Equal("OT-4025", (await Assert.ThrowsAsync<OperationalException>(async () => await other.Begin(_name, _content.Length, _leaves, default))).Code);
        }

        using var next = await other.Resume(_name, default);
        Assert.NotNull(next);
    }

    [Fact]
    public async Task TheOldest_AndThoseThatNobodyWants_MakeRoom()
    {
        var names = new List<Digest>();
        for (var number = 0; number < PartialBlob.Maximum + 2; number++)
        {
            byte[] leaves = [.. MerkleHash.Leaf([(byte)number]).ToArray(), .. MerkleHash.Leaf([]).ToArray()];
            names.Add(MerkleFrontier.RootOf(leaves));
            (await Store.Begin(names[^1], Chunk + 1, leaves, default)).Dispose();
            File.SetLastWriteTimeUtc(Path.Combine(_folder["new"], names[^1] + ".part"), DateTime.UtcNow.AddMinutes(number - 60));
        }

        Assert.Equal(names.Skip(2).Select(name => name + ".part").Order(StringComparer.Ordinal), Directory.GetFiles(_folder["new"]).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal));
        File.SetLastWriteTimeUtc(Path.Combine(_folder["new"], names[5] + ".part"), DateTime.UtcNow - PartialBlob.MaximumAge - TimeSpan.FromMinutes(1));
        _ = Store;
        Assert.Equal(PartialBlob.Maximum - 1, Directory.GetFiles(_folder["new"]).Length);
    }

    [Fact]
    public async Task Ranges_AreWhatTheyWouldBeOfTheWhole()
    {
        var store = Store;
        await store.Put(new MemoryStream(_content), _name, default);
        long[] edges = [0, 1, Chunk - 1, Chunk, Chunk + 1, (2 * Chunk) + 5, (5 * Chunk) + 16, (5 * Chunk) + 17, 6 * Chunk];
        foreach (var from in edges)
        {
            foreach (var count in edges)
            {
                var copy = new MemoryStream();
                await store.CopyTo(_name, copy, from, count, default);
                var end = (int)Math.Min(_content.Length, from + count);
                Assert.Equal(from >= _content.Length ? [] : _content[(int)from..Math.Max((int)from, end)], copy.ToArray());
            }
        }
    }

    private ReadOnlyMemory<byte> Piece(int chunk) => _content.AsMemory(chunk * Chunk, Math.Min(Chunk, _content.Length - (chunk * Chunk)));

    private void Flip(int at)
    {
        var bytes = File.ReadAllBytes(Partial);
        bytes[at] ^= 1;
        File.WriteAllBytes(Partial, bytes);
    }

    private static int[] Missing(PartialBlob partial)
    {
        var missing = new List<int>();
        for (var chunk = partial.NextMissing(0); chunk < partial.Chunks; chunk = partial.NextMissing(chunk + 1)) missing.Add(chunk);
        return [.. missing];
    }
}
