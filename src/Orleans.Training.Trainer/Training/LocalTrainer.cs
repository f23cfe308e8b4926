using System.Runtime.InteropServices;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Trainer;

/// <summary>
/// Training and evaluation of one model on one participant's rows. Everything runs on the calling thread until it is done: call it through
/// a <see cref="TrainerPool"/>, never on a grain's scheduler.
/// </summary>
public static class LocalTrainer
{
    private const int EvaluationBatch = 256;

    /// <summary>Throws unless networks can be computed there.</summary>
    /// <exception cref="TrainerException">The device is not there (<see cref="TrainerFault.NoDevice"/>), or there is no backend.</exception>
    public static void RequireDevice(TrainingDevice device) => Network.Require(device);

    /// <summary>Trains a copy of the global parameters.</summary>
    /// <exception cref="TrainerException">Data and model do not fit, the loss diverged, or there is no backend.</exception>
    /// <exception cref="OperationCanceledException">Cancelled between two batches.</exception>
    public static LocalUpdate Train(ModelSpec spec, ReadOnlySpan<float> global, LabelledData data, TrainingSettings settings, CancellationToken cancellationToken = default) =>
        Train(spec, global, drift: [], data, settings, cancellationToken);

    /// <summary>The same, with something added to the parameters in every step (<see cref="ControlVariate.Drift"/>); empty for nothing.</summary>
    public static LocalUpdate Train(ModelSpec spec, ReadOnlySpan<float> global, ReadOnlySpan<float> drift, LabelledData data, TrainingSettings settings, CancellationToken cancellationToken = default)
    {
        settings.Validate();
        if (settings.Private is not null && !drift.IsEmpty) throw new TrainerException(TrainerFault.BadSetting, "control variates do not go with noise on single rows");
        RequireFit(spec, data);
        var delta = new float[spec.ParameterCount];
        try
        {
            using var network = Network.Create(spec, global, settings.Device);
            var correct = settings.Private is null ? (int)Math.Round(Scoring.Of(spec, Outputs(network, spec, data, cancellationToken), data.Labels).Accuracy * data.Count) : 0;
            var loss = settings.Private is null ? Descend(network, global, drift, data, settings, cancellationToken) : PrivateDescent.Run(network, global, data, settings, cancellationToken);
            network.Export(delta);
            for (var i = 0; i < delta.Length; i++) delta[i] -= global[i];
            return new LocalUpdate(delta, loss / data.Count, data.Count, correct);
        }
        catch (ExternalException exception)
        {
            throw Network.Failed(exception);
        }
    }

    /// <summary>Accuracy, area under the curve and loss.</summary>
    /// <exception cref="TrainerException">Data and model do not fit, or there is no backend.</exception>
    /// <exception cref="OperationCanceledException">Cancelled between two batches.</exception>
    public static Evaluation Evaluate(
        ModelSpec spec, ReadOnlySpan<float> parameters, LabelledData data, TrainingDevice device = TrainingDevice.Cpu, CancellationToken cancellationToken = default)
    {
        RequireFit(spec, data);
        try
        {
            using var network = Network.Create(spec, parameters, device);
            return Scoring.Of(spec, Outputs(network, spec, data, cancellationToken), data.Labels);
        }
        catch (ExternalException exception)
        {
            throw Network.Failed(exception);
        }
    }

    /// <summary>The gradient of the mean loss over these rows, by automatic differentiation.</summary>
    /// <exception cref="TrainerException">Data and model do not fit, or there is no backend.</exception>
    public static float[] Gradient(ModelSpec spec, ReadOnlySpan<float> parameters, LabelledData data)
    {
        RequireFit(spec, data);
        try
        {
            using var network = Network.Create(spec, parameters, TrainingDevice.Cpu);
            return network.Gradient(data);
        }
        catch (ExternalException exception)
        {
            throw Network.Failed(exception);
        }
    }

    /// <summary>Adds up the gradients of each row's loss, each cut to a norm.</summary>
    /// <exception cref="TrainerException">Data and model do not fit, or there is no backend.</exception>
    internal static float[] ClippedGradient(ModelSpec spec, ReadOnlySpan<float> parameters, LabelledData data, double clip)
    {
        RequireFit(spec, data);
        using var network = Network.Create(spec, parameters, TrainingDevice.Cpu);
        var sum = new float[spec.ParameterCount];
        network.AddClipped(data, [.. Enumerable.Range(0, data.Count)], clip, sum);
        return sum;
    }

    private static float[] Outputs(Network network, ModelSpec spec, LabelledData data, CancellationToken cancellationToken)
    {
        var outputs = new float[(long)data.Count * spec.Outputs];
        var rows = new int[data.Count];
        for (var i = 0; i < rows.Length; i++) rows[i] = i;
        for (var start = 0; start < rows.Length; start += EvaluationBatch)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var batch = rows.AsSpan(start, Math.Min(EvaluationBatch, rows.Length - start));
            network.Forward(data, batch, outputs.AsSpan(start * spec.Outputs, batch.Length * spec.Outputs));
        }

        return outputs;
    }

    private static double Descend(Network network, ReadOnlySpan<float> global, ReadOnlySpan<float> drift, LabelledData data, TrainingSettings settings, CancellationToken cancellationToken)
    {
        var random = new SeededRandom(settings.Seed);
        var order = new int[data.Count];
        for (var i = 0; i < order.Length; i++) order[i] = i;
        var loss = 0.0;
        for (var epoch = 0; epoch < settings.Epochs; epoch++)
        {
            random.Shuffle(order);
            loss = 0;
            for (var start = 0; start < order.Length; start += settings.BatchSize)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var batch = order.AsSpan(start, Math.Min(settings.BatchSize, order.Length - start));
                loss += network.Step(data, batch, settings.LearningRate, settings.Proximal, global, drift) * batch.Length;
            }

            if (!double.IsFinite(loss)) throw new TrainerException(TrainerFault.Diverged, $"the loss is not finite after epoch {epoch + 1}");
        }

        return loss;
    }

    private static void RequireFit(ModelSpec spec, LabelledData data)
    {
        if (data.Count == 0) throw new TrainerException(TrainerFault.NoRows, "there are no rows");
        if (data.FeatureCount != spec.InputLength) throw new TrainerException(TrainerFault.DataDoNotFitModel, $"{data.FeatureCount} features where the model reads {spec.InputLength}");
        var labels = Math.Max(2, spec.Outputs);
        foreach (var label in data.Labels)
        {
            if ((uint)label >= (uint)labels) throw new TrainerException(TrainerFault.DataDoNotFitModel, $"label {label} where the model knows 0 to {labels - 1}");
        }
    }
}
