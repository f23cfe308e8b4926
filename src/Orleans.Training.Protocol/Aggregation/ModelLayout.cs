namespace Orleans.Training.Protocol.Aggregation;

/// <summary>The walk through a spec's layers that checks every rule of docs/spec/model.md §2 and lays the parameters out.</summary>
internal sealed class ModelLayout
{
    private readonly List<ParameterTensor> _parameters = [];
    private int _channels, _height, _width;
    private int _convolutions, _linears;

    private ModelLayout(int channels, int height, int width) => (_channels, _height, _width) = (channels, height, width);

    public IReadOnlyList<ParameterTensor> Parameters => _parameters;
    public int ParameterCount { get; private set; }
    public int InputLength { get; private set; }

    /// <summary>Null if a rule is broken.</summary>
    public static ModelLayout? TryCreate(ReadOnlySpan<int> shape, ReadOnlySpan<ModelLayer> layers)
    {
        if (shape.Length is not (1 or 3) || layers.Length is 0 or > ModelSpec.LayerLimit) return null;
        foreach (var length in shape)
        {
            if (!Within(length, ModelSpec.DimensionLimit)) return null;
        }

        var layout = new ModelLayout(shape[0], shape.Length == 3 ? shape[1] : 1, shape.Length == 3 ? shape[2] : 1);
        if (!layout.ActivationsFit) return null;
        layout.InputLength = layout._channels * layout._height * layout._width;
        foreach (var layer in layers)
        {
            if (!layout.TryAdd(layer, image: shape.Length == 3) || !layout.ActivationsFit) return null;
        }

        return layers[^1].Kind is LayerKind.Linear ? layout : null;
    }

    private bool ActivationsFit => (Int128)_channels * _height * _width <= ModelSpec.ActivationLimit;

    private static bool Within(int value, int limit) => value >= 1 && value <= limit;

    private bool TryAdd(ModelLayer layer, bool image) => layer.Kind switch
    {
        LayerKind.Linear => layer is { Size: 0, Padding: 0 } && Within(layer.Outputs, ModelSpec.DimensionLimit) && TryAddLinear(layer.Outputs),
        LayerKind.Convolution => image && _linears == 0 && Within(layer.Outputs, ModelSpec.DimensionLimit) && Within(layer.Size, ModelSpec.SizeLimit)
            && layer.Padding >= 0 && layer.Padding < layer.Size && TryAddConvolution(layer),
        LayerKind.MaxPool => image && _linears == 0 && layer is { Outputs: 0, Padding: 0, Size: >= 2 and <= ModelSpec.SizeLimit } && TryAddPool(layer.Size),
        _ => false,
    };

    private bool TryAddLinear(int outputs)
    {
        var inputs = _channels * _height * _width;
        (_channels, _height, _width) = (outputs, 1, 1);
        var name = $"fc{++_linears}";
        return TryAddTensor($"{name}.weight", [outputs, inputs], inputs) && TryAddTensor($"{name}.bias", [outputs], inputs);
    }

    private bool TryAddConvolution(ModelLayer layer)
    {
        var (inputs, fanIn) = (_channels, _channels * layer.Size * layer.Size);
        (_channels, _height, _width) = (layer.Outputs, _height + (2 * layer.Padding) - layer.Size + 1, _width + (2 * layer.Padding) - layer.Size + 1);
        var name = $"conv{++_convolutions}";
        return _height >= 1 && _width >= 1
            && TryAddTensor($"{name}.weight", [layer.Outputs, inputs, layer.Size, layer.Size], fanIn) && TryAddTensor($"{name}.bias", [layer.Outputs], fanIn);
    }

    private bool TryAddPool(int size)
    {
        (_height, _width) = (_height / size, _width / size);
        return _height >= 1 && _width >= 1;
    }

    private bool TryAddTensor(string name, int[] shape, int fanIn)
    {
        var length = (Int128)1;
        foreach (var side in shape) length *= side;
        if (length > Limits.Parameters - ParameterCount) return false;
        _parameters.Add(new ParameterTensor(name, shape, ParameterCount, (int)length, fanIn));
        ParameterCount += (int)length;
        return true;
    }
}
