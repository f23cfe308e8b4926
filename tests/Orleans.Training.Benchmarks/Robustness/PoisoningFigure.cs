using System.Globalization;
using Orleans.Training.Trainer;

namespace Orleans.Training.Benchmarks;

/// <summary>The poisoning figure of Biscotti (Shayan et al. 2021), label flip 1→7 over rounds, and what it becomes when updates are secret.</summary>
internal sealed class PoisoningFigure(RobustnessPlan plan, LabelledData train, LabelledData test, TrainerPool pool, Report report)
{
    private const int GroupSize = 3;
    private const int Poisoners = 18;
    private const int Last = 10;

    private readonly AttackedTraining _training = new(RobustnessPlan.Softmax, test, pool);

    /// <summary>Trains all lines; the figure's name and text.</summary>
    public async Task<IReadOnlyList<(string Name, string Text)>> Write()
    {
        report.Line();
        report.Line("## Poisoning over rounds");
        report.Line();
        report.Line(string.Create(CultureInfo.InvariantCulture, $"Softmax of {RobustnessPlan.Softmax.ParameterCount:N0} parameters, {RobustnessPlan.Participants} participants, {plan.FigureRounds} rounds; poisoners train on ones labelled 7 and nothing else. Means of the last {Math.Min(Last, plan.FigureRounds)} rounds and of the seeds."));
        report.Line();
        report.Head(2, ["poisoners", "arm", "error %", "ones predicted 7 %"]);
        var lines = new List<ChartLine>();
        foreach (var (name, arm, isPoisoned) in Arms()) lines.Add(await Train(name, arm, isPoisoned ? Poisoners : 0));
        report.Line();
        return [("poisoning.svg", Chart.Draw($"{Percent(Poisoners)} poisoners, ones labelled 7: {RobustnessPlan.Participants} participants, softmax, MNIST", lines))];
    }

    private static IEnumerable<(string Name, Arm Arm, bool IsPoisoned)> Arms()
    {
        const int all = RobustnessPlan.Participants;
        yield return ("mean, nobody poisons", Arm.Mean(all, isMasked: true), false);
        yield return ("plain mean, no secrecy", Arm.Mean(all, isMasked: false), true);
        yield return ("Multi-Krum, no secrecy", Arm.Krum(all, 1, Poisoners), true);
        yield return ("secure mean", Arm.Mean(all, isMasked: true), true);
        yield return ($"secure and robust: FLTrust, groups of {GroupSize}", Arm.Trust(GroupSize), true);
        yield return ($"secure, Multi-Krum, groups of {GroupSize}: too many bad ones", Arm.Krum(all, GroupSize, Poisoners), true);
    }

    private async Task<ChartLine> Train(string name, Arm arm, int poisoners)
    {
        var runs = new List<IReadOnlyList<Score>>();
        foreach (var seed in plan.Seeds) runs.Add(await _training.Run(Federation.Draw(train, RobustnessPlan.Participants, poisoners, seed), new LabelFlip(), arm, plan.FigureRounds, each: true));
        double[] Mean(Func<Score, double> of) => [.. Enumerable.Range(0, plan.FigureRounds).Select(round => runs.Average(run => of(run[round])))];
        var line = new ChartLine(name, Mean(score => 1 - score.Accuracy), Mean(score => score.Success!.Value));
        report.Row([Percent(poisoners), name, Report.Percent(line.Error.TakeLast(Last).Average()), Report.Percent(line.Success.TakeLast(Last).Average())]);
        return line;
    }

    private static string Percent(int poisoners) => $"{100 * poisoners / RobustnessPlan.Participants} %";
}
