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

        if (!Report.CanSave(plan.Output, Table)) return 2;
        var (train, test) = Mnist.Load(Path.Combine(AppContext.BaseDirectory, "data", "mnist"));
        var report = new Report();
        var watch = Stopwatch.StartNew();
        var processor = LocalShard.ProcessorTime;
        using var pool = new TrainerPool(Environment.ProcessorCount, RobustnessPlan.Participants + 1);
        await new AttackTables(plan, train, test, pool, report).Write();
        var figures = await new PoisoningFigure(plan, train, test, pool, report).Write();
        report.Line(string.Create(CultureInfo.InvariantCulture, $"All in {watch.Elapsed.TotalSeconds:F0} s and {(LocalShard.ProcessorTime - processor).TotalSeconds:F0} CPU-s on {Environment.ProcessorCount} processors; seeds {string.Join(", ", plan.Seeds)}."));
        await report.Save(plan.Output, Table, figures);
        return 0;
    }
}
