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

    /// <summary>
    /// Reads whole chunks, beginning with chunk <paramref name="firstChunk"/>, as many as fit into <paramref name="destination"/>, which must hold
    /// at least one. Returns the bytes read; less than whole chunks, or 0, only at the blob's end.
    /// </summary>
    /// <exception cref="OperationalException">OT-4020: not here.</exception>
    /// <exception cref="LedgerCorruptException">OT-4021, OT-4022: stored bytes are not the named content.</exception>
    ValueTask<int> Read(Digest name, int firstChunk, Memory<byte> destination, CancellationToken cancellationToken);

    /// <summary>Writes the whole content to <paramref name="destination"/>, each chunk checked before it is written.</summary>
    ValueTask CopyTo(Digest name, Stream destination, CancellationToken cancellationToken);

    /// <summary>Removes the content, durably; false when it was not here.</summary>
    ValueTask<bool> Delete(Digest name, CancellationToken cancellationToken);
}
