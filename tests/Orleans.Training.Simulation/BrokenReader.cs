using System.Buffers.Binary;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Simulation;

/// <summary>How a recovery can be wrong.</summary>
internal enum RecoveryFault
{
    None,
    /// <summary>Whatever does not verify is cut off with all behind it, as if it were a torn tail.</summary>
    CutsDamage,
    /// <summary>A torn tail is taken for damage.</summary>
    RefusesTornTail,
    /// <summary>Hashes are not checked.</summary>
    SkipsHashes,
    /// <summary>Only frames that claim the very next number behind a bad one show that it was durable.</summary>
    LooksForNextFrameOnly,
    /// <summary>Headers of segments are not checked.</summary>
    SkipsHeaders,
}

/// <summary>Recovery after docs/spec/store.md §1.3 with one rule broken, in the place of the real one.</summary>
internal static class BrokenReader
{
    public static StoreReading Read(JournalLayout layout, IReadOnlyList<byte[]> segments, RecoveryFault fault)
    {
        var frames = new List<IReadOnlyList<JournalRecord>>();
        var previous = layout.Seed;
        for (var i = 0; i < segments.Count; i++)
        {
            var bytes = segments[i];
            if (fault is not RecoveryFault.SkipsHeaders && !bytes.AsSpan(0, Math.Min(bytes.Length, JournalLayout.HeaderBytes)).SequenceEqual(layout.Header(i + 1, frames.Count + 1, previous))) return Refused(i, 0, frames.Count + 1);
            for (var offset = JournalLayout.HeaderBytes; offset < bytes.Length;)
            {
                var length = fault is RecoveryFault.SkipsHashes ? Claimed(bytes.AsSpan(offset)) : layout.FrameAt(bytes.AsSpan(offset), frames.Count + 1, previous);
                if (length == 0)
                {
                    var torn = i == segments.Count - 1 && fault is not RecoveryFault.RefusesTornTail && !ShowsDurable(layout, bytes.AsSpan(offset), frames.Count + 1, fault);
                    return torn || fault is RecoveryFault.CutsDamage ? new StoreReading(frames, null, i == segments.Count - 1 ? offset : bytes.Length) : Refused(i, offset, frames.Count + 1);
                }

                frames.Add(Records(bytes.AsSpan(offset + JournalLayout.FrameHeaderBytes, length - JournalLayout.OverheadBytes)));
                previous = bytes[(offset + length - 32)..(offset + length)];
                offset += length;
            }
        }

        return new StoreReading(frames, null, segments[^1].Length);
    }

    private static bool ShowsDurable(JournalLayout layout, ReadOnlySpan<byte> rest, long number, RecoveryFault fault)
    {
        for (var at = 0; at < rest.Length; at++)
        {
            if (layout.Verifies(rest[at..], out var found, out _) && (at == 0 || found >= number) && (fault is not RecoveryFault.LooksForNextFrameOnly || found == number)) return true;
        }

        return false;
    }

    private static int Claimed(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < JournalLayout.OverheadBytes) return 0;
        var content = BinaryPrimitives.ReadInt32BigEndian(bytes[8..]);
        return content < 5 || content > bytes.Length - JournalLayout.OverheadBytes ? 0 : JournalLayout.OverheadBytes + content;
    }

    private static List<JournalRecord> Records(ReadOnlySpan<byte> content)
    {
        var records = new List<JournalRecord>();
        while (content.Length >= 5)
        {
            var length = BinaryPrimitives.ReadInt32BigEndian(content[1..]);
            if (length < 0 || length > content.Length - 5) break;
            records.Add(new JournalRecord((JournalRecordKind)content[0], content.Slice(5, length).ToArray()));
            content = content[(5 + length)..];
        }

        return records;
    }

    private static StoreReading Refused(int segment, int offset, int frame) => new([], $"segment {JournalLayout.FileName(segment + 1)}, offset {offset}, frame {frame} does not verify", 0);
}
