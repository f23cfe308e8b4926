namespace Orleans.Training.Trainer;

/// <summary>Mean and deviation of every feature of one owner's rows, to be applied to others. A feature that does not vary is only centred.</summary>
public sealed class Standardisation
{
    private readonly double[] _mean, _deviation;

    private Standardisation(double[] mean, double[] deviation) => (_mean, _deviation) = (mean, deviation);

    /// <summary>Measures the rows.</summary>
    public static Standardisation Of(LabelledData data)
    {
        var (mean, deviation) = (new double[data.FeatureCount], new double[data.FeatureCount]);
        for (var row = 0; row < data.Count; row++)
        {
            var features = data.Row(row);
            for (var i = 0; i < mean.Length; i++) mean[i] += features[i] / (double)data.Count;
        }

        for (var row = 0; row < data.Count; row++)
        {
            var features = data.Row(row);
            for (var i = 0; i < mean.Length; i++) deviation[i] += (features[i] - mean[i]) * (features[i] - mean[i]) / data.Count;
        }

        for (var i = 0; i < mean.Length; i++) deviation[i] = deviation[i] > 1e-12 ? Math.Sqrt(deviation[i]) : 1;
        return new Standardisation(mean, deviation);
    }

    /// <summary>(feature − mean) ÷ deviation. The result carries no records.</summary>
    public LabelledData Apply(LabelledData data)
    {
        var features = new float[data.Count * data.FeatureCount];
        for (var row = 0; row < data.Count; row++)
        {
            var source = data.Row(row);
            for (var i = 0; i < source.Length; i++) features[(row * source.Length) + i] = (float)((source[i] - _mean[i]) / _deviation[i]);
        }

        return new LabelledData(features, data.FeatureCount, data.Labels.ToArray());
    }
}
