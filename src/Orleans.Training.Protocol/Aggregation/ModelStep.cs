using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>From a parent model and a sum to the next model, bit for bit the same on every machine (docs/spec/aggregation.md §5).</summary>
public static class ModelStep
{
    private const double WeightUnit = 1.0 / FixedPoint.WeightOne;

    /// <summary>Federated averaging with the rate 1: <see cref="TryApply"/> of <see cref="ServerStrategy.FedAvg"/>.</summary>
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
        if (parent.Length != sum.Length || state.Length != parent.Length * strategy.StateVectors) throw new ArgumentException("A sum has one lane for every parameter, and a state its vectors.", nameof(sum));
        if (totalWeight is < 1 or > (long)Limits.Participants * FixedPoint.WeightOne) throw new ArgumentException("The total weight is out of range.", nameof(totalWeight));
        if (FlushesSubnormals(float.Epsilon, double.Epsilon)) throw new InvalidOperationException("This thread flushes subnormal numbers to zero.");

        var (model, carried) = (new float[parent.Length], state.ToArray());
        Walk(new ServerKernel(strategy, parameters.Step, totalWeight * WeightUnit), parent, sum, carried, model);
        (next, nextState) = ModelBlob.AreFinite(model) && ModelBlob.AreFinite(carried) ? (model, carried) : (null, null);
        return next is not null;
    }

    // State changes in place. What is left behind the last whole vector is computed in one of zeros.
    private static void Walk(ServerKernel kernel, ReadOnlySpan<float> parent, ReadOnlySpan<int> sum, Span<float> state, Span<float> next)
    {
        var (length, width) = (parent.Length, Vector<float>.Count);
        var first = state.IsEmpty ? state : state[..length];
        var second = state.Length > length ? state[length..] : default;
        Span<float> rest = stackalloc float[width], restFirst = stackalloc float[width], restSecond = stackalloc float[width];
        Span<int> restSum = stackalloc int[width];
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
            kernel.Apply(new Vector<float>(isWhole ? parent[i..] : rest), new Vector<int>(isWhole ? sum[i..] : restSum), ref m, ref v).CopyTo(rest);
            rest[..count].CopyTo(next[i..]);
            if (!first.IsEmpty) Store(m, first[i..(i + count)]);
            if (!second.IsEmpty) Store(v, second[i..(i + count)]);
        }
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
