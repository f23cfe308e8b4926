using System.Buffers.Binary;
using Microsoft.Extensions.Logging;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Grains.Contracts;
using Orleans.Training.Grains.Participants;
using Orleans.Training.Grains.Silos;
using Orleans.Training.Grains.Trainers;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;

namespace Orleans.Training.Trainer.Grains;

/// <inheritdoc cref="ITrainerGrain"/>
[GrainType("otrain.trainer"), RequireParticipant, RequireSiloMetadata(TrainerSettings.AcceleratorLabel, order: 20), SpreadEvenly]
internal sealed partial class TrainerGrain(TrainerSettings settings, ShardFiles files, TrainerPool pool, IBlobStore blobs, ILogger<TrainerGrain> logger) : Grain, ITrainerGrain
{
    private readonly Dictionary<string, LabelledData> _data = new(StringComparer.Ordinal);

    public async Task Train(string agreement, int round, int attempt)
    {
        var key = this.GetPrimaryKeyString();
        var (shard, participant) = (GrainKeys.ShardOf(key), GrainKeys.ParticipantOf(key));
        var contracts = GrainFactory.GetGrain<IContractsGrain>(shard.ToString());
        if (!Digest.TryParse(agreement, out var digest)) throw new OperationalException("OT-7024", $"'{agreement}' names no run.");
        if (await contracts.Find<AgreementRecord>(AgreementRecord.Key(digest)) is not { } terms || await contracts.Find<RoundRecord>(RoundRecord.Key(digest, round, attempt)) is not { } record) return;
        var position = terms.Agreement.PositionOf(participant);
        if (position < 0 || terms.Agreement.Masks || record.Phase is not Phase.Input || record.InputsDigest is not null || record.Inputs[position].Root != Digest.Zero) return;

        if (!ModelSpec.TryParse(terms.Agreement.ModelSpec, out var spec)) throw new TrainerException(TrainerFault.DataDoNotFitModel, "the agreement's model specification does not parse");
        var model = await BaseModel(contracts, spec, terms, record);
        var data = Rows(participant, terms.Agreement.Datasets[position].Dataset);
        var seed = BinaryPrimitives.ReadUInt64LittleEndian(terms.Agreement.Seed.ToArray());
        var training = new TrainingSettings(terms.Agreement.Training.LocalEpochs, terms.Agreement.Training.BatchSize, terms.Agreement.Training.LearningRateMicro / 1e6f, SeededRandom.Derive(seed, round, position), settings.Device);
        var update = await pool.Run(cancellationToken => LocalTrainer.Train(spec, model, data, training, cancellationToken));

        var rounding = await RoundingKey(participant, digest, round, attempt);
        if (!terms.Agreement.FixedPoint.TryQuantize(update.Delta, terms.Weights[position], rounding, out var lanes)) throw new TrainerException(TrainerFault.Diverged, "the update is not finite");
        var blob = await blobs.Put(new MemoryStream(UpdateBlob.Write(lanes), writable: false), null, CancellationToken.None);
        CrashPoints.Reach("blob-stored-before-commit");
        var answer = (Rejection)await GrainFactory.GetGrain<IParticipantGrain>(key).CommitInput(digest.ToArray(), round, attempt, record.BaseModel.ToArray(), blob.Name.ToArray());
        CrashPoints.Reach("commit-submitted");
        LogTrained(logger, participant.Name, round, update.Samples, update.Loss, answer);
    }

    // This silo is one that the participant chose, so its key may be opened here; it leaves the process in no form.
    private async Task<byte[]> RoundingKey(ParticipantId participant, Digest agreement, int round, int attempt)
    {
        var signer = new KeyFolder(files.KeyRoot, participant).Open(ParticipantSecrets.KeyName);
        using (signer as IDisposable) return await ParticipantSecrets.Derive(signer, ParticipantSecrets.RoundingContext(agreement, round, attempt), CancellationToken.None);
    }

    private LabelledData Rows(ParticipantId participant, string dataset)
    {
        if (_data.TryGetValue(dataset, out var rows)) return rows;
        return _data[dataset] = LocalDataset.Load(settings.Root, participant, dataset).Train;
    }

    private async Task<float[]> BaseModel(IContractsGrain contracts, ModelSpec spec, AgreementRecord terms, RoundRecord round)
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

        return bytes is not null && Digest.Of(bytes) == round.BaseModel && ModelBlob.TryRead(spec, bytes, out var parameters)
            ? parameters
            : throw new OperationalException("OT-7027", $"The base model of round {round.Number} is not here, or not the one that the ledger names.");
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Participant} trained round {Round} on {Samples} rows, loss {Loss:F4}: {Answer}")]
    private static partial void LogTrained(ILogger logger, string participant, int round, int samples, double loss, Rejection answer);
}
