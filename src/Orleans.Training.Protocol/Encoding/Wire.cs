using System.Formats.Cbor;

namespace Orleans.Training.Protocol;

/// <summary>
/// The one encoding of everything that is signed or hashed: deterministic CBOR (RFC 8949 §4.2.1) without maps, tags or floats.
/// See docs/spec/encoding.md.
/// </summary>
public static class Wire
{
    // A thread keeps one writer with the buffer that it has grown, unless that is large.
    private const int SmallBytes = 64 * 1024;
    [ThreadStatic] private static CborWriter? _idle;

    /// <summary>Encodes one item.</summary>
    public static byte[] Encode(Action<CborWriter> write)
    {
        // While it is in use nobody finds it: what is encoded may encode something else first.
        var writer = _idle ?? new CborWriter(CborConformanceMode.Canonical);
        _idle = null;
        write(writer);
        var encoded = writer.Encode();
        if (encoded.Length > SmallBytes) return encoded;
        writer.Reset();
        _idle = writer;
        return encoded;
    }

    /// <summary>
    /// Decodes exactly one item. Truncated, over-long, non-canonical or trailing bytes, and whatever <paramref name="read"/> itself
    /// refuses by throwing <see cref="CborContentException"/>, give false; nothing escapes as an exception.
    /// </summary>
    public static bool TryDecode<T>(ReadOnlyMemory<byte> bytes, int limit, Func<CborReader, T> read, out T value)
    {
        value = default!;
        if (bytes.Length > limit) return false;
        try
        {
            var reader = new CborReader(bytes, CborConformanceMode.Canonical);
            var decoded = read(reader);
            if (reader.BytesRemaining != 0) return false;
            value = decoded;
            return true;
        }
        catch (Exception exception) when (exception is CborContentException or InvalidOperationException or OverflowException)
        {
            return false;
        }
    }

    /// <summary>Writes the 32 bytes as a byte string.</summary>
    public static void Write(this CborWriter writer, Digest digest)
    {
        Span<byte> bytes = stackalloc byte[Digest.Size];
        digest.CopyTo(bytes);
        writer.WriteByteString(bytes);
    }

    /// <summary>Writes the 16 bytes as a byte string.</summary>
    public static void Write(this CborWriter writer, Identifier identifier)
    {
        Span<byte> bytes = stackalloc byte[Identifier.Size];
        identifier.CopyTo(bytes);
        writer.WriteByteString(bytes);
    }

    /// <summary>Writes an array of identifiers.</summary>
    public static void Write(this CborWriter writer, IReadOnlyList<Identifier> identifiers)
    {
        writer.WriteStartArray(identifiers.Count);
        foreach (var identifier in identifiers) writer.Write(identifier);
        writer.WriteEndArray();
    }

    /// <summary>Writes the name as a text string.</summary>
    public static void Write(this CborWriter writer, ParticipantId participant) => writer.WriteTextString(participant.Name);

    /// <summary>Reads the head of an array that must have exactly <paramref name="length"/> items.</summary>
    public static void ReadArrayHead(this CborReader reader, int length)
    {
        Require(reader.ReadStartArray() == length);
    }

    /// <summary>Reads an array of at most <paramref name="limit"/> items.</summary>
    public static T[] ReadArray<T>(this CborReader reader, int limit, Func<CborReader, T> item)
    {
        var length = reader.ReadStartArray();
        Require(length is not null && length <= limit);
        var items = new T[length!.Value];
        for (var i = 0; i < items.Length; i++) items[i] = item(reader);
        reader.ReadEndArray();
        return items;
    }

    /// <summary>Reads the version number that opens an array, which must be <paramref name="version"/>.</summary>
    public static void ReadVersion(this CborReader reader, uint version) => Require(reader.ReadUInt32() == version);

    /// <summary>Reads a non-negative number of at most 63 bits.</summary>
    public static long ReadNumber(this CborReader reader) => checked((long)reader.ReadUInt64());

    /// <summary>Reads a non-negative number that must not exceed <paramref name="limit"/>.</summary>
    public static int ReadNumber(this CborReader reader, int limit)
    {
        var number = reader.ReadUInt64();
        Require(number <= (ulong)limit);
        return (int)number;
    }

    /// <summary>Reads a byte string of 32 bytes.</summary>
    public static Digest ReadDigest(this CborReader reader)
    {
        var bytes = reader.ReadDefiniteLengthByteString();
        Require(bytes.Length == Digest.Size);
        return Digest.From(bytes.Span);
    }

    /// <summary>Reads a byte string of 16 bytes.</summary>
    public static Identifier ReadIdentifier(this CborReader reader)
    {
        var bytes = reader.ReadDefiniteLengthByteString();
        Require(bytes.Length == Identifier.Size);
        return Identifier.From(bytes.Span);
    }

    /// <summary>Reads a byte string of at most <paramref name="limit"/> bytes: a view of the input, not a copy.</summary>
    public static ReadOnlyMemory<byte> ReadBytes(this CborReader reader, int limit)
    {
        var bytes = reader.ReadDefiniteLengthByteString();
        Require(bytes.Length <= limit);
        return bytes;
    }

    /// <summary>Reads a text string of at most <paramref name="limit"/> UTF-16 units.</summary>
    public static string ReadText(this CborReader reader, int limit)
    {
        var text = reader.ReadTextString();
        Require(text.Length <= limit);
        return text;
    }

    /// <summary>Reads a participant's name.</summary>
    public static ParticipantId ReadParticipant(this CborReader reader)
    {
        Require(ParticipantId.TryParse(reader.ReadTextString(), out var participant));
        return participant;
    }

    /// <summary>Reads a name that may stand in a state key: 1 to <see cref="Limits.NameLength"/> of a–z, A–Z, 0–9, '-', '_' and '.'.</summary>
    public static string ReadName(this CborReader reader)
    {
        var name = reader.ReadText(Limits.NameLength);
        Require(name.Length > 0 && name.AsSpan().IndexOfAnyExcept(NameAlphabet) < 0);
        return name;
    }

    private static readonly System.Buffers.SearchValues<char> NameAlphabet = System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

    /// <summary>Reads null, or what <paramref name="item"/> reads.</summary>
    public static T? ReadOptional<T>(this CborReader reader, Func<CborReader, T> item) where T : struct
    {
        if (reader.PeekState() != CborReaderState.Null) return item(reader);
        reader.ReadNull();
        return null;
    }

    /// <summary>Refuses the input when <paramref name="condition"/> does not hold; only for use inside <see cref="TryDecode"/>.</summary>
    /// <exception cref="CborContentException">The condition does not hold.</exception>
    public static void Require(bool condition)
    {
        if (!condition) throw new CborContentException("The value breaks a rule of its type.");
    }
}
