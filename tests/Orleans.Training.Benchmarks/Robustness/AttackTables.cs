using System.Diagnostics;
using System.Globalization;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Trainer;

namespace Orleans.Training.Benchmarks;

/// <summary>Attack by rule: accuracy and the attackers' success, for each kind of groups.</summary>
internal sealed class AttackTables(RobustnessPlan plan, LabelledData train, LabelledData test, TrainerPool pool, Report report)
{
    // An attack that does less to the plain mean says nothing of a rule.
    private const double LeastHarm = 0.01;
    private const double LeastSuccess = 0.1;

    private static readonly IAttack?[] Attacks = [null, new SignFlip(), new Boost(), new LabelFlip(), new GaussianNoise(), new LittleIsEnough(), new InnerProduct(), new Backdoor()];

    private static readonly (int Attackers, int GroupSize)[] Sections = [(18, 1), (18, 3), (6, 3)];

    private readonly AttackedTraining _training = new(RobustnessPlan.Network, test, pool);

    /// <summary>Trains everything, and writes it down.</summary>
    public async Task Write()
    {
        var culture = CultureInfo.InvariantCulture;
        report.Line("# Robustness");
        report.Line();
        report.Line(string.Create(culture, $"MNIST: {RobustnessPlan.Participants} participants, and a trusted party (for FLTrust only), with {Federation.RowsEach(train, RobustnessPlan.Participants)} images each, dealt by chance from {train.Count:N0}; {test.Count:N0} images to test on. Perceptron 784-32-10 of {RobustnessPlan.Network.ParameterCount:N0} parameters, {plan.Rounds} rounds of one local epoch, batches of {AttackedTraining.BatchSize}, rate {AttackedTraining.LearningRate}; clip {Arm.Clip}, 32-bit lanes. Seeds {string.Join(", ", plan.Seeds)}."));
        report.Line();
        foreach (var attack in Attacks.OfType<IAttack>()) report.Line($"* {attack.Name}: {attack.Description}");
        report.Line();
        report.Line("Success is the part of the attackers' test rows that are predicted as they wish. Where a number has an exclamation mark, training ended before its last round because numbers were not finite.");
        report.Line();
        WriteLayouts();
        foreach (var (attackers, size) in Sections) await WriteSection(attackers, size);
    }

    // Below three members there are no masks (docs/spec/fedmask.md §5).
    private void WriteLayouts()
    {
        double[] shares = [0.05, 0.1, 0.2, 0.3];
        report.Head(1, ["groups of", "groups", .. shares.Select(share => $"bad at {100 * share:F0} % attackers, %"), "median bears", "made by attackers, %", "Krum bears", "made by attackers, %"]);
        foreach (var size in new[] { 1, 3, 5, 10 })
        {
            var groups = GroupLayout.CountOf(RobustnessPlan.Participants, size);
            var (median, krum) = ((groups - 1) / 2, (groups - 3) / 2);
            report.Row(
            [
                $"{size}", $"{groups}", .. shares.Select(share => Report.Percent(GroupLayout.BadShare(share, size))),
                $"{median}", Report.Percent(GroupLayout.ShareFor(median, groups, size)), $"{krum}", Report.Percent(GroupLayout.ShareFor(krum, groups, size)),
            ]);
        }
    }

    private async Task WriteSection(int attackers, int size)
    {
        var arms = Arm.Rules(RobustnessPlan.Participants, size, attackers).Where((_, i) => !plan.IsQuick || i is 0 or 2).Prepend(Arm.Mean(RobustnessPlan.Participants, size > 1)).ToArray();
        var federations = plan.Seeds.Select(seed => Federation.Draw(train, RobustnessPlan.Participants, attackers, seed)).ToArray();
        int[] bad = [.. federations.Select(federation => federation.Layout(size).Bad(federation.Attackers))];
        report.Line();
        report.Line(string.Create(CultureInfo.InvariantCulture, $"## {100.0 * attackers / RobustnessPlan.Participants:F0} % attackers, {(size == 1 ? "without secrecy" : $"groups of {size}")}"));
        report.Line();
        foreach (var line in Explain(attackers, size, arms, bad)) report.Line(line);
        report.Line();
        report.Head(2, ["attack", "rule", "accuracy %", "each seed", "success %", "each seed", "wall s", "CPU s"]);
        var results = new Dictionary<(IAttack?, Arm), Score[]>();
        foreach (var attack in Attacks)
        {
            foreach (var arm in arms) results[(attack, arm)] = await Train(federations, attack, arm);
        }

        report.Line();
        WriteMatrix(arms, bad.Max(), results);
    }

