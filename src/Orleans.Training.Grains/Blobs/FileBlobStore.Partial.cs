using Microsoft.Win32.SafeHandles;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Blobs;

/// <summary>What has arrived in part lies in <c>new</c> under its name, in the form of a blob whose content has holes.</summary>
public sealed partial class FileBlobStore
{
    /// <inheritdoc/>
    public async ValueTask<byte[]?> FindLeaves(Digest name, CancellationToken cancellationToken)
    {
        using var handle = TryOpen(name);
        return handle is null ? null : await BlobFile.ReadLeaves(handle, name, BlobFile.ReadLength(handle, name), cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask<PartialBlob?> Resume(Digest name, CancellationToken cancellationToken)
    {
        var path = PartialPathOf(name);
        if (!File.Exists(path) || TryOpenPartial(path, FileMode.Open) is not { } handle) return null;
        PartialBlob? partial = null;
        try
        {
            var length = BlobFile.ReadLength(handle, name);
            partial = new PartialBlob(handle, path, name, length, await BlobFile.ReadLeaves(handle, name, length, cancellationToken));
            await partial.Look(cancellationToken);
            return partial;
        }
        catch (LedgerCorruptException)
        {
            // Its hashes did not survive a crash: begun anew.
            handle.Dispose();
            File.Delete(path);
            return null;
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<PartialBlob> Begin(Digest name, long length, ReadOnlyMemory<byte> leaves, CancellationToken cancellationToken)
    {
        if (length > _maximumBytes) throw new OperationalException("OT-4024", $"The content is larger than {_maximumBytes} bytes.");
        if (length < 0 || leaves.Length != BlobFile.LeafBytes(length) || MerkleFrontier.RootOf(leaves.Span) != name) throw new OperationalException("OT-4023", $"These are not the hashes of the chunks of {name}.");
        if (await Resume(name, cancellationToken) is { } before)
        {
            if (before.Length == length) return before;
            before.Dispose();
            File.Delete(before.Path);
        }

        DeleteOldPartials(PartialBlob.Maximum - 1);
        var path = PartialPathOf(name);
        var handle = TryOpenPartial(path, FileMode.CreateNew) ?? throw new OperationalException("OT-4025", $"Another process is receiving {name}.");
        try
        {
            await BlobFile.WriteEnd(handle, leaves, length, cancellationToken);
            return new PartialBlob(handle, path, name, length, leaves.ToArray());
        }
        catch
        {
            handle.Dispose();
            File.Delete(path);
            throw;
        }
    }

    /// <inheritdoc/>
    public ValueTask<StoredBlob> Finish(PartialBlob partial, CancellationToken cancellationToken)
    {
        if (partial.NextMissing(0) < partial.Chunks) throw new InvalidOperationException($"Chunk {partial.NextMissing(0)} of {partial.Name} is missing.");
        partial.Sync();
        partial.Dispose();
        var path = PathOf(partial.Name);
        DurableFiles.CreateFolder(Path.GetDirectoryName(path)!);
        DurableFiles.Rename(partial.Path, path);
        return new(new StoredBlob(partial.Name, partial.Length));
    }

    private string PartialPathOf(Digest name) => Path.Combine(_new, name + PartialEnding);

    private static SafeFileHandle? TryOpenPartial(string path, FileMode mode)
    {
        try
        {
            return File.OpenHandle(path, mode, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException exception) when (!DiskSpace.IsMissing(exception))
        {
            // Another process has it, or has just finished it.
            return null;
        }
    }

    private void DeleteOldPartials(int kept)
    {
        var partials = Directory.EnumerateFiles(_new, "*" + PartialEnding).Select(path => (Path: path, Time: File.GetLastWriteTimeUtc(path))).OrderByDescending(item => item.Time).ToArray();
        for (var i = 0; i < partials.Length; i++)
        {
            if (i >= kept || DateTime.UtcNow - partials[i].Time > PartialBlob.MaximumAge) DeleteUnlessInUse(partials[i].Path);
        }
    }
}
