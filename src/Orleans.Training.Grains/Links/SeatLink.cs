using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net.Security;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Links;

/// <summary>What a frame of a link holds; the numbers stand on the wire.</summary>
internal enum LinkFrameKind : byte
{
    /// <summary>Nothing: the other side is alive.</summary>
    Alive = 0,
    /// <summary>A consensus message.</summary>
    Message = 1,
    /// <summary>Part of a blob is wanted (<see cref="BlobWanted"/>).</summary>
    BlobWanted = 2,
    /// <summary>Part of a blob (<see cref="BlobPart"/>).</summary>
    BlobPart = 3,
}

/// <summary>
/// One authenticated stream to another seat (docs/spec/links.md §3): frames of a length (u32, big-endian), a kind and content. Consensus messages go before blobs;
/// what does not fit into the queue is dropped, as a network may drop it.
/// </summary>
internal sealed class SeatLink(LinkIdentity peer, SslStream stream) : IAsyncDisposable
{
    private const int HeadBytes = 5;
    private const int QueuedBytes = 2 * Limits.MessageBytes;
    private const int QueuedFrames = 2048;
    private const int Together = 64 * 1024;
    private static readonly TimeSpan SayAlive = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan GiveUp = TimeSpan.FromSeconds(20);

    private readonly ConcurrentQueue<(LinkFrameKind Kind, ReadOnlyMemory<byte> Content)> _messages = new();
    private readonly ConcurrentQueue<(LinkFrameKind Kind, ReadOnlyMemory<byte> Content)> _blobs = new();
    private readonly SemaphoreSlim _wake = new(0);
    private long _queuedBytes;

    /// <summary>Who is at the other end, as the certificate shows.</summary>
    public LinkIdentity Peer => peer;

    /// <summary>Queues a frame; false when there is no room, or the link is over.</summary>
    public bool TrySend(LinkFrameKind kind, ReadOnlyMemory<byte> content)
    {
        var queue = kind is LinkFrameKind.Message ? _messages : _blobs;
        if (queue.Count >= QueuedFrames || Interlocked.Read(ref _queuedBytes) + content.Length > QueuedBytes) return false;
        Interlocked.Add(ref _queuedBytes, content.Length);
        queue.Enqueue((kind, content));
        try
        {
            _wake.Release();
            return true;
        }
        catch (ObjectDisposedException)
        {
            // It ended while somebody was about to send: that is no fault of the sender.
            return false;
        }
    }

    /// <summary>Sends and receives until either side ends the link or says nothing for too long. What is received belongs to the receiver.</summary>
    /// <param name="receive">Takes what is received.</param>
    /// <param name="welcome">Asked at every frame, signs of life included: whether the other side may still have a link.</param>
    /// <param name="cancellationToken">Ends the link.</param>
    public async Task Run(Action<SeatLink, LinkFrameKind, ReadOnlyMemory<byte>> receive, Func<LinkIdentity, bool> welcome, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var writing = Write(either.Token);
        var reading = Read(receive, welcome, either.Token);
        await Task.WhenAny(writing, reading);
        await either.CancelAsync();
        // A stream that is written to or read from after a failure fails at once.
        await stream.DisposeAsync();
        await Task.WhenAll(writing, reading);
    }

    public async ValueTask DisposeAsync()
    {
        await stream.DisposeAsync();
        _wake.Dispose();
    }

    private async Task Write(CancellationToken cancellationToken)
    {
        var together = new ArrayBufferWriter<byte>(Together + HeadBytes);
        while (true)
        {
            if (!await _wake.WaitAsync(SayAlive, cancellationToken)) Append(together, LinkFrameKind.Alive, default);
            while (together.WrittenCount < Together && (_messages.TryDequeue(out var frame) || _blobs.TryDequeue(out frame)))
            {
                Interlocked.Add(ref _queuedBytes, -frame.Content.Length);
                Append(together, frame.Kind, frame.Content);
            }

            if (together.WrittenCount == 0) continue;
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            patience.CancelAfter(GiveUp);
            await stream.WriteAsync(together.WrittenMemory, patience.Token);
            await stream.FlushAsync(patience.Token);
            together.ResetWrittenCount();
        }
    }

    private async Task Read(Action<SeatLink, LinkFrameKind, ReadOnlyMemory<byte>> receive, Func<LinkIdentity, bool> welcome, CancellationToken cancellationToken)
    {
        var buffered = new BufferedStream(stream, Together);
        var head = new byte[HeadBytes];
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        while (true)
        {
            silence.CancelAfter(GiveUp);
            await buffered.ReadExactlyAsync(head, silence.Token);
            var length = BinaryPrimitives.ReadUInt32BigEndian(head);
            var kind = (LinkFrameKind)head[4];
            if (length > Limits.MessageBytes || kind > LinkFrameKind.BlobPart) throw new InvalidDataException($"{peer.Organisation} sent a frame of kind {head[4]} and {length} bytes.");
            if (!welcome(peer)) throw new InvalidDataException($"{peer.Organisation} has no seat any more.");
            var content = length == 0 ? [] : new byte[length];
            await buffered.ReadExactlyAsync(content, silence.Token);
            if (kind is not LinkFrameKind.Alive) receive(this, kind, content);
        }
    }

    private static void Append(ArrayBufferWriter<byte> together, LinkFrameKind kind, ReadOnlyMemory<byte> content)
    {
        var span = together.GetSpan(HeadBytes + content.Length);
        BinaryPrimitives.WriteUInt32BigEndian(span, (uint)content.Length);
        span[4] = (byte)kind;
        content.Span.CopyTo(span[HeadBytes..]);
        together.Advance(HeadBytes + content.Length);
    }
}
