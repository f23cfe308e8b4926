using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Trainer.Tests;

public sealed class LocalTrainerTests
{
    private static readonly ModelSpec Logistic = ModelSpec.Logistic(4);
    private static readonly LabelledData Rows = Synthetic(64, 4, 2, 3);

    [Fact]
    public void Gradient_OfTheLogisticModel_IsThatOfTheManagedOracle()
    {
        var parameters = InitialModel.Create(Logistic, new byte[32]);
        var expected = LogisticGradient(parameters, Rows);
        var gradient = LocalTrainer.Gradient(Logistic, parameters, Rows);
        for (var i = 0; i < gradient.Length; i++) Assert.InRange(gradient[i] - expected[i], -1e-6, 1e-6);
    }

    public static TheoryData<ModelSpec> Networks => new()
    {
        ModelSpec.Softmax(36, 3),
        ModelSpec.Perceptron(36, [7, 5], 3),
        ModelSpec.Perceptron(36, [6], 1),
        ModelSpec.Create([1, 6, 6], [ModelLayer.Convolution(3, 3, 1), ModelLayer.MaxPool(2), ModelLayer.Convolution(2, 2), ModelLayer.Linear(4), ModelLayer.Linear(3)], ModelLoss.CrossEntropy),
    };

    [Theory]
    [MemberData(nameof(Networks))]
    public void Gradient_IsTheSlopeOfTheLoss(ModelSpec spec)
    {
        const float step = 1f / 256;
        var data = Synthetic(16, 36, Math.Max(2, spec.Outputs), 8);
        var parameters = InitialModel.Create(spec, new byte[32]);
        var gradient = LocalTrainer.Gradient(spec, parameters, data);
        // Along its own direction the loss rises as steeply as the gradient is long; kinks of the rectifiers are small beside that.
        var length = Math.Sqrt(gradient.Sum(value => (double)value * value));
        Assert.True(length > 1e-3);
        var (above, below) = (new float[parameters.Length], new float[parameters.Length]);
        for (var i = 0; i < parameters.Length; i++)
        {
            above[i] = parameters[i] + (float)(step * gradient[i] / length);
            below[i] = parameters[i] - (float)(step * gradient[i] / length);
        }

        var slope = (LocalTrainer.Evaluate(spec, above, data).Loss - LocalTrainer.Evaluate(spec, below, data).Loss) / (2 * step);
        Assert.InRange(slope / length, 0.98, 1.02);
    }

    [Fact]
    public void Train_OneFullBatch_IsOneStepAgainstTheGradient()
    {
        var parameters = InitialModel.Create(Logistic, new byte[32]);
        var expected = LogisticGradient(parameters, Rows);
        var update = LocalTrainer.Train(Logistic, parameters, Rows, new TrainingSettings(1, Rows.Count, 0.5f, 1));
        for (var i = 0; i < expected.Length; i++) Assert.InRange(update.Delta[i] + (0.5 * expected[i]), -1e-6, 1e-6);
        Assert.Equal(Rows.Count, update.Samples);
        Assert.InRange(update.Loss - LocalTrainer.Evaluate(Logistic, parameters, Rows).Loss, -1e-6, 1e-6);
    }

    // FedProx: the first step starts where it is pulled to; in the second the pull is μ times the way gone.
    [Theory]
    [InlineData(0.25f)]
    [InlineData(2f)]
    public void Train_IsPulledBack_ByTheDistanceFromTheGlobalParameters(float proximal)
    {
        var origin = InitialModel.Create(Logistic, new byte[32]);
        var settings = new TrainingSettings(2, Rows.Count, 0.5f, 1, Proximal: proximal);
        var first = LogisticGradient(origin, Rows);
        float[] after = [.. origin.Zip(first, (value, slope) => value - (float)(0.5 * slope))];
        var second = LogisticGradient(after, Rows);
        var delta = LocalTrainer.Train(Logistic, origin, Rows, settings).Delta;
        for (var i = 0; i < delta.Length; i++) Assert.InRange(delta[i] - (after[i] - origin[i] - (0.5 * (second[i] + (proximal * (after[i] - origin[i]))))), -1e-6, 1e-6);
        Assert.Equal(LocalTrainer.Train(Logistic, origin, Rows, settings with { Proximal = 0 }).Delta, LocalTrainer.Train(Logistic, origin, Rows, new TrainingSettings(2, Rows.Count, 0.5f, 1)).Delta);
    }

