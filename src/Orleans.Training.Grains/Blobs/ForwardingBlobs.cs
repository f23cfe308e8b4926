using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Blobs;

/// <summary>A store that does everything by another one, but what a subclass does otherwise.</summary>
internal abstract class ForwardingBlobs(IBlobStore inner) : IBlobStore
{
    public virtual ValueTask<StoredBlob> Put(Stream content, Digest? expected, CancellationToken cancellationToken) => inner.Put(content, expected, cancellationToken);

    public virtual ValueTask<StoredBlob?> Find(Digest name, CancellationToken cancellationToken) => inner.Find(name, cancellationToken);

    public virtual ValueTask<StoredBlob?> Find(Digest name, long most, CancellationToken cancellationToken) => inner.Find(name, most, cancellationToken);

    public virtual ValueTask<int> Read(Digest name, int firstChunk, Memory<byte> destination, CancellationToken cancellationToken) => inner.Read(name, firstChunk, destination, cancellationToken);

    public virtual ValueTask CopyTo(Digest name, Stream destination, long from, long count, CancellationToken cancellationToken) => inner.CopyTo(name, destination, from, count, cancellationToken);

    public virtual ValueTask<byte[]?> FindLeaves(Digest name, CancellationToken cancellationToken) => inner.FindLeaves(name, cancellationToken);

    public virtual ValueTask<PartialBlob?> Resume(Digest name, CancellationToken cancellationToken) => inner.Resume(name, cancellationToken);

    public virtual ValueTask<PartialBlob> Begin(Digest name, long length, ReadOnlyMemory<byte> leaves, CancellationToken cancellationToken) => inner.Begin(name, length, leaves, cancellationToken);

    public virtual ValueTask<StoredBlob> Finish(PartialBlob partial, CancellationToken cancellationToken) => inner.Finish(partial, cancellationToken);

    public virtual ValueTask<bool> Delete(Digest name, CancellationToken cancellationToken) => inner.Delete(name, cancellationToken);
}
