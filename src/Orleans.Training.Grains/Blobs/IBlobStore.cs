using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Blobs;

/// <summary>A blob that is stored: its name and its length in bytes.</summary>
public readonly record struct StoredBlob(Digest Name, long Length);

/// <summary>
/// Content under the name of its chunk tree's root (docs/spec/store.md §2). Not trusted: whatever is read is checked against its name, so a store
/// can lose content but not change it.
/// </summary>
public interface IBlobStore
{
    /// <summary>
    /// Stores the content up to the stream's end. Durable when it returns; when it throws, nothing is visible. Storing the same content again is harmless,
    /// and repairs it.
    /// </summary>
    /// <param name="content">Read once, in chunks.</param>
    /// <param name="expected">The name that the content must have (else OT-4023), or null for whatever it has.</param>
    /// <param name="cancellationToken">Ends the put with nothing stored.</param>
    ValueTask<StoredBlob> Put(Stream content, Digest? expected, CancellationToken cancellationToken);

    /// <summary>The blob of this name, or null when it is not here.</summary>
    ValueTask<StoredBlob?> Find(Digest name, CancellationToken cancellationToken);

    /// <summary>The blob of this name, or null when it is not here. A store that fetches does so only up to this length: who names a blob may have named the longest there is.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="most">The most bytes that are of use.</param>
    /// <param name="cancellationToken">Ends it.</param>
    ValueTask<StoredBlob?> Find(Digest name, long most, CancellationToken cancellationToken) => Find(name, cancellationToken);

    /// <summary>
    /// Reads whole chunks, beginning with chunk <paramref name="firstChunk"/>, as many as fit into <paramref name="destination"/>, which must hold
    /// at least one. Returns the bytes read; less than whole chunks, or 0, only at the blob's end.
    /// </summary>
    /// <exception cref="OperationalException">OT-4020: not here.</exception>
    /// <exception cref="LedgerCorruptException">OT-4021, OT-4022: stored bytes are not the named content.</exception>
    ValueTask<int> Read(Digest name, int firstChunk, Memory<byte> destination, CancellationToken cancellationToken);

    /// <summary>Writes content to <paramref name="destination"/>, each chunk checked before anything of it is written.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="destination">Where to.</param>
    /// <param name="from">The first byte.</param>
    /// <param name="count">How many bytes; less are written only at the blob's end.</param>
    /// <param name="cancellationToken">Ends it.</param>
    ValueTask CopyTo(Digest name, Stream destination, long from, long count, CancellationToken cancellationToken);

    /// <summary>The hashes of the chunks, 32 bytes each, whose tree gives the name; null when the blob is not here.</summary>
    ValueTask<byte[]?> FindLeaves(Digest name, CancellationToken cancellationToken);

    /// <summary>What has arrived of a blob, to go on with; null when nothing has, or when somebody else goes on with it.</summary>
    ValueTask<PartialBlob?> Resume(Digest name, CancellationToken cancellationToken);

    /// <summary>Begins to receive a blob by chunks, or goes on.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="length">Bytes of its content. Where another length was begun with, that was wrong.</param>
    /// <param name="leaves">The hashes of its chunks.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="OperationalException">OT-4023: the hashes are not those of the name. OT-4024: too long. OT-4025: another process is receiving it.</exception>
    ValueTask<PartialBlob> Begin(Digest name, long length, ReadOnlyMemory<byte> leaves, CancellationToken cancellationToken);

    /// <summary>Makes a blob of which no chunk is missing visible, durably.</summary>
    ValueTask<StoredBlob> Finish(PartialBlob partial, CancellationToken cancellationToken);

    /// <summary>Removes the content, durably; false when it was not here.</summary>
    ValueTask<bool> Delete(Digest name, CancellationToken cancellationToken);
}
