using System.Globalization;
using Orleans.Training.Cli.Demo;

namespace Orleans.Training.Benchmarks;

/// <summary>
/// <c>./run bench overhead</c>: McMahan's perceptron, 10 organisations with 1,000 images each, enough local epochs that a round trains for at least two seconds: the same training
/// over the ledger (two silos, four validators, gateway) and without it, with as many trainer threads. Both are measured once they are warm: the first rounds, in which code is
/// compiled, do not count.
/// </summary>
internal static class OverheadBenchmark
{
    private const int Rounds = 36;
    private const int Warm = 24;
    private const int Epochs = 6;

    public static async Task<int> Run()
    {
        var root = Directory.CreateTempSubdirectory("otrain-bench-").FullName;
        var plan = new MnistPlan(Rounds, Epochs);
        var steps = await DemoCommand.Measure(plan, root, masks: false, CancellationToken.None);
        var baseline = await Baseline.Time(plan, root, DemoCommand.Silos, CancellationToken.None);
        var culture = CultureInfo.InvariantCulture;
        Console.WriteLine(string.Create(culture, $"{Environment.ProcessorCount} processors; {plan.Title}; {Epochs} local epochs; rounds {Warm + 1} to {Rounds}, means of a round"));

        const int counted = Rounds - Warm;
        var published = steps.Where(item => item.Step.Type == "ModelPublished").ToArray();
        var (with, withCpu) = ((published[^1].Step.At - published[Warm - 1].Step.At) / counted, (published[^1].Processor - published[Warm - 1].Processor) / counted);
        var (without, withoutCpu) = ((baseline[^1].Wall - baseline[Warm - 1].Wall) / counted, (baseline[^1].Processor - baseline[Warm - 1].Processor) / counted);
        Console.WriteLine(string.Create(culture, $"with the ledger    {with.TotalSeconds,6:F3} s  {withCpu.TotalSeconds,6:F3} CPU-s  (all silos: validators, gateway and trainers)"));
        Console.WriteLine(string.Create(culture, $"without            {without.TotalSeconds,6:F3} s  {withoutCpu.TotalSeconds,6:F3} CPU-s  (same trainer code, as many threads)"));
        Console.WriteLine(string.Create(culture, $"ratio              {with / without,6:F3} wall   {withCpu / withoutCpu,6:F3} CPU; {(with - without).TotalMilliseconds:F0} ms and {(withCpu - withoutCpu).TotalMilliseconds:F0} CPU-ms a round"));
        Console.WriteLine(string.Create(culture, $"of a round: {Mean(steps, "RoundOpened", "InputsFixed"):F0} ms from its opening until all updates are held, {Mean(steps, "InputsFixed", "ModelPublished"):F0} ms until the model is published, {Mean(steps, "ModelPublished", "RoundOpened"):F0} ms until the next opens"));
        Directory.Delete(root, recursive: true);
        return 0;
    }

    // Mean time between neighbouring steps of these types, in ms.
    private static double Mean(IReadOnlyList<(DemoStep Step, TimeSpan Processor)> steps, string from, string to) => steps.Zip(steps.Skip(1))
        .Where(pair => pair.First.Step.Type == from && pair.Second.Step.Type == to && pair.Second.Step.Round > Warm)
        .Average(pair => (pair.Second.Step.At - pair.First.Step.At).TotalMilliseconds);
}
