using System.Buffers.Binary;

namespace Orleans.Training.Protocol;

/// <summary>Sixteen opaque bytes, chosen by whoever creates the thing they name; ordered as its bytes are.</summary>
public readonly record struct Identifier : IComparable<Identifier>
{
    /// <summary>Length in bytes.</summary>
    public const int Size = 16;

    private readonly UInt128 _value;

    private Identifier(UInt128 value) => _value = value;

    /// <summary>The identifier that these bytes spell.</summary>
    /// <exception cref="ArgumentException">Not exactly 16 bytes.</exception>
    public static Identifier From(ReadOnlySpan<byte> bytes) =>
        bytes.Length == Size ? new Identifier(BinaryPrimitives.ReadUInt128BigEndian(bytes)) : throw new ArgumentException($"An identifier has {Size} bytes, not {bytes.Length}.", nameof(bytes));

    /// <summary>The first 16 bytes of the SHA-256 of <paramref name="content"/>: a name that anyone derives alike.</summary>
    public static Identifier Of(ReadOnlySpan<byte> content) => From(Digest.Of(content).ToArray().AsSpan(0, Size));

    /// <summary>Parses 32 hexadecimal characters; false for anything else.</summary>
    public static bool TryParse(string? hex, out Identifier identifier)
    {
        Span<byte> bytes = stackalloc byte[Size];
        var ok = hex?.Length == 2 * Size && Convert.FromHexString(hex, bytes, out _, out _) is System.Buffers.OperationStatus.Done;
        identifier = ok ? From(bytes) : default;
        return ok;
    }

    /// <summary>Writes the 16 bytes to the start of <paramref name="destination"/>.</summary>
    public void CopyTo(Span<byte> destination) => BinaryPrimitives.WriteUInt128BigEndian(destination, _value);

    /// <summary>The 16 bytes, in a new array.</summary>
    public byte[] ToArray()
    {
        var bytes = new byte[Size];
        CopyTo(bytes);
        return bytes;
    }

    /// <inheritdoc/>
    public int CompareTo(Identifier other) => _value.CompareTo(other._value);

    /// <summary>32 lower-case hexadecimal characters.</summary>
    public override string ToString() => Convert.ToHexStringLower(ToArray());

    /// <summary>Byte order.</summary>
    public static bool operator <(Identifier left, Identifier right) => left._value < right._value;

    /// <summary>Byte order.</summary>
    public static bool operator >(Identifier left, Identifier right) => left._value > right._value;

    /// <summary>Byte order.</summary>
    public static bool operator <=(Identifier left, Identifier right) => left._value <= right._value;

    /// <summary>Byte order.</summary>
    public static bool operator >=(Identifier left, Identifier right) => left._value >= right._value;
}
