namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// Normalised averaging (FedNova: Wang et al. 2020, eq. 6, for plain gradient descent): who takes more local steps does not draw the model further. Participant i with weight αᵢ and τᵢ steps sends its update times
/// τ ÷ τᵢ, where τ = Σαᵢτᵢ ÷ Σαᵢ over all participants of the agreement; the sum and what the server makes of it are as always. All of it is known from the ledger.
/// </summary>
public static class NormalisedUpdate
{
    /// <summary>τᵢ: steps of a participant in a round, the smaller last batch of an epoch included.</summary>
    /// <param name="records">Rows of its data set.</param>
    /// <param name="batchSize">Rows of a step.</param>
    /// <param name="epochs">Passes over them.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are no rows.</exception>
    public static long StepsOf(long records, int batchSize, int epochs) => records > 0 ? ((records - 1) / batchSize + 1) * epochs : throw new ArgumentOutOfRangeException(nameof(records));

    /// <summary>τ ÷ τᵢ: 1 when all take as many steps.</summary>
    /// <param name="position">i.</param>
    /// <param name="weights">αᵢ of every participant.</param>
    /// <param name="steps">τᵢ of every participant.</param>
    public static double ScaleOf(int position, IReadOnlyList<int> weights, IReadOnlyList<long> steps)
    {
        var (weighted, total) = ((Int128)0, 0L);
        for (var i = 0; i < weights.Count; i++)
        {
            weighted += (Int128)weights[i] * steps[i];
            total += weights[i];
        }

        return (double)weighted / (double)((Int128)total * steps[position]);
    }

    /// <summary>Scales an update in place.</summary>
    public static void Scale(Span<float> delta, double scale)
    {
        foreach (ref var value in delta) value = (float)(value * scale);
    }
}
