using System.Buffers.Binary;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// How a masked update lies in bytes: its lanes, zeros up to a multiple of 64 bytes, and a tail of sixteen 32-bit lanes (docs/spec/fedmask.md §8).
/// Lanes are signed and of one width, or several share a 64-bit word and are packed by arithmetic, so that carries undo themselves in the sum.
/// Every layout obeys participants · levels &lt; 2^(bits − 1): no sum leaves its lane.
/// </summary>
public sealed record LaneLayout
{
    /// <summary>Bytes of the tail.</summary>
    public const int TailBytes = 64;

    private const int PaddingBytes = 64;

    // Narrowest first: bytes for a coordinate are 1, 4/3, 8/5, 2, 8/3 and 4.
    private static readonly (LaneWidth Width, int Slots, int Bits)[] Forms =
        [(LaneWidth.Bits8, 1, 8), (LaneWidth.Bits64, 6, 10), (LaneWidth.Bits64, 5, 12), (LaneWidth.Bits16, 1, 16), (LaneWidth.Bits64, 3, 21), (LaneWidth.Bits32, 1, 32)];

    private LaneLayout(int length, LaneWidth width, int slots, int bits) => (Length, Width, Slots, Bits) = (length, width, slots, bits);

    /// <summary>Coordinates of an update.</summary>
    public int Length { get; }

    /// <summary>What masks are added to.</summary>
    public LaneWidth Width { get; }

    /// <summary>Coordinates in one of those.</summary>
    public int Slots { get; }

    /// <summary>Bits of a coordinate's sum, its sign included.</summary>
    public int Bits { get; }

    /// <summary>Words (or lanes, where each holds one coordinate).</summary>
    public int Words => (Length + Slots - 1) / Slots;

    /// <summary>Bytes before the tail.</summary>
    public long PayloadBytes => (((long)Words * ((int)Width / 8)) + PaddingBytes - 1) / PaddingBytes * PaddingBytes;

    /// <summary>Bytes of a masked update, tail included: a multiple of 64.</summary>
    public long Bytes => PayloadBytes + TailBytes;

    /// <summary>Chunks of <see cref="Limits.ChunkBytes"/>, the last of which may be shorter.</summary>
    public int Chunks => (int)ChunkTree.ChunksOf(Bytes);

    /// <summary>The narrowest layout in which no sum of as many updates as the parameters admit, each with its lanes at ±levels, leaves its lane.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Not 1 to <see cref="Limits.Parameters"/> coordinates.</exception>
    public static LaneLayout Choose(FixedPoint parameters, int length)
    {
        if (length is < 1 or > Limits.Parameters) throw new ArgumentOutOfRangeException(nameof(length));
        // The widest always fits: FixedPoint has participants · levels ≤ 2³¹ − 1.
        var (width, slots, bits) = Forms.First(form => (long)parameters.Participants * parameters.Levels < 1L << (form.Bits - 1));
        return new(length, width, slots, bits);
    }

    /// <summary>The most levels with which this many updates fit lanes of this many bits: one of 8, 10, 12, 16, 21 or 32.</summary>
    /// <exception cref="ArgumentOutOfRangeException">No layout has so many bits, or no participants are left a level.</exception>
    public static int LevelsFor(int bits, int participants)
    {
        if (!Forms.Any(form => form.Bits == bits)) throw new ArgumentOutOfRangeException(nameof(bits));
        var levels = participants is >= 1 and <= Limits.Participants ? ((1L << (bits - 1)) - 1) / participants : 0;
        return levels >= 1 ? (int)levels : throw new ArgumentOutOfRangeException(nameof(participants));
    }

    /// <summary>Bytes of one chunk.</summary>
    public int ChunkLength(int chunk) => (int)Math.Min(Limits.ChunkBytes, Bytes - ((long)chunk * Limits.ChunkBytes));

    /// <summary>How many bytes of one chunk come before the tail.</summary>
    public int PayloadIn(int chunk) => (int)Math.Clamp(PayloadBytes - ((long)chunk * Limits.ChunkBytes), 0, ChunkLength(chunk));

