using System.Diagnostics.CodeAnalysis;
using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// How updates become signed 32-bit lanes that can be added exactly in any order (docs/spec/aggregation.md). Every instance obeys
/// participants · levels ≤ 2³¹ − 1, so that no sum of admitted updates overflows a lane.
/// </summary>
public sealed record FixedPoint
{
    /// <summary>Clip and bound are multiples of 2⁻³².</summary>
    public const int UnitBits = 32;
    /// <summary>The largest clip or bound, in units: 2²⁰.</summary>
    public const long UnitLimit = 1L << 52;
    /// <summary>Weights are multiples of 2⁻²⁰, from 2⁻²⁰ to 1.</summary>
    public const int WeightBits = 20;
    /// <summary>The weight 1.</summary>
    public const int WeightOne = 1 << WeightBits;

    private const double Unit = 1.0 / (1L << UnitBits);

    private FixedPoint(long clipUnits, long boundUnits, int levels, int participants)
    {
        (ClipUnits, BoundUnits, Levels, Participants) = (clipUnits, boundUnits, levels, participants);
    }

    /// <summary>C, in units of 2⁻³²: an update of a larger Euclidean norm is scaled down to it.</summary>
    public long ClipUnits { get; }

    /// <summary>B, in units of 2⁻³²: a weighted coordinate beyond ±B is cut to it.</summary>
    public long BoundUnits { get; }

    /// <summary>L: the lane value that stands for B.</summary>
    public int Levels { get; }

    /// <summary>The most updates that one sum may hold.</summary>
    public int Participants { get; }

    /// <summary>C.</summary>
    public double Clip => ClipUnits * Unit;

    /// <summary>B.</summary>
    public double Bound => BoundUnits * Unit;

    /// <summary>B ÷ L, what one level stands for.</summary>
    public double Step => Bound / Levels;

    /// <summary>The parameters with these parts; false if they break a rule of docs/spec/aggregation.md §1.</summary>
    public static bool TryCreate(long clipUnits, long boundUnits, int levels, int participants, [NotNullWhen(true)] out FixedPoint? parameters)
    {
        var valid = clipUnits is >= 1 and <= UnitLimit && boundUnits is >= 1 and <= UnitLimit && levels >= 1
            && participants is >= 1 and <= Limits.Participants && (long)participants * levels <= int.MaxValue;
        parameters = valid ? new FixedPoint(clipUnits, boundUnits, levels, participants) : null;
        return valid;
    }

    /// <summary>The finest parameters for this many participants whose sums fit lanes of so many bits.</summary>
    /// <param name="clip">C.</param>
    /// <param name="participants">The most updates that one sum may hold.</param>
    /// <param name="bits">Of a lane under masks (<see cref="LaneLayout"/>): 8, 10, 12, 16, 21 or 32.</param>
    /// <param name="bound">B; null for C, with which no coordinate is ever cut.</param>
    /// <exception cref="ArgumentOutOfRangeException">Clip or bound is not in (0, 2²⁰], the number of participants not in 1 to <see cref="Limits.Participants"/>, or no layout has so many bits.</exception>
    public static FixedPoint Create(double clip, int participants, int bits = 32, double? bound = null)
    {
        static long Units(double value, string name) => value > 0 && value <= UnitLimit * Unit ? Math.Max(1, (long)Math.Round(value / Unit)) : throw new ArgumentOutOfRangeException(name);
        return new FixedPoint(Units(clip, nameof(clip)), Units(bound ?? clip, nameof(bound)), LaneLayout.LevelsFor(bits, participants), participants);
    }

    /// <summary>The weight of <paramref name="samples"/> where the largest participant has <paramref name="largest"/>: their quotient, at least 2⁻²⁰.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Not 1 ≤ samples ≤ largest.</exception>
    public static int WeightOf(int samples, int largest)
    {
        if (samples < 1 || samples > largest) throw new ArgumentOutOfRangeException(nameof(samples));
        return (int)Math.Max(1, (((long)samples << WeightBits) + (largest / 2)) / largest);
    }