    // The harder the pull, the less a participant that trains for long goes its own way.
    [Fact]
    public void Train_GoesLessFar_TheHarderItIsPulled()
    {
        var origin = InitialModel.Create(Logistic, new byte[32]);
        var lengths = new[] { 0f, 0.1f, 1f, 5f }.Select(proximal => Math.Sqrt(LocalTrainer.Train(Logistic, origin, Rows, new TrainingSettings(100, 8, 0.1f, 1, Proximal: proximal)).Delta.Sum(value => (double)value * value))).ToArray();
        Assert.Equal(lengths.OrderDescending(), lengths);
        Assert.True(lengths[^1] < 0.5 * lengths[0]);
        // As hard as it goes, every step begins anew at the origin: what is left is one step's length.
        var shortest = LocalTrainer.Train(Logistic, origin, Rows, new TrainingSettings(100, Rows.Count, 0.1f, 1, Proximal: 10)).Delta;
        var step = LocalTrainer.Train(Logistic, origin, Rows, new TrainingSettings(1, Rows.Count, 0.1f, 1)).Delta;
        Assert.True(shortest.Sum(value => (double)value * value) < 1.5 * step.Sum(value => (double)value * value));
        foreach (var wrong in new[] { -1f, 10.1f, float.NaN, float.PositiveInfinity }) Assert.Equal(TrainerFault.BadSetting, Assert.Throws<TrainerException>(() => LocalTrainer.Train(Logistic, origin, Rows, new TrainingSettings(1, 8, 0.1f, 1, Proximal: wrong))).Fault);
    }

    [Fact]
    public async Task Train_GivesTheSameBitsAgain_AlsoFourAtOnce()
    {
        var spec = ModelSpec.Create([1, 6, 6], [ModelLayer.Convolution(3, 3), ModelLayer.MaxPool(2), ModelLayer.Linear(8), ModelLayer.Linear(3)], ModelLoss.CrossEntropy);
        var data = Synthetic(300, 36, 3, 4);
        var parameters = InitialModel.Create(spec, new byte[32]);
        float[] Job(ulong seed) => LocalTrainer.Train(spec, parameters, data, new TrainingSettings(3, 10, 0.1f, seed)).Delta;
        var sequential = Enumerable.Range(0, 4).Select(seed => Job((ulong)seed)).ToArray();
        Assert.Equal(sequential[0], Job(0));
        Assert.NotEqual(sequential[0], sequential[1]);

        using var pool = new TrainerPool(4);
        var concurrent = await Task.WhenAll(Enumerable.Range(0, 4).Select(seed => pool.Run(_ => Job((ulong)seed))));
        Assert.Equal(sequential, concurrent);
    }

