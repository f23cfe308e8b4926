using CsCheck;

namespace Orleans.Training.Trainer.Tests;

public sealed class IdxArrayTests
{
    private static readonly byte[] Images = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, .. Enumerable.Range(0, 12).Select(i => (byte)i)];

    [Fact]
    public void Array_HasTheShapeOfItsHeader()
    {
        var images = IdxArray.Parse(Images, 3);
        Assert.Equal([2, 2, 3], images.Shape);
        Assert.Equal((2, 6), (images.Count, images.ItemLength));
        Assert.Equal(Images[16..], images.Bytes.ToArray());
    }

    [Theory]
    [InlineData(2, (byte)9, TrainerFault.BadIdx)]
    [InlineData(3, (byte)1, TrainerFault.BadIdx)]
    [InlineData(7, (byte)3, TrainerFault.BadIdx)]
    [InlineData(4, (byte)255, TrainerFault.TooLarge)]
    [InlineData(8, (byte)1, TrainerFault.TooLarge)]
    public void BrokenArray_IsRefusedByNumber(int position, byte value, TrainerFault fault)
    {
        byte[] bytes = [.. Images];
        bytes[position] = value;
        Assert.Equal(fault, Assert.Throws<TrainerException>(() => IdxArray.Parse(bytes, 3)).Fault);
        Assert.Equal(TrainerFault.BadIdx, Assert.Throws<TrainerException>(() => IdxArray.Parse(Images.AsSpan(0, 15), 3)).Fault);
    }

    [Fact]
    public void ImagesAndLabels_MustBelongTogether()
    {
        var images = IdxArray.Parse(Images, 3);
        Assert.Equal([4, 5], Mnist.Join(images, IdxArray.Parse([0, 0, 8, 1, 0, 0, 0, 2, 4, 5], 1)).Labels.ToArray());
        Assert.Equal(TrainerFault.ImagesAndLabelsDiffer, Assert.Throws<TrainerException>(() => Mnist.Join(images, IdxArray.Parse([0, 0, 8, 1, 0, 0, 0, 1, 4], 1))).Fault);
        Assert.Equal(TrainerFault.NoRows, Assert.Throws<TrainerException>(() => Mnist.Join(IdxArray.Parse([0, 0, 8, 3, .. new byte[12]], 3), IdxArray.Parse([0, 0, 8, 1, .. new byte[4]], 1))).Fault);
    }

    [Fact]
    public void Decoder_SurvivesMutatedArrays() => Gen.Select(Gen.Int[0, 3], Gen.Int[0, 27], Gen.Byte, Gen.Byte.Array[0, 40]).Sample(
        (edit, position, value, noise) =>
        {
            byte[] bytes = edit switch
            {
                0 => [.. Images[..position], value, .. Images[(position + 1)..]],
                1 => [.. Images[..position], value, .. Images[position..]],
                2 => Images[..position],
                _ => noise,
            };
            try
            {
                var array = IdxArray.Parse(bytes, 3);
                Assert.Equal(bytes.Length - 16, array.Shape[0] * array.Shape[1] * array.Shape[2]);
            }
            catch (TrainerException exception)
            {
                Assert.True(exception.Fault is TrainerFault.BadIdx or TrainerFault.TooLarge);
            }
        },
        iter: 20_000);
}
