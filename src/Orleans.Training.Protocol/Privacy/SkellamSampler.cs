using System.Numerics;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Protocol.Privacy;

/// <summary>
/// Skellam variables of one variance μ, from a table of the exact distribution with 128 bits: P(|X| = k) = (2 −[k = 0]) · e^−μ · I_k(μ), its Bessel functions by Miller's
/// downward recurrence in integers. A variable takes 64 bits of the stream, and 64 more in the rare case that those do not decide. Where it looks in the table depends on the
/// noise, for a process whose machine its participant owns; or it goes through all of the table for each variable, which takes long and tells
/// nobody anything (docs/spec/privacy.md §4). Both give the same noise.
/// </summary>
public sealed class SkellamSampler
{
    /// <summary>The largest μ: its table has 2²⁰ entries.</summary>
    public const long LargestVariance = 1L << 32;

    private const int GuideBits = 12;
    // Of the numbers of the recurrence, beyond the 128 that are kept.
    private const int Precision = 224;

    // Entry k: the highest 64 bits of 2¹²⁸ · P(|X| ≤ k), and the other 64.
    private readonly ulong[] _high;
    private readonly ulong[] _low;
    private readonly int[] _guide = new int[(1 << GuideBits) + 1];

    /// <summary>Computes the table: about 15 √μ entries.</summary>
    /// <param name="variance">μ.</param>
    /// <param name="isConstantTime">Whether no address and no branch may depend on the noise.</param>
    /// <exception cref="ArgumentOutOfRangeException">μ is not 1 to 2³².</exception>
    public SkellamSampler(long variance, bool isConstantTime = false)
    {
        if (variance is < 1 or > LargestVariance) throw new ArgumentOutOfRangeException(nameof(variance));
        (Variance, IsConstantTime) = (variance, isConstantTime);
        var weights = Weights(variance);
        var total = BigInteger.Zero;
        foreach (var weight in weights) total += weight;
        (_high, _low) = (new ulong[weights.Length], new ulong[weights.Length]);
        var (sum, entries) = (BigInteger.Zero, 0);
        for (; entries < weights.Length; entries++)
        {
            sum += weights[entries];
            var scaled = (sum << 128) / total;
            // What is beyond has a probability below 2⁻¹²⁸: nothing is left to decide.
            if (scaled >> 128 != 0) break;
            (_high[entries], _low[entries]) = ((ulong)(scaled >> 64), (ulong)(scaled & ulong.MaxValue));
        }

        (_high, _low) = (_high[..entries], _low[..entries]);
        for (var (i, k) = (0, 0); i < _guide.Length; i++)
        {
            while (k < entries && i < 1 << GuideBits && _high[k] < (ulong)i << (64 - GuideBits)) k++;
            _guide[i] = i < 1 << GuideBits ? k : entries;
        }
    }

    /// <summary>μ.</summary>
    public long Variance { get; }

    /// <summary>Whether all of the table is read for each variable.</summary>
    public bool IsConstantTime { get; }

    /// <summary>2¹²⁸ · P(|X| ≤ k), rounded down; 2¹²⁸ − 1 beyond the table.</summary>
    public UInt128 CumulativeAt(int k) => k < _high.Length ? new(_high[k], _low[k]) : UInt128.MaxValue;

    /// <summary>Ten standard deviations of a variance, rounded up: a variable is beyond that once in 10²³ times.</summary>
    public static long Reach(Int128 variance) => (long)SkellamMechanism.CeilingRoot(100 * (BigInteger)variance);

    /// <summary>Adds one variable to every lane. The key is secret and used for nothing else; the same key gives the same noise.</summary>
    /// <param name="lanes">Not beyond ±2³⁰.</param>
    /// <param name="key">32 bytes.</param>
    public void AddTo(Span<int> lanes, ReadOnlySpan<byte> key)
    {
        using var stream = new RoundingStream(key);
        var (signs, left) = (0UL, 0);
        foreach (ref var lane in lanes)
        {
            if (left == 0) (signs, left) = (stream.NextWord(), 64);
            var word = stream.NextWord();
            var magnitude = IsConstantTime ? Counted(word, stream) : Magnitude(word, stream);
            // Two's complement: −m where the bit is set, else m.
            var sign = -(int)(signs & 1);
            lane += (magnitude ^ sign) - sign;
            (signs, left) = (signs >> 1, left - 1);
        }
    }

    // The number of entries that a number of 128 bits is not below, of which the lowest 64 are drawn only if they decide.
    private int Magnitude(ulong high, RoundingStream stream)
    {
        var slot = (int)(high >> (64 - GuideBits));
        var (from, to) = (_guide[slot], _guide[slot + 1]);
        while (from < to)
        {
            var middle = (from + to) >>> 1;
            if (_high[middle] < high) from = middle + 1;
            else to = middle;
        }

        if (from == _high.Length || _high[from] != high) return from;
        for (var low = stream.NextWord(); from < _high.Length && _high[from] == high && _low[from] <= low;) from++;
        return from;
    }

    // The same by looking at every entry. Only if one of them has the very same 64 bits, once in 2⁴⁴ times or less often, is there more to do.
    private int Counted(ulong high, RoundingStream stream)
    {
        var (word, below, equal) = (new Vector<ulong>(high), Vector<ulong>.Zero, Vector<ulong>.Zero);
        var entries = _high.AsSpan();
        for (; entries.Length >= Vector<ulong>.Count; entries = entries[Vector<ulong>.Count..])
        {
            var some = new Vector<ulong>(entries);
            // A lane that is true is −1.
            below -= Vector.LessThan(some, word);
            equal |= Vector.Equals(some, word);
        }

        var (count, isEqual) = (Vector.Sum(below), Vector.Sum(equal) != 0 ? 1UL : 0UL);
        foreach (var entry in entries)
        {
            // The borrow of the subtraction, without asking.
            count += (ulong)((UInt128)entry - high >> 127);
            isEqual |= (entry ^ high) == 0 ? 1UL : 0UL;
        }

        return isEqual == 0 ? (int)count : Magnitude(high, stream);
    }

    // I_0, 2 I_1, 2 I_2, … but for a common factor: I_(k−1) = I_(k+1) + (2k ÷ μ) I_k (Abramowitz and Stegun 9.6.26), downwards, where errors die out.
    private static BigInteger[] Weights(long variance)
    {
        var weights = new BigInteger[(int)Math.Min((15 * (long)Math.Ceiling(Math.Sqrt(variance))) + 96, 1 << 21)];
        var (above, here) = (BigInteger.Zero, BigInteger.One << Precision);
        for (var k = weights.Length; k > 0; k--)
        {
            var below = above + (2 * k * here / variance);
            (above, here) = (here, below);
            weights[k - 1] = k == 1 ? below : below << 1;
        }

        return weights;
    }
}
