using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Validators;

/// <summary>One file of a journal: a header, then whole frames (docs/spec/store.md §1.2).</summary>
internal sealed class Segment : IDisposable
{
    public const int HeaderBytes = 8 + JournalFormat.SaltBytes + 4 + 8 + Digest.Size + Digest.Size;

    private const int NumberOffset = 8 + JournalFormat.SaltBytes;
    private const int HashOffset = HeaderBytes - Digest.Size;

    private static ReadOnlySpan<byte> Magic => "OTJRNL01"u8;

    private Segment(string path, SafeFileHandle handle, int number, long firstFrame)
    {
        Path = path;
        Handle = handle;
        Number = number;
        FirstFrame = firstFrame;
    }

    public string Path { get; }

    public string Name => System.IO.Path.GetFileName(Path);

    public SafeFileHandle Handle { get; }

    public int Number { get; }

    /// <summary>The number of the segment's first frame.</summary>
    public long FirstFrame { get; }

    public long Length => RandomAccess.GetLength(Handle);

    public static string FileName(int number) => $"journal-{number:D6}.log";

    /// <summary>Creates an empty segment; it has its name only when its header is durable.</summary>
    public static Segment Create(string folder, JournalFormat format, int number, long firstFrame, Digest previous)
    {
        var path = System.IO.Path.Combine(folder, FileName(number));
        var header = new byte[HeaderBytes];
        Magic.CopyTo(header);
        format.Salt.Span.CopyTo(header.AsSpan(Magic.Length));
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(NumberOffset), number);
        BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(NumberOffset + 4), firstFrame);
        previous.CopyTo(header.AsSpan(NumberOffset + 12));
        Digest.Of(header.AsSpan(0, HashOffset)).CopyTo(header.AsSpan(HashOffset));

        using (var handle = File.OpenHandle(path + ".new", FileMode.Create, FileAccess.ReadWrite))
        {
            RandomAccess.Write(handle, header, 0);
            RandomAccess.FlushToDisk(handle);
        }

        DurableFiles.Rename(path + ".new", path);
        return new Segment(path, OpenHandle(path), number, firstFrame);
    }

    /// <summary>The salt in the header of a journal's first segment.</summary>
    public static byte[] ReadSalt(string path)
    {
        using var handle = OpenHandle(path);
        return ReadHeader(path, handle)[Magic.Length..NumberOffset];
    }

    /// <summary>Opens a segment that must continue the journal from <paramref name="firstFrame"/> and <paramref name="previous"/>.</summary>
    public static Segment Open(string path, JournalFormat format, int number, long firstFrame, Digest previous)
    {
        var handle = OpenHandle(path);
        try
        {
            var header = ReadHeader(path, handle);
            var continues = header.AsSpan(Magic.Length, JournalFormat.SaltBytes).SequenceEqual(format.Salt.Span)
                && BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(NumberOffset)) == number
                && BinaryPrimitives.ReadInt64BigEndian(header.AsSpan(NumberOffset + 4)) == firstFrame
                && Digest.From(header.AsSpan(NumberOffset + 12, Digest.Size)) == previous;
            if (!continues) throw Damaged(path, $"does not continue this validator's journal at frame {firstFrame}");
            return new Segment(path, handle, number, firstFrame);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>The frame that begins at this offset and ends at <paramref name="end"/> or before; null when there is none that verifies.</summary>
    public byte[]? ReadFrame(JournalFormat format, long offset, long end)
    {
        Span<byte> header = stackalloc byte[JournalFormat.HeaderBytes];
        if (end - offset < JournalFormat.OverheadBytes) return null;
        Fill(header, offset);
        if (!JournalFormat.TryReadHeader(header, out _, out var length) || length > end - offset - JournalFormat.OverheadBytes) return null;
        var frame = new byte[JournalFormat.OverheadBytes + length];
        Fill(frame, offset);
        return format.Verify(frame) ? frame : null;
    }

    /// <summary>Whether a frame that verifies begins at this offset, or anywhere behind it with this number or above.</summary>
    public bool HasFrameFrom(JournalFormat format, long offset, long number)
    {
        var rest = new byte[Length - offset];
        Fill(rest, offset);
        for (var at = 0; at + JournalFormat.OverheadBytes <= rest.Length; at++)
        {
            var bytes = rest.AsSpan(at);
            if (!JournalFormat.TryReadHeader(bytes, out var claimed, out var length)) continue;
            if ((at > 0 && claimed < number) || length > bytes.Length - JournalFormat.OverheadBytes) continue;
            if (format.Verify(bytes[..(JournalFormat.OverheadBytes + length)])) return true;
        }

        return false;
    }

    /// <summary>Cuts the file to this length, durably.</summary>
    public void Truncate(long length)
    {
        RandomAccess.SetLength(Handle, length);
        RandomAccess.FlushToDisk(Handle);
    }

    public void Dispose() => Handle.Dispose();

    private static SafeFileHandle OpenHandle(string path) => File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);

    private static byte[] ReadHeader(string path, SafeFileHandle handle)
    {
        var header = new byte[HeaderBytes];
        var whole = RandomAccess.Read(handle, header, 0) == HeaderBytes;
        var good = whole && header.AsSpan().StartsWith(Magic) && Digest.Of(header.AsSpan(0, HashOffset)) == Digest.From(header.AsSpan(HashOffset));
        return good ? header : throw Damaged(path, "has a damaged header");
    }

    private static LedgerCorruptException Damaged(string path, string how) =>
        new("OT-4010", $"The journal is damaged: segment {System.IO.Path.GetFileName(path)} {how} (offset 0).");

    private void Fill(Span<byte> destination, long offset)
    {
        while (!destination.IsEmpty)
        {
            var read = RandomAccess.Read(Handle, destination, offset);
            if (read == 0) throw new EndOfStreamException($"{Name} became shorter while it was read.");
            destination = destination[read..];
            offset += read;
        }
    }
}
