using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Trainer;

/// <summary>From a model's raw outputs to accuracy, area under the curve and loss.</summary>
internal static class Scoring
{
    public static Evaluation Of(ModelSpec spec, ReadOnlySpan<float> outputs, ReadOnlySpan<int> labels)
    {
        var (correct, loss, count) = (0, 0.0, labels.Length);
        for (var row = 0; row < count; row++)
        {
            var scores = outputs.Slice(row * spec.Outputs, spec.Outputs);
            var label = labels[row];
            if (spec.Loss is ModelLoss.BinaryCrossEntropy)
            {
                if (scores[0] > 0 == (label == 1)) correct++;
                loss += LogOnePlusExp(label == 1 ? -scores[0] : scores[0]);
            }
            else
            {
                if (LargestOf(scores) == label) correct++;
                loss += LogSumExp(scores) - scores[label];
            }
        }

        return new Evaluation((double)correct / count, spec.Outputs == 1 ? Auc(outputs, labels) : null, loss / count, count);
    }

    /// <summary>The part of all pairs of a positive and a negative row in which the positive has the larger score; a tie counts half.</summary>
    internal static double? Auc(ReadOnlySpan<float> scores, ReadOnlySpan<int> labels)
    {
        var (sorted, kinds) = (scores.ToArray(), labels.ToArray());
        Array.Sort(sorted, kinds);
        long positives = kinds.Count(kind => kind == 1), negatives = kinds.Length - positives;
        if (positives == 0 || negatives == 0) return null;
        var twiceRanks = 0L;
        for (int start = 0, end; start < sorted.Length; start = end)
        {
            var tied = 0L;
            for (end = start; end < sorted.Length && sorted[end].Equals(sorted[start]); end++) tied += kinds[end];
            twiceRanks += tied * (start + 1 + end);
        }

        return ((twiceRanks / 2.0) - (positives * (positives + 1) / 2.0)) / ((double)positives * negatives);
    }

    private static int LargestOf(ReadOnlySpan<float> scores)
    {
        var largest = 0;
        for (var i = 1; i < scores.Length; i++)
        {
            if (scores[i] > scores[largest]) largest = i;
        }

        return largest;
    }

    private static double LogSumExp(ReadOnlySpan<float> scores)
    {
        double largest = scores[LargestOf(scores)], sum = 0;
        foreach (var score in scores) sum += Math.Exp(score - largest);
        return largest + Math.Log(sum);
    }

    private static double LogOnePlusExp(double value) => Math.Max(value, 0) + Math.Log(1 + Math.Exp(-Math.Abs(value)));
}
