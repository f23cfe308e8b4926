using System.Buffers.Binary;
using System.Text;
using CsCheck;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Trainer.Tests;

public sealed class SafetensorsTests
{
    private static readonly ModelSpec Spec = ModelSpec.Perceptron(3, [2], 1);
    private static readonly float[] Parameters = InitialModel.Create(Spec, new byte[32]);

    [Fact]
    public void File_HasPyTorchNames_AndReadsBack()
    {
        foreach (var spec in new[] { Spec, ModelSpec.LeNet(), ModelSpec.Logistic(13) })
        {
            var parameters = InitialModel.Create(spec, new byte[32]);
            var file = ModelFile.Write(spec, parameters);
            var header = (int)BinaryPrimitives.ReadUInt64LittleEndian(file);
            Assert.Equal(0, header % 8);
            Assert.Equal(8 + header + (4 * spec.ParameterCount), file.Length);
            var json = Encoding.UTF8.GetString(file, 8, header);
            Assert.All(spec.Parameters, tensor => Assert.Contains($"\"{tensor.Name}\":{{\"dtype\":\"F32\",\"shape\":[{string.Join(',', tensor.Shape)}]", json, StringComparison.Ordinal));
            Assert.Contains(ModelDigest.Of(spec, parameters).ToString(), json, StringComparison.Ordinal);
            Assert.Equal(parameters, Safetensors.Read(spec, file));
        }
    }

    [Fact]
    public void File_OfAnotherModel_IsRefused() =>
        Assert.Equal(TrainerFault.TensorsDoNotFitModel, Assert.Throws<TrainerException>(() => Safetensors.Read(ModelSpec.Perceptron(2, [3], 1), ModelFile.Write(Spec, Parameters))).Fault);

    [Theory]
    [InlineData("{\"fc1.weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},\"fc1.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}", 12, true)]
    [InlineData("{\"fc1.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"fc1.weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[4,12]}}", 12, true)]
    [InlineData("{\"fc1.weight\":{\"dtype\":\"F16\",\"shape\":[1,2],\"data_offsets\":[0,8]},\"fc1.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}", 12, false)]
    [InlineData("{\"fc1.weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},\"fc1.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, false)]
    [InlineData("{\"fc1.weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},\"fc1.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[12,16]}}", 16, false)]
    [InlineData("{\"fc1.weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},\"fc1.weight\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}", 12, false)]
    [InlineData("{\"fc1.weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},\"fc1.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}", 16, false)]
    [InlineData("{\"fc1.weight\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]},\"fc1.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, false)]
    [InlineData("[]", 0, false)]
    [InlineData("{\"fc1.weight\":1}", 0, false)]
    [InlineData("{\"fc1.weight\":", 0, false)]
    public void Header_MustDescribeEveryByteOnce(string header, int dataLength, bool good)
    {
        var file = new byte[8 + header.Length + dataLength];
        BinaryPrimitives.WriteUInt64LittleEndian(file, (ulong)header.Length);
        Encoding.ASCII.GetBytes(header).CopyTo(file, 8);
        var spec = ModelSpec.Logistic(2);
        if (good) Assert.Equal(3, Safetensors.Read(spec, file).Length);
        else Assert.True(Assert.Throws<TrainerException>(() => Safetensors.Read(spec, file)).Fault is TrainerFault.BadSafetensors);
    }

    [Fact]
    public void File_WithImpossibleHeaderLength_OrNonFiniteValue_IsRefused()
    {
        var file = ModelFile.Write(Spec, Parameters);
        foreach (var length in new[] { (ulong)file.Length - 7, ulong.MaxValue, (ulong)Safetensors.HeaderLimit + 1 })
        {
            BinaryPrimitives.WriteUInt64LittleEndian(file, length);
            Assert.Equal(TrainerFault.BadSafetensors, Assert.Throws<TrainerException>(() => Safetensors.Read(Spec, file)).Fault);
        }

        Assert.Equal(TrainerFault.BadSafetensors, Assert.Throws<TrainerException>(() => Safetensors.Read(Spec, new byte[7])).Fault);
        float[] poisoned = [.. Parameters];
        poisoned[3] = float.NaN;
        Assert.Equal(TrainerFault.BadSafetensors, Assert.Throws<TrainerException>(() => Safetensors.Read(Spec, ModelFile.Write(Spec, poisoned))).Fault);
    }

    [Fact]
    public void Decoder_SurvivesMutatedFiles()
    {
        var valid = ModelFile.Write(Spec, Parameters);
        Gen.Select(Gen.Int[0, 3], Gen.Int[0, valid.Length - 1], Gen.OneOf(Gen.Byte, Gen.Byte[0x30, 0x39]), Gen.Byte.Array[0, 100]).Sample(
            (edit, position, value, noise) =>
            {
                byte[] bytes = edit switch
                {
                    0 => [.. valid[..position], value, .. valid[(position + 1)..]],
                    1 => [.. valid[..position], value, .. valid[position..]],
                    2 => valid[..position],
                    _ => noise,
                };
                try
                {
                    Assert.Equal(Spec.ParameterCount, Safetensors.Read(Spec, bytes).Length);
                }
                catch (TrainerException exception)
                {
                    Assert.True(exception.Fault is TrainerFault.BadSafetensors or TrainerFault.TensorsDoNotFitModel);
                }
            },
            iter: 20_000);
    }
}
