namespace Orleans.Training.Trainer;

/// <summary>Probabilities of a normal variable to the relative precision of binary64, in both tails.</summary>
internal static class NormalDistribution
{
    private const int Terms = 100;
    private const double SeriesLimit = 2;

    /// <summary>The probability of being between two numbers of standard deviations from the mean.</summary>
    public static double Between(double from, double to)
    {
        if (from >= to) return 0;
        if (from > 0) return UpperTail(from) - UpperTail(to);
        return to < 0 ? UpperTail(-to) - UpperTail(-from) : 1 - UpperTail(to) - UpperTail(-from);
    }

    /// <summary>The probability of being above.</summary>
    public static double UpperTail(double deviations)
    {
        var x = Math.Abs(deviations) / Math.Sqrt(2);
        var half = x > 27 ? 0 : (x < SeriesLimit ? 1 - Erf(x) : ErfcByFraction(x)) / 2;
        return deviations >= 0 ? half : 1 - half;
    }

    /// <summary>e^x − 1 without cancellation (Higham 2002, §1.14.1).</summary>
    public static double ExpMinusOne(double x)
    {
        var u = Math.Exp(x);
        if (u == 1) return x;
        return u - 1 == -1 || double.IsInfinity(u) ? u - 1 : (u - 1) * x / Math.Log(u);
    }

    /// <summary>log(1 + x) without cancellation.</summary>
    public static double LogOnePlus(double x)
    {
        var u = 1 + x;
        return u == 1 ? x : Math.Log(u) * x / (u - 1);
    }

    // Abramowitz and Stegun 7.1.6.
    private static double Erf(double x)
    {
        var (term, sum) = (x, x);
        for (var n = 1; n < Terms && term > sum * 1e-17; n++) sum += term *= 2 * x * x / ((2 * n) + 1);
        return 2 / Math.Sqrt(Math.PI) * Math.Exp(-x * x) * sum;
    }

    // Abramowitz and Stegun 7.1.14, from its far end.
    private static double ErfcByFraction(double x)
    {
        var tail = x;
        // Its error falls as e^(−2x√(2n)).
        for (var n = 10 + (int)(200 / (x * x)); n > 0; n--) tail = x + (n / 2.0 / tail);
        return Math.Exp(-x * x) / Math.Sqrt(Math.PI) / tail;
    }
}
