using System.Formats.Cbor;
using System.Numerics;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>Positions of an agreement's participants, below <see cref="Limits.Participants"/>; a byte string, as a big-endian number whose lowest bit is position 0, without zeros in front.</summary>
public readonly struct PositionSet : IEquatable<PositionSet>
{
    private const int BitsPerWord = 64;

    // 64 positions each, the lowest first; the last one is not zero.
    private readonly ulong[]? _words;

    private PositionSet(ulong[] words)
    {
        var length = words.Length;
        while (length > 0 && words[length - 1] == 0) length--;
        _words = length == words.Length ? words : words[..length];
    }

    private ReadOnlySpan<ulong> Words => _words;

    /// <summary>The set of these positions.</summary>
    /// <exception cref="ArgumentOutOfRangeException">One is no position.</exception>
    public static PositionSet Of(IEnumerable<int> positions)
    {
        var words = new ulong[Limits.Participants / BitsPerWord];
        foreach (var position in positions)
        {
            if (position is < 0 or >= Limits.Participants) throw new ArgumentOutOfRangeException(nameof(positions));
            words[position / BitsPerWord] |= 1UL << (position % BitsPerWord);
        }

        return new(words);
    }

    /// <summary>How many there are.</summary>
    public int Count
    {
        get
        {
            var count = 0;
            foreach (var word in Words) count += BitOperations.PopCount(word);
            return count;
        }
    }

    /// <summary>The positions, ascending.</summary>
    public IEnumerable<int> Positions
    {
        get
        {
            for (var i = 0; i < Words.Length; i++)
            {
                for (var left = Words[i]; left != 0; left &= left - 1) yield return (i * BitsPerWord) + BitOperations.TrailingZeroCount(left);
            }
        }
    }

    /// <summary>The positions as the mask library has them.</summary>
    public ushort[] Members => [.. Positions.Select(position => (ushort)position)];

    /// <summary>Whether a position is in the set.</summary>
    public bool Contains(int position) => position >= 0 && position / BitsPerWord < Words.Length && (Words[position / BitsPerWord] >> (position % BitsPerWord) & 1) != 0;

    /// <summary>The positions that are in both.</summary>
    public PositionSet And(PositionSet other) => Combine(other, static (left, right) => left & right);

    /// <summary>The positions that are in either.</summary>
    public PositionSet Or(PositionSet other) => Combine(other, static (left, right) => left | right);

    /// <summary>The positions that are not in the other.</summary>
    public PositionSet Without(PositionSet other) => Combine(other, static (left, right) => left & ~right);

    /// <inheritdoc/>
    public bool Equals(PositionSet other) => Words.SequenceEqual(other.Words);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is PositionSet other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (var word in Words) hash.Add(word);
        return hash.ToHashCode();
    }

    /// <summary>Whether both have the same positions.</summary>
    public static bool operator ==(PositionSet left, PositionSet right) => left.Equals(right);

    /// <summary>Whether one has a position that the other has not.</summary>
    public static bool operator !=(PositionSet left, PositionSet right) => !left.Equals(right);

    /// <inheritdoc/>
    public override string ToString() => string.Join(',', Positions);

    internal void Write(CborWriter writer)
    {
        Span<byte> bytes = stackalloc byte[Limits.Participants / 8];
        bytes.Clear();
        for (var i = 0; i < Words.Length; i++)
        {
            for (var at = 0; at < sizeof(ulong); at++) bytes[^((i * sizeof(ulong)) + at + 1)] = (byte)(Words[i] >> (8 * at));
        }

        writer.WriteByteString(bytes.TrimStart((byte)0));
    }

    internal static PositionSet Read(CborReader reader)
    {
        var bytes = reader.ReadBytes(Limits.Participants / 8).Span;
        Wire.Require(bytes.Length == 0 || bytes[0] != 0);
        var words = new ulong[(bytes.Length + sizeof(ulong) - 1) / sizeof(ulong)];
        for (var at = 0; at < bytes.Length; at++) words[at / sizeof(ulong)] |= (ulong)bytes[^(at + 1)] << (8 * (at % sizeof(ulong)));
        return new(words);
    }

    private PositionSet Combine(PositionSet other, Func<ulong, ulong, ulong> combine)
    {
        var words = new ulong[Math.Max(Words.Length, other.Words.Length)];
        for (var i = 0; i < words.Length; i++) words[i] = combine(i < Words.Length ? Words[i] : 0, i < other.Words.Length ? other.Words[i] : 0);
        return new(words);
    }
}
