using System.Globalization;
using Orleans.Training.Cli.Demo;

namespace Orleans.Training.Benchmarks;

/// <summary>
/// <c>./run bench overhead</c>: McMahan's perceptron, 10 organisations with 1,000 images each, enough local epochs that a round trains for at least two seconds: the same training
/// over the ledger (two silos, four validators, gateway) and without it, with as many trainer threads.
/// </summary>
internal static class OverheadBenchmark
{
    private const int Rounds = 5;
    private const int Epochs = 6;

    public static async Task<int> Run()
    {
        var root = Directory.CreateTempSubdirectory("otrain-bench-").FullName;
        var plan = new MnistPlan(Rounds, Epochs);
        var measured = await DemoCommand.Measure(plan, root, CancellationToken.None);
        var culture = CultureInfo.InvariantCulture;
        Console.WriteLine(string.Create(culture, $"{Environment.ProcessorCount} processors; {plan.Title}; {Rounds} rounds of {Epochs} local epochs"));
        Console.WriteLine(string.Create(culture, $"with the ledger    {measured.Wall.TotalSeconds,7:F2} s  {measured.Processor.TotalSeconds,7:F2} CPU-s"));
        Console.WriteLine(string.Create(culture, $"without            {measured.Baseline.Wall.TotalSeconds,7:F2} s  {measured.Baseline.Processor.TotalSeconds,7:F2} CPU-s  ({measured.Baseline.Wall.TotalSeconds / Rounds:F2} s of training a round)"));
        Console.WriteLine(string.Create(culture, $"ratio {measured.Wall / measured.Baseline.Wall:F3} wall, {measured.Processor / measured.Baseline.Processor:F3} CPU; {(measured.Wall - measured.Baseline.Wall).TotalMilliseconds / Rounds:F0} ms a round"));
        Directory.Delete(root, recursive: true);
        return 0;
    }
}