    /// <summary>Writes the chunk of an update that is not masked yet.</summary>
    /// <param name="chunk">Number of the chunk.</param>
    /// <param name="lanes">The whole update, one number for each coordinate.</param>
    /// <param name="tail">Its tail, 64 bytes.</param>
    /// <param name="destination">Receives <see cref="ChunkLength"/> bytes.</param>
    public void Write(int chunk, ReadOnlySpan<int> lanes, ReadOnlySpan<byte> tail, Span<byte> destination)
    {
        var payload = PayloadIn(chunk);
        var wordBytes = (int)Width / 8;
        var first = (int)((long)chunk * Limits.ChunkBytes / wordBytes);
        var words = Math.Clamp(Words - first, 0, payload / wordBytes);
        WriteWords(lanes, first, destination[..(words * wordBytes)]);
        destination[(words * wordBytes)..payload].Clear();
        TailIn(chunk, tail).CopyTo(destination[payload..]);
    }

    /// <summary>Reads the sums of a chunk's coordinates into their places. Whatever is in the padding or the tail is left to <see cref="MaskTail"/>.</summary>
    public void Read(int chunk, ReadOnlySpan<byte> source, Span<int> sums)
    {
        var wordBytes = (int)Width / 8;
        var first = (int)((long)chunk * Limits.ChunkBytes / wordBytes);
        var words = Math.Clamp(Words - first, 0, PayloadIn(chunk) / wordBytes);
        ReadWords(source[..(words * wordBytes)], first, sums);
    }

    /// <summary>Whether the zeros between lanes and tail are still zeros in a chunk of a sum.</summary>
    public bool PaddingIsZero(int chunk, ReadOnlySpan<byte> source)
    {
        var end = (long)Words * ((int)Width / 8);
        var from = Math.Clamp(end - ((long)chunk * Limits.ChunkBytes), 0, PayloadIn(chunk));
        return !source[(int)from..PayloadIn(chunk)].ContainsAnyExcept((byte)0);
    }

    /// <summary>The part of a tail that lies in a chunk: all or nothing, since a chunk is a multiple of it.</summary>
    internal ReadOnlySpan<byte> TailIn(int chunk, ReadOnlySpan<byte> tail) => ChunkLength(chunk) > PayloadIn(chunk) ? tail : [];

    // Word w holds the coordinates w, words + w, 2 · words + w, …: lowest slot first.
    private void WriteWords(ReadOnlySpan<int> lanes, int first, Span<byte> destination)
    {
        switch (Width)
        {
            case LaneWidth.Bits8:
                for (var i = 0; i < destination.Length; i++) destination[i] = unchecked((byte)lanes[first + i]);
                break;
            case LaneWidth.Bits16:
                for (var i = 0; i < destination.Length; i += sizeof(short)) BinaryPrimitives.WriteInt16LittleEndian(destination[i..], unchecked((short)lanes[first++]));
                break;
            case LaneWidth.Bits32:
                LittleEndian.Write(lanes.Slice(first, destination.Length / sizeof(int)), destination);
                break;
            default:
                for (var i = 0; i < destination.Length; i += sizeof(long), first++)
                {
                    var packed = 0L;
                    for (var slot = Slots - 1; slot >= 0; slot--) packed = unchecked((packed << Bits) + Coordinate(lanes, first, slot));
                    BinaryPrimitives.WriteInt64LittleEndian(destination[i..], packed);
                }

                break;
        }
    }

    private void ReadWords(ReadOnlySpan<byte> source, int first, Span<int> sums)
    {
        switch (Width)
        {
            case LaneWidth.Bits8:
                for (var i = 0; i < source.Length; i++) sums[first + i] = unchecked((sbyte)source[i]);
                break;
            case LaneWidth.Bits16:
                for (var i = 0; i < source.Length; i += sizeof(short)) sums[first++] = BinaryPrimitives.ReadInt16LittleEndian(source[i..]);
                break;
            case LaneWidth.Bits32:
                LittleEndian.Read(source, sums.Slice(first, source.Length / sizeof(int)));
                break;
            default:
                for (var i = 0; i < source.Length; i += sizeof(long)) ReadPacked(BinaryPrimitives.ReadInt64LittleEndian(source[i..]), first++, sums);
                break;
        }
    }

    private void ReadPacked(long packed, int word, Span<int> sums)
    {
        for (var slot = 0; slot < Slots; slot++)
        {
            // The balanced digit: the low bits with their sign; what is left is divided by 2^bits exactly.
            var digit = packed << (64 - Bits) >> (64 - Bits);
            if (((long)slot * Words) + word is var at && at < Length) sums[(int)at] = (int)digit;
            packed = unchecked(packed - digit) >> Bits;
        }
    }

    private int Coordinate(ReadOnlySpan<int> lanes, int word, int slot) => ((long)slot * Words) + word is var at && at < Length ? lanes[(int)at] : 0;
}
