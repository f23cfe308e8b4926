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
/// <param name="Private">How single rows are hidden; null if they are not. Batches are then drawn: each row is in each with probability batch size ÷ rows, and the seed decides nothing.</param>
public sealed record TrainingSettings(int Epochs, int BatchSize, float LearningRate, ulong Seed, TrainingDevice Device = TrainingDevice.Cpu, float Proximal = 0, bool IsNormalised = false, bool IsControlled = false, PrivateSteps? Private = null)
{
    /// <summary>One step on so many rows, as accountants see it.</summary>
    internal SampledGaussian MechanismOn(int rows) => new(Private!.NoiseMultiplier, Math.Min(1, (double)BatchSize / rows));

    /// <summary>Steps on so many rows.</summary>
    internal int StepsOn(int rows) => checked(Epochs * ((rows + BatchSize - 1) / BatchSize));

    /// <exception cref="TrainerException">A setting is out of range.</exception>
    internal void Validate()
    {
        if (Epochs is < 1 or > 100_000) throw new TrainerException(TrainerFault.BadSetting, $"{nameof(Epochs)} ({Epochs}) must be 1 to 100,000");
        if (BatchSize is < 1 or > 1_000_000) throw new TrainerException(TrainerFault.BadSetting, $"{nameof(BatchSize)} ({BatchSize}) must be 1 to 1,000,000");
        if (!float.IsFinite(LearningRate) || LearningRate <= 0) throw new TrainerException(TrainerFault.BadSetting, $"{nameof(LearningRate)} ({LearningRate}) must be positive");
        if (Private is not null && !(Private.Clip > 0 && Private.NoiseMultiplier >= 0 && double.IsFinite(Private.NoiseMultiplier))) throw new TrainerException(TrainerFault.BadSetting, $"{nameof(Private)} ({Private.Clip}, {Private.NoiseMultiplier}) must be a positive clip and noise of 0 or more");
        // Beyond 1 a step goes past the point that it is pulled to, beyond 2 further away from it than it was.
        if (!(Proximal >= 0 && (double)Proximal * LearningRate <= 1.0 + 1e-6)) throw new TrainerException(TrainerFault.BadSetting, $"{nameof(Proximal)} ({Proximal}) must be from 0 to 1 ÷ {nameof(LearningRate)} ({LearningRate})");
    }
}

/// <summary>DP-SGD (Abadi et al. 2016): each row's gradient is cut to a norm, and their sum gets Gaussian noise.</summary>
/// <param name="Clip">C, the norm; infinite for none.</param>
/// <param name="NoiseMultiplier">σ: the standard deviation of the noise in each coordinate is σC.</param>
/// <param name="Key">32 secret bytes that decide who is in which batch and the noise; used for one training only.</param>
public sealed record PrivateSteps(double Clip, double NoiseMultiplier, byte[] Key);

/// <summary>What local training gives.</summary>
/// <param name="Delta">Local minus global parameters.</param>
/// <param name="Loss">Mean loss over the rows of the last epoch, each at the moment it was trained on.</param>
/// <param name="Samples">Rows trained on.</param>
/// <param name="Correct">Rows on which the global parameters were right, before the training; 0 where single rows are hidden.</param>
public sealed record LocalUpdate(float[] Delta, double Loss, int Samples, int Correct);

/// <summary>How well a model does on rows that it was not trained on.</summary>
/// <param name="Accuracy">Part of the rows whose label has the largest output.</param>
/// <param name="Auc">Area under the receiver operating characteristic, for one output and both labels present; else null.</param>
/// <param name="Loss">Mean loss.</param>
/// <param name="Samples">Rows.</param>
public sealed record Evaluation(double Accuracy, double? Auc, double Loss, int Samples);
