using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Trainer;

namespace Orleans.Training.Cli.Demo;

/// <summary>Four hospitals and logistic regression on UCI Heart Disease.</summary>
internal sealed class HeartPlan : DemoPlan
{
    private static readonly string Source = Path.Combine(DataFolder, "heart-disease.csv.gz");

    public override string Name => "heart";

    public override string Title => "UCI Heart Disease, 4 hospitals, logistic regression";

    public override IReadOnlyList<ParticipantId> Participants { get; } = [.. HeartDisease.Sites.Select(ParticipantId.Parse)];

    public override ModelSpec Spec => HeartReference.Spec;

    protected override int UsualRounds => HeartReference.Rounds;

    protected override TrainingTerms Terms => new(50_000, 8, HeartReference.Epochs);

    public override double NoisyClip => 0.5;

    public override double Clip => 10;

    public override double Bound => 10;

    public override void WriteData(string root)
    {
        var lines = System.Text.Encoding.UTF8.GetString(DataFile.Read(Source)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        for (var i = 0; i < Participants.Count; i++)
        {
            var site = Participants[i].Name;
            LocalDataset.Write(root, Participants[i], [new LocalDataset(Name, "heart-disease", "heart.csv", HoldOut: HeartDisease.TestFraction, HoldOutSeed: SeededRandom.Derive(Seed, i))]);
            File.WriteAllText(Path.Combine(Path.GetDirectoryName(LocalDataset.ListOf(root, Participants[i]))!, "heart.csv"), string.Concat(lines.Where((line, number) => number == 0 || line.StartsWith(site + ",", StringComparison.Ordinal)).Select(line => line + "\n")));
        }
    }

    public override LabelledData TestRows(string root) => LabelledData.Join([.. Participants.Select(participant => LocalDataset.Load(root, participant, Name).Test!)]);

    public override string Reference(IProgress<string> progress)
    {
        progress.Report("reference table (5 seeds)");
        return "mean of 5 seeds, the same training without a ledger:\n" + HeartReference.Format(HeartReference.Run(HeartDisease.Load(Source), [1, 2, 3, 4, 5]));
    }
}
