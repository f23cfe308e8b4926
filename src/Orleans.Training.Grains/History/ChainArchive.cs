using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.History;

/// <summary>
/// A folder with all final blocks of a shard, their leaves and events, and the nodes of its tree (docs/spec/store.md §1.5): what <see cref="CommittedChain"/> serves from when it is older than what is kept in
/// memory. Everything in it follows from the journal, so it is synced only with a snapshot, and made again when it does not fit. One process has it open; appended to by one, read by many.
/// </summary>
public sealed class ChainArchive : IDisposable
{
    private const int EntryBytes = 16;
    private const int FrameBytes = sizeof(int) + Digest.Size;
    private const long SealingFlag = 1L << 62;

    private readonly SafeFileHandle _index;
    private readonly SafeFileHandle _blocks;
    private readonly SafeFileHandle _nodes;
    private readonly Lock _lock = new();
    // Where each block begins, and the leaves after it, with a flag when it seals an era: the only part of the past that is in memory, 16 bytes a block.
    private readonly List<(long Offset, long Size)> _entries = [];
    private long _end;

    private ChainArchive(string folder, SafeFileHandle index, SafeFileHandle blocks, SafeFileHandle nodes)
    {
        (Folder, _index, _blocks, _nodes) = (folder, index, blocks, nodes);
        Tree = new SubtreeFile(nodes, 0);
    }

    /// <summary>Where it lies.</summary>
    public string Folder { get; }

    /// <summary>The nodes of the tree over the leaves of all blocks.</summary>
    public IMerkleNodes Tree { get; private set; }

    /// <summary>Blocks, genesis included.</summary>
    public long Count
    {
        get
        {
            lock (_lock) return _entries.Count;
        }
    }

    /// <summary>The heights of the blocks that sealed an era, ascending.</summary>
    public IReadOnlyList<long> Sealing
    {
        get
        {
            lock (_lock) return [.. _entries.Index().Where(entry => (entry.Item.Size & SealingFlag) != 0).Select(entry => (long)entry.Index)];
        }
    }

    /// <summary>Opens or creates the folder. It is empty until <see cref="TryKeep"/> finds in it what is asked for.</summary>
    /// <exception cref="OperationalException">OT-4014: it is open elsewhere, or cannot be opened.</exception>
    public static ChainArchive Open(string folder)
    {
        var opened = new List<SafeFileHandle>();
        try
        {
            DurableFiles.CreateFolder(folder);
            foreach (var (name, share) in new[] { ("index", FileShare.None), ("blocks", FileShare.Read), ("tree", FileShare.Read) })
                opened.Add(File.OpenHandle(Path.Combine(folder, name), FileMode.OpenOrCreate, FileAccess.ReadWrite, share));
            return new ChainArchive(folder, opened[0], opened[1], opened[2]);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            foreach (var handle in opened) handle.Dispose();
            throw new OperationalException("OT-4014", $"The archive in {folder} is open elsewhere, or cannot be opened: {exception.Message}", exception);
        }
    }

    /// <summary>
    /// Keeps the blocks up to this one, and forgets what is behind. False when they are not there, or the last one or the tree is another: a crash took bytes that were not synced, or the archive is of another chain. It counts
    /// as empty then; an earlier block may still be found.
    /// </summary>
    public bool TryKeep(Block last)
    {
        lock (_lock)
        {
            try
            {
                ReadIndex((long)last.Header.Height + 1);
                if (_entries.Count == (long)last.Header.Height + 1 && Read(_entries.Count - 1).Block.Digest == last.Digest && SizeAt(_entries.Count - 1) == last.Header.TreeSize)
                {
                    RandomAccess.SetLength(_blocks, _end);
                    RandomAccess.SetLength(_index, _entries.Count * (long)EntryBytes);
                    if (ReadTree(last.Header.TreeSize).Root(last.Header.TreeSize) == last.Header.TreeRoot) return true;
                }
            }
            catch (Exception exception) when (exception is LedgerCorruptException or EndOfStreamException)
            {
                // As good as not there.
            }

            _entries.Clear();
            _end = 0;
            return false;
        }
    }

    /// <summary>Appends the next block. Its leaves are the caller's to append to the tree.</summary>
    public void Append(FinalBlock block)
    {
        var content = block.Encode();
        var frame = new byte[FrameBytes + content.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, content.Length);
        Digest.Of(content).CopyTo(frame.AsSpan(sizeof(int)));
        content.CopyTo(frame, FrameBytes);
        Span<byte> entry = stackalloc byte[EntryBytes];
        var size = block.Block.Header.TreeSize | (block.Block.IsSealing ? SealingFlag : 0);
        lock (_lock)
        {
            BinaryPrimitives.WriteInt64BigEndian(entry, _end);
            BinaryPrimitives.WriteInt64BigEndian(entry[8..], size);
            RandomAccess.Write(_blocks, frame, _end);
            RandomAccess.Write(_index, entry, _entries.Count * (long)EntryBytes);
            _entries.Add((_end, size));
            _end += frame.Length;
        }
    }

