namespace Orleans.Training.Protocol.Aggregation;

/// <summary>A mean update in exact integers: lane i is numerators[i] ÷ denominator lanes.</summary>
/// <param name="Numerators">One for every lane, none beyond ±2⁶⁰.</param>
/// <param name="Denominator">1 to 64 · <see cref="GroupSums.Unit"/>.</param>
public sealed record RobustMean(ReadOnlyMemory<long> Numerators, long Denominator)
{
    /// <summary>A lane as binary64: both integers rounded to the nearest, then one division.</summary>
    public double this[int lane] => (double)Numerators.Span[lane] / Denominator;

    /// <summary>The nearest integers, halves up, cut at 32 bits: what the next round's <see cref="CentredClipping"/> begins at.</summary>
    public int[] ToReference()
    {
        var reference = new int[Numerators.Length];
        for (var i = 0; i < reference.Length; i++)
        {
            reference[i] = (int)Math.Clamp(FloorDivide((2 * Numerators.Span[i]) + Denominator, 2 * Denominator), int.MinValue, int.MaxValue);
        }

        return reference;
    }

    /// <summary>⌊numerator ÷ denominator⌋ for a positive denominator.</summary>
    internal static long FloorDivide(long numerator, long denominator)
    {
        var (quotient, remainder) = Math.DivRem(numerator, denominator);
        return remainder < 0 ? quotient - 1 : quotient;
    }
}
