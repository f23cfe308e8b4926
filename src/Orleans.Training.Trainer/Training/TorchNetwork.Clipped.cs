#if TORCH
using Orleans.Training.Protocol.Aggregation;
using TorchSharp;
using static TorchSharp.torch;

namespace Orleans.Training.Trainer;

/// <summary>
/// Gradients of single rows, never one by one: from one backward pass to the layers' outputs follow each row's norm and the sum of the cut ones (Goodfellow 2015; Rochette, Manoel and Tramel 2019). A row
/// reaches no other row's loss, so that the gradient of the summed loss holds each row's own.
/// </summary>
internal sealed partial class TorchNetwork
{
    // What binary32 may add to a norm must not add to what a row can do.
    private const double Margin = 1e-5;

    public override double AddClipped(LabelledData data, ReadOnlySpan<int> rows, double clip, Span<float> sum)
    {
        if (rows.Length == 0) return 0;
        using var scope = NewDisposeScope();
        var activations = new List<Activation>();
        var loss = Loss(Output(Inputs(data, rows), activations), data.Labels, rows, nn.Reduction.Sum);
        var slopes = autograd.grad([loss], [.. activations.Select(activation => activation.Output)]);
        using var guard = no_grad();
        RowGradients[] gradients = [.. activations.Select((activation, i) => RowGradients.Of(activation, slopes[i]))];
        var weights = empty([rows.Length, 1], float32);
        Weigh(gradients, clip, Floats(weights));
        var onDevice = weights.to(_device);
        for (var i = 0; i < gradients.Length; i++)
        {
            var (weight, bias) = gradients[i].Sum(onDevice);
            Add(weight, activations[i].Parameter, sum);
            Add(bias, activations[i].Parameter + 1, sum);
        }

        return Floats(loss.detach().cpu())[0];
    }

    public override void Descend(ReadOnlySpan<float> gradient, float learningRate, float proximal, ReadOnlySpan<float> origin)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        for (var i = 0; i < _parameters.Length; i++)
        {
            var (offset, length) = (_spec.Parameters[i].Offset, _spec.Parameters[i].Length);
            var values = _parameters[i].cpu();
            Descend(Floats(values), gradient.Slice(offset, length), learningRate, proximal, origin.Slice(offset, length), drift: []);
            if (_device.type is not DeviceType.CPU) _parameters[i].copy_(values);
        }
    }

    // min(1, C ÷ norm) of each row over all layers.
    private static void Weigh(RowGradients[] gradients, double clip, Span<float> weights)
    {
        var squares = new double[weights.Length];
        foreach (var gradient in gradients)
        {
            var own = Floats(gradient.Squares().cpu());
            for (var i = 0; i < squares.Length; i++) squares[i] += own[i];
        }

        for (var i = 0; i < squares.Length; i++)
        {
            var norm = Math.Sqrt(squares[i]) * (1 + Margin);
            weights[i] = norm <= clip ? 1 : (float)(clip / norm);
        }
    }

    private void Add(Tensor gradient, int parameter, Span<float> sum)
    {
        var values = Floats(gradient.contiguous().cpu());
        var target = sum.Slice(_spec.Parameters[parameter].Offset, _spec.Parameters[parameter].Length);
        for (var i = 0; i < target.Length; i++) target[i] += values[i];
    }

    // What went into a layer with parameters, and what came out before the rectifier; the weight's index, the bias follows.
    private readonly record struct Activation(ModelLayer Layer, int Parameter, Tensor Input, Tensor Output);

    // Of one layer and each row: the slope of its loss along the outputs, and the input of a linear layer, or the weight's whole gradient of a convolution.
    private readonly record struct RowGradients(Tensor Slopes, Tensor? Inputs, Tensor? Weights, IReadOnlyList<long> Shape)
    {
        public static RowGradients Of(Activation activation, Tensor slopes)
        {
            if (activation.Layer.Kind is LayerKind.Linear) return new(slopes, activation.Input, null, []);
            var (layer, rows) = (activation.Layer, slopes.shape[0]);
            var patches = nn.functional.unfold(activation.Input, layer.Size, padding: layer.Padding);
            var flat = slopes.reshape(rows, layer.Outputs, -1);
            return new(flat.sum(dim: -1), null, flat.bmm(patches.transpose(1, 2)).reshape(rows, -1), [layer.Outputs, -1]);
        }

        // |slope ⊗ input|² is a product of squares.
        public Tensor Squares()
        {
            var bias = Slopes.square().sum(dim: -1);
            return Inputs is null ? bias + Weights!.square().sum(dim: -1) : bias + (bias * Inputs.square().sum(dim: -1));
        }

        public (Tensor Weight, Tensor Bias) Sum(Tensor weights)
        {
            var weighted = Slopes * weights;
            var bias = weighted.sum(dim: 0);
            return (Inputs is null ? weights.t().mm(Weights!) : weighted.t().mm(Inputs), bias);
        }
    }
}
#endif
