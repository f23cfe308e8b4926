using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Trainer.Tests;

/// <summary>DP-SGD against the plain gradients of one row after the other.</summary>
public sealed class PrivateDescentTests
{
    private const int Features = 36;

    public static TheoryData<ModelSpec> Networks => LocalTrainerTests.Networks;

    [Theory]
    [MemberData(nameof(Networks))]
    public void ClippedGradient_IsTheSumOfCutGradientsOfSingleRows(ModelSpec spec)
    {
        var data = LocalTrainerTests.Synthetic(20, Features, Math.Max(2, spec.Outputs), 8);
        var parameters = InitialModel.Create(spec, new byte[32]);
        var single = Enumerable.Range(0, data.Count).Select(row => LocalTrainer.Gradient(spec, parameters, data.Select([row]))).ToArray();
        // So that about half of the rows are cut.
        var clip = single.Select(Norm).Order().ElementAt(data.Count / 2);
        var expected = new double[parameters.Length];
        foreach (var gradient in single)
        {
            var factor = Math.Min(1, clip / Norm(gradient));
            for (var i = 0; i < expected.Length; i++) expected[i] += factor * gradient[i];
        }

        var sum = LocalTrainer.ClippedGradient(spec, parameters, data, clip);
        var scale = Math.Sqrt(expected.Sum(value => value * value));
        Assert.True(scale > 1e-3);
        for (var i = 0; i < sum.Length; i++) Assert.InRange(sum[i] - expected[i], -1e-4 * scale, 1e-4 * scale);
    }

    [Theory]
    [MemberData(nameof(Networks))]
    public void ClippedGradient_OfOneRow_IsNeverLongerThanTheClip(ModelSpec spec)
    {
        var data = LocalTrainerTests.Synthetic(20, Features, Math.Max(2, spec.Outputs), 8);
        var parameters = InitialModel.Create(spec, new byte[32]);
        for (var row = 0; row < data.Count; row++)
        {
            var length = Norm(LocalTrainer.ClippedGradient(spec, parameters, data.Select([row]), 0.01));
            Assert.InRange(length, 0.01 * (1 - 1e-4), 0.01);
        }
    }

    // Every row is in every batch: plain descent on all rows.
    [Theory]
    [MemberData(nameof(Networks))]
    public void Train_WithoutNoiseAndClip_IsPlainDescent(ModelSpec spec)
    {
        var data = LocalTrainerTests.Synthetic(300, Features, Math.Max(2, spec.Outputs), 8);
        var parameters = InitialModel.Create(spec, new byte[32]);
        var plain = new TrainingSettings(4, data.Count, 0.5f, 1, Proximal: 0.1f);
        var expected = LocalTrainer.Train(spec, parameters, data, plain);
        var update = LocalTrainer.Train(spec, parameters, data, plain with { Private = new(double.PositiveInfinity, 0, new byte[32]) });
        Assert.True(Norm(expected.Delta) > 1e-3);
        for (var i = 0; i < parameters.Length; i++) Assert.InRange(update.Delta[i] - expected.Delta[i], -2e-5, 2e-5);
        Assert.InRange(update.Loss - expected.Loss, -1e-4, 1e-4);
    }

    // What is drawn is divided by what is expected: one row more or less must not change what all others weigh.
    [Fact]
    public void Train_DividesByTheExpectedRows()
    {
        var spec = ModelSpec.Softmax(Features, 3);
        var data = LocalTrainerTests.Synthetic(40, Features, 3, 8);
        var (parameters, key) = (InitialModel.Create(spec, new byte[32]), new byte[32]);
        var settings = new TrainingSettings(1, 10, 1e-2f, 1, Private: new(double.PositiveInfinity, 0, key));
        Assert.Equal(4, settings.StepsOn(data.Count));
        var (rows, expected, drawn) = (new List<int>(), new double[parameters.Length], 0);
        using var random = new PrivateRandom(key);
        // Steps so short that the model stays where it is, nearly.
        for (var step = 0; step < 4; step++)
        {
            random.Draw(data.Count, 0.25, rows);
            drawn += rows.Count;
            var sum = LocalTrainer.ClippedGradient(spec, parameters, data.Select([.. rows]), double.PositiveInfinity);
            for (var i = 0; i < sum.Length; i++) expected[i] -= 1e-2 * sum[i] / 10;
        }

        Assert.NotInRange(drawn, 38, 42);
        var delta = LocalTrainer.Train(spec, parameters, data, settings).Delta;
        var length = Math.Sqrt(expected.Sum(value => value * value));
        Assert.True(Math.Sqrt(delta.Zip(expected, (value, other) => (value - other) * (value - other)).Sum()) < 0.02 * length);
    }

    // The gradient of a model that sees only zeros is that of its biases: on the weights lies noise and nothing else.
    [Fact]
    public void Train_AddsNoiseOfTheStatedVariance()
    {
        const double clip = 0.5, multiplier = 1.5;
        var spec = ModelSpec.Softmax(10_000, 4);
        var data = new LabelledData(new float[5 * 10_000], 10_000, [0, 1, 2, 3, 0]);
        var settings = new TrainingSettings(1, 5, 1, 1, Private: new(clip, multiplier, [.. Enumerable.Range(0, 32).Select(i => (byte)i)]));
        var weights = LocalTrainer.Train(spec, new float[spec.ParameterCount], data, settings).Delta[..40_000].Select(value => value * 5.0).ToArray();
        // Five standard deviations of a mean and a variance of 40,000 normal variables.
        var deviation = clip * multiplier;
        Assert.InRange(weights.Average(), -5 * deviation / 200, 5 * deviation / 200);
        Assert.InRange(weights.Sum(value => value * value) / weights.Length / (deviation * deviation), 1 - (5 * Math.Sqrt(2) / 200), 1 + (5 * Math.Sqrt(2) / 200));
        Assert.InRange(weights.Count(value => Math.Abs(value) < deviation) / 40_000.0, 0.6827 - 0.012, 0.6827 + 0.012);
        // Neighbours come from one pair of numbers, and know nothing of each other.
        Assert.InRange(Enumerable.Range(0, 20_000).Sum(i => weights[2 * i] * weights[(2 * i) + 1]) / 20_000 / (deviation * deviation), -5 / Math.Sqrt(20_000), 5 / Math.Sqrt(20_000));
        Assert.Equal(LocalTrainer.Train(spec, new float[spec.ParameterCount], data, settings).Delta, LocalTrainer.Train(spec, new float[spec.ParameterCount], data, settings).Delta);
    }

    [Fact]
    public void Batches_HaveEachRowAsOftenAsStated()
    {
        using var random = new PrivateRandom(new byte[32]);
        var (rows, counts, sizes) = (new List<int>(), new int[50], new List<int>());
        for (var step = 0; step < 10_000; step++)
        {
            random.Draw(50, 0.1, rows);
            sizes.Add(rows.Count);
            foreach (var row in rows) counts[row]++;
        }

        Assert.All(counts, count => Assert.InRange(count, 1000 - 150, 1000 + 150));
        // Binomial, as independent rows make it.
        Assert.InRange(sizes.Sum(size => (size - 5.0) * (size - 5.0)) / sizes.Count, 4.5 * 0.9, 4.5 * 1.1);
    }

    private static double Norm(float[] values) => Math.Sqrt(values.Sum(value => (double)value * value));
}