    [Fact]
    public async Task Train_StopsBetweenBatches()
    {
        using var pool = new TrainerPool(1);
        using var cancellation = new CancellationTokenSource();
        var started = new TaskCompletionSource();
        var job = pool.Run(
            token =>
            {
                started.SetResult();
                return LocalTrainer.Train(Logistic, new float[5], Rows, new TrainingSettings(100_000, 1, 1e-6f, 1), token);
            },
            cancellation.Token);
        await started.Task;
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => job);
        Assert.Equal(7, await pool.Run(_ => 7));
    }

    [Fact]
    public async Task Pool_RefusesWhatItsQueueCannotHold_AndPassesFaultsOn()
    {
        using var pool = new TrainerPool(1, capacity: 1);
        using var gate = new ManualResetEventSlim();
        var started = new TaskCompletionSource();
        var first = pool.Run(token => { started.SetResult(); gate.Wait(token); return 1; });
        await started.Task;
        var second = pool.Run<int>(_ => throw new TrainerException(TrainerFault.NoRows, "none"));
        Assert.Equal(TrainerFault.QueueFull, Assert.Throws<TrainerException>(() => { _ = pool.Run(_ => 3); }).Fault);
        gate.Set();
        Assert.Equal(1, await first);
        Assert.Equal(TrainerFault.NoRows, (await Assert.ThrowsAsync<TrainerException>(() => second)).Fault);
    }

    [Fact]
    public void DataThatDoNotFit_AreRefusedByNumber()
    {
        var settings = new TrainingSettings(1, 8, 0.1f, 1);
        Assert.Equal(TrainerFault.DataDoNotFitModel, FaultOf(() => LocalTrainer.Train(ModelSpec.Logistic(5), new float[6], Rows, settings)));
        Assert.Equal(TrainerFault.DataDoNotFitModel, FaultOf(() => LocalTrainer.Train(Logistic, new float[5], Synthetic(9, 4, 3, 1), settings)));
        Assert.Equal(TrainerFault.NoRows, FaultOf(() => LocalTrainer.Train(Logistic, new float[5], Rows.Select([]), settings)));
        Assert.Equal(TrainerFault.BadSetting, FaultOf(() => LocalTrainer.Train(Logistic, new float[5], Rows, settings with { Epochs = 0 })));
        Assert.Equal(TrainerFault.BadSetting, FaultOf(() => LocalTrainer.Train(Logistic, new float[5], Rows, settings with { BatchSize = 0 })));
        Assert.Equal(TrainerFault.BadSetting, FaultOf(() => LocalTrainer.Train(Logistic, new float[5], Rows, settings with { LearningRate = float.NaN })));
        Assert.Equal(TrainerFault.Diverged, FaultOf(() => LocalTrainer.Train(Logistic, new float[5], new LabelledData([float.NaN, 1, 1, 1], 4, [1]), settings)));
        Assert.Throws<ArgumentException>(() => LocalTrainer.Train(Logistic, new float[4], Rows, settings));
    }

    [Fact]
    public void CudaDevice_ThatIsNotThere_IsRefused()
    {
        if (TorchSharp.torch.cuda.is_available()) return;
        var settings = new TrainingSettings(2, 8, 0.1f, 1, TrainingDevice.Cuda);
        Assert.Equal(TrainerFault.NoDevice, FaultOf(() => LocalTrainer.Train(Logistic, new float[5], Rows, settings)));
        Assert.Equal(TrainerFault.NoDevice, FaultOf(() => LocalTrainer.RequireDevice(TrainingDevice.Cuda)));
        LocalTrainer.RequireDevice(TrainingDevice.Cpu);
    }

    [Fact]
    public void Auc_CountsPairs_AndTiesHalf()
    {
        Assert.Equal(0.875, Scoring.Auc([1f, 2f, 2f, 3f], [0, 0, 1, 1]));
        Assert.Equal(0.5, Scoring.Auc([0f, 0f, 0f], [0, 1, 0]));
        Assert.Equal(0, Scoring.Auc([2f, 1f], [0, 1]));
        Assert.Null(Scoring.Auc([2f, 1f], [1, 1]));
    }

    [Fact]
    public void Evaluate_WithZeroParameters_IsChance()
    {
        var result = LocalTrainer.Evaluate(Logistic, new float[5], Rows);
        Assert.Equal((0.5, 64), (result.Auc, result.Samples));
        Assert.InRange(result.Loss - Math.Log(2), -1e-9, 1e-9);
    }

    internal static LabelledData Synthetic(int rows, int features, int labels, ulong seed)
    {
        var random = new SeededRandom(seed);
        var values = new float[rows * features];
        for (var i = 0; i < values.Length; i++) values[i] = random.Below(2001) / 1000f - 1;
        return new LabelledData(values, features, [.. Enumerable.Range(0, rows).Select(_ => random.Below(labels))]);
    }

    private static TrainerFault FaultOf(Action action) => Assert.Throws<TrainerException>(action).Fault;

    private static double[] LogisticGradient(float[] parameters, LabelledData data)
    {
        var gradient = new double[parameters.Length];
        for (var row = 0; row < data.Count; row++)
        {
            var features = data.Row(row);
            double output = parameters[^1];
            for (var i = 0; i < features.Length; i++) output += (double)parameters[i] * features[i];
            var error = ((1 / (1 + Math.Exp(-output))) - data.Labels[row]) / data.Count;
            for (var i = 0; i < features.Length; i++) gradient[i] += error * features[i];
            gradient[^1] += error;
        }

        return gradient;
    }
}
