namespace Orleans.Training.Trainer;

/// <summary>
/// A sum over rows each of which is in it with probability q, with Gaussian noise of σ times what one row may add: a step of DP-SGD (Abadi et al. 2016). Adjacent are data sets with and without one row. In
/// binary64, for a participant's own account and for reports; what contracts decide by is counted in integers elsewhere.
/// </summary>
/// <param name="NoiseMultiplier">σ.</param>
/// <param name="SamplingRate">q, above 0 and at most 1.</param>
public readonly record struct SampledGaussian(double NoiseMultiplier, double SamplingRate)
{
    private const double Reach = 12;

    /// <summary>1.1 to 10.9 by tenths, and 12 to 63: the orders that Opacus looks at.</summary>
    public static IReadOnlyList<double> Orders { get; } = [.. Enumerable.Range(1, 99).Select(tenths => 1 + (tenths / 10.0)), .. Enumerable.Range(12, 52).Select(order => (double)order)];

    /// <summary>
    /// The Rényi divergence of order α of one step: log E[Lᵅ] ÷ (α − 1), where L is the likelihood ratio under the noise without the row (Mironov, Talwar and Zhang 2019, theorem 4: the other direction is
    /// smaller). E[Lᵅ] − 1 is added up as E[Lᵅ − 1 − α(L − 1)], which is never negative, by the trapezoidal rule, which for this function is as exact as binary64.
    /// </summary>
    public double DivergenceAt(double order)
    {
        if (!(NoiseMultiplier > 0) || SamplingRate is not (> 0 and <= 1) || !(order > 1)) throw new ArgumentOutOfRangeException(nameof(order), "A divergence has σ > 0, 0 < q ≤ 1 and α > 1.");
        var variance = NoiseMultiplier * NoiseMultiplier;
        if (SamplingRate == 1) return order / (2 * variance);
        // The logarithm has a pole at a distance of πσ² from the real axis.
        var step = Math.Min(NoiseMultiplier, variance) / 4;
        var count = (int)Math.Ceiling((order + (2 * Reach * NoiseMultiplier)) / step);
        var logs = new double[count + 1];
        for (var i = 0; i <= count; i++)
        {
            var x = (i * step) - (Reach * NoiseMultiplier);
            logs[i] = LogExcess(order, LossAt(x)) - (x * x / (2 * variance));
        }

        var largest = logs.Max();
        var excess = largest + Math.Log(logs.Sum(value => Math.Exp(value - largest)) * step / (NoiseMultiplier * Math.Sqrt(2 * Math.PI)));
        var moment = excess > 0 ? excess + NormalDistribution.LogOnePlus(Math.Exp(-excess)) : NormalDistribution.LogOnePlus(Math.Exp(excess));
        return moment / (order - 1);
    }

    /// <summary>ε at δ of so many steps (Canonne, Kamath and Steinke 2020, proposition 12), the least of all orders; no less than 0.</summary>
    public double EpsilonOf(long steps, double delta)
    {
        var mechanism = this;
        return EpsilonOf(Orders.Select(order => steps * mechanism.DivergenceAt(order)), delta);
    }

    /// <summary>ε at δ of divergences that were added up at <see cref="Orders"/>.</summary>
    public static double EpsilonOf(IEnumerable<double> divergences, double delta) =>
        Math.Max(0, divergences.Zip(Orders, (divergence, order) => divergence + NormalDistribution.LogOnePlus(-1 / order) - (Math.Log(delta * order) / (order - 1))).Min());

    /// <summary>The privacy loss at a point: log of the density with the row over that without, which grows with the point.</summary>
    internal double LossAt(double point)
    {
        var exponent = ((2 * point) - 1) / (2 * NoiseMultiplier * NoiseMultiplier);
        if (SamplingRate == 1) return exponent;
        return exponent > 30 ? exponent + Math.Log(SamplingRate + ((1 - SamplingRate) * Math.Exp(-exponent))) : NormalDistribution.LogOnePlus(SamplingRate * NormalDistribution.ExpMinusOne(exponent));
    }

    /// <summary>Where the loss is that; −∞ below all losses.</summary>
    internal double PointAt(double loss)
    {
        var variance = NoiseMultiplier * NoiseMultiplier;
        if (SamplingRate == 1) return 0.5 + (variance * loss);
        if (loss > 600) return 0.5 + (variance * (loss - Math.Log(SamplingRate)));
        var ratio = 1 + (NormalDistribution.ExpMinusOne(loss) / SamplingRate);
        return ratio <= 0 ? double.NegativeInfinity : 0.5 + (variance * Math.Log(ratio));
    }

    // log(Lᵅ − 1 − α(L − 1)) for L = e^loss.
    private static double LogExcess(double order, double loss)
    {
        var power = order * loss;
        if (power > 30) return power + Math.Log(1 - (Math.Exp(-power) * (1 + (order * NormalDistribution.ExpMinusOne(loss)))));
        var excess = NormalDistribution.ExpMinusOne(power) - (order * NormalDistribution.ExpMinusOne(loss));
        return excess > 0 ? Math.Log(excess) : double.NegativeInfinity;
    }
}
