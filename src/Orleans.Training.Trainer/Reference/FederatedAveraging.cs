using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Trainer;

/// <summary>
/// The rounds of a <see cref="LocalFederation"/>, one participant after the other.
/// </summary>
public static class FederatedAveraging
{
    /// <summary>Trains for some rounds and returns the last model.</summary>
    /// <param name="spec">The model.</param>
    /// <param name="initial">Where to start.</param>
    /// <param name="participants">Each participant's rows.</param>
    /// <param name="settings">Local training; every participant and round derives a seed of its own.</param>
    /// <param name="rounds">How many.</param>
    /// <param name="fixedPoint">The lanes that updates are added in, or null to average in binary64.</param>
    /// <param name="afterRound">Told the number of the round, from 1, and its model.</param>
    /// <param name="cancellationToken">Stops between two batches.</param>
    public static float[] Run(
        ModelSpec spec, ReadOnlySpan<float> initial, IReadOnlyList<LabelledData> participants, TrainingSettings settings, int rounds,
        FixedPoint? fixedPoint = null, Action<int, float[]>? afterRound = null, CancellationToken cancellationToken = default)
    {
        var federation = new LocalFederation(spec, initial, participants, settings, fixedPoint);
        for (var round = 1; round <= rounds; round++)
        {
            federation.Advance([.. Enumerable.Range(0, participants.Count).Select(participant => federation.Train(participant, cancellationToken))]);
            afterRound?.Invoke(round, federation.Model);
        }

        return federation.Model;
    }
}
