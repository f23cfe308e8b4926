namespace Orleans.Training.Trainer;

/// <summary>
/// The distribution of the privacy loss of many steps (Koskela, Jälkö and Honkela 2020), between two that are on a grid: one that surely loses more, and one that surely loses less. Between neighbouring
/// points of the grid the first divides what lies there so that the probabilities under both neighbouring data sets stay what they are (Doroshenko et al. 2022); the second
/// puts together what lies around a point, which tells less, and no more than the point says.
/// </summary>
public static class PrivacyLoss
{
    /// <summary>Points of the grid, unless said otherwise.</summary>
    public const int DefaultPoints = 1 << 17;

    private const double Tail = 1e-12;
    private const double Reach = 10;
    private const int Halvings = 12;

    /// <summary>Two numbers between which ε at δ of so many steps lies, but for errors of binary64.</summary>
    /// <param name="mechanism">One step.</param>
    /// <param name="steps">How many.</param>
    /// <param name="delta">δ, 10⁻¹⁰ or more.</param>
    /// <param name="points">Of the grid, a power of two: with too few the lower number falls to 0.</param>
    public static (double Low, double High) EpsilonOf(SampledGaussian mechanism, int steps, double delta, int points = DefaultPoints)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(delta, 1e-10);
        var (low, high) = (0.0, 0.0);
        foreach (var isRemoval in new[] { true, false })
        {
            var pair = new Pair(mechanism, isRemoval);
            var window = Window.Of(pair, steps, points);
            var (least, most) = (Compose(pair, window, steps, points, Merge), Compose(pair, window, steps, points, Split));
            low = Math.Max(low, Find(least, delta, -1));
            high = Math.Max(high, Find(most, delta, +1));
        }

