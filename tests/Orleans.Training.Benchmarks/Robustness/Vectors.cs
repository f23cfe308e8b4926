namespace Orleans.Training.Benchmarks;

/// <summary>The arithmetic of attacks: binary64 within, in the order of the arguments, binary32 outside.</summary>
internal static class Vectors
{
    /// <summary>factor · x.</summary>
    public static float[] Scale(ReadOnlySpan<float> x, double factor)
    {
        var result = new float[x.Length];
        for (var i = 0; i < result.Length; i++) result[i] = (float)(factor * x[i]);
        return result;
    }

    /// <summary>The mean of vectors of one length.</summary>
    public static float[] Mean(IReadOnlyList<float[]> vectors) => Shifted(vectors, 0);

    /// <summary>In each coordinate the mean minus z standard deviations, each of n, not of n − 1 (Baruch et al. 2019, algorithm 3).</summary>
    public static float[] Shifted(IReadOnlyList<float[]> vectors, double z)
    {
        var result = new float[vectors[0].Length];
        for (var i = 0; i < result.Length; i++)
        {
            var sum = 0.0;
            foreach (var vector in vectors) sum += vector[i];
            var (mean, squares) = (sum / vectors.Count, 0.0);
            foreach (var vector in vectors) squares += (vector[i] - mean) * (vector[i] - mean);
            result[i] = (float)(mean - (z * Math.Sqrt(squares / vectors.Count)));
        }

        return result;
    }
}
