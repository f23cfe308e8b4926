using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Trainer;

/// <summary>Rows of float32 features, each with a label from 0, and the canonical record that each was made from.</summary>
public sealed class LabelledData
{
    private readonly float[] _features;
    private readonly int[] _labels;
    private readonly byte[][] _records;

    /// <summary>Takes the arrays over. Without records the rows cannot be committed to.</summary>
    public LabelledData(float[] features, int featureCount, int[] labels, byte[][]? records = null)
    {
        if (featureCount < 1 || features.Length != (long)featureCount * labels.Length) throw new ArgumentException("Features are rows × feature count.", nameof(features));
        if (records is not null && records.Length != labels.Length) throw new ArgumentException("There is one record for every row.", nameof(records));
        (_features, FeatureCount, _labels, _records) = (features, featureCount, labels, records ?? []);
    }

    /// <summary>Rows.</summary>
    public int Count => _labels.Length;

    /// <summary>Features of one row.</summary>
    public int FeatureCount { get; }

    /// <summary>One label for every row.</summary>
    public ReadOnlySpan<int> Labels => _labels;

    /// <summary>The features of one row.</summary>
    public ReadOnlySpan<float> Row(int index) => _features.AsSpan(index * FeatureCount, FeatureCount);

    /// <summary>The rows at these indices, in this order.</summary>
    public LabelledData Select(ReadOnlySpan<int> indices)
    {
        var features = new float[indices.Length * FeatureCount];
        var labels = new int[indices.Length];
        var records = new byte[_records.Length == 0 ? 0 : indices.Length][];
        for (var i = 0; i < indices.Length; i++)
        {
            Row(indices[i]).CopyTo(features.AsSpan(i * FeatureCount));
            labels[i] = _labels[indices[i]];
            if (records.Length > 0) records[i] = _records[indices[i]];
        }

        return new LabelledData(features, FeatureCount, labels, records.Length == 0 ? null : records);
    }

    /// <summary>All rows of several parts that have the same features.</summary>
    public static LabelledData Join(IReadOnlyList<LabelledData> parts) => new(
        [.. parts.SelectMany(part => part._features)], parts[0].FeatureCount, [.. parts.SelectMany(part => part._labels)],
        parts.All(part => part._records.Length == part.Count) ? [.. parts.SelectMany(part => part._records)] : null);

    /// <summary>A random part of ⌈fraction · rows⌉ rows to test on, and the rest to train on.</summary>
    public (LabelledData Train, LabelledData Test) HoldOut(double fraction, ulong seed)
    {
        var order = new SeededRandom(seed).Permutation(Count);
        var test = (int)Math.Ceiling(fraction * Count);
        return (Select(order.AsSpan(test)), Select(order.AsSpan(0, test)));
    }

    /// <summary>Random parts of (nearly) equal size.</summary>
    public LabelledData[] Partition(int parts, ulong seed)
    {
        var order = new SeededRandom(seed).Permutation(Count);
        var result = new LabelledData[parts];
        for (var i = 0; i < parts; i++)
        {
            var (start, end) = ((int)((long)Count * i / parts), (int)((long)Count * (i + 1) / parts));
            result[i] = Select(order.AsSpan(start, end - start));
        }

        return result;
    }

    /// <summary>The commitment to these rows in this order (docs/spec/data.md §1).</summary>
    /// <exception cref="InvalidOperationException">The rows carry no records.</exception>
    public Digest Commit(ReadOnlySpan<byte> secret)
    {
        if (_records.Length != Count) throw new InvalidOperationException("The rows carry no records.");
        var commitment = new DatasetCommitment(secret);
        foreach (var record in _records) commitment.Append(record);
        return commitment.Finish();
    }
}
