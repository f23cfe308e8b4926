using System.Buffers.Binary;
using Microsoft.Extensions.Logging;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Grains.Contracts;
using Orleans.Training.Grains.Ledger;
using Orleans.Training.Grains.Participants;
using Orleans.Training.Grains.Silos;
using Orleans.Training.Grains.Trainers;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Privacy;

namespace Orleans.Training.Trainer.Grains;

/// <inheritdoc cref="ITrainerGrain"/>
[GrainType("otrain.trainer"), RequireParticipant, RequireSiloMetadata(TrainerSettings.AcceleratorLabel, order: 20), SpreadEvenly]
internal sealed partial class TrainerGrain(TrainerSettings settings, ShardFiles files, TrainerPool pool, IBlobStore blobs, MaskedParticipants masks, TimeProvider time, ILogger<TrainerGrain> logger) : Grain, ITrainerGrain, IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(4);
    private readonly Dictionary<string, LabelledData> _data = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stop = new();
    private SkellamSampler? _sampler;

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken) => _stop.CancelAsync();

    public void Dispose() => _stop.Dispose();

    public async Task Train(string agreement, int round, int attempt)
    {
        var key = this.GetPrimaryKeyString();
        var (shard, participant) = (GrainKeys.ShardOf(key), GrainKeys.ParticipantOf(key));
        var contracts = GrainFactory.GetGrain<IContractsGrain>(shard.ToString());
        if (!Digest.TryParse(agreement, out var digest)) throw new OperationalException("OT-7024", $"'{agreement}' names no run.");
        if (await Find(contracts, shard, RoundRecord.Key(digest, round, attempt)) is not { } record || await contracts.Find<AgreementRecord>(AgreementRecord.Key(digest)) is not { } terms) return;
        var position = terms.Agreement.PositionOf(participant);
        if (position < 0) return;
        if (!terms.Agreement.Masks && (record.Phase is not Phase.Input || record.InputsDigest is not null || record.Inputs[position].Root != Digest.Zero)) return;
        var start = await Start(contracts, shard, terms, record, position);
        if (terms.Agreement.Masks)
        {
            // Off this grain's scheduler: masks take as long as a pass over the model for every participant.
            await Task.Run(() => masks.Run(shard, participant, terms, record, start.Parameters, stop => Masked(terms, record, position, start, stop), _stop.Token));
            return;
        }

        var update = await Train(terms, record, position, start, CancellationToken.None);
        var rounding = await Derive(participant, ParticipantSecrets.RoundingContext(digest, round, attempt));
        if (!terms.Agreement.FixedPoint.TryQuantize(update.Delta, terms.Weights[position], rounding, out var lanes)) throw Diverged();
        start.Control?.Keep(record, lanes, terms.Weights[position], terms.Agreement.FixedPoint);
        var blob = await blobs.Put(new MemoryStream(UpdateBlob.Write(lanes), writable: false), null, CancellationToken.None);
        CrashPoints.Reach("blob-stored-before-commit");
        var answer = (Rejection)await GrainFactory.GetGrain<IParticipantGrain>(key).CommitInput(digest.ToArray(), round, attempt, record.BaseModel.ToArray(), blob.Name.ToArray());
        CrashPoints.Reach("commit-submitted");
        LogTrained(logger, participant.Name, round, update.Samples, update.Loss, answer);
    }

    // Whoever asks may have heard of the attempt before this silo has.
    private async Task<RoundRecord?> Find(IContractsGrain contracts, Identifier shard, string attempt)
    {
        var ledger = GrainFactory.GetGrain<ILedgerShardGrain>(shard.ToString());
        var begun = time.GetTimestamp();
        for (var size = 0L; ; size = await ledger.Grown(size))
        {
            if (await contracts.Find<RoundRecord>(attempt) is { } record) return record;
            if (time.GetElapsedTime(begun) > Patience) return null;
        }
    }

    // The same lanes as without masks, so that the model is the same; with noise, which is drawn once for an attempt, but for the update that everybody sees anyway.
    private async Task<TrainedUpdate> Masked(AgreementRecord terms, RoundRecord round, int position, TrainingStart start, CancellationToken cancellationToken)
    {
        var participant = terms.Agreement.Datasets[position].Participant;
        var update = await Train(terms, round, position, start, cancellationToken);
        var (parameters, weight) = (terms.Agreement.FixedPoint, terms.Weights[position]);
        var rounding = await Derive(participant, ParticipantSecrets.RoundingContext(round.Agreement, round.Number, round.Attempt));
        if (!parameters.TryQuantize(update.Delta, weight, rounding, out var lanes)) throw Diverged();
        start.Control?.Keep(round, lanes, weight, parameters);
        if (terms.Agreement.NoiseVariance == 0 || position == terms.Agreement.Groups?.Trusted)
        {
            LogMasked(logger, participant.Name, round.Number, update.Samples);
            return new TrainedUpdate(lanes, terms.Agreement.Training.RecordNoise is null ? TailOf(parameters, weight, update) : MaskTail.Of(weight));
        }

        // Without noise nothing of the data leaves the machine: no loss, no number of right answers.
        _sampler = _sampler?.Variance == terms.Agreement.NoiseVariance ? _sampler : new SkellamSampler(terms.Agreement.NoiseVariance, settings.IsConstantTime);
        var noise = await Derive(participant, ParticipantSecrets.NoiseContext(round.Agreement, round.Number, round.Attempt));
        if (!NoisyUpdate.TryCreate(parameters, _sampler, update.Delta, rounding, noise, out lanes!)) throw Diverged();
        LogMasked(logger, participant.Name, round.Number, update.Samples);
        return new TrainedUpdate(lanes, MaskTail.Of(weight));
    }

    private static MaskTail TailOf(FixedPoint parameters, int weight, LocalUpdate update)
    {
        // Each number is bounded by what as many participants may add up to.
        var limit = int.MaxValue / parameters.Participants;
        int Bounded(double value) => (int)Math.Clamp(Math.Round(value), -limit, limit);
        return MaskTail.Of(weight) with
        {
            LossSum = Bounded(update.Loss * update.Samples * MaskTail.LossUnit), Correct = Bounded(update.Correct), Samples = Bounded(update.Samples), NormBit = parameters.IsWithinClip(update.Delta) ? 1 : 0,
        };
    }

    private async Task<LocalUpdate> Train(AgreementRecord terms, RoundRecord round, int position, TrainingStart start, CancellationToken cancellationToken)
    {
        var (participant, dataset) = terms.Agreement.Datasets[position];
        var data = Rows(participant, dataset);
        var seed = BinaryPrimitives.ReadUInt64LittleEndian(terms.Agreement.Seed.ToArray());
        var training = new TrainingSettings(terms.Agreement.Training.LocalEpochs, terms.Agreement.Training.BatchSize, terms.Agreement.Training.LearningRateMicro / 1e6f, SeededRandom.Derive(seed, round.Number, position), settings.Device, terms.Agreement.Training.ProximalMicro / 1e6f);
        if (terms.Agreement.Training.RecordNoise is { } noise) training = training with { Private = new(noise.ClipMicro / 1e6, noise.MultiplierMicro / 1e6, await Derive(participant, ParticipantSecrets.RecordsContext(round.Agreement, round.Number, round.Attempt))) };
        LocalDataset.Find(settings.Root, participant, dataset).Charge(settings.Root, participant, $"{round.Agreement}/{round.Number}/{round.Attempt}", training, data.Count);
        var update = await pool.Run(stop => LocalTrainer.Train(SpecOf(terms), start.Parameters, start.Control?.Drift, data, training, stop), cancellationToken);
        return start.Finish(update);
    }

    private async Task<TrainingStart> Start(IContractsGrain contracts, Identifier shard, AgreementRecord terms, RoundRecord round, int position)
    {
        var (parameters, state) = await BaseModel(contracts, terms, round);
        var isControlled = terms.Agreement.Strategy.Rule is ServerRule.Scaffold;
        if (!isControlled && !terms.Agreement.Training.IsNormalised) return new TrainingStart(parameters, 1, null);
        var steps = await Steps(contracts, terms);
        var scale = NormalisedUpdate.ScaleOf(position, terms.Weights, steps);
        if (!isControlled) return new TrainingStart(parameters, scale, null);
        var participant = terms.Agreement.Datasets[position].Participant;
        var variates = new VariateFiles(files.VariateFolder(shard, participant, round.Agreement));
        var last = await contracts.FindLastCounted(terms, round, position);
        var own = last is { } counted ? variates.Find(counted.Number, counted.Attempt, parameters.Length) : new float[parameters.Length];
        if (own is null) LogVariateLost(logger, participant.Name, last!.Number);
        variates.Clear(round.Number, last is null ? null : (last.Number, last.Attempt));
        return new TrainingStart(parameters, scale, new ControlStart(variates, own ?? new float[parameters.Length], state, scale * steps[position]));
    }

    // By the numbers of rows that everybody has registered: so everybody takes the same for the others' steps.
    private static async Task<long[]> Steps(IContractsGrain contracts, AgreementRecord terms)
    {
        var steps = new long[terms.Agreement.Datasets.Count];
        for (var i = 0; i < steps.Length; i++)
        {
            var (participant, name) = terms.Agreement.Datasets[i];
            var dataset = await contracts.Find<DatasetRecord>(DatasetRecord.Key(participant, name)) ?? throw new OperationalException("OT-7026", $"The data set {name} of {participant} is not on the ledger as this silo sees it yet.");
            steps[i] = NormalisedUpdate.StepsOf(dataset.Records, terms.Agreement.Training.BatchSize, terms.Agreement.Training.LocalEpochs);
        }

        return steps;
    }

    private static ModelSpec SpecOf(AgreementRecord terms) =>
        ModelSpec.TryParse(terms.Agreement.ModelSpec, out var spec) ? spec : throw new TrainerException(TrainerFault.DataDoNotFitModel, "the agreement's model specification does not parse");

    private static TrainerException Diverged() => new(TrainerFault.Diverged, "the update is not finite");

    // This silo is one that the participant chose, so its key may be opened here; it leaves the process in no form.
    private async Task<byte[]> Derive(ParticipantId participant, string context)
    {
        var signer = new KeyFolder(files.KeyRoot, participant).Open(ParticipantSecrets.KeyName);
        using (signer as IDisposable) return await ParticipantSecrets.Derive(signer, context, CancellationToken.None);
    }

    private LabelledData Rows(ParticipantId participant, string dataset)
    {
        if (_data.TryGetValue(dataset, out var rows)) return rows;
        return _data[dataset] = LocalDataset.Load(settings.Root, participant, dataset).Train;
    }

    private async Task<(float[] Parameters, float[] State)> BaseModel(IContractsGrain contracts, AgreementRecord terms, RoundRecord round)
    {
        byte[]? bytes;
        if (round.Number == 1)
        {
            bytes = RoundAggregate.InitialModelOf(terms.Agreement);
        }
        else
        {
            var parent = await contracts.Find<ModelRecord>(ModelRecord.Key(round.Agreement, round.Number - 1)) ?? throw new OperationalException("OT-7026", $"The model of round {round.Number - 1} is not on the ledger as this silo sees it yet.");
            bytes = await blobs.ReadAll(parent.Root, CancellationToken.None);
        }

        return bytes is not null && Digest.Of(bytes) == round.BaseModel && ModelBlob.TryRead(SpecOf(terms), bytes, out var parameters, out var state)
            ? (parameters, state)
            : throw new OperationalException("OT-7027", $"The base model of round {round.Number} is not here, or not the one that the ledger names.");
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The control variate of {Participant} from round {Round} is not here, or damaged: it begins anew with none, and the run's mean is off by what is lost")]
    private static partial void LogVariateLost(ILogger logger, string participant, int round);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Participant} trained round {Round} on {Samples} rows, for a masked sum")]
    private static partial void LogMasked(ILogger logger, string participant, int round, int samples);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Participant} trained round {Round} on {Samples} rows, loss {Loss:F4}: {Answer}")]
    private static partial void LogTrained(ILogger logger, string participant, int round, int samples, double loss, Rejection answer);
}
