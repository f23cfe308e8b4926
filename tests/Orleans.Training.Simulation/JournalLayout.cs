using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Simulation;

/// <summary>
/// The bytes of a journal, written after docs/spec/store.md §1 and not by the store's own code: the store reads what a second implementation wrote.
/// </summary>
internal sealed class JournalLayout
{
    public const int HeaderBytes = 116;
    public const int FrameHeaderBytes = 8 + 4 + 32;
    public const int OverheadBytes = FrameHeaderBytes + 32;

    private readonly byte[] _salt;

    public JournalLayout(string validator, byte[] salt)
    {
        _salt = salt;
        Seed = SHA256.HashData([.. "otrain-journal-v1\0"u8, .. salt, .. Encoding.UTF8.GetBytes(validator)]);
    }

    public byte[] Seed { get; }

    public static string FileName(int segment) => $"journal-{segment:D6}.log";

    public byte[] Header(int segment, long firstFrame, ReadOnlySpan<byte> previous)
    {
        var header = new byte[HeaderBytes];
        "OTJRNL01"u8.CopyTo(header);
        _salt.CopyTo(header, 8);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(40), segment);
        BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(44), firstFrame);
        previous.CopyTo(header.AsSpan(52));
        SHA256.HashData(header.AsSpan(0, 84), header.AsSpan(84));
        return header;
    }

    public byte[] Frame(long number, ReadOnlySpan<byte> previous, IReadOnlyList<JournalRecord> records)
    {
        var length = records.Sum(record => 5 + record.Content.Length);
        var frame = new byte[OverheadBytes + length];
        BinaryPrimitives.WriteInt64BigEndian(frame, number);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(8), length);
        previous.CopyTo(frame.AsSpan(12));
        var at = FrameHeaderBytes;
        foreach (var record in records)
        {
            frame[at] = (byte)record.Kind;
            BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(at + 1), record.Content.Length);
            record.Content.Span.CopyTo(frame.AsSpan(at + 5));
            at += 5 + record.Content.Length;
        }

        Hash(frame.AsSpan(0, at), frame.AsSpan(at));
        return frame;
    }

    /// <summary>The length of the frame that begins here with this number behind this chain hash; 0 when there is none.</summary>
    public int FrameAt(ReadOnlySpan<byte> bytes, long number, ReadOnlySpan<byte> previous) =>
        Verifies(bytes, out var found, out var length) && found == number && bytes.Slice(12, 32).SequenceEqual(previous) ? length : 0;

    /// <summary>Whether any frame begins here.</summary>
    public bool Verifies(ReadOnlySpan<byte> bytes, out long number, out int length)
    {
        (number, length) = (0, 0);
        if (bytes.Length < OverheadBytes) return false;
        number = BinaryPrimitives.ReadInt64BigEndian(bytes);
        var content = BinaryPrimitives.ReadInt32BigEndian(bytes[8..]);
        if (number <= 0 || content < 5 || content > bytes.Length - OverheadBytes) return false;
        length = OverheadBytes + content;
        Span<byte> hash = stackalloc byte[32];
        Hash(bytes[..(length - 32)], hash);
        return hash.SequenceEqual(bytes[(length - 32)..length]);
    }

    private void Hash(ReadOnlySpan<byte> bytes, Span<byte> hash)
    {
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        sha.AppendData(Seed);
        sha.AppendData(bytes);
        sha.GetHashAndReset(hash);
    }
}
