using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Trainer;

/// <summary>The 569 tumours of <c>data/breast-cancer-wisconsin.csv.gz</c>: 30 features as they stand in the file, label 1 for benign.</summary>
public static class BreastCancer
{
    /// <summary>Reads the table.</summary>
    /// <exception cref="TrainerException">The file is not the table that is meant.</exception>
    public static LabelledData Load(string path)
    {
        var table = CsvTable.Load(path);
        var target = table.ColumnOf("target");
        var columns = Enumerable.Range(0, table.Columns.Count).Where(column => column != target).ToArray();
        var features = new float[table.Rows.Count * columns.Length];
        var labels = new int[table.Rows.Count];
        for (var row = 0; row < labels.Length; row++)
        {
            labels[row] = Needed(table, row, target) > 0 ? 1 : 0;
            for (var i = 0; i < columns.Length; i++) features[(row * columns.Length) + i] = (float)Needed(table, row, columns[i]);
        }

        return new LabelledData(features, columns.Length, labels, [.. table.Rows.Select(row => CanonicalRecord.OfRow(row))]);
    }

    private static double Needed(CsvTable table, int row, int column) =>
        table.NumberAt(row, column) ?? throw new TrainerException(TrainerFault.BadNumber, $"row {row + 1}, column '{table.Columns[column]}': missing");
}
