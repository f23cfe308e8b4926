using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Trainer;

/// <summary>One hospital's patients.</summary>
/// <param name="Name">As in the column <c>site</c>.</param>
/// <param name="Data">Its complete rows, prepared.</param>
public sealed record Hospital(string Name, LabelledData Data);

/// <summary>
/// The four hospitals of <c>data/heart-disease.csv.gz</c>, prepared as FLamby's Fed-Heart-Disease: the 740 patients whose first ten features
/// are complete, 13 features, label 1 for a diagnosis above 0. Features are scaled by fixed public constants, so that no statistic of any
/// hospital's patients leaves it (docs/spec/data.md §5).
/// </summary>
public static class HeartDisease
{
    /// <summary>Features after preparation.</summary>
    public const int FeatureCount = 13;

    /// <summary>The part of each hospital's rows that is held out for testing.</summary>
    public const double TestFraction = 0.34;

    /// <summary>The hospitals, in the order of their names.</summary>
    public static IReadOnlyList<string> Sites { get; } = ["cleveland", "hungarian", "switzerland", "va"];

    // Column, what stands for zero, what stands for one.
    private static readonly (string Column, double Centre, double Scale)[] Scaled =
    [
        ("age", 54, 10), ("sex", 0, 1), ("trestbps", 130, 20), ("chol", 200, 100), ("fbs", 0, 1), ("thalach", 140, 25), ("exang", 0, 1), ("oldpeak", 1, 1),
    ];

    // Column, and the values that have a feature of their own; the one that is missing has none.
    private static readonly (string Column, double[] Values)[] Categories = [("cp", [2, 3, 4]), ("restecg", [1, 2])];

    /// <summary>Reads and prepares the table.</summary>
    /// <exception cref="TrainerException">The file is not the table that is meant.</exception>
    public static IReadOnlyList<Hospital> Load(string path) => Prepare(CsvTable.Load(path));

    /// <summary>Prepares the table.</summary>
    /// <exception cref="TrainerException">A column or a hospital is missing, or a field is not a number.</exception>
    public static IReadOnlyList<Hospital> Prepare(CsvTable table)
    {
        var site = table.ColumnOf("site");
        return [.. Sites.Select(name => new Hospital(name, PrepareRows(table, [.. Enumerable.Range(0, table.Rows.Count).Where(row => table.Rows[row][site] == name)])))];
    }

    /// <summary>Prepares one hospital's own table: the same columns, whatever stands under <c>site</c>.</summary>
    /// <exception cref="TrainerException">A column is missing, a field is not a number, or no row is complete.</exception>
    public static LabelledData PrepareAll(CsvTable table) => PrepareRows(table, [.. Enumerable.Range(0, table.Rows.Count)]);

    private static LabelledData PrepareRows(CsvTable table, int[] rows)
    {
        var (features, labels, records) = (new List<float>(), new List<int>(), new List<byte[]>());
        var row = new float[FeatureCount];
        var label = table.ColumnOf("num");
        foreach (var index in rows)
        {
            if (!TryPrepare(table, index, row) || table.NumberAt(index, label) is not { } diagnosis) continue;
            features.AddRange(row);
            labels.Add(diagnosis > 0 ? 1 : 0);
            records.Add(CanonicalRecord.OfRow(table.Rows[index]));
        }

        if (labels.Count == 0) throw new TrainerException(TrainerFault.NoRows, "no complete row");
        return new LabelledData([.. features], FeatureCount, [.. labels], [.. records]);
    }

    private static bool TryPrepare(CsvTable table, int row, Span<float> features)
    {
        var next = 0;
        foreach (var (column, centre, scale) in Scaled)
        {
            if (table.NumberAt(row, table.ColumnOf(column)) is not { } value) return false;
            features[next++] = (float)((value - centre) / scale);
        }

        foreach (var (column, values) in Categories)
        {
            if (table.NumberAt(row, table.ColumnOf(column)) is not { } value) return false;
            foreach (var category in values) features[next++] = value == category ? 1f : 0f;
        }

        return true;
    }
}