    /// <summary>
    /// The lanes of an update: clipped, weighted, and rounded up or down at random so that the mean is exact. The key is secret and used
    /// once; the same key gives the same lanes. False if a value is not finite.
    /// </summary>
    /// <param name="delta">Local minus global parameters.</param>
    /// <param name="weight">In units of 2⁻²⁰.</param>
    /// <param name="roundingKey">32 bytes.</param>
    /// <param name="lanes">One lane for every parameter.</param>
    public bool TryQuantize(ReadOnlySpan<float> delta, int weight, ReadOnlySpan<byte> roundingKey, [NotNullWhen(true)] out int[]? lanes)
    {
        RequireWeight(weight);
        lanes = null;
        var norm = NormOf(delta);
        // An infinity or a NaN survives every sum, and squares of floats do not overflow a double.
        if (!double.IsFinite(norm)) return false;

        var scale = norm > Clip ? Clip / norm : 1.0;
        scale *= (double)weight / WeightOne;
        var (bound, perLevel) = (Bound, Levels / Bound);
        using var rounding = new RoundingStream(roundingKey);
        lanes = new int[delta.Length];
        for (var i = 0; i < lanes.Length; i++)
        {
            var value = Math.Clamp(delta[i] * scale, -bound, bound) * perLevel;
            var level = Math.Floor(value + rounding.Next());
            lanes[i] = (int)Math.Clamp(level, -Levels, Levels);
        }

        return true;
    }

    /// <summary>Whether an update is not longer than C.</summary>
    public bool IsWithinClip(ReadOnlySpan<float> delta) => !(NormOf(delta) > Clip);

    /// <summary>What a lane stands for: lane · (B ÷ L).</summary>
    public double Decode(int lane) => lane * Step;

    /// <summary>
    /// Whether lanes of this weight may enter a sum: none beyond ±L, and a Euclidean norm that clipping and rounding explain
    /// (docs/spec/aggregation.md §3). Exact, so that all who check agree.
    /// </summary>
    public bool Admits(ReadOnlySpan<int> lanes, int weight)
    {
        if (weight is < 1 or > WeightOne) return false;
        // Squares are below 2⁶², and there are fewer than 2³¹: their halves are added apart, so that nothing overflows.
        ulong low32 = 0, high32 = 0;
        foreach (var lane in lanes)
        {
            if (lane > Levels || lane < -Levels) return false;
            var square = (ulong)((long)lane * lane);
            low32 += (uint)square;
            high32 += square >> 32;
        }

        var squares = ((UInt128)high32 << 32) + low32;

        const double low = 1L << 32, slack = 1.0 + (1.0 / WeightOne);
        var norm = Math.Sqrt((((((double)(long)(squares >> 64)) * low) + (long)((squares >> 32) & uint.MaxValue)) * low) + (long)(squares & uint.MaxValue));
        return norm <= (Clip * ((double)weight / WeightOne) / Step * slack) + Math.Sqrt(lanes.Length);
    }

    /// <summary>Reads the parameters out of an enclosing structure; only inside <see cref="Wire.TryDecode"/>.</summary>
    public static FixedPoint Read(CborReader reader)
    {
        reader.ReadArrayHead(5);
        reader.ReadVersion(1);
        var (clip, bound) = (reader.ReadNumber(), reader.ReadNumber());
        var (levels, participants) = (reader.ReadNumber(int.MaxValue), reader.ReadNumber(Limits.Participants));
        reader.ReadEndArray();
        Wire.Require(TryCreate(clip, bound, levels, participants, out var parameters));
        return parameters!;
    }

    /// <summary>Writes the parameters into an enclosing structure.</summary>
    public void Write(CborWriter writer)
    {
        writer.WriteStartArray(5);
        writer.WriteUInt32(1);
        writer.WriteInt64(ClipUnits);
        writer.WriteInt64(BoundUnits);
        writer.WriteInt32(Levels);
        writer.WriteInt32(Participants);
        writer.WriteEndArray();
    }

    private static double NormOf(ReadOnlySpan<float> delta)
    {
        var squares = 0.0;
        foreach (var value in delta) squares += (double)value * value;
        return Math.Sqrt(squares);
    }

    internal static void RequireWeight(int weight)
    {
        if (weight is < 1 or > WeightOne) throw new ArgumentOutOfRangeException(nameof(weight));
    }
}
