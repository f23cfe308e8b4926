using System.Globalization;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Trainer;

namespace Orleans.Training.Benchmarks;

/// <summary>
/// <c>./run bench lanes</c>: what narrow lanes cost in accuracy and save in bytes. The same training as <c>./run demo mnist</c> (10 organisations with 1,000 images each, McMahan's perceptron, one local epoch a
/// round) for three seeds without a ledger: averaged in binary64 without lanes, and through lanes of 32, 16, 12 and 8 bits. Bytes are of one masked update, as a participant uploads it.
/// </summary>
internal static class LanesBenchmark
{
    private const int Organisations = 10;
    private const int Rounds = 30;
    private const double Clip = 20;
    private const double Bound = 1;
    private static readonly ulong[] Seeds = [1, 2, 3];

    public static int Run()
    {
        var culture = CultureInfo.InvariantCulture;
        var spec = ModelSpec.McMahanPerceptron();
        var (train, test) = Mnist.Load(Path.Combine(AppContext.BaseDirectory, "data", "mnist"));
        Console.WriteLine(string.Create(culture, $"MNIST ({train.Count:N0} + {test.Count:N0} images), {Organisations} organisations, perceptron of {spec.ParameterCount:N0} parameters, {Rounds} rounds of one epoch, clip {Clip}, bound {Bound}; accuracy after the last round"));
        var reference = 0.0;
        foreach (var bits in new[] { 0, 32, 16, 12, 8 })
        {
            var lanes = bits == 0 ? null : FixedPoint.Create(Clip, Organisations, bits, Bound);
            var accuracies = Seeds.Select(seed => Accuracy(spec, train, test, lanes, seed)).ToArray();
            var mean = accuracies.Average();
            if (bits == 0) reference = mean;
            var bytes = lanes is null ? sizeof(float) * (long)spec.ParameterCount : LaneLayout.Choose(lanes, spec.ParameterCount).Bytes;
            var each = string.Join("  ", accuracies.Select(accuracy => accuracy.ToString("P2", culture)));
            Console.WriteLine(string.Create(culture, $"{(bits == 0 ? "binary32, no lanes" : $"{bits}-bit lanes"),-20} {each}   mean {100 * mean:F2} % ({100 * (mean - reference):+0.00;-0.00} points)   {bytes,9:N0} bytes an update, {bytes / (4.0 * spec.ParameterCount):F3} of binary32"));
        }

        return 0;
    }

    private static double Accuracy(ModelSpec spec, LabelledData train, LabelledData test, FixedPoint? lanes, ulong seed)
    {
        var model = FederatedAveraging.Run(spec, InitialModel.Create(spec, new SeededRandom(seed).Bytes(InitialModel.SeedBytes)), train.Partition(Organisations, seed), new TrainingSettings(1, 10, 0.1f, seed), Rounds, lanes);
        return LocalTrainer.Evaluate(spec, model, test).Accuracy;
    }
}
