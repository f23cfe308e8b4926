using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.IO.Pipelines;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Links;

/// <summary>
/// Blobs over links: every seat serves what it has, and fetches what it lacks from whichever seat has it (docs/spec/links.md §6). Nothing is believed: what was
/// fetched must have the name that was asked for.
/// </summary>
internal sealed class BlobExchange(IBlobStore blobs, TimeProvider time) : IDisposable
{
    private const int ChunksPerPart = 4;
    private const int PartHeadBytes = 12;
    private const int WantedBytes = 4 + Digest.Size + 4;
    private const int InFlight = 4;
    private const int ServedAtOnce = 8;
    private const long NotHere = -1;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<uint, TaskCompletionSource<ReadOnlyMemory<byte>>> _asked = [];
    private readonly ConcurrentDictionary<Digest, Lazy<Task<bool>>> _fetching = [];
    private readonly SemaphoreSlim _serving = new(ServedAtOnce);
    private uint _number;

    /// <summary>Fetches a blob from the first of these links that has it; false when none has. Several who want the same wait for one fetch.</summary>
    public async Task<bool> Fetch(Digest name, IReadOnlyList<SeatLink> links, CancellationToken cancellationToken)
    {
        var fetch = _fetching.GetOrAdd(name, _ => new Lazy<Task<bool>>(() => FetchFromAny(name, links, cancellationToken)));
        try
        {
            return await fetch.Value.WaitAsync(cancellationToken);
        }
        finally
        {
            _fetching.TryRemove(name, out _);
        }
    }

    /// <summary>Takes a frame about blobs.</summary>
    public void Receive(SeatLink link, LinkFrameKind kind, ReadOnlyMemory<byte> content)
    {
        if (kind is LinkFrameKind.BlobWanted && content.Length == WantedBytes) _ = Serve(link, content);
        else if (kind is LinkFrameKind.BlobPart && content.Length >= PartHeadBytes && _asked.TryRemove(BinaryPrimitives.ReadUInt32BigEndian(content.Span), out var answer)) answer.TrySetResult(content[4..]);
    }

    public void Dispose() => _serving.Dispose();

    private async Task Serve(SeatLink link, ReadOnlyMemory<byte> wanted)
    {
        // Whoever asks for more than this at once is not answered, and asks again.
        if (!await _serving.WaitAsync(0)) return;
        try
        {
            var name = Digest.From(wanted.Span.Slice(4, Digest.Size));
            var chunk = BinaryPrimitives.ReadUInt32BigEndian(wanted.Span[(4 + Digest.Size)..]);
            var part = new byte[PartHeadBytes + ChunksPerPart * Limits.ChunkBytes];
            wanted.Span[..4].CopyTo(part);
            var (length, read) = await blobs.Find(name, CancellationToken.None) is { } blob && chunk <= int.MaxValue / Limits.ChunkBytes
                ? (blob.Length, await blobs.Read(name, (int)chunk, part.AsMemory(PartHeadBytes), CancellationToken.None))
                : (NotHere, 0);
            BinaryPrimitives.WriteInt64BigEndian(part.AsSpan(4), length);
            link.TrySend(LinkFrameKind.BlobPart, part.AsMemory(0, PartHeadBytes + read));
        }
        catch (Exception exception) when (exception is OperationalException or LedgerCorruptException or IOException)
        {
            // Gone or damaged meanwhile: to the other side it is as if the answer had been lost.
        }
        finally
        {
            _serving.Release();
        }
    }

    private async Task<bool> FetchFromAny(Digest name, IReadOnlyList<SeatLink> links, CancellationToken cancellationToken)
    {
        foreach (var link in links)
        {
            try
            {
                var (length, first) = await Ask(link, name, 0, cancellationToken);
                if (length is < 0 or > FileBlobStore.DefaultMaximumBytes) continue;
                var pipe = new Pipe();
                var filling = Fill(link, name, length, first, pipe.Writer, cancellationToken);
                await using var content = pipe.Reader.AsStream();
                await blobs.Put(content, name, cancellationToken);
                await filling;
                return true;
            }
            catch (Exception exception) when (exception is OperationalException or IOException or TimeoutException && !cancellationToken.IsCancellationRequested)
            {
                // A liar, or a link that broke: the next one.
            }
        }

        return false;
    }

    private async Task Fill(SeatLink link, Digest name, long length, ReadOnlyMemory<byte> first, PipeWriter writer, CancellationToken cancellationToken)
    {
        try
        {
            var parts = (length + PartBytes - 1) / PartBytes;
            var coming = new Queue<Task<(long Length, ReadOnlyMemory<byte> Bytes)>>();
            var next = 1L;
            for (var part = 0L; part < Math.Max(1, parts); part++)
            {
                while (next < parts && coming.Count < InFlight) coming.Enqueue(Ask(link, name, (uint)(next++ * ChunksPerPart), cancellationToken));
                var bytes = part == 0 ? first : (await coming.Dequeue()).Bytes;
                if (bytes.Length != Math.Min(PartBytes, length - part * PartBytes)) throw new IOException("A part of a blob has a wrong length.");
                if ((await writer.WriteAsync(bytes, cancellationToken)).IsCompleted) return;
            }

            await writer.CompleteAsync();
        }
        catch (Exception exception)
        {
            await writer.CompleteAsync(exception as IOException ?? new IOException("A blob did not come whole.", exception));
        }
    }

    private static long PartBytes => ChunksPerPart * Limits.ChunkBytes;

    // A lost question or answer costs its time and is asked once more.
    private async Task<(long Length, ReadOnlyMemory<byte> Bytes)> Ask(SeatLink link, Digest name, uint chunk, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var number = Interlocked.Increment(ref _number);
            var answer = new TaskCompletionSource<ReadOnlyMemory<byte>>(TaskCreationOptions.RunContinuationsAsynchronously);
            _asked[number] = answer;
            var wanted = new byte[WantedBytes];
            BinaryPrimitives.WriteUInt32BigEndian(wanted, number);
            name.CopyTo(wanted.AsSpan(4));
            BinaryPrimitives.WriteUInt32BigEndian(wanted.AsSpan(4 + Digest.Size), chunk);
            try
            {
                if (!link.TrySend(LinkFrameKind.BlobWanted, wanted)) throw new TimeoutException();
                var content = await answer.Task.WaitAsync(Patience, time, cancellationToken);
                return (BinaryPrimitives.ReadInt64BigEndian(content.Span), content[8..]);
            }
            catch (TimeoutException) when (attempt == 1)
            {
            }
            finally
            {
                _asked.TryRemove(number, out _);
            }
        }
    }
}

/// <summary>A blob store that fetches over links what is not here yet.</summary>
internal sealed class LinkedBlobs(IBlobStore local, SeatLinks links) : IBlobStore
{
    public ValueTask<StoredBlob> Put(Stream content, Digest? expected, CancellationToken cancellationToken) => local.Put(content, expected, cancellationToken);

    public async ValueTask<StoredBlob?> Find(Digest name, CancellationToken cancellationToken) =>
        await local.Find(name, cancellationToken) ?? (await links.Fetch(name, cancellationToken) ? await local.Find(name, cancellationToken) : null);

    public ValueTask<int> Read(Digest name, int firstChunk, Memory<byte> destination, CancellationToken cancellationToken) => local.Read(name, firstChunk, destination, cancellationToken);

    public ValueTask CopyTo(Digest name, Stream destination, CancellationToken cancellationToken) => local.CopyTo(name, destination, cancellationToken);

    public ValueTask<bool> Delete(Digest name, CancellationToken cancellationToken) => local.Delete(name, cancellationToken);
}
