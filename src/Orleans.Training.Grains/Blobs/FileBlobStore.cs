using System.Buffers;
using Microsoft.Win32.SafeHandles;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Blobs;

/// <summary>Blobs as files (docs/spec/store.md §2). Any number of processes may share the folder.</summary>
public sealed partial class FileBlobStore : IBlobStore
{
    private const string PartialEnding = ".part";

    /// <summary>The largest blob unless configured otherwise: 1 GiB, above <see cref="Limits.Parameters"/> masked parameters of 8 bytes.</summary>
    public const long DefaultMaximumBytes = 1L << 30;

    private readonly string _folder;
    private readonly string _new;
    private readonly long _maximumBytes;

    /// <summary>Opens or creates the folder, and removes what interrupted puts left in it.</summary>
    public FileBlobStore(string folder, long maximumBytes = DefaultMaximumBytes)
    {
        _folder = folder;
        _new = Path.Combine(folder, "new");
        _maximumBytes = maximumBytes;
        DurableFiles.CreateFolder(_new);
        foreach (var leftover in Directory.EnumerateFiles(_new).Where(path => !path.EndsWith(PartialEnding, StringComparison.Ordinal))) DeleteUnlessInUse(leftover);
        DeleteOldPartials(PartialBlob.Maximum);
    }

    /// <summary>Called when content is durable under its temporary name; the tests end the process here.</summary>
    internal Action<string> BeforeRename { get; init; } = static _ => { };

    /// <inheritdoc/>
    public async ValueTask<StoredBlob> Put(Stream content, Digest? expected, CancellationToken cancellationToken)
    {
        var temporary = Path.Combine(_new, Guid.NewGuid().ToString("N"));
        try
        {
            StoredBlob blob;
            using (var handle = File.OpenHandle(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                blob = await Write(handle, content, cancellationToken);
                if (expected is not null && blob.Name != expected) throw new OperationalException("OT-4023", $"The content is {blob.Name}, not {expected}.");
                RandomAccess.FlushToDisk(handle);
            }

            BeforeRename(temporary);
            CrashPoints.Reach("blob-written-before-rename");
            var path = PathOf(blob.Name);
            DurableFiles.CreateFolder(Path.GetDirectoryName(path)!);
            DurableFiles.Rename(temporary, path);
            return blob;
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    /// <inheritdoc/>
    public ValueTask<StoredBlob?> Find(Digest name, CancellationToken cancellationToken)
    {
        using var handle = TryOpen(name);
        return new(handle is null ? null : new StoredBlob(name, BlobFile.ReadLength(handle, name)));
    }

    /// <inheritdoc/>
    public async ValueTask<int> Read(Digest name, int firstChunk, Memory<byte> destination, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstChunk);
        ArgumentOutOfRangeException.ThrowIfLessThan(destination.Length, Limits.ChunkBytes);
        using var handle = TryOpen(name) ?? throw Missing(name);
        var length = BlobFile.ReadLength(handle, name);
        var leaves = await BlobFile.ReadLeaves(handle, name, length, cancellationToken);
        return await ReadChunks(handle, name, length, leaves, firstChunk, destination, cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask CopyTo(Digest name, Stream destination, long from, long count, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(from);
        using var handle = TryOpen(name) ?? throw Missing(name);
        var length = BlobFile.ReadLength(handle, name);
        var leaves = await BlobFile.ReadLeaves(handle, name, length, cancellationToken);
        var buffer = ArrayPool<byte>.Shared.Rent(Limits.ChunkBytes);
        try
        {
            for (var skipped = (int)(from % Limits.ChunkBytes); from < length && count > 0; skipped = 0)
            {
                var read = await ReadChunks(handle, name, length, leaves, (int)(from / Limits.ChunkBytes), buffer.AsMemory(0, Limits.ChunkBytes), cancellationToken);
                var wanted = (int)Math.Min(count, read - skipped);
                await destination.WriteAsync(buffer.AsMemory(skipped, wanted), cancellationToken);
                (from, count) = (from + wanted, count - wanted);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <inheritdoc/>
    public ValueTask<bool> Delete(Digest name, CancellationToken cancellationToken)
    {
        var path = PathOf(name);
        if (!File.Exists(path)) return new(false);
        File.Delete(path);
        DurableFiles.SyncFolder(Path.GetDirectoryName(path)!);
        return new(true);
    }

    private async ValueTask<StoredBlob> Write(SafeFileHandle handle, Stream content, CancellationToken cancellationToken)
    {
        var leaves = new ArrayBufferWriter<byte>();
        var buffer = ArrayPool<byte>.Shared.Rent(Limits.ChunkBytes);
        try
        {
            var chunk = buffer.AsMemory(0, Limits.ChunkBytes);
            long length = 0;
            int read;
            do
            {
                read = await content.ReadAtLeastAsync(chunk, chunk.Length, throwOnEndOfStream: false, cancellationToken);
                if (read == 0) break;
                if (length + read > _maximumBytes) throw new OperationalException("OT-4024", $"The content is larger than {_maximumBytes} bytes.");
                MerkleHash.Leaf(chunk.Span[..read]).CopyTo(leaves.GetSpan(Digest.Size));
                leaves.Advance(Digest.Size);
                await RandomAccess.WriteAsync(handle, chunk[..read], length, cancellationToken);
                length += read;
            }
            while (read == chunk.Length);

            var name = MerkleFrontier.RootOf(leaves.WrittenSpan);
            await BlobFile.WriteEnd(handle, leaves.WrittenMemory, length, cancellationToken);
            return new StoredBlob(name, length);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static async ValueTask<int> ReadChunks(SafeFileHandle handle, Digest name, long length, byte[] leaves, int firstChunk, Memory<byte> destination, CancellationToken cancellationToken)
    {
        var offset = (long)firstChunk * Limits.ChunkBytes;
        if (offset >= length) return 0;
        // The last chunk may be shorter, and so fit where a whole one would not.
        var bytes = length - offset <= destination.Length ? (int)(length - offset) : destination.Length / Limits.ChunkBytes * Limits.ChunkBytes;
        await BlobFile.Fill(handle, destination[..bytes], offset, cancellationToken);
        for (var start = 0; start < bytes; start += Limits.ChunkBytes)
        {
            var chunk = firstChunk + start / Limits.ChunkBytes;
            if (MerkleHash.Leaf(destination.Span[start..Math.Min(bytes, start + Limits.ChunkBytes)]) == Digest.From(leaves.AsSpan(chunk * Digest.Size, Digest.Size))) continue;
            destination.Span[..bytes].Clear();
            throw new LedgerCorruptException("OT-4021", $"Chunk {chunk} of blob {name} is not what was stored.");
        }

        return bytes;
    }

    private SafeFileHandle? TryOpen(Digest name)
    {
        try
        {
            return File.OpenHandle(PathOf(name), FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        }
        catch (IOException exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    private static void DeleteUnlessInUse(string path)
    {
        try
        {
            File.Open(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None).Dispose();
            File.Delete(path);
        }
        catch (IOException)
        {
            // Another process is writing it.
        }
    }

    private string PathOf(Digest name)
    {
        var hex = name.ToString();
        return Path.Combine(_folder, hex[..2], hex + ".blob");
    }

    private static OperationalException Missing(Digest name) => new("OT-4020", $"There is no blob {name} here.");
}
