using System.Numerics;

namespace Orleans.Training.Protocol.Privacy;

/// <summary>The orders α at which Rényi divergences are counted: 2 to 64, 72, 80, 96, 128, 256. What one budget is spent at, all are.</summary>
public static class RenyiOrders
{
    /// <summary>How many there are.</summary>
    public const int Count = 68;

    /// <summary>δ is ten to the minus this, at least: with a larger one offsets of high orders were negative.</summary>
    public const int SmallestDeltaExponent = 3;

    /// <summary>And at most.</summary>
    public const int LargestDeltaExponent = 15;

    private static readonly int[] Orders = [.. Enumerable.Range(2, 63), 72, 80, 96, 128, 256];

    // By exponent and order; computed once, from integers alone.
    private static readonly Lazy<UInt128[]>[] Offsets = [.. Enumerable.Range(0, LargestDeltaExponent + 1).Select(exponent => new Lazy<UInt128[]>(() => OffsetsOf(exponent)))];

    /// <summary>The orders, ascending.</summary>
    public static ReadOnlySpan<int> All => Orders;

    /// <summary>
    /// log(1 − 1/α) − log(δα) ÷ (α − 1), what a divergence at each order has to be added to for an ε at δ = 10^−exponent (Canonne, Kamath and Steinke 2020,
    /// proposition 12): units of 2⁻⁶⁴, rounded up. It is positive at all of these orders.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">Not 3 to 15.</exception>
    public static ReadOnlySpan<UInt128> OffsetsAt(int deltaExponent)
    {
        if (deltaExponent is < SmallestDeltaExponent or > LargestDeltaExponent) throw new ArgumentOutOfRangeException(nameof(deltaExponent));
        return Offsets[deltaExponent].Value;
    }

    private static UInt128[] OffsetsOf(int deltaExponent)
    {
        var ten = FixedLogarithm.Of(10, 1).Ceiling;
        return [.. Orders.Select(order =>
        {
            var rate = FixedLogarithm.Of(order - 1, order).Ceiling;
            var share = FixedLogarithm.CeilingDivide((deltaExponent * ten) - FixedLogarithm.Of(order, 1).Floor, order - 1);
            return (UInt128)FixedLogarithm.CeilingDivide(rate + share, BigInteger.One << (FixedLogarithm.FractionBits - PrivacyCost.FractionBits));
        })];
    }
}
