using Orleans.Training.Grains.Blobs;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.History;

/// <summary>A blob store that has this validator's snapshots too, so that whoever joins fetches them as he fetches any blob.</summary>
internal sealed class WithSnapshots(IBlobStore blobs, Snapshots snapshots) : ForwardingBlobs(blobs)
{
    public override async ValueTask<StoredBlob?> Find(Digest name, CancellationToken cancellationToken) =>
        snapshots.Find(name) is { } path && new FileInfo(path) is { Exists: true } file ? new StoredBlob(name, file.Length) : await base.Find(name, cancellationToken);

    public override async ValueTask<int> Read(Digest name, int firstChunk, Memory<byte> destination, CancellationToken cancellationToken)
    {
        if (snapshots.Find(name) is not { } path) return await base.Read(name, firstChunk, destination, cancellationToken);
        using var file = File.OpenHandle(path);
        return await RandomAccess.ReadAsync(file, destination[..(destination.Length / Limits.ChunkBytes * Limits.ChunkBytes)], (long)firstChunk * Limits.ChunkBytes, cancellationToken);
    }

    public override async ValueTask CopyTo(Digest name, Stream destination, long from, long count, CancellationToken cancellationToken)
    {
        if (snapshots.Find(name) is not { } path)
        {
            await base.CopyTo(name, destination, from, count, cancellationToken);
            return;
        }

        await using var file = File.OpenRead(path);
        file.Position = from;
        var buffer = new byte[Limits.ChunkBytes];
        while (count > 0 && await file.ReadAsync(buffer.AsMemory(0, (int)Math.Min(count, buffer.Length)), cancellationToken) is var read and > 0)
        {
            await destination.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            count -= read;
        }
    }

    public override async ValueTask<byte[]?> FindLeaves(Digest name, CancellationToken cancellationToken)
    {
        if (snapshots.Find(name) is not { } path) return await base.FindLeaves(name, cancellationToken);
        await using var file = File.OpenRead(path);
        return await BlobFile.LeavesOf(file, cancellationToken);
    }
}
