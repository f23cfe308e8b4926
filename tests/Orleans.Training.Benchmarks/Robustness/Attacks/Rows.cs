using Orleans.Training.Trainer;

namespace Orleans.Training.Benchmarks;

/// <summary>Rows with other labels.</summary>
internal static class Rows
{
    /// <summary>The indices of the rows of one label.</summary>
    public static int[] Of(LabelledData data, int label)
    {
        var labels = data.Labels.ToArray();
        return [.. Enumerable.Range(0, labels.Length).Where(row => labels[row] == label)];
    }

    /// <summary>The same features, each label replaced. Nobody commits to these rows: they carry no records.</summary>
    public static LabelledData Relabel(LabelledData data, Func<int, int> label)
    {
        var features = new float[data.Count * data.FeatureCount];
        for (var i = 0; i < data.Count; i++) data.Row(i).CopyTo(features.AsSpan(i * data.FeatureCount));
        return new LabelledData(features, data.FeatureCount, [.. data.Labels.ToArray().Select(label)]);
    }
}
