#if TORCH
using System.Numerics;
using System.Runtime.InteropServices;
using Orleans.Training.Protocol.Aggregation;
using TorchSharp;
using static TorchSharp.torch;

namespace Orleans.Training.Trainer;

/// <summary>
/// A model in libtorch. Rules of this file: one scope per step, so that native memory stays flat; no operation that takes a C# number
/// (TorchSharp's Scalar can be collected during the native call); no await; parameters move as spans, and the step is ours.
/// </summary>
internal sealed partial class TorchNetwork : Network
{
    private static readonly Lazy<bool> Runtime = new(() =>
    {
        // One thread per trainer: more are slower on small batches, and give other bits.
        set_num_threads(1);
        return cuda.is_available();
    });

    private readonly ModelSpec _spec;
    private readonly Device _device;
    private readonly Tensor[] _parameters;

    private TorchNetwork(ModelSpec spec, Device device)
    {
        (_spec, _device) = (spec, device);
        _parameters = [.. spec.Parameters.Select(tensor => zeros([.. tensor.Shape.Select(side => (long)side)], float32, device).DetachFromDisposeScope())];
    }

    public static TorchNetwork Load(ModelSpec spec, ReadOnlySpan<float> parameters, TrainingDevice device)
    {
        var network = new TorchNetwork(spec, Find(device));
        network.Import(parameters);
        foreach (var parameter in network._parameters) parameter.requires_grad = true;
        return network;
    }

    public static Device Find(TrainingDevice device)
    {
        try
        {
            var hasCuda = Runtime.Value;
            if (device is TrainingDevice.Cpu) return CPU;
            return hasCuda ? CUDA : throw new TrainerException(TrainerFault.NoDevice, "there is no CUDA device: it needs a build with TorchBackend=cuda, NVIDIA's driver and a GPU");
        }
        catch (Exception exception) when (exception is DllNotFoundException or NotSupportedException or TypeInitializationException)
        {
            throw new TrainerException(TrainerFault.NoBackend, "the native library of the training backend does not load", exception);
        }
    }

    public override float Step(LabelledData data, ReadOnlySpan<int> rows, float learningRate, float proximal, ReadOnlySpan<float> origin, ReadOnlySpan<float> drift)
    {
        using var scope = NewDisposeScope();
        var loss = Backward(data, rows);
        for (var i = 0; i < _parameters.Length; i++)
        {
            var parameter = _parameters[i];
            var gradient = parameter.grad!;
            var (offset, length) = (_spec.Parameters[i].Offset, _spec.Parameters[i].Length);
            var target = origin.Slice(offset, length);
            var beside = drift.IsEmpty ? drift : drift.Slice(offset, length);
            if (_device.type is DeviceType.CPU)
            {
                Descend(Floats(parameter), Floats(gradient), learningRate, proximal, target, beside);
                gradient.bytes.Clear();
                continue;
            }

            using var guard = no_grad();
            var (values, slopes) = (parameter.cpu(), gradient.cpu());
            Descend(Floats(values), Floats(slopes), learningRate, proximal, target, beside);
            parameter.copy_(values);
            gradient.zero_();
        }

        return loss;
    }

