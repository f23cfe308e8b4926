using System.Buffers.Binary;
using System.Text.Json;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Trainer;

/// <summary>Reads models from safetensors files, ours (<see cref="ModelFile"/>) and other tools' (docs/spec/model.md §3).</summary>
public static class Safetensors
{
    /// <summary>Bytes of the JSON header.</summary>
    public const int HeaderLimit = 1024 * 1024;

    private const int Prefix = sizeof(ulong);

    /// <summary>The flat parameters of a model of this spec. The file's tensors must be exactly the spec's, in any order.</summary>
    /// <exception cref="TrainerException">The file is malformed, holds other tensors, or a value that is not finite.</exception>
    public static float[] Read(ModelSpec spec, ReadOnlyMemory<byte> file)
    {
        if (file.Length < Prefix) throw Bad("shorter than its prefix");
        var length = BinaryPrimitives.ReadUInt64LittleEndian(file.Span);
        if (length > HeaderLimit || (long)length > file.Length - Prefix) throw Bad("the header is longer than the file, or than its limit");
        var data = file.Span[(Prefix + (int)length)..];
        var tensors = ReadHeader(file.Slice(Prefix, (int)length), data.Length);
        if (tensors.Count != spec.Parameters.Count) throw new TrainerException(TrainerFault.TensorsDoNotFitModel, $"{tensors.Count} tensors where the model has {spec.Parameters.Count}");
        var parameters = new float[spec.ParameterCount];
        foreach (var expected in spec.Parameters)
        {
            if (!tensors.TryGetValue(expected.Name, out var tensor) || !tensor.Shape.SequenceEqual(expected.Shape.Select(side => (long)side)))
            {
                throw new TrainerException(TrainerFault.TensorsDoNotFitModel, $"no tensor {expected.Name} [{string.Join(", ", expected.Shape)}]");
            }

            for (var i = 0; i < expected.Length; i++)
            {
                var value = BinaryPrimitives.ReadSingleLittleEndian(data[(int)(tensor.Start + (sizeof(float) * (long)i))..]);
                if (!float.IsFinite(value)) throw Bad($"{expected.Name} holds a value that is not finite");
                parameters[expected.Offset + i] = value;
            }
        }

        return parameters;
    }

    private static Dictionary<string, (long[] Shape, long Start)> ReadHeader(ReadOnlyMemory<byte> header, int dataLength)
    {
        var tensors = new Dictionary<string, (long[], long)>(StringComparer.Ordinal);
        var ranges = new List<(long Start, long End)>();
        try
        {
            using var json = JsonDocument.Parse(header, new JsonDocumentOptions { MaxDepth = 8 });
            foreach (var property in json.RootElement.EnumerateObject())
            {
                if (property.NameEquals("__metadata__")) continue;
                var (shape, start, end) = ReadTensor(property.Value);
                if (!tensors.TryAdd(property.Name, (shape, start))) throw Bad($"two tensors named {property.Name}");
                ranges.Add((start, end));
            }
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or FormatException or KeyNotFoundException)
        {
            throw new TrainerException(TrainerFault.BadSafetensors, "the header is not the JSON that is needed", exception);
        }

        // No holes and no overlaps: whoever reads the file must find nothing hidden in it.
        var next = 0L;
        foreach (var (start, end) in ranges.Order())
        {
            if (start != next) throw Bad("tensors overlap or leave a hole");
            next = end;
        }

        return next == dataLength ? tensors : throw Bad("the data end elsewhere than the tensors");
    }

    private static (long[] Shape, long Start, long End) ReadTensor(JsonElement tensor)
    {
        if (!tensor.GetProperty("dtype").ValueEquals("F32")) throw Bad("a tensor that is not float32");
        var shape = tensor.GetProperty("shape").EnumerateArray().Select(side => side.GetInt64()).ToArray();
        var offsets = tensor.GetProperty("data_offsets").EnumerateArray().Select(offset => offset.GetInt64()).ToArray();
        if (shape.Length > 8 || offsets.Length != 2) throw Bad("a tensor of an unknown form");
        var size = (Int128)sizeof(float);
        foreach (var side in shape)
        {
            if (side is < 0 or > int.MaxValue || size > int.MaxValue) throw Bad("a tensor of an impossible size");
            size *= side;
        }

        if (offsets[0] < 0 || offsets[1] < offsets[0] || size != offsets[1] - offsets[0]) throw Bad("a tensor whose offsets are not its size");
        return (shape, offsets[0], offsets[1]);
    }

    private static TrainerException Bad(string detail) => new(TrainerFault.BadSafetensors, detail);
}
