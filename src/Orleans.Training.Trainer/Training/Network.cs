using System.Runtime.InteropServices;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Trainer;

/// <summary>A model in a backend's memory. Not for two threads at once; disposed on the thread that made it.</summary>
internal abstract class Network : IDisposable
{
    public static Network Create(ModelSpec spec, ReadOnlySpan<float> parameters, TrainingDevice device)
    {
        if (parameters.Length != spec.ParameterCount) throw new ArgumentException($"The model has {spec.ParameterCount} parameters, not {parameters.Length}.", nameof(parameters));
#if TORCH
        return TorchNetwork.Load(spec, parameters, device);
#else
        throw new TrainerException(TrainerFault.NoBackend, $"this build has no training backend (TorchBackend=none), device {device} is not available");
#endif
    }

    /// <exception cref="TrainerException">The device is not there.</exception>
    public static void Require(TrainingDevice device)
    {
        // Every build with a backend has the processor, and need not load it to say so.
        if (device is TrainingDevice.Cpu) return;
#if TORCH
        TorchNetwork.Find(device);
#else
        throw new TrainerException(TrainerFault.NoDevice, $"this build has no training backend (TorchBackend=none), device {device} is not available");
#endif
    }

    /// <summary>
    /// One step w ← w − η (g + μ (w − x)) + u of gradient descent; returns the mean loss of these rows, from before the step and without the pull.
    /// </summary>
    /// <param name="data">The data.</param>
    /// <param name="rows">The rows of the batch.</param>
    /// <param name="learningRate">η.</param>
    /// <param name="proximal">μ, how hard each parameter is pulled back; 0 for not at all.</param>
    /// <param name="origin">x, flat: where it is pulled to.</param>
    /// <param name="drift">u, flat; empty for none.</param>
    public abstract float Step(LabelledData data, ReadOnlySpan<int> rows, float learningRate, float proximal, ReadOnlySpan<float> origin, ReadOnlySpan<float> drift);

    /// <summary>Adds the gradients of the rows' losses, each cut to a norm, and returns the sum of their losses.</summary>
    public abstract double AddClipped(LabelledData data, ReadOnlySpan<int> rows, double clip, Span<float> sum);

    /// <summary>One step w ← w − η (g + μ (w − x)) with a flat gradient g that is given.</summary>
    public abstract void Descend(ReadOnlySpan<float> gradient, float learningRate, float proximal, ReadOnlySpan<float> origin);

    /// <summary>The outputs for these rows, before sigmoid or softmax.</summary>
    public abstract void Forward(LabelledData data, ReadOnlySpan<int> rows, Span<float> outputs);

    /// <summary>The gradient of the mean loss of all rows.</summary>
    public abstract float[] Gradient(LabelledData data);

    /// <summary>The flat parameters.</summary>
    public abstract void Export(Span<float> parameters);

    public abstract void Dispose();

    /// <summary>A backend's own error as a numbered one; of its text only the first line, the rest is a native stack.</summary>
    public static TrainerException Failed(ExternalException exception) => new(TrainerFault.BackendFailed, exception.Message.Split('\n', 2)[0], exception);
}