    public override void Forward(LabelledData data, ReadOnlySpan<int> rows, Span<float> outputs)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        Floats(Output(Inputs(data, rows)).cpu()).CopyTo(outputs);
    }

    public override float[] Gradient(LabelledData data)
    {
        using var scope = NewDisposeScope();
        var rows = new int[data.Count];
        for (var i = 0; i < rows.Length; i++) rows[i] = i;
        Backward(data, rows);
        var gradient = new float[_spec.ParameterCount];
        for (var i = 0; i < _parameters.Length; i++)
        {
            Floats(_parameters[i].grad!.cpu()).CopyTo(gradient.AsSpan(_spec.Parameters[i].Offset));
            _parameters[i].grad!.zero_();
        }

        return gradient;
    }

    public override void Export(Span<float> parameters)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        for (var i = 0; i < _parameters.Length; i++) Floats(_parameters[i].cpu()).CopyTo(parameters[_spec.Parameters[i].Offset..]);
    }

    public override void Dispose()
    {
        foreach (var parameter in _parameters) parameter.Dispose();
    }

    private void Import(ReadOnlySpan<float> parameters)
    {
        using var scope = NewDisposeScope();
        for (var i = 0; i < _parameters.Length; i++)
        {
            var tensor = _spec.Parameters[i];
            var values = empty([.. tensor.Shape.Select(side => (long)side)], float32);
            parameters.Slice(tensor.Offset, tensor.Length).CopyTo(Floats(values));
            _parameters[i].copy_(values);
        }
    }

    private float Backward(LabelledData data, ReadOnlySpan<int> rows)
    {
        var loss = Loss(Output(Inputs(data, rows)), data.Labels, rows);
        loss.backward();
        return Floats(loss.detach().cpu())[0];
    }

    private Tensor Inputs(LabelledData data, ReadOnlySpan<int> rows)
    {
        long[] shape = _spec.InputShape.Count == 1 ? [rows.Length, _spec.InputLength] : [rows.Length, .. _spec.InputShape.Select(side => (long)side)];
        var inputs = empty(shape, float32);
        var values = Floats(inputs);
        for (var i = 0; i < rows.Length; i++) data.Row(rows[i]).CopyTo(values[(i * data.FeatureCount)..]);
        return inputs.to(_device);
    }

    private Tensor Output(Tensor input, List<Activation>? activations = null)
    {
        var (value, next) = (input, 0);
        for (var i = 0; i < _spec.Layers.Count; i++)
        {
            var layer = _spec.Layers[i];
            if (layer.Kind is LayerKind.MaxPool)
            {
                value = nn.functional.max_pool2d(value, layer.Size, layer.Size);
                continue;
            }

            var (weight, bias) = (_parameters[next], _parameters[next + 1]);
            if (layer.Kind is LayerKind.Linear && value.dim() > 2) value = value.flatten(1);
            var before = value;
            if (layer.Kind is LayerKind.Convolution) value = nn.functional.conv2d(value, weight, bias, padding: [layer.Padding, layer.Padding]);
            else value = nn.functional.linear(value, weight, bias);
            activations?.Add(new(layer, next, before, value));
            next += 2;
            if (i < _spec.Layers.Count - 1) value = value.relu();
        }

        return value;
    }

    private Tensor Loss(Tensor output, ReadOnlySpan<int> labels, ReadOnlySpan<int> rows, nn.Reduction reduction = nn.Reduction.Mean)
    {
        if (_spec.Loss is ModelLoss.BinaryCrossEntropy)
        {
            var targets = empty([rows.Length, 1], float32);
            var values = Floats(targets);
            for (var i = 0; i < rows.Length; i++) values[i] = labels[rows[i]];
            return nn.functional.binary_cross_entropy_with_logits(output, targets.to(_device), reduction: reduction);
        }

        var classes = empty([rows.Length], int64);
        var indices = MemoryMarshal.Cast<byte, long>(classes.bytes);
        for (var i = 0; i < rows.Length; i++) indices[i] = labels[rows[i]];
        return nn.functional.cross_entropy(output, classes.to(_device), reduction: reduction);
    }

    private static Span<float> Floats(Tensor tensor) => MemoryMarshal.Cast<byte, float>(tensor.bytes);

    private static void Descend(Span<float> values, ReadOnlySpan<float> gradient, float learningRate, float proximal, ReadOnlySpan<float> origin, ReadOnlySpan<float> drift)
    {
        var i = 0;
        for (var k = 0; k < drift.Length; k++) values[k] += drift[k];
        if (proximal > 0)
        {
            for (; i < values.Length; i++) values[i] -= learningRate * (gradient[i] + (proximal * (values[i] - origin[i])));
            return;
        }

        var rates = new Vector<float>(learningRate);
        for (; i <= values.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            (new Vector<float>(values[i..]) - (rates * new Vector<float>(gradient[i..]))).CopyTo(values[i..]);
        }

        for (; i < values.Length; i++) values[i] -= learningRate * gradient[i];
    }
}
#endif
