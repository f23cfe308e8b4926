using System.Numerics;

namespace Orleans.Training.Protocol.Privacy;

/// <summary>
/// Natural logarithms of rational numbers between two integers that surely enclose them, in units of 2⁻¹²⁸: no floating point, so that all who decide by them
/// agree. ln x = e · ln 2 + 2 · artanh((m − 1) ÷ (m + 1)) with x = m · 2ᵉ, 1 ≤ m &lt; 2.
/// </summary>
internal static class FixedLogarithm
{
    /// <summary>Bits behind the point.</summary>
    public const int FractionBits = 128;

    private const int GuardBits = 32;
    // Each term of a series is cut twice by less than a unit, powers carry what was cut before, and a series has fewer than 60 terms.
    private const int SeriesError = 60 * 60;

    private static readonly BigInteger TwoArtanhThird = Series(1, 3);

    /// <summary>Bounds of ln(numerator ÷ denominator); both are positive.</summary>
    public static (BigInteger Floor, BigInteger Ceiling) Of(BigInteger numerator, BigInteger denominator)
    {
        if (numerator.Sign <= 0 || denominator.Sign <= 0) throw new ArgumentOutOfRangeException(nameof(numerator));
        if (numerator < denominator)
        {
            var (floor, ceiling) = Of(denominator, numerator);
            return (-ceiling, -floor);
        }

        var exponent = (int)(numerator.GetBitLength() - denominator.GetBitLength());
        if (denominator << exponent > numerator) exponent--;
        var scaled = denominator << exponent;
        var sum = (exponent * TwoArtanhThird) + Series(numerator - scaled, numerator + scaled);
        BigInteger error = (exponent + 1) * SeriesError;
        return ((sum - error) >> GuardBits, -(-(sum + error) >> GuardBits));
    }

    /// <summary>⌈numerator ÷ denominator⌉ for a positive denominator.</summary>
    public static BigInteger CeilingDivide(BigInteger numerator, BigInteger denominator) =>
        numerator.Sign > 0 ? (numerator + denominator - 1) / denominator : -(-numerator / denominator);

    // 2 · artanh(p ÷ q) for 0 ≤ p ÷ q ≤ 1/3, with guard bits, cut at each step.
    private static BigInteger Series(BigInteger p, BigInteger q)
    {
        const int bits = FractionBits + GuardBits;
        var power = (p << bits) / q;
        var square = (power * power) >> bits;
        var sum = BigInteger.Zero;
        for (var odd = 1; !power.IsZero; odd += 2)
        {
            sum += power / odd;
            power = (power * square) >> bits;
        }

        return sum << 1;
    }
}
