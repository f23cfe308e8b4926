using System.Text;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Participants;

/// <summary>
/// The models about which a participant has confirmed an order to unmask, in any attempt of any run: a file of one digest a line that outlives them (docs/spec/fedmask.md §11). A line that was cut
/// short says nothing: its Confirm was never sent.
/// </summary>
internal sealed class ConsumedParents
{
    private const int LineBytes = (2 * Digest.Size) + 1;

    private readonly string _path;
    private readonly HashSet<Digest> _parents = [];
    private readonly Lock _lock = new();

    /// <summary>Reads the file, or begins one.</summary>
    /// <exception cref="LedgerCorruptException">OT-4060: a line is no digest.</exception>
    public ConsumedParents(string folder)
    {
        DurableFiles.CreateFolder(folder);
        _path = Path.Combine(folder, "consumed");
        if (!File.Exists(_path)) return;
        var lines = File.ReadAllText(_path, Encoding.ASCII);
        for (var at = 0; at + LineBytes <= lines.Length; at += LineBytes)
        {
            if (lines[at + LineBytes - 1] != '\n' || !Digest.TryParse(lines[at..(at + LineBytes - 1)], out var parent)) throw new LedgerCorruptException("OT-4060", $"Line {(at / LineBytes) + 1} of {_path} is no digest: restore the file, or take part in nothing until every run on these models is over.");
            _parents.Add(parent);
        }
    }

    /// <summary>The models so far.</summary>
    public IReadOnlySet<Digest> All
    {
        get
        {
            lock (_lock) return new HashSet<Digest>(_parents);
        }
    }

    /// <summary>Adds one, durably.</summary>
    public void Add(Digest parent)
    {
        lock (_lock)
        {
            if (_parents.Contains(parent)) return;
            var isNew = !File.Exists(_path);
            using (var file = File.OpenHandle(_path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read))
            {
                // Behind the last whole line, over whatever was cut short.
                RandomAccess.Write(file, Encoding.ASCII.GetBytes(parent + "\n"), (long)_parents.Count * LineBytes);
                RandomAccess.FlushToDisk(file);
            }

            if (isNew) DurableFiles.SyncFolder(Path.GetDirectoryName(_path)!);
            _parents.Add(parent);
        }
    }
}
