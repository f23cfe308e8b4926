using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>From a parent model and a sum to the next model, bit for bit the same on every machine (docs/spec/aggregation.md §5).</summary>
public static class ModelStep
{
    private const double WeightUnit = 1.0 / FixedPoint.WeightOne;

    /// <summary>Federated averaging with the rate 1: the step of <see cref="ServerStrategy.FedAvg"/>.</summary>
    public static bool TryFedAvg(ReadOnlySpan<float> parent, ReadOnlySpan<int> sum, long totalWeight, FixedPoint parameters, [NotNullWhen(true)] out float[]? next) =>
        TryApply(ServerStrategy.FedAvg, parent, [], sum, totalWeight, parameters, out next, out _);

    /// <summary>
    /// The next model and the strategy's next state. The mean update of a parameter with lane sum s is Δ = ((B ÷ L) · (double)s) ÷ (Σα · 2⁻²⁰); what follows from it is the page's.
    /// False if a result is not finite: then there is no next model.
    /// </summary>
    /// <param name="strategy">The agreement's.</param>
    /// <param name="parent">The parent's parameters.</param>
    /// <param name="state">Its state: <see cref="ServerStrategy.StateVectors"/> vectors of their length, one behind the other.</param>
    /// <param name="sum">A lane sum for every parameter.</param>
    /// <param name="totalWeight">Σα in units of 2⁻²⁰.</param>
    /// <param name="parameters">How updates became integers.</param>
    /// <param name="next">The next parameters.</param>
    /// <param name="nextState">The next state.</param>
    /// <exception cref="ArgumentException">The lengths differ, or the total weight is not positive.</exception>
    /// <exception cref="InvalidOperationException">This thread flushes subnormal numbers to zero, and so does not compute as IEEE 754 says.</exception>
    public static bool TryApply(
        ServerStrategy strategy, ReadOnlySpan<float> parent, ReadOnlySpan<float> state, ReadOnlySpan<int> sum, long totalWeight, FixedPoint parameters,
        [NotNullWhen(true)] out float[]? next, [NotNullWhen(true)] out float[]? nextState)
    {
        if (totalWeight is < 1 or > (long)Limits.Participants * FixedPoint.WeightOne) throw new ArgumentException("The total weight is out of range.", nameof(totalWeight));
        return TryApply(new ServerKernel(strategy, parameters.Step, totalWeight * WeightUnit), strategy, parent, state, sum, out next, out nextState);
    }

    /// <summary>
    /// The step of <see cref="ServerRule.Scaffold"/>: the parameters as by federated averaging with its rate, and the control variate moved by (B ÷ L) · s ÷ (Σα · 2⁻²⁰), where Σα is over all participants of
    /// the agreement, whether in the sum or not: those who are not keep theirs.
    /// </summary>
    /// <param name="strategy">The agreement's.</param>
    /// <param name="parent">The parent's parameters.</param>
    /// <param name="variate">The parent's control variate.</param>
    /// <param name="sum">Lane sums of the parameters, and behind them of the control variate.</param>
    /// <param name="totalWeight">Σα of the participants in the sum, in units of 2⁻²⁰.</param>
    /// <param name="allWeight">Σα of all.</param>
    /// <param name="parameters">How updates became integers.</param>
    /// <param name="next">The next parameters.</param>
    /// <param name="nextVariate">The next control variate.</param>
    /// <exception cref="ArgumentException">As above, or there is less weight in all than in the sum.</exception>
    public static bool TryScaffold(
        ServerStrategy strategy, ReadOnlySpan<float> parent, ReadOnlySpan<float> variate, ReadOnlySpan<int> sum, long totalWeight, long allWeight, FixedPoint parameters,
        [NotNullWhen(true)] out float[]? next, [NotNullWhen(true)] out float[]? nextVariate)
    {
        if (sum.Length != 2 * parent.Length) throw new ArgumentException("A sum has two lanes for every parameter.", nameof(sum));
        if (totalWeight > allWeight) throw new ArgumentException("All weigh more than some.", nameof(allWeight));
        nextVariate = null;
        return TryApply(new(ServerRule.FedAvg, strategy.RateMicro), parent, [], sum[..parent.Length], totalWeight, parameters, out next, out _)
            && TryApply(ServerStrategy.FedAvg, variate, [], sum[parent.Length..], allWeight, parameters, out nextVariate, out _);
    }