    private async Task<Score[]> Train(Federation[] federations, IAttack? attack, Arm arm)
    {
        var (watch, processor, scores) = (Stopwatch.StartNew(), LocalShard.ProcessorTime, new Score[federations.Length]);
        for (var i = 0; i < scores.Length; i++) scores[i] = (await _training.Run(federations[i], attack, arm, plan.Rounds))[^1];
        var culture = CultureInfo.InvariantCulture;
        report.Row(
        [
            NameOf(attack), arm.Name, Report.Percent(scores.Average(score => score.Accuracy)), string.Join(' ', scores.Select(score => Report.Percent(score.Accuracy) + (score.IsBroken ? "!" : ""))),
            scores[0].Success is null ? "" : Report.Percent(scores.Average(score => score.Success!.Value)), scores[0].Success is null ? "" : string.Join(' ', scores.Select(score => Report.Percent(score.Success!.Value))),
            watch.Elapsed.TotalSeconds.ToString("F1", culture), (LocalShard.ProcessorTime - processor).TotalSeconds.ToString("F1", culture),
        ]);
        return scores;
    }

    private void WriteMatrix(Arm[] arms, int bad, Dictionary<(IAttack?, Arm), Score[]> results)
    {
        report.Head(1, ["accuracy %, mean of seeds", .. arms.Select(arm => arm.Name + (arm.Tolerates < bad && arm.Rule is not null ? " †" : ""))]);
        foreach (var attack in Attacks)
        {
            report.Row([NameOf(attack), .. arms.Select(arm => Report.Percent(results[(attack, arm)].Average(score => score.Accuracy)))]);
            if (results[(attack, arms[0])][0].Success is not null) report.Row([$"{NameOf(attack)}: success", .. arms.Select(arm => Report.Percent(results[(attack, arm)].Average(score => score.Success!.Value)))]);
        }

        var clean = results[(null, arms[0])].Average(score => score.Accuracy);
        var harmless = Attacks.OfType<IAttack>().Where(attack => results[(attack, arms[0])] is var scores && clean - scores.Average(score => score.Accuracy) < LeastHarm && scores.Average(score => score.Success ?? 0) < LeastSuccess).Select(attack => attack.Name).ToArray();
        report.Line();
        if (arms.Any(arm => arm.Tolerates < bad && arm.Rule is not null)) report.Line("† more bad groups than this rule bears: it promises nothing here.");
        report.Line(harmless.Length == 0 ? "Every attack hurts the plain mean." : $"These do not hurt the plain mean (less than {Report.Percent(LeastHarm)} points, success below {Report.Percent(LeastSuccess)} %), and say nothing of the rules: {string.Join(", ", harmless)}.");
    }

    private static IEnumerable<string> Explain(int attackers, int size, Arm[] arms, int[] bad)
    {
        const int all = RobustnessPlan.Participants;
        var (groups, share, culture) = (GroupLayout.CountOf(all, size), (double)attackers / all, CultureInfo.InvariantCulture);
        yield return size == 1
            ? string.Create(culture, $"{attackers} of {all} attack. Every update is seen, and none that is longer than the clip is taken: a comparison, no secrecy. {attackers} of {groups} are bad.")
            : string.Create(culture, $"{attackers} of {all} attack. {groups} groups of {size}: what anyone learns is each group's sum, so a participant is hidden among {size}; nobody sees whether an update was clipped, and attackers do not clip. One attacker makes a group bad: to be expected 1 − (1 − {share:F2})^{size} = {Report.Percent(GroupLayout.BadShare(share, size))} % of groups, at worst {Math.Min(groups, attackers)} of {groups}; drawn {string.Join(", ", bad)} of {groups}. The mean is of one sum of all {all}.");
        foreach (var arm in arms)
        {
            if (arm.Rule is null) continue;
            if (arm.Tolerates is not { } most)
            {
                var from = arm.Rule is FlTrust ? "trusts the party that trains on rows of its own" : string.Create(culture, $"(τ is a norm of {Arm.Radius}) goes out from the last round's result");
                yield return $"* {arm.Rule} {from}, and promises no number of groups (docs/spec/robust.md §3).";
                continue;
            }

            var bears = size == 1 ? $"{Report.Percent((double)most / groups)} % attackers" : $"what {Report.Percent(GroupLayout.ShareFor(most, groups, size))} % attackers make on average, and any {most} at worst";
            yield return $"* {arm.Rule} bears {most} bad groups of {groups}: {bears}{(bad.Max() > most ? "; here it promises nothing" : "")}.";
        }
    }

    private static string NameOf(IAttack? attack) => attack?.Name ?? "none";
}
