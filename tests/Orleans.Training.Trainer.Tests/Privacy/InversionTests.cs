using System.Security.Cryptography;
using Orleans.Training.Benchmarks;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Trainer.Tests;

/// <summary>An image comes back out of the update that it made, and under masks it does not.</summary>
public sealed class InversionTests
{
    private static readonly ModelSpec Spec = ModelSpec.Softmax(28 * 28, 10);
    private static readonly LabelledData Images = Mnist.Load(Path.Combine(Repository.Root, "data", "mnist")).Train;
    private static readonly FixedPoint Lanes = FixedPoint.Create(10, 10, 16, 0.1);

    private static int[] Update(int row)
    {
        var model = InitialModel.Create(Spec, new SeededRandom(1).Bytes(InitialModel.SeedBytes));
        Assert.True(Lanes.TryQuantize(LocalTrainer.Train(Spec, model, Images.Select([row]), new TrainingSettings(1, 1, 0.1f, 1)).Delta, FixedPoint.WeightOne, new SeededRandom((ulong)row).Bytes(32), out var update));
        return update;
    }

    private static double Found(int[] update, int row) => Inversion.Correlation(Inversion.Of(update), Images.Row(row));

    [Fact]
    public void Image_ComesBackFromItsUpdate_AndNotFromTheMaskedOne_NorFromAnotherImages()
    {
        var layout = LaneLayout.Choose(Lanes, Spec.ParameterCount);
        for (var row = 0; row < 5; row++)
        {
            var update = Update(row);
            Assert.InRange(Found(update, row), 0.99, 1.0000001);
            Assert.InRange(Found(Update(row + 1), row), -0.9, 0.9);

            using var masks = new MaskTerms();
            masks.Include(RandomNumberGenerator.GetBytes(32), negative: false);
            Assert.Equal(MaskFault.None, MaskedInput.TryCreate(Lanes, layout, update, MaskTail.Of(FixedPoint.WeightOne), masks, out var y));
            // Of 784 independent pixels a correlation this large comes up once in 10¹² times.
            Assert.InRange(Found(Inversion.Lanes(layout, y), row), -0.25, 0.25);
            // What is read there is the update, once the masks are off: the attack looks in the right place.
            var sum = new MaskedSum(layout);
            for (var chunk = 0; chunk < layout.Chunks; chunk++) sum.Take(chunk, [y.AsMemory(chunk * Protocol.Limits.ChunkBytes, layout.ChunkLength(chunk))], masks);
            Assert.Equal(update, sum.Lanes.ToArray());
        }
    }

    [Fact]
    public void Correlation_IsThatOfPearson()
    {
        Assert.Equal(1, Inversion.Correlation([2, 4, 6], [1f, 2f, 3f]), 12);
        Assert.Equal(-1, Inversion.Correlation([3, 2, 1], [1f, 2f, 3f]), 12);
        Assert.Equal(0, Inversion.Correlation([1, 1, 1], [1f, 2f, 3f]));
        Assert.Equal(0.5, Inversion.Correlation([1, 3, 2], [1f, 2f, 3f]), 12);
        Assert.All(Inversion.Of(new int[7850]), pixel => Assert.Equal(0, pixel));
    }
}
