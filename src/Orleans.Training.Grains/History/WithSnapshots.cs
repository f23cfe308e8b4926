using Orleans.Training.Grains.Blobs;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.History;

/// <summary>A blob store that has this validator's snapshots too, so that whoever joins fetches them as he fetches any blob.</summary>
internal sealed class WithSnapshots(IBlobStore blobs, Snapshots snapshots) : IBlobStore
{
    public ValueTask<StoredBlob> Put(Stream content, Digest? expected, CancellationToken cancellationToken) => blobs.Put(content, expected, cancellationToken);

    public async ValueTask<StoredBlob?> Find(Digest name, CancellationToken cancellationToken) =>
        snapshots.Find(name) is { } path && new FileInfo(path) is { Exists: true } file ? new StoredBlob(name, file.Length) : await blobs.Find(name, cancellationToken);

    public async ValueTask<int> Read(Digest name, int firstChunk, Memory<byte> destination, CancellationToken cancellationToken)
    {
        if (snapshots.Find(name) is not { } path) return await blobs.Read(name, firstChunk, destination, cancellationToken);
        using var file = File.OpenHandle(path);
        return await RandomAccess.ReadAsync(file, destination[..(destination.Length / Limits.ChunkBytes * Limits.ChunkBytes)], (long)firstChunk * Limits.ChunkBytes, cancellationToken);
    }

    public async ValueTask CopyTo(Digest name, Stream destination, CancellationToken cancellationToken)
    {
        if (snapshots.Find(name) is not { } path)
        {
            await blobs.CopyTo(name, destination, cancellationToken);
            return;
        }

        await using var file = File.OpenRead(path);
        await file.CopyToAsync(destination, cancellationToken);
    }

    public ValueTask<bool> Delete(Digest name, CancellationToken cancellationToken) => blobs.Delete(name, cancellationToken);
}