    /// <summary>The same from a mean in exact integers: the mean update of a parameter is Δ = (B ÷ L) · ((double)N ÷ (double)D) (docs/spec/robust.md §1).</summary>
    public static bool TryApply(
        ServerStrategy strategy, ReadOnlySpan<float> parent, ReadOnlySpan<float> state, RobustMean mean, FixedPoint parameters, [NotNullWhen(true)] out float[]? next, [NotNullWhen(true)] out float[]? nextState)
    {
        var means = new double[mean.Numerators.Length];
        for (var i = 0; i < means.Length; i++) means[i] = mean[i];
        return TryApply(new ServerKernel(strategy, parameters.Step, total: 1), strategy, parent, state, (ReadOnlySpan<double>)means, out next, out nextState);
    }

    private static bool TryApply<T>(
        ServerKernel kernel, ServerStrategy strategy, ReadOnlySpan<float> parent, ReadOnlySpan<float> state, ReadOnlySpan<T> sum, [NotNullWhen(true)] out float[]? next, [NotNullWhen(true)] out float[]? nextState)
        where T : struct
    {
        if (strategy.UpdateVectors != 1) throw new ArgumentException("The strategy has a step of its own.", nameof(strategy));
        if (parent.Length != sum.Length || state.Length != parent.Length * strategy.StateVectors) throw new ArgumentException("A sum has one lane for every parameter, and a state its vectors.", nameof(sum));
        if (FlushesSubnormals(float.Epsilon, double.Epsilon)) throw new InvalidOperationException("This thread flushes subnormal numbers to zero.");

        var (model, carried) = (new float[parent.Length], state.ToArray());
        Walk(kernel, parent, sum, carried, model);
        (next, nextState) = ModelBlob.AreFinite(model) && ModelBlob.AreFinite(carried) ? (model, carried) : (null, null);
        return next is not null;
    }

    // State changes in place. What is left behind the last whole vector is computed in one of zeros.
    private static void Walk<T>(ServerKernel kernel, ReadOnlySpan<float> parent, ReadOnlySpan<T> sum, Span<float> state, Span<float> next) where T : struct
    {
        var (length, width) = (parent.Length, Vector<float>.Count);
        var first = state.IsEmpty ? state : state[..length];
        var second = state.Length > length ? state[length..] : default;
        Span<float> rest = stackalloc float[width], restFirst = stackalloc float[width], restSecond = stackalloc float[width];
        Span<T> restSum = new T[width];
        for (var i = 0; i < length; i += width)
        {
            var count = Math.Min(width, length - i);
            if (count < width)
            {
                parent[i..].CopyTo(rest);
                sum[i..].CopyTo(restSum);
                if (!first.IsEmpty) first[i..].CopyTo(restFirst);
                if (!second.IsEmpty) second[i..].CopyTo(restSecond);
            }

            var isWhole = count == width;
            var m = first.IsEmpty ? default : new Vector<float>(isWhole ? first[i..] : restFirst);
            var v = second.IsEmpty ? default : new Vector<float>(isWhole ? second[i..] : restSecond);
            Widen(isWhole ? sum.Slice(i, width) : restSum, out var lowSum, out var highSum);
            kernel.Apply(new Vector<float>(isWhole ? parent[i..] : rest), lowSum, highSum, ref m, ref v).CopyTo(rest);
            rest[..count].CopyTo(next[i..]);
            if (!first.IsEmpty) Store(m, first[i..(i + count)]);
            if (!second.IsEmpty) Store(v, second[i..(i + count)]);
        }
    }

    // Each integer is a binary64 number, exactly.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Widen<T>(ReadOnlySpan<T> sum, out Vector<double> low, out Vector<double> high) where T : struct
    {
        if (typeof(T) == typeof(int))
        {
            Vector.Widen(new Vector<int>(MemoryMarshal.Cast<T, int>(sum)), out var lowSum, out var highSum);
            (low, high) = (Vector.ConvertToDouble(lowSum), Vector.ConvertToDouble(highSum));
            return;
        }

        var doubles = MemoryMarshal.Cast<T, double>(sum);
        (low, high) = (new Vector<double>(doubles), new Vector<double>(doubles[Vector<double>.Count..]));
    }

    private static void Store(Vector<float> values, Span<float> destination)
    {
        if (destination.Length == Vector<float>.Count) values.CopyTo(destination);
        else for (var i = 0; i < destination.Length; i++) destination[i] = values[i];
    }

    // Native code that shares the thread may have switched the processor to flush-to-zero; the arguments keep this from being folded.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool FlushesSubnormals(float single, double twice) => single * 2f == 0f || twice * 2.0 == 0.0 || (float)(single * 2.0) == 0f;
}
