using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Trainer;

/// <summary>
/// Federated averaging of several participants in one process, without ledger and network: the reference that a real run is compared
/// with. Weights are by number of rows.
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
        var model = initial.ToArray();
        for (var round = 1; round <= rounds; round++)
        {
            var updates = new LocalUpdate[participants.Count];
            for (var i = 0; i < updates.Length; i++)
            {
                var seed = SeededRandom.Derive(settings.Seed, round, i);
                updates[i] = LocalTrainer.Train(spec, model, participants[i], settings with { Seed = seed }, cancellationToken);
            }

            if (settings.IsNormalised) Normalise(updates, settings);
            model = fixedPoint is null ? Average(model, updates) : Aggregate(model, updates, fixedPoint, SeededRandom.Derive(settings.Seed, round, -1));
            afterRound?.Invoke(round, model);
        }

        return model;
    }

    /// <summary>Scales the updates of all who train together by their steps.</summary>
    public static void Normalise(IReadOnlyList<LocalUpdate> updates, TrainingSettings settings)
    {
        var largest = updates.Max(update => update.Samples);
        int[] weights = [.. updates.Select(update => FixedPoint.WeightOf(update.Samples, largest))];
        long[] steps = [.. updates.Select(update => NormalisedUpdate.StepsOf(update.Samples, settings.BatchSize, settings.Epochs))];
        for (var i = 0; i < updates.Count; i++) NormalisedUpdate.Scale(updates[i].Delta, NormalisedUpdate.ScaleOf(i, weights, steps));
    }

    private static float[] Average(float[] model, LocalUpdate[] updates)
    {
        var samples = updates.Sum(update => (double)update.Samples);
        var next = new float[model.Length];
        for (var i = 0; i < next.Length; i++)
        {
            var sum = 0.0;
            foreach (var update in updates) sum += update.Delta[i] * (double)update.Samples;
            next[i] = (float)(model[i] + (sum / samples));
        }

        return next;
    }

    private static float[] Aggregate(float[] model, LocalUpdate[] updates, FixedPoint fixedPoint, ulong seed)
    {
        var largest = updates.Max(update => update.Samples);
        var sum = new LaneSum(fixedPoint, model.Length);
        for (var i = 0; i < updates.Length; i++)
        {
            var weight = FixedPoint.WeightOf(updates[i].Samples, largest);
            // A reference must give the same table twice; a participant draws this key from the system.
            var key = new SeededRandom(SeededRandom.Derive(seed, i)).Bytes(32);
            if (!fixedPoint.TryQuantize(updates[i].Delta, weight, key, out var lanes) || !sum.TryAdd(lanes, weight)) throw new TrainerException(TrainerFault.Diverged, "an update is not finite");
        }

        return ModelStep.TryFedAvg(model, sum.Lanes, sum.TotalWeight, fixedPoint, out var next) ? next : throw new TrainerException(TrainerFault.Diverged, "the next model is not finite");
    }
}
