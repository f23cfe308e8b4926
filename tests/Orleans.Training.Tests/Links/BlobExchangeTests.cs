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
        _running.Add(_toThem.Run(_exchange.Receive, _ => true, _limit.Token));
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
        Assert.True(await _exchange.Fetch(stored.Name, [_toThem], _limit.Token));
        var read = new MemoryStream();
        await _ours.CopyTo(stored.Name, read, _limit.Token);
        Assert.Equal(content, read.ToArray());
    }

    [Fact]
    public async Task WhatNobodyHas_IsNotFound()
    {
        Honest();
        Assert.False(await _exchange.Fetch(Digest.Of([1]), [_toThem], _limit.Token));
    }

    [Theory]
    [InlineData("changed")]
    [InlineData("too long")]
    [InlineData("too short")]
    public async Task ALiar_IsNotBelieved(string lie)
    {
        var content = new byte[600_000];
        var name = ChunkedBlob.Root(content);
        _running.Add(_toUs.Run(
            (link, _, wanted) =>
            {
                var first = (int)BinaryPrimitives.ReadUInt32BigEndian(wanted.Span[36..]) * Limits.ChunkBytes;
                var part = content.AsSpan(first, Math.Min(4 * Limits.ChunkBytes, content.Length - first)).ToArray();
                if (lie is "changed") part[^1] ^= 1;
                if (lie is "too short") part = part[..^1];
                var answer = new byte[12 + part.Length];
                wanted.Span[..4].CopyTo(answer);
                BinaryPrimitives.WriteInt64BigEndian(answer.AsSpan(4), lie is "too long" ? content.Length + 1 : content.Length);
                part.CopyTo(answer, 12);
                link.TrySend(LinkFrameKind.BlobPart, answer);
            },
            _ => true,
            _limit.Token));
        Assert.False(await _exchange.Fetch(name, [_toThem], _limit.Token));
        Assert.Null(await _ours.Find(name, _limit.Token));
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
