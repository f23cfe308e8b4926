using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Trainer;

/// <summary>
/// Several participants that train together in one process, without ledger and network: what a real run is compared with. Weights are by number of rows. Between <see cref="Train"/>, which may be called for several
/// participants at once, and <see cref="Advance"/> nothing changes.
/// </summary>
public sealed class LocalFederation
{
    private readonly ModelSpec _spec;
    private readonly IReadOnlyList<LabelledData> _participants;
    private readonly TrainingSettings _settings;
    private readonly FixedPoint? _fixedPoint;
    private readonly int[] _weights;
    private readonly long[] _steps;
    private readonly float[][] _own;
    private float[] _mean;
    private int _round = 1;

    /// <param name="spec">The model.</param>
    /// <param name="initial">Where to start.</param>
    /// <param name="participants">Each participant's rows.</param>
    /// <param name="settings">Local training; every participant and round derives a seed of its own.</param>
    /// <param name="fixedPoint">The lanes that updates are added in, or null to average in binary64, which control variates do not.</param>
    public LocalFederation(ModelSpec spec, ReadOnlySpan<float> initial, IReadOnlyList<LabelledData> participants, TrainingSettings settings, FixedPoint? fixedPoint)
    {
        if (settings.IsControlled && fixedPoint is null) throw new TrainerException(TrainerFault.BadSetting, "control variates are kept by what a sum of lanes has of an update: name the lanes");
        (_spec, _participants, _settings, _fixedPoint, Model) = (spec, participants, settings, fixedPoint, initial.ToArray());
        var largest = participants.Max(rows => rows.Count);
        _weights = [.. participants.Select(rows => FixedPoint.WeightOf(rows.Count, largest))];
        _steps = [.. participants.Select(rows => NormalisedUpdate.StepsOf(rows.Count, settings.BatchSize, settings.Epochs))];
        var variate = settings.IsControlled ? spec.ParameterCount : 0;
        (_own, _mean) = ([.. participants.Select(_ => new float[variate])], new float[variate]);
    }

    /// <summary>The parameters after the rounds so far.</summary>
    public float[] Model { get; private set; }

    /// <summary>v, of control variates; empty without.</summary>
    public ReadOnlySpan<float> Mean => _mean;

    /// <summary>vᵢ, of control variates; empty without.</summary>
    public ReadOnlySpan<float> Own(int participant) => _own[participant];

    /// <summary>One participant's training in this round.</summary>
    /// <exception cref="OperationCanceledException">Cancelled between two batches.</exception>
    public LocalUpdate Train(int participant, CancellationToken cancellationToken = default)
    {
        var seed = SeededRandom.Derive(_settings.Seed, _round, participant);
        // Noise that came twice could be subtracted: everybody has a key of its own in each round.
        var hidden = _settings.Private is { } terms ? terms with { Key = new SeededRandom(SeededRandom.Derive(seed, -1)).Bytes(32) } : null;
        var settings = _settings with { Seed = seed, Private = hidden };
        var scale = NormalisedUpdate.ScaleOf(participant, _weights, _steps);
        var drift = _settings.IsControlled ? ControlVariate.Drift(_own[participant], _mean, scale * _steps[participant]) : [];
        var update = LocalTrainer.Train(_spec, Model, drift, _participants[participant], settings, cancellationToken);
        if (_settings.IsControlled) return update with { Delta = ControlVariate.UpdateOf(update.Delta, _mean, scale) };
        if (_settings.IsNormalised) NormalisedUpdate.Scale(update.Delta, scale);
        return update;
    }

    /// <summary>Ends the round with the updates of all.</summary>
    /// <exception cref="TrainerException">An update or the next model is not finite.</exception>
    public void Advance(IReadOnlyList<LocalUpdate> updates)
    {
        Model = _fixedPoint is null ? Average(updates) : Aggregate(updates, _fixedPoint);
        _round++;
    }

    private float[] Average(IReadOnlyList<LocalUpdate> updates)
    {
        var samples = updates.Sum(update => (double)update.Samples);
        var next = new float[Model.Length];
        for (var i = 0; i < next.Length; i++)
        {
            var sum = 0.0;
            foreach (var update in updates) sum += update.Delta[i] * (double)update.Samples;
            next[i] = (float)(Model[i] + (sum / samples));
        }

        return next;
    }

    private float[] Aggregate(IReadOnlyList<LocalUpdate> updates, FixedPoint fixedPoint)
    {
        var sum = new LaneSum(fixedPoint, updates[0].Delta.Length);
        var seed = SeededRandom.Derive(_settings.Seed, _round, -1);
        for (var i = 0; i < updates.Count; i++)
        {
            // A reference must give the same table twice; a participant derives this key from a secret.
            var key = new SeededRandom(SeededRandom.Derive(seed, i)).Bytes(32);
            if (!fixedPoint.TryQuantize(updates[i].Delta, _weights[i], key, out var lanes) || !sum.TryAdd(lanes, _weights[i])) throw new TrainerException(TrainerFault.Diverged, "an update is not finite");
            if (_settings.IsControlled) _own[i] = ControlVariate.Next(_own[i], lanes, _weights[i], fixedPoint);
        }

        var mean = _mean;
        var isFinite = _settings.IsControlled
            ? ModelStep.TryScaffold(new(ServerRule.Scaffold), Model, _mean, sum.Lanes, sum.TotalWeight, _weights.Sum(weight => (long)weight), fixedPoint, out var next, out mean)
            : ModelStep.TryFedAvg(Model, sum.Lanes, sum.TotalWeight, fixedPoint, out next);
        if (!isFinite) throw new TrainerException(TrainerFault.Diverged, "the next model is not finite");
        _mean = mean!;
        return next!;
    }
}
