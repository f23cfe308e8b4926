using System.Globalization;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Trainer;

namespace Orleans.Training.Benchmarks;

/// <summary>
/// Federated averaging in which each participant hides single images by DP-SGD: the service's trainer, and what each participant's own account says. Seeds take the place of secret keys, so that a table comes out twice.
/// </summary>
internal sealed record RecordTraining(int Participants, int Images, int Rounds, LabelledData Train, LabelledData Test)
{
    private const double Delta = 1e-5;
    private const double Clip = 1;
    private const int BatchSize = 50;
    private const float LearningRate = 0.5f;
    private const double MostNoise = 1000;

    private static readonly ModelSpec Spec = ModelSpec.Softmax(28 * 28, 10);

    private int Steps => Rounds * ((Images + BatchSize - 1) / BatchSize);

    /// <summary>Writes one row without noise and one for each ε.</summary>
    public void WriteTable(ulong[] seeds, double[] epsilons, Report report)
    {
        var culture = CultureInfo.InvariantCulture;
        report.Line(string.Create(culture, $"Single images: {Participants} participants with {Images} images each, {Rounds} rounds of one local epoch, batches of {BatchSize} on average, {Steps} steps, rate {LearningRate}, clip {Clip}, δ = 10⁻⁵:"));
        report.Line();
        report.Head(1, ["noise on single images", "σ", "ε by Rényi divergences", "ε by the loss's distribution", "accuracy %"]);
        report.Row(["none, no clip", "–", "–", "–", Accuracy(seeds, null)]);
        report.Row(["none", "0", "–", "–", Accuracy(seeds, 0)]);
        foreach (var epsilon in epsilons)
        {
            var mechanism = MechanismFor(epsilon);
            var (low, high) = PrivacyLoss.EpsilonOf(mechanism, Steps, Delta);
            report.Row([string.Create(culture, $"ε = {epsilon:0}"), mechanism.NoiseMultiplier.ToString("F3", culture), mechanism.EpsilonOf(Steps, Delta).ToString("F3", culture), string.Create(culture, $"{low:F4} to {high:F4}"), Accuracy(seeds, mechanism.NoiseMultiplier)]);
        }

        report.Line();
    }

    /// <summary>The least noise that an account of so much admits, to a millionth.</summary>
    public SampledGaussian MechanismFor(double epsilon)
    {
        var (rate, low, high) = ((double)BatchSize / Images, 0.3, MostNoise);
        while (high - low > 1e-6)
        {
            var middle = (low + high) / 2;
            if (new SampledGaussian(middle, rate).EpsilonOf(Steps, Delta) <= epsilon) high = middle;
            else low = middle;
        }

        return new(high, rate);
    }

    private string Accuracy(ulong[] seeds, double? noise)
    {
        double[] results = [.. seeds.Select(seed => AccuracyOf(seed, noise))];
        return string.Create(CultureInfo.InvariantCulture, $"{100 * results.Average():F1} ({100 * results.Min():F1} to {100 * results.Max():F1})");
    }

    private double AccuracyOf(ulong seed, double? noise)
    {
        var order = new SeededRandom(SeededRandom.Derive(seed, 7)).Permutation(Train.Count);
        LabelledData[] rows = [.. Enumerable.Range(0, Participants).Select(i => Train.Select(order.AsSpan(i * Images, Images)))];
        var initial = InitialModel.Create(Spec, new SeededRandom(seed).Bytes(InitialModel.SeedBytes));
        var settings = new TrainingSettings(1, BatchSize, LearningRate, seed, Private: noise is { } multiplier ? new(Clip, multiplier, []) : null);
        return LocalTrainer.Evaluate(Spec, FederatedAveraging.Run(Spec, initial, rows, settings, Rounds), Test).Accuracy;
    }
}
