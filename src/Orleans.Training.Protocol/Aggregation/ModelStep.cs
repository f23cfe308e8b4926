using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>From a parent model and a sum to the next model, bit for bit the same on every machine (docs/spec/aggregation.md §5).</summary>
public static class ModelStep
{
    private const double WeightUnit = 1.0 / FixedPoint.WeightOne;

    /// <summary>
    /// Federated averaging: each parameter w with its lane sum s becomes (float)((double)w + ((B ÷ L) · (double)s) ÷ (Σα · 2⁻²⁰)).
    /// False if a result is not finite: then there is no next model.
    /// </summary>
    /// <exception cref="ArgumentException">The lengths differ, or the total weight is not positive.</exception>
    /// <exception cref="InvalidOperationException">This thread flushes subnormal numbers to zero, and so does not compute as IEEE 754 says.</exception>
    public static bool TryFedAvg(ReadOnlySpan<float> parent, ReadOnlySpan<int> sum, long totalWeight, FixedPoint parameters, [NotNullWhen(true)] out float[]? next)
    {
        if (parent.Length != sum.Length) throw new ArgumentException("A sum has one lane for every parameter.", nameof(sum));
        if (totalWeight is < 1 or > (long)Limits.Participants * FixedPoint.WeightOne) throw new ArgumentException("The total weight is out of range.", nameof(totalWeight));
        if (FlushesSubnormals(float.Epsilon, double.Epsilon)) throw new InvalidOperationException("This thread flushes subnormal numbers to zero.");

        var result = new float[parent.Length];
        Step(parent, sum, parameters.Step, totalWeight * WeightUnit, result);
        next = null;
        foreach (var value in result)
        {
            if (!float.IsFinite(value)) return false;
        }

        next = result;
        return true;
    }

    private static void Step(ReadOnlySpan<float> parent, ReadOnlySpan<int> sum, double step, double total, Span<float> next)
    {
        var i = 0;
        var (steps, totals) = (new Vector<double>(step), new Vector<double>(total));
        for (; i <= parent.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            Vector.Widen(new Vector<float>(parent[i..]), out var lowParent, out var highParent);
            Vector.Widen(new Vector<int>(sum[i..]), out var lowSum, out var highSum);
            var low = lowParent + (steps * Vector.ConvertToDouble(lowSum) / totals);
            var high = highParent + (steps * Vector.ConvertToDouble(highSum) / totals);
            Vector.Narrow(low, high).CopyTo(next[i..]);
        }

        for (; i < parent.Length; i++) next[i] = (float)(parent[i] + (step * sum[i] / total));
    }

    // Native code that shares the thread may have switched the processor to flush-to-zero; the arguments keep this from being folded.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool FlushesSubnormals(float single, double twice) => single * 2f == 0f || twice * 2.0 == 0.0 || (float)(single * 2.0) == 0f;
}
