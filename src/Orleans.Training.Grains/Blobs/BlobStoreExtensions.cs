using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Blobs;

/// <summary>Blobs that are wanted as a whole.</summary>
public static class BlobStoreExtensions
{
    /// <summary>Writes the whole content, each chunk checked before it is written.</summary>
    public static ValueTask CopyTo(this IBlobStore blobs, Digest name, Stream destination, CancellationToken cancellationToken) => blobs.CopyTo(name, destination, 0, long.MaxValue, cancellationToken);

    /// <summary>The whole content, checked against its name; null when it is not here.</summary>
    public static async ValueTask<byte[]?> ReadAll(this IBlobStore blobs, Digest name, CancellationToken cancellationToken)
    {
        if (await blobs.Find(name, cancellationToken) is not { } blob) return null;
        // A read asks for room for a chunk, however short the blob is.
        var content = new byte[Math.Max(checked((int)blob.Length), Limits.ChunkBytes)];
        await blobs.Read(name, 0, content, cancellationToken);
        return content.Length == blob.Length ? content : content[..(int)blob.Length];
    }
}
