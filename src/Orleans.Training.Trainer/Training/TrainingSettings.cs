namespace Orleans.Training.Trainer;

/// <summary>Where the network is computed.</summary>
public enum TrainingDevice
{
    /// <summary>The processor.</summary>
    Cpu,
    /// <summary>The first CUDA device.</summary>
    Cuda,
}

/// <summary>How one participant trains in one round: stochastic gradient descent, plain or pulled towards the round's model.</summary>
/// <param name="Epochs">Passes over the local data.</param>
/// <param name="BatchSize">Rows of one step; the last of an epoch may be smaller.</param>
/// <param name="LearningRate">Factor of the mean gradient of a batch.</param>
/// <param name="Seed">Decides the order of the rows; with one processor type, everything.</param>
/// <param name="Device">Where.</param>
/// <param name="Proximal">μ of FedProx (Li et al. 2020, eq. 2): how hard each step is pulled towards the global parameters; 0 for not at all.</param>
/// <param name="IsNormalised">Whether those who train together scale their updates by their steps (<see cref="Protocol.Aggregation.NormalisedUpdate"/>); one alone has nobody to compare with.</param>
/// <param name="IsControlled">Whether those who train together correct each step by control variates (<see cref="Protocol.Aggregation.ControlVariate"/>).</param>
public sealed record TrainingSettings(int Epochs, int BatchSize, float LearningRate, ulong Seed, TrainingDevice Device = TrainingDevice.Cpu, float Proximal = 0, bool IsNormalised = false, bool IsControlled = false)
{
    /// <exception cref="TrainerException">A setting is out of range.</exception>
    internal void Validate()
    {
        if (Epochs is < 1 or > 100_000) throw new TrainerException(TrainerFault.BadSetting, $"{nameof(Epochs)} ({Epochs}) must be 1 to 100,000");
        if (BatchSize is < 1 or > 1_000_000) throw new TrainerException(TrainerFault.BadSetting, $"{nameof(BatchSize)} ({BatchSize}) must be 1 to 1,000,000");
        if (!float.IsFinite(LearningRate) || LearningRate <= 0) throw new TrainerException(TrainerFault.BadSetting, $"{nameof(LearningRate)} ({LearningRate}) must be positive");
        // Beyond 1 a step goes past the point that it is pulled to, beyond 2 further away from it than it was.
        if (!(Proximal >= 0 && (double)Proximal * LearningRate <= 1.0 + 1e-6)) throw new TrainerException(TrainerFault.BadSetting, $"{nameof(Proximal)} ({Proximal}) must be from 0 to 1 ÷ {nameof(LearningRate)} ({LearningRate})");
    }
}

/// <summary>What local training gives.</summary>
/// <param name="Delta">Local minus global parameters.</param>
/// <param name="Loss">Mean loss over the rows of the last epoch, each at the moment it was trained on.</param>
/// <param name="Samples">Rows trained on.</param>
/// <param name="Correct">Rows on which the global parameters were right, before the training.</param>
public sealed record LocalUpdate(float[] Delta, double Loss, int Samples, int Correct);

/// <summary>How well a model does on rows that it was not trained on.</summary>
/// <param name="Accuracy">Part of the rows whose label has the largest output.</param>
/// <param name="Auc">Area under the receiver operating characteristic, for one output and both labels present; else null.</param>
/// <param name="Loss">Mean loss.</param>
/// <param name="Samples">Rows.</param>
public sealed record Evaluation(double Accuracy, double? Auc, double Loss, int Samples);
