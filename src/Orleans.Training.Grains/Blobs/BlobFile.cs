using System.Buffers;
using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Blobs;

/// <summary>The form of a blob's file: content ‖ leaf hashes ‖ "OTBLOB01" ‖ length of the content (docs/spec/store.md §2).</summary>
internal static class BlobFile
{
    private const int FooterBytes = 16;

    private static ReadOnlySpan<byte> Magic => "OTBLOB01"u8;

    /// <summary>Bytes of the leaf hashes of so much content.</summary>
    public static long LeafBytes(long length) => (length + Limits.ChunkBytes - 1) / Limits.ChunkBytes * Digest.Size;

    /// <summary>The hashes of the chunks of a content, read to its end.</summary>
    public static async ValueTask<byte[]> LeavesOf(Stream content, CancellationToken cancellationToken)
    {
        var (leaves, chunk) = (new ArrayBufferWriter<byte>(), new byte[Limits.ChunkBytes]);
        while (await content.ReadAtLeastAsync(chunk, chunk.Length, throwOnEndOfStream: false, cancellationToken) is var read and > 0)
        {
            MerkleHash.Leaf(chunk.AsSpan(0, read)).CopyTo(leaves.GetSpan(Digest.Size));
            leaves.Advance(Digest.Size);
        }

        return leaves.WrittenSpan.ToArray();
    }

    /// <summary>Writes what stands behind the content.</summary>
    public static async ValueTask WriteEnd(SafeFileHandle handle, ReadOnlyMemory<byte> leaves, long length, CancellationToken cancellationToken)
    {
        var footer = new byte[FooterBytes];
        Magic.CopyTo(footer);
        BinaryPrimitives.WriteInt64BigEndian(footer.AsSpan(Magic.Length), length);
        await RandomAccess.WriteAsync(handle, [leaves, footer], length, cancellationToken);
    }

    /// <summary>The leaf hashes, checked against the name.</summary>
    public static async ValueTask<byte[]> ReadLeaves(SafeFileHandle handle, Digest name, long length, CancellationToken cancellationToken)
    {
        var leaves = new byte[LeafBytes(length)];
        await Fill(handle, leaves, length, cancellationToken);
        return MerkleFrontier.RootOf(leaves) == name ? leaves : throw Damaged(name);
    }

    /// <summary>The length of the content, from the last bytes of the file.</summary>
    public static long ReadLength(SafeFileHandle handle, Digest name)
    {
        Span<byte> footer = stackalloc byte[FooterBytes];
        var size = RandomAccess.GetLength(handle);
        if (size < FooterBytes || RandomAccess.Read(handle, footer, size - FooterBytes) != FooterBytes || !footer.StartsWith(Magic)) throw Damaged(name);
        var length = BinaryPrimitives.ReadInt64BigEndian(footer[Magic.Length..]);
        return length >= 0 && length <= size && length + LeafBytes(length) + FooterBytes == size ? length : throw Damaged(name);
    }

    /// <summary>Reads as many bytes as there is room for.</summary>
    public static async ValueTask Fill(SafeFileHandle handle, Memory<byte> destination, long offset, CancellationToken cancellationToken)
    {
        while (!destination.IsEmpty)
        {
            var read = await RandomAccess.ReadAsync(handle, destination, offset, cancellationToken);
            if (read == 0) throw new EndOfStreamException("A blob became shorter while it was read.");
            destination = destination[read..];
            offset += read;
        }
    }

    private static LedgerCorruptException Damaged(Digest name) => new("OT-4022", $"The hashes of blob {name} are not what was stored.");
}
