using CsCheck;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Tests.Aggregation;

public sealed class ModelSpecTests
{
    private static readonly byte[] Seed = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];

    public static TheoryData<ModelSpec, int> Known => new()
    {
        { ModelSpec.Logistic(10), 11 },
        { ModelSpec.Softmax(784, 10), 7_850 },
        { ModelSpec.McMahanPerceptron(), 199_210 },
        { ModelSpec.McMahanConvolutional(), 1_663_370 },
        { ModelSpec.LeNet(), 61_706 },
    };

    [Theory]
    [MemberData(nameof(Known))]
    public void Spec_HasThePublishedNumberOfParameters_AndSurvivesEncoding(ModelSpec spec, int parameters)
    {
        Assert.Equal(parameters, spec.ParameterCount);
        Assert.True(ModelSpec.TryParse(spec.Encoded, out var decoded));
        Assert.Equal(spec, decoded);
        Assert.Equal(spec.Encoded.ToArray(), decoded.Encoded.ToArray());
    }

    [Fact]
    public void Encoding_IsTheOneOfTheSpecPage()
    {
        Assert.Equal("8401810a81840001000000", Convert.ToHexStringLower(ModelSpec.Logistic(10).Encoded.Span));
        Assert.Equal("46a780e3c8ddc76b7b753797d7a4d8841a47030e5c6a7cf1d5cfb87352dd863e", ModelSpec.Logistic(10).Digest.ToString());
        Assert.Equal("5877ad1efda75a956eb896b353c36da860b2dc39a7341ec06e1b42b4823e58bd", ModelSpec.McMahanConvolutional().Digest.ToString());
    }

    [Fact]
    public void Parameters_AreNamedAndShapedAsPyTorchDoes()
    {
        var names = ModelSpec.LeNet().Parameters.Select(p => $"{p.Name} [{string.Join(", ", p.Shape)}] at {p.Offset} from {p.FanIn}");
        Assert.Equal(
            [
                "conv1.weight [6, 1, 5, 5] at 0 from 25", "conv1.bias [6] at 150 from 25",
                "conv2.weight [16, 6, 5, 5] at 156 from 150", "conv2.bias [16] at 2556 from 150",
                "fc1.weight [120, 400] at 2572 from 400", "fc1.bias [120] at 50572 from 400",
                "fc2.weight [84, 120] at 50692 from 120", "fc2.bias [84] at 60772 from 120",
                "fc3.weight [10, 84] at 60856 from 84", "fc3.bias [10] at 61696 from 84",
            ],
            names);
    }

    [Fact]
    public void InitialModel_IsTheVectorOfTheSpecPage()
    {
        var spec = ModelSpec.Logistic(10);
        var parameters = InitialModel.Create(spec, Seed);
        Assert.Equal(-0.31400972604751587, parameters[0]);
        Assert.Equal(-0.20435972511768341, parameters[8]);
        Assert.Equal(0.28419968485832214, parameters[10]);
        Assert.Equal("5b7748087f017615d5c885cb02821148d350b6b9b96a2da3eac279f28691fe75", ModelDigest.Of(spec, parameters).ToString());
        Assert.Equal(ModelDigest.Of(spec, parameters), Digest.Of(ModelBlob.Write(spec, parameters)));
    }

    [Fact]
    public void InitialModel_StaysWithinTheBoundOfItsLayer()
    {
        var spec = ModelSpec.LeNet();
        var parameters = InitialModel.Create(spec, Seed);
        foreach (var tensor in spec.Parameters)
        {
            var bound = 1 / Math.Sqrt(tensor.FanIn);
            Assert.All(parameters.Skip(tensor.Offset).Take(tensor.Length), value => Assert.InRange(value, -bound, bound));
        }

        Assert.NotEqual(parameters, InitialModel.Create(spec, new byte[32]));
    }

    [Fact]
    public void ModelBlob_RefusesAnotherSpecAnotherLengthAndNonFiniteValues()
    {
        var spec = ModelSpec.Logistic(3);
        Assert.True(ModelBlob.TryRead(spec, ModelBlob.Write(spec, [1, 2, 3, 4]), out var parameters));
        Assert.Equal([1, 2, 3, 4], parameters);
        Assert.False(ModelBlob.TryRead(ModelSpec.Softmax(1, 2), ModelBlob.Write(spec, [1, 2, 3, 4]), out _));
        Assert.False(ModelBlob.TryRead(spec, ModelBlob.Write(spec, [1, 2, 3, 4]).AsSpan(1), out _));
        Assert.False(ModelBlob.TryRead(spec, ModelBlob.Write(spec, [1, float.NaN, 3, 4]), out _));
        Assert.Throws<ArgumentException>(() => ModelDigest.Of(spec, [1, 2, 3]));
    }

    public static TheoryData<int[], ModelLayer[], ModelLoss> Refused => new()
    {
        { [], [ModelLayer.Linear(1)], ModelLoss.BinaryCrossEntropy },
        { [4, 4], [ModelLayer.Linear(1)], ModelLoss.BinaryCrossEntropy },
        { [0], [ModelLayer.Linear(1)], ModelLoss.BinaryCrossEntropy },
        { [ModelSpec.DimensionLimit + 1], [ModelLayer.Linear(1)], ModelLoss.BinaryCrossEntropy },
        { [4], [], ModelLoss.BinaryCrossEntropy },
        { [4], [ModelLayer.Linear(0)], ModelLoss.CrossEntropy },
        { [4], [ModelLayer.Linear(2)], ModelLoss.BinaryCrossEntropy },
        { [4], [ModelLayer.Linear(1)], ModelLoss.CrossEntropy },
        { [4], [ModelLayer.Linear(2)], (ModelLoss)2 },
        { [4], [ModelLayer.Convolution(2, 3), ModelLayer.Linear(2)], ModelLoss.CrossEntropy },
        { [1, 8, 8], [ModelLayer.Convolution(2, 3)], ModelLoss.CrossEntropy },
        { [1, 8, 8], [ModelLayer.Convolution(2, 9), ModelLayer.Linear(2)], ModelLoss.CrossEntropy },
        { [1, 8, 8], [ModelLayer.Convolution(2, 3, 3), ModelLayer.Linear(2)], ModelLoss.CrossEntropy },
        { [1, 8, 8], [ModelLayer.Linear(9), ModelLayer.MaxPool(2), ModelLayer.Linear(2)], ModelLoss.CrossEntropy },
        { [1, 8, 8], [ModelLayer.MaxPool(9), ModelLayer.Linear(2)], ModelLoss.CrossEntropy },
        { [1, 8, 8], [ModelLayer.MaxPool(1), ModelLayer.Linear(2)], ModelLoss.CrossEntropy },
        { [1, 2048, 2048], [ModelLayer.Convolution(2, 1), ModelLayer.Linear(2)], ModelLoss.CrossEntropy },
        { [2, 2048, 2048], [ModelLayer.Linear(2)], ModelLoss.CrossEntropy },
        { [10_000], [ModelLayer.Linear(10_000), ModelLayer.Linear(2)], ModelLoss.CrossEntropy },
        { [4], [.. Enumerable.Repeat(ModelLayer.Linear(2), ModelSpec.LayerLimit + 1)], ModelLoss.CrossEntropy },
        { [4], [new ModelLayer(LayerKind.Linear, 2, 1, 0)], ModelLoss.CrossEntropy },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void Spec_OutsideTheRules_CannotBeBuilt(int[] shape, ModelLayer[] layers, ModelLoss loss) =>
        Assert.False(ModelSpec.TryCreate(shape, layers, loss, out _));

    [Fact]
    public void Spec_AtItsLimits_CanBeBuilt()
    {
        Assert.True(ModelSpec.TryCreate([4], [.. Enumerable.Repeat(ModelLayer.Linear(2), ModelSpec.LayerLimit)], ModelLoss.CrossEntropy, out var deep));
        Assert.True(deep.Encoded.Length <= ModelSpec.EncodedLimit);
        Assert.True(ModelSpec.TryCreate([1, 2048, 2048], [ModelLayer.Linear(2)], ModelLoss.CrossEntropy, out _));
        Assert.True(ModelSpec.TryCreate([ModelSpec.DimensionLimit], [ModelLayer.Linear(1000)], ModelLoss.CrossEntropy, out _));
    }

    [Fact]
    public void Decoder_SurvivesMutatedSpecs_AndTakesOnlyCanonicalOnes()
    {
        var valid = Known.Select(row => ((ModelSpec)row[0]).Encoded.ToArray()).ToArray();
        var accepted = 0;
        Gen.Select(Gen.Int[0, valid.Length - 1], Gen.Int[0, 2], Gen.Int[0, 63], Gen.Byte, Gen.Byte.Array[0, 64]).Sample(
            (which, edit, position, value, noise) =>
            {
                byte[] bytes = [.. valid[which]];
                position %= bytes.Length;
                if (edit == 0) bytes[position] = value;
                if (edit == 1) bytes = [.. bytes[..position], value, .. bytes[position..]];
                if (edit == 2) bytes = noise;
                if (!ModelSpec.TryParse(bytes, out var spec)) return;
                Interlocked.Increment(ref accepted);
                Assert.Equal(bytes, spec.Encoded.ToArray());
            },
            iter: 20_000);
        Assert.True(accepted > 100, $"only {accepted} inputs were accepted");
    }
}