        return (low, high);
    }

    private static Composed Compose(Pair pair, Window window, int steps, int points, Func<Pair, Window, double[]> discretise)
    {
        var once = discretise(pair, window);
        var (first, step) = (window.First, window.Step);
        // What is beyond the window comes back at its other end: so much at most, by Chernoff's bound on what is on the grid.
        double Beyond(double rate, double edge)
        {
            var moment = 0.0;
            for (var i = 0; i < once.Length; i++) moment += once[i] * Math.Exp(rate * (first + i) * step);
            return Math.Exp((steps * Math.Log(moment)) - (rate * edge));
        }

        var slack = Beyond(window.UpperRate, window.High) + Beyond(-window.LowerRate, window.Low);
        var padded = new double[points];
        once.CopyTo(padded, 0);
        var sum = Fourier.Power(padded, steps);
        var start = (long)Math.Floor(window.Low / step);
        var ordered = new double[points];
        for (var i = 0; i < points; i++)
        {
            var index = (start + i - (steps * first)) % points;
            ordered[i] = sum[index < 0 ? index + points : index];
        }

        return new(ordered, start, step, slack);
    }

    // δ at ε is Σ (1 − e^(ε − l))₊ p(l), more or less what was cut off.
    private static double Find(Composed losses, double delta, int sign)
    {
        double At(double epsilon)
        {
            var sum = sign * losses.Slack;
            for (var i = losses.Masses.Length - 1; i >= 0; i--)
            {
                var beyond = ((losses.First + i) * losses.Step) - epsilon;
                if (beyond <= 0) break;
                sum -= losses.Masses[i] * NormalDistribution.ExpMinusOne(-beyond);
            }

            return sum;
        }

        if (At(0) <= delta) return 0;
        var (below, above) = (0.0, (losses.First + losses.Masses.Length) * losses.Step);
        for (var i = 0; i < 50; i++)
        {
            var middle = (below + above) / 2;
            if (At(middle) > delta) below = middle;
            else above = middle;
        }

        return sign > 0 ? above : below;
    }

    private static double[] Split(Pair pair, Window window)
    {
        var masses = new double[window.Count];
        var edge = window.First * window.Step;
        masses[0] = pair.Between(double.NegativeInfinity, edge).With;
        for (var i = 0; i + 1 < masses.Length; i++)
        {
            var loss = (window.First + i) * window.Step;
            var (with, without) = pair.Between(loss, loss + window.Step);
            var below = Math.Clamp(((without * Math.Exp(loss)) - (with * Math.Exp(-window.Step))) / -NormalDistribution.ExpMinusOne(-window.Step), 0, with);
            masses[i] += below;
            masses[i + 1] += with - below;
        }

        return masses;
    }

    private static double[] Merge(Pair pair, Window window)
    {
        var masses = new double[window.Count];
        var above = double.PositiveInfinity;
        for (var i = masses.Length - 1; i >= 0; i--)
        {
            var loss = (window.First + i) * window.Step;
            var factor = Math.Exp(loss);
            var (from, to) = (loss - (window.Step / 2), loss);
            var (with, without) = pair.Between(from, above);
            if (with < without * factor)
            {
                // Less from below, until what is together tells as much as the point says.
                for (var halving = 0; halving < Halvings; halving++)
                {
                    var middle = (from + to) / 2;
                    (with, without) = pair.Between(middle, above);
                    if (with < without * factor) from = middle;
                    else to = middle;
                }

                from = to;
                with = pair.Between(from, above).With;
            }

            (masses[i], above) = (with, from);
        }

        return masses;
    }

    private sealed record Composed(double[] Masses, long First, double Step, double Slack);

    // One direction: the losses of what is drawn with the row if it is removed, of what is drawn without it if it is added.
    private readonly record struct Pair(SampledGaussian Mechanism, bool IsRemoval)
    {
        public double From => -Reach * Mechanism.NoiseMultiplier;

        public double To => 1 + (Reach * Mechanism.NoiseMultiplier);

        public double LossAt(double point) => IsRemoval ? Mechanism.LossAt(point) : -Mechanism.LossAt(point);

        public double DensityAt(double point)
        {
            var (rate, noise) = (IsRemoval ? Mechanism.SamplingRate : 0, Mechanism.NoiseMultiplier);
            double Bell(double x) => Math.Exp(-x * x / (2 * noise * noise)) / (noise * Math.Sqrt(2 * Math.PI));
            return ((1 - rate) * Bell(point)) + (rate * Bell(point - 1));
        }

        // The probabilities of losses between two: in the first world, and in the second.
        public (double With, double Without) Between(double low, double high)
        {
            var (from, to) = IsRemoval ? (Mechanism.PointAt(low), Mechanism.PointAt(high)) : (Mechanism.PointAt(-high), Mechanism.PointAt(-low));
            var (rate, noise) = (Mechanism.SamplingRate, Mechanism.NoiseMultiplier);
            var plain = NormalDistribution.Between(from / noise, to / noise);
            var mixed = ((1 - rate) * plain) + (rate * NormalDistribution.Between((from - 1) / noise, (to - 1) / noise));
            return IsRemoval ? (mixed, plain) : (plain, mixed);
        }
    }

    // Where nearly all losses of all steps lie; and the grid of one step's losses, whose first point is a multiple of the distance between points.
    private sealed record Window(double Low, double High, double LowerRate, double UpperRate, double Step, long First, int Count)
    {
        private const int Samples = 4000;
        private const double LargestExponent = 600;

        public static Window Of(Pair pair, int steps, int points)
        {
            var width = (pair.To - pair.From) / Samples;
            var losses = new double[Samples + 1];
            var weights = new double[Samples + 1];
            for (var i = 0; i <= Samples; i++)
            {
                var point = pair.From + (i * width);
                (losses[i], weights[i]) = (pair.LossAt(point), pair.DensityAt(point) * width);
            }

            var (least, most) = (losses.Min(), losses.Max());
            var (low, high, lowerRate, upperRate) = (steps * least, steps * most, 0.0, 0.0);
            for (var rate = 1e-3; rate * Math.Max(-least, most) < LargestExponent; rate *= 1.1)
            {
                var above = ((steps * LogMoment(rate)) - Math.Log(Tail)) / rate;
                var below = ((steps * LogMoment(-rate)) - Math.Log(Tail)) / -rate;
                if (above < high || upperRate == 0) (high, upperRate) = (above, rate);
                if (below > low || lowerRate == 0) (low, lowerRate) = (below, rate);
            }

            var step = Math.Max(high - low, most - least) / (points - 4);
            var first = (long)Math.Floor(least / step);
            return new(low, Math.Max(high, low + ((points - 4) * step)), lowerRate, upperRate, step, first, (int)((long)Math.Ceiling(most / step) - first) + 1);

            double LogMoment(double rate)
            {
                var sum = 0.0;
                for (var i = 0; i < losses.Length; i++) sum += weights[i] * Math.Exp(rate * losses[i]);
                return Math.Log(sum);
            }
        }
    }
}
