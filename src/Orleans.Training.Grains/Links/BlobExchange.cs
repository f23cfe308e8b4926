using System.Buffers.Binary;
using System.Collections.Concurrent;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Links;

/// <summary>
/// Blobs over links: every seat serves what it has, and fetches what it lacks from whichever seat has it (docs/spec/links.md §6). Nothing is believed: the hashes of chunks must give the name that was asked for, and
/// each chunk its hash. What has come stays, so that the next link, or the next start, goes on with what is missing.
/// </summary>
internal sealed class BlobExchange(IBlobStore blobs, TimeProvider time) : IDisposable
{
    private const int ChunksPerPart = 4;
    private const int PartHeadBytes = 12;
    private const int WantedBytes = 4 + Digest.Size + 4;
    // In place of a chunk's number: the hashes from that chunk on.
    private const uint LeavesWanted = 1u << 31;
    private const int InFlight = 4;
    private const int ServedAtOnce = 8;
    private const long NotHere = -1;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<uint, TaskCompletionSource<ReadOnlyMemory<byte>>> _asked = [];
    private readonly ConcurrentDictionary<Digest, Lazy<Task<bool>>> _fetching = [];
    private readonly SemaphoreSlim _serving = new(ServedAtOnce);
    private uint _number;

    /// <summary>Fetches a blob of at most so many bytes from the first of these links that has it; false when none has. Several who want the same wait for one fetch.</summary>
    public async Task<bool> Fetch(Digest name, long most, IReadOnlyList<SeatLink> links, CancellationToken cancellationToken)
    {
        var fetch = _fetching.GetOrAdd(name, _ => new Lazy<Task<bool>>(() => FetchFromAny(name, most, links, cancellationToken)));
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
            var (length, read) = await blobs.Find(name, CancellationToken.None) is { } blob ? (blob.Length, await Read(name, chunk, part.AsMemory(PartHeadBytes))) : (NotHere, 0);
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

    // Chunks, or the hashes of chunks: those of the largest blob are twice as much as a part holds.
    private async ValueTask<int> Read(Digest name, uint first, Memory<byte> part)
    {
        if ((first & LeavesWanted) == 0) return first <= int.MaxValue / Limits.ChunkBytes ? await blobs.Read(name, (int)first, part, CancellationToken.None) : 0;
        var leaves = (await blobs.FindLeaves(name, CancellationToken.None) ?? []).AsMemory();
        var from = (long)(first & ~LeavesWanted) * Digest.Size;
        if (from >= leaves.Length) return 0;
        leaves = leaves[(int)from..];
        leaves = leaves[..Math.Min(leaves.Length, part.Length / Digest.Size * Digest.Size)];
        leaves.CopyTo(part);
        return leaves.Length;
    }

    private async Task<bool> FetchFromAny(Digest name, long most, IReadOnlyList<SeatLink> links, CancellationToken cancellationToken)
    {
        var partial = await blobs.Resume(name, cancellationToken);
        try
        {
            if (partial?.Length > most) return false;
            foreach (var link in links)
            {
                try
                {
                    if (partial is null)
                    {
                        var (length, first) = await Ask(link, name, 0, cancellationToken);
                        if (length < 0 || length > most) continue;
                        if (length <= PartBytes)
                        {
                            await blobs.Put(new MemoryStream(first.ToArray()), name, cancellationToken);
                            return true;
                        }

                        partial = await Begin(link, name, length, cancellationToken);
                        await Keep(partial, 0, first, cancellationToken);
                    }

                    await Complete(link, partial, cancellationToken);
                    await blobs.Finish(partial, cancellationToken);
                    return true;
                }
                catch (Exception exception) when (exception is OperationalException or IOException or TimeoutException && !cancellationToken.IsCancellationRequested)
                {
                    // A liar, or a link that broke: the next one goes on where it ended.
                }
            }

            return false;
        }
        finally
        {
            partial?.Dispose();
        }
    }

    // The hashes that give the name, and the last chunk: what it is long tells how long the whole is, whatever this link says.
    private async Task<PartialBlob> Begin(SeatLink link, Digest name, long length, CancellationToken cancellationToken)
    {
        var leaves = new byte[(length + Limits.ChunkBytes - 1) / Limits.ChunkBytes * Digest.Size];
        for (var at = 0; at < leaves.Length;)
        {
            var (_, part) = await Ask(link, name, LeavesWanted | (uint)(at / Digest.Size), cancellationToken);
            if (part.IsEmpty || part.Length > leaves.Length - at || part.Length % Digest.Size != 0) throw new IOException("The hashes of a blob did not come whole.");
            part.CopyTo(leaves.AsMemory(at));
            at += part.Length;
        }

        var last = (leaves.Length / Digest.Size) - 1;
        var (_, end) = await Ask(link, name, (uint)last, cancellationToken);
        if (MerkleHash.Leaf(end.Span) != Digest.From(leaves.AsSpan(last * Digest.Size, Digest.Size))) throw new IOException("The end of a blob is not what its hashes say.");
        var partial = await blobs.Begin(name, ((long)last * Limits.ChunkBytes) + end.Length, leaves, cancellationToken);
        await Keep(partial, last, end, cancellationToken);
        return partial;
    }

    // Asks one link for every chunk that is missing, several parts at once.
    private async Task Complete(SeatLink link, PartialBlob partial, CancellationToken cancellationToken)
    {
        var coming = new Queue<(int Chunk, Task<(long Length, ReadOnlyMemory<byte> Bytes)> Part)>();
        for (var next = partial.NextMissing(0); ;)
        {
            while (next < partial.Chunks && coming.Count < InFlight)
            {
                coming.Enqueue((next, Ask(link, partial.Name, (uint)next, cancellationToken)));
                next = partial.NextMissing(next + ChunksPerPart);
            }

            if (!coming.TryDequeue(out var first)) break;
            await Keep(partial, first.Chunk, (await first.Part).Bytes, cancellationToken);
        }

        if (partial.NextMissing(0) < partial.Chunks) throw new IOException("A blob did not come whole.");
    }

    private static async Task Keep(PartialBlob partial, int chunk, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        for (; !bytes.IsEmpty; chunk++)
        {
            var size = Math.Min(bytes.Length, Limits.ChunkBytes);
            if (!await partial.TryWrite(chunk, bytes[..size], cancellationToken)) throw new IOException($"Chunk {chunk} of a blob is not what its hashes say.");
            bytes = bytes[size..];
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
internal sealed class LinkedBlobs(IBlobStore local, SeatLinks links) : ForwardingBlobs(local)
{
    public override ValueTask<StoredBlob?> Find(Digest name, CancellationToken cancellationToken) => Find(name, FileBlobStore.DefaultMaximumBytes, cancellationToken);

    public override async ValueTask<StoredBlob?> Find(Digest name, long most, CancellationToken cancellationToken) =>
        await base.Find(name, cancellationToken) ?? (await links.Fetch(name, most, cancellationToken) ? await base.Find(name, cancellationToken) : null);
}
