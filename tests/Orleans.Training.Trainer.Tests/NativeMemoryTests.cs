using Orleans.Training.Protocol.Aggregation;
using TorchSharp;

namespace Orleans.Training.Trainer.Tests;

/// <summary>Alone, because the counts are those of the process.</summary>
[CollectionDefinition(nameof(NativeMemoryTests), DisableParallelization = true)]
[Collection(nameof(NativeMemoryTests))]
public sealed class NativeMemoryTests
{
    private static readonly ModelSpec Spec = ModelSpec.Create([1, 6, 6], [ModelLayer.Convolution(2, 3), ModelLayer.MaxPool(2), ModelLayer.Linear(3)], ModelLoss.CrossEntropy);
    private static readonly LabelledData Rows = LocalTrainerTests.Synthetic(200, 36, 3, 6);

    [Fact]
    public void Training_LeavesNoTensorBehind()
    {
        var model = InitialModel.Create(Spec, new byte[32]);
        LocalTrainer.Train(Spec, model, Rows, new TrainingSettings(1, 10, 0.1f, 1));
        var before = torch.Tensor.TotalCount;
        LocalTrainer.Train(Spec, model, Rows, new TrainingSettings(5, 10, 0.1f, 1));
        LocalTrainer.Evaluate(Spec, model, Rows);
        LocalTrainer.Gradient(Spec, model, Rows);
        Assert.Throws<TrainerException>(() => LocalTrainer.Train(Spec, model, Rows, new TrainingSettings(1, 10, float.MaxValue, 1)));
        Assert.Equal(before, torch.Tensor.TotalCount);
    }

    [Fact]
    public void Training_UnderAHammeringCollector_GivesTheSameBits()
    {
        var model = InitialModel.Create(Spec, new byte[32]);
        var settings = new TrainingSettings(50, 10, 0.1f, 1);
        var expected = LocalTrainer.Train(Spec, model, Rows, settings).Delta;
        var done = false;
        var hammer = new Thread(() =>
        {
            while (!Volatile.Read(ref done))
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }
        });
        hammer.Start();
        try
        {
            Assert.Equal(expected, LocalTrainer.Train(Spec, model, Rows, settings).Delta);
        }
        finally
        {
            Volatile.Write(ref done, true);
            hammer.Join();
        }
    }
}
