using System.Buffers.Binary;
using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>Positions of an agreement's participants, below <see cref="MaskingTerms.MaximumParticipants"/>; a byte string of 16, the lowest bit of the last byte being position 0.</summary>
public readonly record struct PositionSet(UInt128 Bits)
{
    private const int Size = 16;

    /// <summary>The set of these positions.</summary>
    public static PositionSet Of(IEnumerable<int> positions) => new(positions.Aggregate(UInt128.Zero, (bits, position) => bits | UInt128.One << position));

    /// <summary>How many there are.</summary>
    public int Count => (int)UInt128.PopCount(Bits);

    /// <summary>The positions, ascending.</summary>
    public IEnumerable<int> Positions
    {
        get
        {
            for (var position = 0; position < MaskingTerms.MaximumParticipants; position++)
            {
                if (Contains(position)) yield return position;
            }
        }
    }

    /// <summary>The positions as the mask library has them.</summary>
    public ushort[] Members => [.. Positions.Select(position => (ushort)position)];

    /// <summary>Whether a position is in the set.</summary>
    public bool Contains(int position) => position is >= 0 and < MaskingTerms.MaximumParticipants && (Bits >> position & UInt128.One) != 0;

    /// <summary>The positions that are in both.</summary>
    public PositionSet And(PositionSet other) => new(Bits & other.Bits);

    /// <summary>The positions that are in either.</summary>
    public PositionSet Or(PositionSet other) => new(Bits | other.Bits);

    /// <summary>The positions that are not in the other.</summary>
    public PositionSet Without(PositionSet other) => new(Bits & ~other.Bits);

    internal void Write(CborWriter writer)
    {
        Span<byte> bytes = stackalloc byte[Size];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, Bits);
        writer.WriteByteString(bytes);
    }

    internal static PositionSet Read(CborReader reader)
    {
        var bytes = reader.ReadBytes(Size);
        Wire.Require(bytes.Length == Size);
        return new(BinaryPrimitives.ReadUInt128BigEndian(bytes.Span));
    }

    /// <inheritdoc/>
    public override string ToString() => string.Join(',', Positions);
}
