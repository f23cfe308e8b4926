using System.Globalization;
using Orleans.Training.Trainer;

namespace Orleans.Training.Benchmarks;

/// <summary>The poisoning figure of Biscotti (Shayan et al. 2021), label flip 1→7 over rounds, and what it becomes when updates are secret.</summary>
internal sealed class PoisoningFigure(RobustnessPlan plan, LabelledData train, LabelledData test, TrainerPool pool, Report report)
{
    private const int GroupSize = 3;
    private const int Last = 10;

    private readonly AttackedTraining _training = new(RobustnessPlan.Softmax, test, pool);

    /// <summary>Trains all lines; the figures' names and texts.</summary>
    public async Task<IReadOnlyList<(string Name, string Text)>> Write()
    {
        report.Line();
        report.Line("## Poisoning over rounds");
        report.Line();
        report.Line(string.Create(CultureInfo.InvariantCulture, $"Softmax of {RobustnessPlan.Softmax.ParameterCount:N0} parameters, {RobustnessPlan.Participants} participants, {plan.FigureRounds} rounds; poisoners train on ones labelled 7 and nothing else. Means of the last {Math.Min(Last, plan.FigureRounds)} rounds and of the seeds."));
        report.Line();
        report.Head(2, ["poisoners", "arm", "error %", "ones predicted 7 %"]);
        List<(string, string)> figures = [];
        foreach (var attackers in new[] { 18, 6 })
        {
            var lines = new List<ChartLine>();
            foreach (var (name, arm, attack) in ArmsFor(attackers)) lines.Add(await Train(name, arm, attack, attackers));
            var percent = 100 * attackers / RobustnessPlan.Participants;
            figures.Add(($"poisoning-{percent}.svg", Chart.Draw($"{percent} % poisoners, ones labelled 7: {RobustnessPlan.Participants} participants, softmax, MNIST", lines)));
        }

        report.Line();
        return figures;
    }

    private static IEnumerable<(string Name, Arm Arm, IAttack? Attack)> ArmsFor(int attackers)
    {
        const int all = RobustnessPlan.Participants;
        yield return ("nobody poisons, mean", Arm.Mean(all, isMasked: true), null);
        yield return ("plain mean, no secrecy", Arm.Mean(all, isMasked: false), new LabelFlip());
        yield return ("Multi-Krum, no secrecy", Arm.Krum(all, 1, attackers), new LabelFlip());
        yield return ("secure mean", Arm.Mean(all, isMasked: true), new LabelFlip());
        yield return ($"secure and Multi-Krum, groups of {GroupSize}", Arm.Krum(all, GroupSize, attackers), new LabelFlip());
    }

    private async Task<ChartLine> Train(string name, Arm arm, IAttack? attack, int attackers)
    {
        var runs = new List<IReadOnlyList<Score>>();
        foreach (var seed in plan.Seeds) runs.Add(await _training.Run(Federation.Draw(train, RobustnessPlan.Participants, attack is null ? 0 : attackers, seed), attack ?? new LabelFlip(), arm, plan.FigureRounds, each: true));
        double[] Mean(Func<Score, double> of) => [.. Enumerable.Range(0, plan.FigureRounds).Select(round => runs.Average(run => of(run[round])))];
        var line = new ChartLine(name, Mean(score => 1 - score.Accuracy), Mean(score => score.Success!.Value));
        report.Row([$"{(attack is null ? 0 : 100 * attackers / RobustnessPlan.Participants)} %", name, Report.Percent(line.Error.TakeLast(Last).Average()), Report.Percent(line.Success.TakeLast(Last).Average())]);
        return line;
    }
}
