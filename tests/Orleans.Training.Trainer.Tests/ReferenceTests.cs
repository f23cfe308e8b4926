using System.Diagnostics;
using System.Globalization;
using Orleans.Training.Protocol.Aggregation;
using Xunit.Abstractions;

namespace Orleans.Training.Trainer.Tests;

/// <summary>What models reach on the data that ship: thresholds, not exact values, because processors differ in the last bits.</summary>
public sealed class ReferenceTests(ITestOutputHelper output)
{
    [Fact]
    public void HeartDisease_TogetherIsBetterThanAlone_AndNearPooled()
    {
        var watch = Stopwatch.StartNew();
        var lines = HeartReference.Run(HeartDisease.Load(Repository.Data("heart-disease.csv.gz")), [1, 2, 3, 4, 5]);
        output.WriteLine(HeartReference.Format(lines) + Elapsed(watch));
        var line = lines.ToDictionary(entry => entry.Model);
        Assert.True(line[HeartReference.Federated] is { Accuracy: >= 0.77, Auc: >= 0.86 });
        Assert.True(line[HeartReference.Pooled] is { Accuracy: >= 0.78, Auc: >= 0.86 });
        Assert.InRange(line[HeartReference.Federated].Accuracy - line[HeartReference.FederatedUnquantised].Accuracy, -0.001, 0.001);
        Assert.All(HeartDisease.Sites, site => Assert.True(line[$"{site} alone"].Auc < line[HeartReference.Federated].Auc));
        Assert.True(HeartDisease.Sites.Average(site => line[$"{site} alone"].Accuracy) < line[HeartReference.Federated].Accuracy - 0.03);
    }

    [Fact]
    public void BreastCancer_LogisticReachesItsThreshold()
    {
        var data = BreastCancer.Load(Repository.Data("breast-cancer-wisconsin.csv.gz"));
        var spec = ModelSpec.Logistic(data.FeatureCount);
        var results = new List<Evaluation>();
        for (var seed = 1UL; seed <= 5; seed++)
        {
            var (train, test) = data.HoldOut(0.2, seed);
            var scale = Standardisation.Of(train);
            var initial = InitialModel.Create(spec, new SeededRandom(seed).Bytes(32));
            var parts = scale.Apply(train).Partition(4, seed);
            var model = FederatedAveraging.Run(spec, initial, parts, new TrainingSettings(2, 16, 0.1f, seed), 15, FixedPoint.Create(10, 4));
            results.Add(LocalTrainer.Evaluate(spec, model, scale.Apply(test)));
        }

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"accuracy {results.Average(r => r.Accuracy):F4} AUC {results.Average(r => r.Auc):F4}"));
        Assert.True(results.Average(result => result.Accuracy) >= 0.96);
    }

    [Fact]
    public void Mnist_TenOrganisations_ReachTheirThreshold()
    {
        var (train, test) = Mnist.Load(Repository.Data("mnist"));
        var spec = ModelSpec.McMahanPerceptron();
        var accuracy = 0.0;
        var watch = Stopwatch.StartNew();
        FederatedAveraging.Run(
            spec, InitialModel.Create(spec, new byte[32]), train.Partition(10, 1), new TrainingSettings(1, 10, 0.1f, 1), 10, FixedPoint.Create(100, 10),
            (round, model) =>
            {
                accuracy = LocalTrainer.Evaluate(spec, model, test).Accuracy;
                output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"round {round}: {100 * accuracy:F2} %"));
            });
        output.WriteLine(Elapsed(watch));
        Assert.True(accuracy >= 0.90);
    }

    [Fact]
    public void Convolutional_LearnsFromOneOrganisationsImages()
    {
        var (train, test) = Mnist.Load(Repository.Data("mnist"));
        var spec = ModelSpec.LeNet();
        var initial = InitialModel.Create(spec, new byte[32]);
        var update = LocalTrainer.Train(spec, initial, train.Partition(5, 1)[0], new TrainingSettings(2, 10, 0.1f, 1));
        var result = LocalTrainer.Evaluate(spec, [.. initial.Zip(update.Delta, (value, delta) => value + delta)], test);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{100 * result.Accuracy:F2} %"));
        Assert.True(result.Accuracy >= 0.80);
    }

    private static string Elapsed(Stopwatch watch) => string.Create(CultureInfo.InvariantCulture, $"{watch.Elapsed.TotalSeconds:F1} s");
}
