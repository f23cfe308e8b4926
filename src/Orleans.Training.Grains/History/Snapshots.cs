using System.Globalization;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.History;

/// <summary>
/// Snapshots of a chain as files beside its archive (docs/spec/store.md §1.5): <c>snapshot-HEIGHT-NAME</c>, where the name is the content's as a blob. They are written whole or not at all; the two newest are kept.
/// </summary>
/// <param name="folder">The archive's folder.</param>
public sealed class Snapshots(string folder)
{
    private const int Kept = 2;
    private const string Prefix = "snapshot-";
    private readonly Lock _writing = new();

    /// <summary>The name of the state after a block.</summary>
    public static Digest NameOf(ExecutedBlock executed)
    {
        using var tree = new ChunkTree();
        foreach (var part in Snapshot.Write(executed)) tree.Append(part);
        return tree.Finish();
    }

    /// <summary>Writes the state after a block, durably, and removes the oldest. Gives its name and its bytes.</summary>
    /// <exception cref="IOException">It could not be written; nothing is there under its name.</exception>
    public StoredBlob Write(ExecutedBlock executed)
    {
        using var _ = _writing.EnterScope();
        var unfinished = Path.Combine(folder, "snapshot.new");
        using var tree = new ChunkTree();
        long bytes;
        try
        {
            using var file = File.Open(unfinished, FileMode.Create, FileAccess.Write);
            foreach (var part in Snapshot.Write(executed))
            {
                tree.Append(part);
                file.Write(part);
            }

            bytes = tree.Length;
            file.Flush(flushToDisk: true);
        }
        catch
        {
            // On a full disk the journal needs what it takes.
            File.Delete(unfinished);
            throw;
        }

        CrashPoints.Reach("snapshot-before-rename");
        var name = tree.Finish();
        DurableFiles.Rename(unfinished, Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{Prefix}{executed.Block.Header.Height:D12}-{name}")));
        foreach (var old in Files().Skip(Kept)) File.Delete(old);
        return new StoredBlob(name, bytes);
    }

    /// <summary>The file of the snapshot with this name; null when it is not here.</summary>
    public string? Find(Digest name) => Array.Find(Files(), path => path.EndsWith($"-{name}", StringComparison.Ordinal));

    /// <summary>The blocks with the states after them, the newest first, of the files that hold what their names say; read as they are asked for.</summary>
    public IEnumerable<ExecutedBlock> Read()
    {
        foreach (var path in Files())
        {
            if (TryRead(path) is { } executed) yield return executed;
        }
    }

    /// <summary>Removes all of them: what does not fit the journal must not outlive what will.</summary>
    public void Clear()
    {
        foreach (var path in Files()) File.Delete(path);
    }

    private static ExecutedBlock? TryRead(string path)
    {
        try
        {
            var content = File.ReadAllBytes(path);
            return Digest.TryParse(Path.GetFileName(path).Split('-')[^1], out var name) && ChunkedBlob.Root(content) == name && Snapshot.TryRead(content, out var executed) ? executed : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    private string[] Files() => Directory.EnumerateFiles(folder, Prefix + "*-*").OrderDescending(StringComparer.Ordinal).ToArray();
}