    /// <summary>The block at a height below <see cref="Count"/>.</summary>
    /// <exception cref="LedgerCorruptException">OT-4013: it is not what was written.</exception>
    public FinalBlock Read(long height)
    {
        long offset, end;
        lock (_lock) (offset, end) = (_entries[checked((int)height)].Offset, height + 1 < _entries.Count ? _entries[(int)height + 1].Offset : _end);
        var frame = new byte[end - offset];
        var whole = frame.Length > FrameBytes && RandomAccess.Read(_blocks, frame, offset) == frame.Length && BinaryPrimitives.ReadInt32BigEndian(frame) == frame.Length - FrameBytes;
        return whole && Digest.Of(frame.AsSpan(FrameBytes)) == Digest.From(frame.AsSpan(sizeof(int), Digest.Size)) && FinalBlock.TryParse(frame.AsMemory(FrameBytes), out var block)
            ? block!
            : throw Damaged($"Block {height}");
    }

    /// <summary>The height of the block that holds the leaf at an index below the tree's size.</summary>
    public long HeightOf(long leaf)
    {
        lock (_lock)
        {
            int low = 0, high = _entries.Count - 1;
            while (low < high)
            {
                var middle = (low + high) / 2;
                if (SizeAt(middle) > leaf) high = middle; else low = middle + 1;
            }

            return low;
        }
    }

    /// <summary>What is thrown when this part of the archive is not what was written.</summary>
    public LedgerCorruptException Damaged(string what) => new("OT-4013", $"{what} in the archive {Folder} is not what was written. Stop the validator, remove the files blocks, index and tree from it and start again: they are made anew from the journal, or fetched from the others.");

    /// <summary>Makes everything so far durable.</summary>
    public void Sync()
    {
        RandomAccess.FlushToDisk(_blocks);
        RandomAccess.FlushToDisk(_nodes);
        RandomAccess.FlushToDisk(_index);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _blocks.Dispose();
        _nodes.Dispose();
        _index.Dispose();
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        lock (_lock)
        {
            _entries.Clear();
            _end = 0;
            foreach (var file in new[] { _index, _blocks, _nodes }) RandomAccess.SetLength(file, 0);
            Tree = new SubtreeFile(_nodes, 0);
        }
    }

    private long SizeAt(int height) => _entries[height].Size & ~SealingFlag;

    // The first blocks of the file, one more than wanted if there is one: it says where the last of them ends.
    private void ReadIndex(long wanted)
    {
        _entries.Clear();
        var length = Math.Min(RandomAccess.GetLength(_index) / EntryBytes, wanted + 1) * EntryBytes;
        var bytes = new byte[length];
        if (RandomAccess.Read(_index, bytes, 0) != length) throw new EndOfStreamException("The index of the archive is shorter than it was.");
        for (var at = 0; at < length; at += EntryBytes) _entries.Add((BinaryPrimitives.ReadInt64BigEndian(bytes.AsSpan(at)), BinaryPrimitives.ReadInt64BigEndian(bytes.AsSpan(at + 8))));
        _end = RandomAccess.GetLength(_blocks);
        if (_entries.Count > wanted)
        {
            _end = Math.Min(_end, _entries[^1].Offset);
            _entries.RemoveAt(_entries.Count - 1);
        }

        var (before, size) = (0L, 0L);
        for (var height = 0; height < _entries.Count; height++)
        {
            var next = height + 1 < _entries.Count ? _entries[height + 1].Offset : _end;
            if (_entries[height].Offset != before || next <= before + FrameBytes || SizeAt(height) <= size) throw Damaged("The index");
            (before, size) = (next, SizeAt(height));
        }
    }

    // What the file lacks of the tree are at most 255 leaves: those of the last blocks.
    private MerkleTree ReadTree(long size)
    {
        var nodes = new SubtreeFile(_nodes, size);
        var tree = new MerkleTree(nodes);
        for (var height = HeightOf(nodes.Complete); tree.Size < size; height++)
        {
            var block = Read(height);
            for (var leaf = (int)(tree.Size - block.FirstIndex); leaf < block.Leaves.Count; leaf++) tree.Append(MerkleHash.Leaf(block.Leaves[leaf]));
        }

        Tree = nodes;
        return tree;
    }
}
