using System.Globalization;
using System.Text;

namespace Orleans.Training.Benchmarks;

/// <summary>Markdown that is shown line by line as it grows, and kept.</summary>
internal sealed class Report
{
    private readonly StringBuilder _text = new();

    /// <summary>All lines.</summary>
    public string Text => _text.ToString();

    /// <summary>One line.</summary>
    public void Line(string line = "")
    {
        Console.WriteLine(line);
        _text.Append(line).Append('\n');
    }

    /// <summary>The head of a table; all columns but the first <paramref name="left"/> are to the right.</summary>
    public void Head(int left, IReadOnlyList<string> cells)
    {
        Line($"| {string.Join(" | ", cells)} |");
        Line($"|{string.Concat(cells.Select((_, i) => i < left ? "---|" : "--:|"))}");
    }

    /// <summary>A row of a table.</summary>
    public void Row(IEnumerable<string> cells) => Line($"| {string.Join(" | ", cells)} |");

    /// <summary>Hundredths.</summary>
    public static string Percent(double value) => (100 * value).ToString("F1", CultureInfo.InvariantCulture);
}
