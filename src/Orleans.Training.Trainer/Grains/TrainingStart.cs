using Orleans.Training.Grains.Participants;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;

namespace Orleans.Training.Trainer.Grains;

/// <summary>What a participant goes out from in one attempt.</summary>
/// <param name="Parameters">The base model's.</param>
/// <param name="Scale">τ ÷ K, where steps matter; else 1.</param>
/// <param name="Control">Of a SCAFFOLD run, else null.</param>
internal sealed record TrainingStart(float[] Parameters, double Scale, ControlStart? Control)
{
    /// <summary>What is sent, from what was trained.</summary>
    public LocalUpdate Finish(LocalUpdate trained)
    {
        if (Control is not null) return trained with { Delta = ControlVariate.UpdateOf(trained.Delta, Control.Mean, Scale) };
        if (Scale != 1) NormalisedUpdate.Scale(trained.Delta, Scale);
        return trained;
    }
}

/// <summary>The control variates with which an attempt begins.</summary>
/// <param name="Files">Where the participant's own ones are kept.</param>
/// <param name="Own">vᵢ.</param>
/// <param name="Mean">v.</param>
/// <param name="Steps">τ.</param>
internal sealed record ControlStart(VariateFiles Files, float[] Own, float[] Mean, double Steps)
{
    /// <summary>What is added to the parameters with every step.</summary>
    public float[] Drift { get; } = ControlVariate.Drift(Own, Mean, Steps);

    /// <summary>Keeps the participant's next variate, in case that the sum has its update.</summary>
    public void Keep(RoundRecord round, ReadOnlySpan<int> lanes, int weight, FixedPoint parameters) => Files.Write(round.Number, round.Attempt, ControlVariate.Next(Own, lanes, weight, parameters));
}
