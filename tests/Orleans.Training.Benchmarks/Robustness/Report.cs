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

    /// <summary>Whether a folder can take a file, made if need be: what a run of many minutes is to leave behind must have a place before it begins.</summary>
    public static bool CanSave(string? folder, string name)
    {
        if (folder is null) return true;
        try
        {
            Directory.CreateDirectory(folder);
            File.WriteAllText(Path.Combine(folder, name), "");
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            Console.Error.WriteLine($"cannot write to {folder}: {exception.Message} Name another folder.");
            return false;
        }
    }

    /// <summary>Writes the text under this name, and figures beside it, if there is a folder.</summary>
    public async Task Save(string? folder, string name, IEnumerable<(string Name, string Text)> figures)
    {
        if (folder is null) return;
        foreach (var (file, text) in figures.Append((name, Text)))
        {
            var path = Path.Combine(folder, file);
            await File.WriteAllTextAsync(path, text);
            Console.WriteLine($"wrote {path}");
        }
    }
}
