using System.Globalization;
using Orleans.Training.Cli.Demo;

namespace Orleans.Training.Benchmarks;

/// <summary>
/// <c>./run bench overhead</c>: McMahan's perceptron, 10 organisations with 1,000 images each, enough local epochs that a round trains for at least two seconds: the same training
/// over the ledger (two silos, four validators, gateway) with masks, without masks, and without a ledger, with as many trainer threads. All are measured once they are warm: the first rounds, in which code is
/// compiled, do not count.
/// </summary>
internal static class OverheadBenchmark
{
    private const int Rounds = 36;
    private const int Warm = 24;
    private const int Epochs = 6;

    public static async Task<int> Run()
    {
        var plan = new MnistPlan(Rounds, Epochs);
        var (masked, plain) = (await Measure(plan, masks: true), await Measure(plan, masks: false));
        var baseline = await Reference(plan);
        var culture = CultureInfo.InvariantCulture;
        Console.WriteLine(string.Create(culture, $"{Environment.ProcessorCount} processors; {plan.Title}; {Epochs} local epochs; rounds {Warm + 1} to {Rounds}, means of a round"));
        var ((withMasks, withMasksCpu), (with, withCpu)) = (PerRound(masked), PerRound(plain));
        var (without, withoutCpu) = ((baseline[^1].Wall - baseline[Warm - 1].Wall) / (Rounds - Warm), (baseline[^1].Processor - baseline[Warm - 1].Processor) / (Rounds - Warm));
        Console.WriteLine(string.Create(culture, $"ledger and masks   {withMasks.TotalSeconds,6:F3} s  {withMasksCpu.TotalSeconds,6:F3} CPU-s  (all silos: validators, gateway and trainers)"));
        Console.WriteLine(string.Create(culture, $"ledger             {with.TotalSeconds,6:F3} s  {withCpu.TotalSeconds,6:F3} CPU-s  (as above)"));
        Console.WriteLine(string.Create(culture, $"neither            {without.TotalSeconds,6:F3} s  {withoutCpu.TotalSeconds,6:F3} CPU-s  (same trainer code, as many threads)"));
        Console.WriteLine(string.Create(culture, $"the ledger costs   {with / without,6:F3} wall   {withCpu / withoutCpu,6:F3} CPU; {(with - without).TotalMilliseconds:F0} ms and {(withCpu - withoutCpu).TotalMilliseconds:F0} CPU-ms a round"));
        Console.WriteLine(string.Create(culture, $"masks cost         {withMasks / with,6:F3} wall   {withMasksCpu / withCpu,6:F3} CPU; {(withMasks - with).TotalMilliseconds:F0} ms and {(withMasksCpu - withCpu).TotalMilliseconds:F0} CPU-ms a round"));
        Describe("of a round", plain, "InputsFixed", "until all updates are held");
        Describe("of a masked round", masked, "RevealsFixed", "until its masks can be taken off");
        return 0;
    }

    private static async Task<IReadOnlyList<(DemoStep Step, TimeSpan Processor)>> Measure(DemoPlan plan, bool masks)
    {
        var root = Directory.CreateTempSubdirectory("otrain-bench-").FullName;
        var steps = await DemoCommand.Measure(plan, root, masks, CancellationToken.None);
        Directory.Delete(root, recursive: true);
        return steps;
    }

    private static async Task<IReadOnlyList<(TimeSpan Wall, TimeSpan Processor)>> Reference(DemoPlan plan)
    {
        var root = Directory.CreateTempSubdirectory("otrain-bench-").FullName;
        plan.WriteData(root);
        var times = await Baseline.Time(plan, root, DemoCommand.Silos, CancellationToken.None);
        Directory.Delete(root, recursive: true);
        return times;
    }

    private static (TimeSpan Wall, TimeSpan Processor) PerRound(IReadOnlyList<(DemoStep Step, TimeSpan Processor)> steps)
    {
        var published = steps.Where(item => item.Step.Type == "ModelPublished").ToArray();
        return ((published[^1].Step.At - published[Warm - 1].Step.At) / (Rounds - Warm), (published[^1].Processor - published[Warm - 1].Processor) / (Rounds - Warm));
    }

    private static void Describe(string what, IReadOnlyList<(DemoStep Step, TimeSpan Processor)> steps, string middle, string until) => Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"{what}: {Mean(steps, "RoundOpened", middle):F0} ms from its opening {until}, {Mean(steps, middle, "ModelPublished"):F0} ms until the model is published, {Mean(steps, "ModelPublished", "RoundOpened"):F0} ms until the next opens"));

    // Mean time between neighbouring steps of these types, in ms.
    private static double Mean(IReadOnlyList<(DemoStep Step, TimeSpan Processor)> steps, string from, string to) => steps.Zip(steps.Skip(1))
        .Where(pair => pair.First.Step.Type == from && pair.Second.Step.Type == to && pair.Second.Step.Round > Warm)
        .Average(pair => (pair.Second.Step.At - pair.First.Step.At).TotalMilliseconds);
}
