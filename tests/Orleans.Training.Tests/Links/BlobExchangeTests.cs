using System.Buffers.Binary;
using System.Net.Security;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.Links;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Tests.Links;

/// <summary>Blobs over a link between two seats, one of which may lie.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "Disposed of in DisposeAsync.")]
public sealed class BlobExchangeTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("exchange").FullName;
    private readonly CancellationTokenSource _limit = new(TimeSpan.FromSeconds(60));
    private readonly List<Task> _running = [];
    private FileBlobStore _theirs = null!;
    private FileBlobStore _ours = null!;
    private BlobExchange _exchange = null!;
    private SeatLink _toThem = null!;
    private SeatLink _toUs = null!;

    public async Task InitializeAsync()
    {
        (_theirs, _ours) = (new FileBlobStore(Path.Combine(_folder, "theirs")), new FileBlobStore(Path.Combine(_folder, "ours")));
        _exchange = new BlobExchange(_ours, TimeProvider.System);
        (_toThem, _toUs) = await Linked();
        _running.Add(_toThem.Run((link, kind, content) => _exchange.Receive(link, kind, content), _ => true, _limit.Token));
    }

    public async Task DisposeAsync()
    {
        await _limit.CancelAsync();
        await Task.WhenAll(_running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _exchange.Dispose();
        _limit.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(Limits.ChunkBytes)]
    [InlineData(4 * Limits.ChunkBytes)]
    [InlineData(4 * Limits.ChunkBytes + 1)]
    [InlineData(3_000_000)]
    public async Task ABlob_ComesWhole(int length)
    {
        var content = new byte[length];
        new Random(length).NextBytes(content);
        var stored = await _theirs.Put(new MemoryStream(content), null, _limit.Token);
        Honest();
        Assert.True(await _exchange.Fetch(stored.Name, FileBlobStore.DefaultMaximumBytes, [_toThem], _limit.Token));
        var read = new MemoryStream();
        await _ours.CopyTo(stored.Name, read, _limit.Token);
        Assert.Equal(content, read.ToArray());
    }

    [Fact]
    public async Task WhatNobodyHas_IsNotFound()
    {
        Honest();
        Assert.False(await _exchange.Fetch(Digest.Of([1]), FileBlobStore.DefaultMaximumBytes, [_toThem], _limit.Token));
    }

    [Theory]
    [InlineData("changed", 600_000)]
    [InlineData("changed", 2_000_000)]
    [InlineData("too short", 600_000)]
    [InlineData("too short", 200_000)]
    [InlineData("changed", 200_000)]
    [InlineData("another length", 200_000)]
    [InlineData("hashes", 600_000)]
    [InlineData("no hashes", 600_000)]
    [InlineData("many hashes", 600_000)]
    public async Task ALiar_IsNotBelieved(string lie, int length)
    {
        var name = Serve(length, (chunk, part, _) => chunk switch
        {
            >= Leaves when lie is "hashes" => [.. part[..^1], (byte)(part[^1] ^ 1)],
            >= Leaves when lie is "no hashes" => [],
            >= Leaves when lie is "many hashes" => [.. part, .. part],
            >= Leaves => part,
            _ when lie is "changed" => [.. part[..^1], (byte)(part[^1] ^ 1)],
            _ when lie is "too short" => part[..^1],
            _ when lie is "another length" => [.. part, 0],
            _ => part,
        });
        Assert.False(await _exchange.Fetch(name, FileBlobStore.DefaultMaximumBytes, [_toThem], _limit.Token));
        Assert.Null(await _ours.Find(name, _limit.Token));
    }

    /// <summary>What a link says of the length is not believed: how long the last chunk is tells it.</summary>
    [Fact]
    public async Task ALengthThatIsALie_DoesNotMatter()
    {
        var name = Serve(600_000, (_, part, _) => part, said: 599_999);
        Assert.True(await _exchange.Fetch(name, FileBlobStore.DefaultMaximumBytes, [_toThem], _limit.Token));
        Assert.Equal(600_000, (await _ours.Find(name, _limit.Token))!.Value.Length);
    }

    /// <summary>A fetch that broke off, also because the process ended, goes on with what is missing: no chunk comes twice but those that were on their way.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task AFetchThatBrokeOff_GoesOn(bool restart)
    {
        const int length = 40 * Limits.ChunkBytes;
        var asked = new List<uint>();
        var breaks = true;
        var name = Serve(length, (chunk, part, _) =>
        {
            if (chunk < Leaves) asked.Add(chunk);
            // From the fifth part on there is nothing but noise.
            return breaks && asked.Count > 6 ? [1, 2, 3] : part;
        });
        Assert.False(await _exchange.Fetch(name, FileBlobStore.DefaultMaximumBytes, [_toThem], _limit.Token));
        var (first, before) = (asked.ToArray(), await Here(name));
        Assert.InRange(before, 16, 39);
        breaks = false;
        asked.Clear();
        if (restart)
        {
            _exchange.Dispose();
            _ours = new FileBlobStore(Path.Combine(_folder, "ours"));
            _exchange = new BlobExchange(_ours, TimeProvider.System);
        }

        Assert.True(await _exchange.Fetch(name, FileBlobStore.DefaultMaximumBytes, [_toThem], _limit.Token));
        Assert.Equal(name, ChunkedBlob.Root((await _ours.ReadAll(name, _limit.Token))!));
        // Four chunks in each part; the last one had come first, for the length. Three questions were still on their way when the first fetch ended.
        Assert.InRange(asked.Count, (40 - before + 3) / 4, ((40 - before + 3) / 4) + 3);
        Assert.True(asked.Min() * Limits.ChunkBytes >= (uint)(before - 1) * Limits.ChunkBytes, $"{before} chunks were here, asked for {string.Join(' ', first)} and then {string.Join(' ', asked)}");
    }

    /// <summary>What is longer than it can be of use is not fetched, though somebody has named it.</summary>
    [Fact]
    public async Task ABlobThatIsTooLong_IsLeftWhereItIs()
    {
        var parts = 0;
        var name = Serve(3_000_000, (_, part, _) => ++parts > 0 ? part : []);
        Assert.False(await _exchange.Fetch(name, 2_999_999, [_toThem], _limit.Token));
        Assert.Equal(1, parts);
        Assert.Empty(Directory.GetFiles(Path.Combine(_folder, "ours", "new")));
        Assert.True(await _exchange.Fetch(name, 3_000_000, [_toThem], _limit.Token));
    }

    /// <summary>The next link goes on where one ended.</summary>
    [Fact]
    public async Task ABlob_IsPutTogether_FromSeveralWhoHaveIt()
    {
        var (one, two) = (0, 0);
        var name = Serve(40 * Limits.ChunkBytes, (chunk, part, link) => chunk >= Leaves ? part : link == 0 ? ++one > 6 ? [] : part : ++two > 0 ? part : []);
        var (toOther, other) = await Linked();
        _running.Add(toOther.Run(_exchange.Receive, _ => true, _limit.Token));
        _running.Add(other.Run((link, _, wanted) => Answer(link, wanted, 1), _ => true, _limit.Token));
        Assert.True(await _exchange.Fetch(name, FileBlobStore.DefaultMaximumBytes, [_toThem, toOther], _limit.Token));
        Assert.Equal(name, ChunkedBlob.Root((await _ours.ReadAll(name, _limit.Token))!));
        // Ten parts in all, of which the second gave what the first did not.
        Assert.InRange(two, 5, 7);
    }

    [Fact]
    public async Task AFrameThatNoSeatSends_EndsTheLink()
    {
        var pipe = new PipePair();
        using var one = await TestSeats.Certificate(0);
        using var other = await TestSeats.Certificate(1);
        var listening = LinkHandshake.AsListener(TestSeats.Genesis, other, pipe.Right, TestSeats.Name(1), TestSeats.Members.Admits, _limit.Token);
        var (stream, _) = await LinkHandshake.AsDialler(TestSeats.Genesis, one, pipe.Left, TestSeats.Name(1), TestSeats.Members.Admits, _limit.Token);
        await using var link = new SeatLink(TestSeats.Identity(0), (await listening).Stream);
        var running = link.Run((_, _, _) => { }, _ => true, _limit.Token);
        await stream.WriteAsync(new byte[] { 0x7F, 0xFF, 0xFF, 0xFF, 1 }, _limit.Token);
        await Assert.ThrowsAsync<InvalidDataException>(() => running);
    }

    private const uint Leaves = 1u << 31;
    private Action<SeatLink, ReadOnlyMemory<byte>, int> Answer = null!;

    // Somebody who has a blob, and says of each part what the test makes of it.
    private Digest Serve(int length, Func<uint, byte[], int, byte[]> change, long? said = null)
    {
        var content = new byte[length];
        new Random(length).NextBytes(content);
        byte[] leaves = [.. content.Chunk(Limits.ChunkBytes).SelectMany(chunk => Protocol.Ledger.MerkleHash.Leaf(chunk).ToArray())];
        Answer = (link, wanted, which) =>
        {
            var chunk = BinaryPrimitives.ReadUInt32BigEndian(wanted.Span[36..]);
            var first = chunk >= Leaves ? (int)(chunk - Leaves) * Digest.Size : (int)chunk * Limits.ChunkBytes;
            var part = change(chunk, chunk >= Leaves ? leaves[first..] : content.AsSpan(first, Math.Min(4 * Limits.ChunkBytes, length - first)).ToArray(), which);
            var answer = new byte[12 + part.Length];
            wanted.Span[..4].CopyTo(answer);
            BinaryPrimitives.WriteInt64BigEndian(answer.AsSpan(4), said ?? length);
            part.CopyTo(answer, 12);
            link.TrySend(LinkFrameKind.BlobPart, answer);
        };
        _running.Add(_toUs.Run((link, _, wanted) => Answer(link, wanted, 0), _ => true, _limit.Token));
        return ChunkedBlob.Root(content);
    }

    private async Task<int> Here(Digest name)
    {
        using var partial = await _ours.Resume(name, _limit.Token);
        return Enumerable.Range(0, partial!.Chunks).Count(chunk => partial.NextMissing(chunk) != chunk);
    }

    private void Honest()
    {
        var exchange = new BlobExchange(_theirs, TimeProvider.System);
        _running.Add(_toUs.Run(exchange.Receive, _ => true, _limit.Token));
    }

    private async Task<(SeatLink One, SeatLink Other)> Linked()
    {
        var pipe = new PipePair();
        using var one = await TestSeats.Certificate(0);
        using var other = await TestSeats.Certificate(1);
        var listening = LinkHandshake.AsListener(TestSeats.Genesis, other, pipe.Right, TestSeats.Name(1), TestSeats.Members.Admits, _limit.Token);
        (SslStream stream, _) = await LinkHandshake.AsDialler(TestSeats.Genesis, one, pipe.Left, TestSeats.Name(1), TestSeats.Members.Admits, _limit.Token);
        return (new SeatLink(TestSeats.Identity(1), stream), new SeatLink(TestSeats.Identity(0), (await listening).Stream));
    }
}
