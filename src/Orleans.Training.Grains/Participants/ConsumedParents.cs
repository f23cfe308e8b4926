using System.Text;
using Microsoft.Win32.SafeHandles;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Participants;

/// <summary>
/// The models about which a participant has confirmed an order to unmask, in any attempt of any run, each with that order: a file of a line each, with its own check, that outlives them (docs/spec/fedmask.md §11). A
/// line that was cut short says nothing: its Confirm was never sent. The file is read anew each time, since several attempts write it.
/// </summary>
internal sealed class ConsumedParents
{
    private const int DigestChars = 2 * Digest.Size;
    private const int CheckChars = 16;
    private const int LineBytes = (2 * DigestChars) + CheckChars + 3;

    // Several attempts of a process; between processes the open file is the lock.
    private static readonly Lock Writing = new();

    private readonly string _path;

    /// <summary>Reads the file, or begins one.</summary>
    /// <exception cref="LedgerCorruptException">OT-4060: a line is not what was written.</exception>
    /// <exception cref="OperationalException">OT-4061: another process is writing it.</exception>
    public ConsumedParents(string folder)
    {
        DurableFiles.CreateFolder(folder);
        _path = Path.Combine(folder, "consumed");
        _ = Read();
    }

    /// <summary>The models that are consumed, but for one by this very order: after a restart it may be confirmed again.</summary>
    public IReadOnlySet<Digest> Besides(Digest? order) => Read().Where(line => line.Order != order).Select(line => line.Parent).ToHashSet();

    /// <summary>Adds a model with the order about it, durably; false, and the order must not be confirmed, if another one was.</summary>
    /// <exception cref="OperationalException">OT-4061: another process has the file open.</exception>
    public bool TryAdd(Digest parent, Digest order)
    {
        lock (Writing)
        {
            var isNew = !File.Exists(_path);
            using (var file = Open(FileAccess.ReadWrite))
            {
                var lines = Parse(file);
                foreach (var line in lines)
                {
                    if (line.Parent == parent) return line.Order == order;
                }

                // Behind the last whole line, over whatever was cut short.
                RandomAccess.Write(file, Encoding.ASCII.GetBytes(LineOf(parent, order)), (long)lines.Count * LineBytes);
                RandomAccess.FlushToDisk(file);
            }

            if (isNew) DurableFiles.SyncFolder(Path.GetDirectoryName(_path)!);
            return true;
        }
    }

    private List<(Digest Parent, Digest Order)> Read()
    {
        lock (Writing)
        {
            if (!File.Exists(_path)) return [];
            using var file = Open(FileAccess.Read);
            return Parse(file);
        }
    }

    private SafeFileHandle Open(FileAccess access)
    {
        try
        {
            return File.OpenHandle(_path, FileMode.OpenOrCreate, access, access is FileAccess.Read ? FileShare.Read : FileShare.None);
        }
        catch (IOException exception) when (exception is not (FileNotFoundException or DirectoryNotFoundException))
        {
            throw new OperationalException("OT-4061", $"Another process has {_path} open: a participant takes part in masked attempts in one process.", exception);
        }
    }

    // Parent, order, and the beginning of the SHA-256 of both: a changed digit would let a second sum about a model pass.
    private static string LineOf(Digest parent, Digest order) => $"{parent} {order} {Digest.Of([.. parent.ToArray(), .. order.ToArray()]).ToString()[..CheckChars]}\n";

    private List<(Digest Parent, Digest Order)> Parse(SafeFileHandle file)
    {
        var bytes = new byte[RandomAccess.GetLength(file)];
        var content = bytes.AsSpan(0, RandomAccess.Read(file, bytes, 0));
        var lines = new List<(Digest, Digest)>();
        for (; content.Length >= LineBytes; content = content[LineBytes..])
        {
            var line = Encoding.ASCII.GetString(content[..LineBytes]);
            var isPair = Digest.TryParse(line[..DigestChars], out var parent) & Digest.TryParse(line.Substring(DigestChars + 1, DigestChars), out var order);
            if (!isPair || line != LineOf(parent, order)) throw new LedgerCorruptException("OT-4060", $"Line {lines.Count + 1} of {_path} is not what was written: restore the file, or take part in nothing until every run on these models is over.");
            lines.Add((parent, order));
        }

        return lines;
    }
}
