using Microsoft.Win32.SafeHandles;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.History;

/// <summary>
/// The nodes of a ledger's tree in a file (docs/spec/store.md §1.5): one record for each complete subtree of 256 leaves, its levels 0 to 8 one behind the other. In memory are only the subtree that is
/// still growing, the levels from 8 on, 1/256 of all, and the record that was read last: all that a proof needs from the file lies in one. Not thread-safe.
/// </summary>
internal sealed class SubtreeFile : IMerkleNodes
{
    private const int Top = 8;
    private const int Width = 1 << Top;

    /// <summary>511 nodes.</summary>
    public const int RecordBytes = (2 * Width - 1) * Digest.Size;

    private readonly SafeFileHandle _file;
    private readonly List<Digest>[] _growing = [.. Enumerable.Range(0, Top).Select(_ => new List<Digest>())];
    private readonly List<List<Digest>> _above = [[]];
    private readonly byte[] _record = new byte[RecordBytes];
    private long _read = -1;

    /// <summary>The first <paramref name="size"/> leaves of the file, as far as they fill subtrees; what is behind is written over. The caller appends the leaves from <see cref="Complete"/> on.</summary>
    /// <exception cref="EndOfStreamException">The file is shorter.</exception>
    public SubtreeFile(SafeFileHandle file, long size)
    {
        _file = file;
        var node = new byte[Digest.Size];
        for (long record = 0; record < size / Width; record++)
        {
            Read(node, (record * RecordBytes) + RecordBytes - Digest.Size);
            Append(Top, Digest.From(node), record + 1);
        }
    }

    /// <summary>Leaves in complete subtrees.</summary>
    public long Complete => _above[0].Count * (long)Width;

    public long Count(int level) => level < Top ? (_above[0].Count * (long)(Width >> level)) + _growing[level].Count : level - Top < _above.Count ? _above[level - Top].Count : 0;

    public Digest this[int level, long index]
    {
        get
        {
            if (level >= Top) return _above[level - Top][checked((int)index)];
            var (record, within) = Math.DivRem(index, Width >> level);
            if (record == _above[0].Count) return _growing[level][(int)within];
            if (_read != record)
            {
                _read = -1;
                Read(_record, record * RecordBytes);
                _read = record;
            }

            return Digest.From(_record.AsSpan((int)(LevelStart(level) + within) * Digest.Size, Digest.Size));
        }
    }

    public void Append(int level, Digest node)
    {
        if (level < Top)
        {
            _growing[level].Add(node);
            return;
        }

        if (level == Top) WriteRecord(node);
        Above(level).Add(node);
    }

    // While the file is read the levels above are made from the nodes that lie in it, pair by pair.
    private void Append(int level, Digest node, long count)
    {
        Above(level).Add(node);
        if (count % 2 == 0) Append(level + 1, MerkleHash.Node(_above[level - Top][^2], node), count / 2);
    }

    private List<Digest> Above(int level)
    {
        if (level - Top == _above.Count) _above.Add([]);
        return _above[level - Top];
    }

    private void WriteRecord(Digest top)
    {
        var record = new byte[RecordBytes];
        var at = 0;
        foreach (var level in _growing)
        {
            foreach (var node in level)
            {
                node.CopyTo(record.AsSpan(at));
                at += Digest.Size;
            }

            level.Clear();
        }

        top.CopyTo(record.AsSpan(at));
        RandomAccess.Write(_file, record, _above[0].Count * (long)RecordBytes);
    }

    // 0, 256, 384, …: nodes of the levels below.
    private static int LevelStart(int level) => 2 * Width - (2 * Width >> level);

    private void Read(Span<byte> node, long offset)
    {
        if (RandomAccess.Read(_file, node, offset) != node.Length) throw new EndOfStreamException("The file of the tree is shorter than the tree.");
    }
}
