using System.Collections;
using Microsoft.Win32.SafeHandles;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Blobs;

/// <summary>
/// A blob of which some chunks have arrived (docs/spec/store.md §2). Its leaf hashes are those of its name, so that each chunk is checked by itself when it comes, and again when somebody goes on with it: what a crash has
/// damaged is missing again, and nothing else. One process at a time has it.
/// </summary>
public sealed class PartialBlob : IDisposable
{
    /// <summary>How many there may be in a store; the oldest goes.</summary>
    public const int Maximum = 16;

    /// <summary>For how long nobody may have gone on with one.</summary>
    public static readonly TimeSpan MaximumAge = TimeSpan.FromHours(24);

    private readonly SafeFileHandle _handle;
    private readonly byte[] _leaves;
    private readonly BitArray _here;

    internal PartialBlob(SafeFileHandle handle, string path, Digest name, long length, byte[] leaves)
    {
        (_handle, Path, Name, Length, _leaves) = (handle, path, name, length, leaves);
        _here = new BitArray(leaves.Length / Digest.Size);
    }

    /// <summary>The name that it will have.</summary>
    public Digest Name { get; }

    /// <summary>Bytes of the whole content.</summary>
    public long Length { get; }

    /// <summary>Chunks of the whole content.</summary>
    public int Chunks => _here.Count;

    internal string Path { get; }

    /// <summary>The first chunk from this one on that is not here; the number of chunks when all are.</summary>
    public int NextMissing(int from)
    {
        while (from < Chunks && _here[from]) from++;
        return Math.Min(from, Chunks);
    }

    /// <summary>Keeps a chunk; false, and nothing is changed, if it is not the one that the name demands.</summary>
    /// <param name="chunk">Its number.</param>
    /// <param name="bytes">All of it.</param>
    /// <param name="cancellationToken">Ends the write.</param>
    public async ValueTask<bool> TryWrite(int chunk, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        if (chunk < 0 || chunk >= Chunks || bytes.Length != LengthOf(chunk) || !IsRight(chunk, bytes.Span)) return false;
        if (_here[chunk]) return true;
        await RandomAccess.WriteAsync(_handle, bytes, (long)chunk * Limits.ChunkBytes, cancellationToken);
        _here[chunk] = true;
        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();

    // What is there from before, if it is right.
    internal async ValueTask Look(CancellationToken cancellationToken)
    {
        var buffer = new byte[Limits.ChunkBytes];
        for (var chunk = 0; chunk < Chunks; chunk++)
        {
            var bytes = buffer.AsMemory(0, LengthOf(chunk));
            await BlobFile.Fill(_handle, bytes, (long)chunk * Limits.ChunkBytes, cancellationToken);
            _here[chunk] = IsRight(chunk, bytes.Span);
        }
    }

    internal void Sync() => RandomAccess.FlushToDisk(_handle);

    private int LengthOf(int chunk) => (int)Math.Min(Limits.ChunkBytes, Length - ((long)chunk * Limits.ChunkBytes));

    private bool IsRight(int chunk, ReadOnlySpan<byte> bytes) => Protocol.Ledger.MerkleHash.Leaf(bytes) == Digest.From(_leaves.AsSpan(chunk * Digest.Size, Digest.Size));
}
