using System.Numerics;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Protocol.Privacy;

/// <summary>
/// A sum of integer vectors with Skellam noise in it: each of those who add noise draws a Skellam variable, the difference of two Poisson variables, for every
/// coordinate, and sums of Skellam variables are Skellam variables (Agarwal, Kairouz and Liu 2021). It hides whether one participant's vector is in the sum.
/// All numbers are integers on the grid of lanes, so that a contract can recompute what a round costs.
/// </summary>
/// <param name="Clip">k: the Euclidean norm of a vector before it is rounded is at most this many levels.</param>
/// <param name="Dimension">d: coordinates.</param>
/// <param name="Variance">μ: the variance of the noise in each coordinate of the sum that those add who can be relied upon.</param>
public readonly record struct SkellamMechanism(BigInteger Clip, long Dimension, long Variance)
{
    /// <summary>
    /// ⌈Δ₂²⌉: the squared norm that a rounded vector may have. Rounding at random is repeated as a whole until it is no more, which it is at the first time with a probability of
    /// at least 1 − e^(−1/2) (Kairouz, Liu and Steinke 2021, proposition 26): min((k + √d)², k² + d/4 + k + √d/2).
    /// </summary>
    public BigInteger SquaredNorm
    {
        get
        {
            var (k, d) = (Clip, (BigInteger)Dimension);
            var always = (k * k) + d + CeilingRoot(4 * k * k * d);
            var mostly = FixedLogarithm.CeilingDivide((4 * k * k) + d + (4 * k) + CeilingRoot(4 * d), 4);
            return BigInteger.Min(always, mostly);
        }
    }

    /// <summary>⌈Δ₁⌉ = min(√d · Δ₂, Δ₂²): integers are no larger than their squares.</summary>
    public BigInteger AbsoluteNorm => BigInteger.Min(CeilingRoot(Dimension * SquaredNorm), SquaredNorm);

    /// <summary>
    /// What the sum costs each participant: αΔ₂² ÷ 2μ + min(((2α − 1)Δ₂² + 6Δ₁) ÷ 4μ², 3Δ₁ ÷ 2μ) at order α (Agarwal, Kairouz and Liu 2021, corollary 4.1).
    /// </summary>
    /// <exception cref="InvalidOperationException">There is no noise: the cost is without bound.</exception>
    public PrivacyCost Cost()
    {
        if (Variance < 1 || Clip.Sign < 0 || Dimension < 1) throw new InvalidOperationException("A mechanism has noise, a clip and a dimension.");
        return CostOf(SquaredNorm, AbsoluteNorm, Variance);
    }

    /// <summary>The cost of hiding integer vectors of these norms.</summary>
    internal static PrivacyCost CostOf(BigInteger square, BigInteger absolute, BigInteger variance) => PrivacyCost.Of(order => (
        (2 * variance * order * square) + BigInteger.Min((((2 * order) - 1) * square) + (6 * absolute), 6 * variance * absolute),
        4 * variance * variance));

    /// <summary>k of updates that are clipped as agreed: ⌈C ÷ (B ÷ L)⌉, which may be more than 64 bits hold.</summary>
    public static BigInteger ClipOf(FixedPoint parameters) => FixedLogarithm.CeilingDivide((BigInteger)parameters.ClipUnits * parameters.Levels, parameters.BoundUnits);

    /// <summary>⌈√number⌉, by Newton's method from above.</summary>
    internal static BigInteger CeilingRoot(BigInteger number)
    {
        if (number.Sign <= 0) return 0;
        var root = BigInteger.One << (int)((number.GetBitLength() + 1) / 2);
        for (var next = (root + (number / root)) >> 1; next < root; next = (root + (number / root)) >> 1) root = next;
        return root * root == number ? root : root + 1;
    }
}
