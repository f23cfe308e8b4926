using Microsoft.Extensions.Logging;
using Orleans.Training.Grains.Contracts;
using Orleans.Training.Grains.Ledger;
using Orleans.Training.Grains.Trainers;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;

namespace Orleans.Training.Grains.Rounds;

/// <inheritdoc cref="IRoundGrain"/>
[GrainType("otrain.round"), KeepAlive]
internal sealed partial class RoundGrain(TimeProvider time, ILogger<RoundGrain> logger) : Grain, IRoundGrain, IDisposable
{
    private static readonly TimeSpan Retry = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(5);
    private readonly CancellationTokenSource _stop = new();
    private readonly Dictionary<int, Task> _training = [];
    private readonly Dictionary<int, long> _asked = [];
    private Digest _agreement;
    private Identifier _shard;
    private string _attempt = "";
    private Task _following = Task.CompletedTask;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        var key = this.GetPrimaryKeyString();
        _shard = GrainKeys.ShardOf(key);
        if (!Digest.TryParse(key[(key.IndexOf('/', StringComparison.Ordinal) + 1)..], out _agreement)) throw new OperationalException("OT-7024", $"'{key}' names no run.");
        _following = Follow();
        return Task.CompletedTask;
    }

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        await _stop.CancelAsync();
        await _following.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
    }

    public void Dispose() => _stop.Dispose();

    public Task Start() => Task.CompletedTask;

    private async Task Follow()
    {
        var shard = GrainFactory.GetGrain<ILedgerShardGrain>(_shard.ToString());
        var contracts = GrainFactory.GetGrain<IContractsGrain>(_shard.ToString());
        for (var size = 0L; !_stop.IsCancellationRequested;)
        {
            try
            {
                // Also when nothing has come for a while: a training may have been lost.
                size = await shard.Grown(size);
                if (await Look(contracts)) break;
            }
            catch (Exception exception) when (!_stop.IsCancellationRequested)
            {
                LogTrouble(logger, _agreement.ToString(), exception.Message);
                await Task.Delay(Retry, time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
            }
        }

        if (!_stop.IsCancellationRequested) DeactivateOnIdle();
    }

    // True when the run is over.
    private async Task<bool> Look(IContractsGrain contracts)
    {
        if (await contracts.Find<RunRecord>(RunRecord.Key(_agreement)) is not { } run || await contracts.Find<AgreementRecord>(AgreementRecord.Key(_agreement)) is not { } terms) return false;
        if (run.Failure is not null || run.PublishedRounds >= terms.Agreement.Rounds) return true;
        if (await contracts.Find<RoundRecord>(RoundRecord.Key(_agreement, run.PublishedRounds + 1, run.Attempts + 1)) is not { InputsDigest: null, Phase: not (Phase.Published or Phase.Failed) } round) return false;
        if (_attempt != round.StateKey)
        {
            CrashPoints.Reach("round-open-before-training");
            _attempt = round.StateKey;
            _training.Clear();
        }

        for (var position = 0; position < terms.Agreement.Datasets.Count; position++)
        {
            // A training that is done is asked for again only when its commitment does not show up: it may have been lost with its silo.
            if (!terms.Agreement.Masks && round.Inputs[position].Root != Digest.Zero || _training.TryGetValue(position, out var training) && (!training.IsCompleted || time.GetElapsedTime(_asked[position]) < AskAgain)) continue;
            var participant = terms.Agreement.Datasets[position].Participant;
            _asked[position] = time.GetTimestamp();
            _training[position] = Train(participant, round);
        }

        return false;
    }

    private async Task Train(ParticipantId participant, RoundRecord round)
    {
        try
        {
            await GrainFactory.GetGrain<ITrainerGrain>(GrainKeys.Of(_shard, participant.Name)).Train(_agreement.ToString(), round.Number, round.Attempt);
        }
        catch (Exception exception)
        {
            LogTrainer(logger, participant.Name, round.Number, exception.Message);
            await Task.Delay(TimeSpan.FromSeconds(1), time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Run {Run} cannot be followed for the moment: {Reason}")]
    private static partial void LogTrouble(ILogger logger, string run, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Trainer of {Participant} did not finish round {Round} and is asked again: {Reason}")]
    private static partial void LogTrainer(ILogger logger, string participant, int round, string reason);
}
