using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>
/// The frames of one journal (docs/spec/store.md §1.1). Each verifies by itself and names the one before it. The salt keeps strangers from
/// putting bytes into a transaction that would pass for a frame.
/// </summary>
internal sealed class JournalFormat
{
    public const int SaltBytes = 32;
    public const int HeaderBytes = 8 + 4 + Digest.Size;
    public const int OverheadBytes = HeaderBytes + Digest.Size;
    public const int RecordHeaderBytes = 1 + 4;
    public const int AppendBytes = 16 * 1024 * 1024;
    public const int ContentBytes = 2 * AppendBytes;

    private const int LengthOffset = 8;
    private const int PreviousOffset = LengthOffset + 4;

    private readonly byte[] _seed;

    public JournalFormat(string validator, ReadOnlySpan<byte> salt)
    {
        if (salt.Length != SaltBytes) throw new ArgumentException($"A salt has {SaltBytes} bytes.", nameof(salt));
        Salt = salt.ToArray();
        Seed = Digest.Of([.. "otrain-journal-v1\0"u8, .. salt, .. Encoding.UTF8.GetBytes(validator)]);
        _seed = Seed.ToArray();
    }

    public ReadOnlyMemory<byte> Salt { get; }

    /// <summary>What frame 1 names as the frame before it.</summary>
    public Digest Seed { get; }

    /// <summary>Bytes that these records take in a frame's content.</summary>
    /// <exception cref="ArgumentException">None, or too many for one append.</exception>
    public static int Measure(IReadOnlyList<JournalRecord> records)
    {
        long bytes = 0;
        foreach (var record in records) bytes += RecordHeaderBytes + record.Content.Length;
        if (records.Count == 0) throw new ArgumentException("An append has at least one record.", nameof(records));
        if (bytes > AppendBytes) throw new ArgumentException($"An append has at most {AppendBytes} bytes, not {bytes}.", nameof(records));
        return (int)bytes;
    }

    /// <summary>Opens a frame in an empty buffer; <see cref="Add"/> and <see cref="Seal"/> follow.</summary>
    public void Begin(ArrayBufferWriter<byte> buffer, long number, Digest previous)
    {
        Debug.Assert(buffer.WrittenCount == 0);
        buffer.Write(_seed);
        var header = buffer.GetSpan(HeaderBytes);
        WriteHeader(header, number, 0, previous);
        buffer.Advance(HeaderBytes);
    }

    public static void Add(ArrayBufferWriter<byte> buffer, IReadOnlyList<JournalRecord> records)
    {
        foreach (var record in records)
        {
            var head = buffer.GetSpan(RecordHeaderBytes);
            head[0] = (byte)record.Kind;
            BinaryPrimitives.WriteInt32BigEndian(head[1..], record.Content.Length);
            buffer.Advance(RecordHeaderBytes);
            buffer.Write(record.Content.Span);
        }
    }

    /// <summary>Fills in the length and appends the chain hash, which is returned; <paramref name="frame"/> is the whole frame, inside the buffer.</summary>
    public static Digest Seal(ArrayBufferWriter<byte> buffer, out ReadOnlyMemory<byte> frame)
    {
        var written = MemoryMarshal.AsMemory(buffer.WrittenMemory).Span;
        BinaryPrimitives.WriteInt32BigEndian(written[(Digest.Size + LengthOffset)..], written.Length - Digest.Size - HeaderBytes);
        var chain = Digest.Of(written);
        chain.CopyTo(buffer.GetSpan(Digest.Size));
        buffer.Advance(Digest.Size);
        frame = buffer.WrittenMemory[Digest.Size..];
        return chain;
    }

    /// <summary>The content of a whole frame, between its header and its chain hash.</summary>
    public static ReadOnlyMemory<byte> Content(ReadOnlyMemory<byte> frame) => frame[HeaderBytes..^Digest.Size];

    public static Digest Previous(ReadOnlySpan<byte> frame) => Digest.From(frame.Slice(PreviousOffset, Digest.Size));

    public static Digest Chain(ReadOnlySpan<byte> frame) => Digest.From(frame[^Digest.Size..]);

    /// <summary>Number and content length that these bytes claim; false when they cannot be the start of a frame.</summary>
    public static bool TryReadHeader(ReadOnlySpan<byte> bytes, out long number, out int length)
    {
        number = length = 0;
        if (bytes.Length < HeaderBytes) return false;
        number = BinaryPrimitives.ReadInt64BigEndian(bytes);
        length = BinaryPrimitives.ReadInt32BigEndian(bytes[LengthOffset..]);
        return number > 0 && length is >= RecordHeaderBytes and <= ContentBytes;
    }

    /// <summary>Whether the chain hash of a whole frame is right.</summary>
    public bool Verify(ReadOnlySpan<byte> frame) => Hash(frame[..^Digest.Size], []) == Chain(frame);

    /// <summary>The chain hash of a frame whose parts are stored apart.</summary>
    public Digest Chain(long number, Digest previous, ReadOnlySpan<byte> content)
    {
        Span<byte> header = stackalloc byte[HeaderBytes];
        WriteHeader(header, number, content.Length, previous);
        return Hash(header, content);
    }

    /// <summary>The records of a frame's content, as views of it; false when it is not made of whole records of known kinds.</summary>
    public static bool TryReadRecords(ReadOnlyMemory<byte> content, out IReadOnlyList<JournalRecord> records)
    {
        var found = new List<JournalRecord>();
        records = found;
        while (content.Length >= RecordHeaderBytes)
        {
            var kind = (JournalRecordKind)content.Span[0];
            var length = BinaryPrimitives.ReadInt32BigEndian(content.Span[1..]);
            content = content[RecordHeaderBytes..];
            if (length < 0 || length > content.Length || !Enum.IsDefined(kind)) return false;
            found.Add(new JournalRecord(kind, content[..length]));
            content = content[length..];
        }

        return content.IsEmpty && found.Count > 0;
    }

    private static void WriteHeader(Span<byte> header, long number, int length, Digest previous)
    {
        BinaryPrimitives.WriteInt64BigEndian(header, number);
        BinaryPrimitives.WriteInt32BigEndian(header[LengthOffset..], length);
        previous.CopyTo(header[PreviousOffset..]);
    }

    private Digest Hash(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(_seed);
        hash.AppendData(first);
        hash.AppendData(second);
        Span<byte> chain = stackalloc byte[Digest.Size];
        hash.GetHashAndReset(chain);
        return Digest.From(chain);
    }
}
