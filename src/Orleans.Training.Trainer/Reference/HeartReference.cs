using System.Globalization;
using System.Text;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Trainer;

/// <summary>One line of the reference table: the means over all seeds.</summary>
/// <param name="Model">How it was trained.</param>
/// <param name="Accuracy">On the hold-outs of all hospitals.</param>
/// <param name="Auc">On the hold-outs of all hospitals.</param>
public sealed record HeartReferenceLine(string Model, double Accuracy, double Auc);

/// <summary>
/// What four hospitals reach alone, together without sharing data, and with all data in one place: logistic regression on Heart Disease,
/// 20 rounds of 3 epochs, batches of 8, learning rate 0.05; one test set, all hospitals' hold-outs. Alone and pooled train for as many epochs.
/// </summary>
public static class HeartReference
{
    /// <summary>Rounds of federated training.</summary>
    public const int Rounds = 20;

    /// <summary>Epochs of every round.</summary>
    public const int Epochs = 3;

    /// <summary>The line of federated averaging through fixed point, as a run on the ledger does it.</summary>
    public const string Federated = "federated averaging";

    /// <summary>The line of the same without fixed point.</summary>
    public const string FederatedUnquantised = "federated averaging, unquantised";

    /// <summary>The line of all data in one place.</summary>
    public const string Pooled = "pooled";

    /// <summary>The model.</summary>
    public static ModelSpec Spec { get; } = ModelSpec.Logistic(HeartDisease.FeatureCount);

    /// <summary>The lanes.</summary>
    public static FixedPoint FixedPoint { get; } = FixedPoint.Create(10, HeartDisease.Sites.Count, bits: 16);

    /// <summary>The settings of one round.</summary>
    public static TrainingSettings Settings(ulong seed) => new(Epochs, 8, 0.05f, seed);

    /// <summary>The seed of the initial model.</summary>
    public static byte[] InitialSeed(ulong seed) => new SeededRandom(seed).Bytes(InitialModel.SeedBytes);

    /// <summary>Each hospital's rows to train on, and the joint test set.</summary>
    public static (IReadOnlyList<LabelledData> Train, LabelledData Test) Split(IReadOnlyList<Hospital> hospitals, ulong seed)
    {
        var parts = hospitals.Select((hospital, index) => hospital.Data.HoldOut(HeartDisease.TestFraction, SeededRandom.Derive(seed, index))).ToArray();
        return ([.. parts.Select(part => part.Train)], LabelledData.Join([.. parts.Select(part => part.Test)]));
    }

    /// <summary>Trains everything for every seed.</summary>
    public static IReadOnlyList<HeartReferenceLine> Run(IReadOnlyList<Hospital> hospitals, IReadOnlyList<ulong> seeds, CancellationToken cancellationToken = default)
    {
        var runs = seeds.Select(seed => RunOnce(hospitals, seed, cancellationToken)).ToArray();
        return [.. runs[0].Select((line, i) => new HeartReferenceLine(line.Model, runs.Average(run => run[i].Result.Accuracy), runs.Average(run => run[i].Result.Auc ?? double.NaN)))];
    }

    /// <summary>The table as text.</summary>
    public static string Format(IReadOnlyList<HeartReferenceLine> lines)
    {
        var text = new StringBuilder();
        foreach (var line in lines) text.Append(CultureInfo.InvariantCulture, $"{line.Model,-34} {100 * line.Accuracy,5:F1} % {line.Auc,6:F3}\n");
        return text.ToString();
    }

    private static List<(string Model, Evaluation Result)> RunOnce(IReadOnlyList<Hospital> hospitals, ulong seed, CancellationToken cancellationToken)
    {
        var (train, test) = Split(hospitals, seed);
        var initial = InitialModel.Create(Spec, InitialSeed(seed));
        var settings = Settings(seed);
        var lines = new List<(string, Evaluation)>();
        for (var i = 0; i < train.Count; i++) lines.Add(($"{hospitals[i].Name} alone", Alone(initial, train[i], test, settings, cancellationToken)));
        foreach (var (name, lanes) in new[] { (Federated, FixedPoint), (FederatedUnquantised, null) })
        {
            var rounds = new List<(string, Evaluation)>();
            FederatedAveraging.Run(Spec, initial, train, settings, Rounds, lanes, (round, model) =>
            {
                if (round is 1 or 5 && lanes is not null) rounds.Add(($"{name}, round {round}", LocalTrainer.Evaluate(Spec, model, test, cancellationToken: cancellationToken)));
                if (round is Rounds) rounds.Add((name, LocalTrainer.Evaluate(Spec, model, test, cancellationToken: cancellationToken)));
            }, cancellationToken);
            lines.AddRange(rounds);
        }

        lines.Add((Pooled, Alone(initial, LabelledData.Join(train), test, settings, cancellationToken)));
        return lines;
    }

    private static Evaluation Alone(float[] initial, LabelledData train, LabelledData test, TrainingSettings settings, CancellationToken cancellationToken)
    {
        var model = FederatedAveraging.Run(Spec, initial, [train], settings with { Epochs = Epochs * Rounds }, 1, cancellationToken: cancellationToken);
        return LocalTrainer.Evaluate(Spec, model, test, cancellationToken: cancellationToken);
    }
}
