using System.Diagnostics;
using System.Globalization;
using Orleans.Training.Trainer;

namespace Orleans.Training.Benchmarks;

/// <summary>
/// <c>./run evaluate robustness</c>: seven attacks against the mean and every rule of docs/spec/robust.md, with groups of one and with groups that hide their members; and the poisoning figure of Biscotti. The page
/// says what is in it.
/// </summary>
internal static class RobustnessCommand
{
    private const string Table = "robustness.md";

    public static async Task<int> Run(IReadOnlyList<string> arguments)
    {
        if (RobustnessPlan.Parse(arguments) is not { } plan)
        {
            Console.Error.WriteLine($"use: {RobustnessPlan.Usage}");
            return 2;
        }

        if (!CanWrite(plan.Output)) return 2;
        var (train, test) = Mnist.Load(Path.Combine(AppContext.BaseDirectory, "data", "mnist"));
        var report = new Report();
        var watch = Stopwatch.StartNew();
        var processor = LocalShard.ProcessorTime;
        using var pool = new TrainerPool(Environment.ProcessorCount, RobustnessPlan.Participants + 1);
        await new AttackTables(plan, train, test, pool, report).Write();
        var figures = await new PoisoningFigure(plan, train, test, pool, report).Write();
        report.Line(string.Create(CultureInfo.InvariantCulture, $"All in {watch.Elapsed.TotalSeconds:F0} s and {(LocalShard.ProcessorTime - processor).TotalSeconds:F0} CPU-s on {Environment.ProcessorCount} processors; seeds {string.Join(", ", plan.Seeds)}."));
        if (plan.Output is null) return 0;

        foreach (var (name, text) in figures.Append((Table, report.Text)))
        {
            var path = Path.Combine(plan.Output, name);
            await File.WriteAllTextAsync(path, text);
            Console.WriteLine($"wrote {path}");
        }

        return 0;
    }
    // What a run of many minutes is to leave behind must have a place before it begins.
    private static bool CanWrite(string? folder)
    {
        if (folder is null) return true;
        try
        {
            Directory.CreateDirectory(folder);
            File.WriteAllText(Path.Combine(folder, Table), "");
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            Console.Error.WriteLine($"cannot write to {folder}: {exception.Message} Name another folder.");
            return false;
        }
    }
}
