using System.Diagnostics;
using System.Globalization;
using Orleans.Training.Trainer;

namespace Orleans.Training.Benchmarks;

/// <summary>
/// <c>./run evaluate privacy</c>: what an update, a sum and a model tell of the images behind them, with masks and noise and without, and what noise costs in accuracy. The page says what is in it.
/// </summary>
internal static class PrivacyCommand
{
    /// <summary>What the command line may say.</summary>
    public const string Usage = "./run evaluate privacy [--quick] [--records] [--output FOLDER]";

    private const string Table = "privacy.md";
    private const int Pooled = 200;

    public static async Task<int> Run(IReadOnlyList<string> arguments)
    {
        var (isQuick, isRecordsOnly, output) = (false, false, (string?)null);
        for (var i = 0; i < arguments.Count; i++)
        {
            if (arguments[i] is "--quick") isQuick = true;
            else if (arguments[i] is "--records") isRecordsOnly = true;
            else if (arguments[i] is "--output" && i + 1 < arguments.Count && arguments[i + 1].Length > 0) output = arguments[++i];
            else
            {
                Console.Error.WriteLine($"use: {Usage}");
                return 2;
            }
        }

        if (!Report.CanSave(output, Table)) return 2;
        var (train, test) = Mnist.Load(Path.Combine(AppContext.BaseDirectory, "data", "mnist"));
        var report = new Report();
        var (watch, processor) = (Stopwatch.StartNew(), LocalShard.ProcessorTime);
        (string Name, string Svg)[] figures = isRecordsOnly ? [] : [new InversionFigure(train, report, participants: 10, victims: 5, seed: 1).Write()];
        PrivateFederation[] federations = isQuick ? [new(20, 8, 2)] : [new(128, 8, 12), new(1000, 8, 12)];
        ulong[] seeds = isQuick ? [1] : [1, 2, 3];
        double[] epsilons = isQuick ? [8] : [8, 4, 1];
        foreach (var federation in isRecordsOnly ? [] : federations) await WriteTable(federation, seeds, epsilons, train, test, report);
        (isQuick ? new RecordTraining(2, 200, 2, train, test) : new RecordTraining(4, 2500, 10, train, test)).WriteTable(seeds, epsilons, report);
        report.Line(string.Create(CultureInfo.InvariantCulture, $"All in {watch.Elapsed.TotalSeconds:F0} s and {(LocalShard.ProcessorTime - processor).TotalSeconds:F0} CPU-s on {Environment.ProcessorCount} processors; seeds {string.Join(", ", seeds)}."));
        await report.Save(output, Table, figures);
        return 0;
    }

    private static async Task WriteTable(PrivateFederation federation, ulong[] seeds, double[] epsilons, LabelledData train, LabelledData test, Report report)
    {
        var culture = CultureInfo.InvariantCulture;
        using var pool = new TrainerPool(Environment.ProcessorCount, federation.Participants + 1);
        var training = new PrivateTraining(federation, train, test, pool);
        report.Line(string.Create(culture, $"{federation.Participants} participants with {federation.Images} images each, {federation.Rounds} rounds, clip {PrivateTraining.Clip}, δ = 10⁻⁵; {test.Count} images to test on. Means of the seeds, accuracy from the worst to the best of them:"));
        report.Line();
        report.Head(1, ["noise", "ε spent", "μ of each", "accuracy %", "loss tells members: area", "found at 1 % false alarms", "(ε, δ) allows", "advantage", "(ε, δ) allows"]);
        await Row($"all images in one place, {Pooled} epochs", seed => training.Pool(seed, Pooled));
        await Row("none", seed => training.Run(seed, 0));
        foreach (var epsilon in epsilons)
        {
            var variance = training.VarianceFor(epsilon);
            await Row(string.Create(culture, $"ε = {epsilon:0}"), seed => training.Run(seed, variance));
        }

        report.Line();

        async Task Row(string name, Func<ulong, Task<PrivateResult>> run)
        {
            var results = new List<PrivateResult>();
            foreach (var seed in seeds) results.Add(await run(seed));
            report.Row([name, .. Cells(results)]);
        }
    }

    private static string[] Cells(List<PrivateResult> results)
    {
        var (culture, delta) = (CultureInfo.InvariantCulture, Math.Pow(10, -PrivateTraining.DeltaExponent));
        double Mean(Func<PrivateResult, double> value) => results.Average(value);
        var spent = results[0].Epsilon;
        return
        [
            spent?.ToString("F3", culture) ?? "–",
            spent is null ? "–" : results[0].Variance.ToString("N0", culture),
            string.Create(culture, $"{100 * Mean(result => result.Accuracy):F1} ({100 * results.Min(result => result.Accuracy):F1} to {100 * results.Max(result => result.Accuracy):F1})"),
            Mean(result => result.Inference.Area).ToString("F3", culture),
            $"{Report.Percent(Mean(result => result.Inference.AtOnePercent))} %",
            spent is { } found ? $"{Report.Percent(Membership.BoundAtOnePercent(found, delta))} %" : "–",
            Mean(result => result.Inference.Advantage).ToString("F3", culture),
            spent is { } known ? Membership.BoundOfAdvantage(known, delta).ToString("F3", culture) : "–",
        ];
    }
}
