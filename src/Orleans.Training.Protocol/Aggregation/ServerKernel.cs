using System.Numerics;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// A strategy on as many parameters as a vector holds: binary64, rounded to binary32 where a value is stored, in the order that docs/spec/aggregation.md §5 writes. Only +, −, ×, ÷ and √ occur, which
/// IEEE 754 defines to the last bit, so that width and kind of a processor's vectors leave no trace.
/// </summary>
internal readonly struct ServerKernel(ServerStrategy strategy, double step, double total)
{
    private const double Million = 1_000_000;

    private readonly ServerRule _rule = strategy.Rule;
    private readonly Vector<double> _step = new(step);
    private readonly Vector<double> _total = new(total);
    private readonly Vector<double> _rate = new(strategy.RateMicro / Million);
    private readonly Vector<double> _momentum = new(strategy.MomentumMicro / Million);
    private readonly Vector<double> _fresh = new(strategy.Rule is ServerRule.FedAvgM ? 1.0 : (Million - strategy.MomentumMicro) / Million);
    private readonly Vector<double> _decay = new(strategy.DecayMicro / Million);
    private readonly Vector<double> _renewal = new((Million - strategy.DecayMicro) / Million);
    private readonly Vector<double> _adaptivity = new(strategy.AdaptivityMicro / Million);

    /// <summary>The next parameters; m and v become the next ones of a rule that has them.</summary>
    public Vector<float> Apply(Vector<float> parent, Vector<double> lowSum, Vector<double> highSum, ref Vector<float> m, ref Vector<float> v)
    {
        Vector.Widen(parent, out var low, out var high);
        var (lowMean, highMean) = (_step * lowSum / _total, _step * highSum / _total);
        if (_rule is ServerRule.FedAvg) return Vector.Narrow(low + (_rate * lowMean), high + (_rate * highMean));

        Vector.Widen(m, out var lowM, out var highM);
        m = Vector.Narrow((_momentum * lowM) + (_fresh * lowMean), (_momentum * highM) + (_fresh * highMean));
        Vector.Widen(m, out lowM, out highM);
        if (_rule is ServerRule.FedAvgM) return Vector.Narrow(low + (_rate * lowM), high + (_rate * highM));

        Vector.Widen(v, out var lowV, out var highV);
        v = Vector.Narrow(Second(lowV, lowMean * lowMean), Second(highV, highMean * highMean));
        Vector.Widen(v, out lowV, out highV);
        return Vector.Narrow(low + (_rate * lowM / (Vector.SquareRoot(lowV) + _adaptivity)), high + (_rate * highM / (Vector.SquareRoot(highV) + _adaptivity)));
    }

    private Vector<double> Second(Vector<double> v, Vector<double> square) => _rule switch
    {
        ServerRule.FedAdagrad => v + square,
        ServerRule.FedAdam => (_decay * v) + (_renewal * square),
        _ => Vector.ConditionalSelect(Vector.GreaterThan(v, square), v - (_renewal * square), Vector.ConditionalSelect(Vector.LessThan(v, square), v + (_renewal * square), v)),
    };
}
