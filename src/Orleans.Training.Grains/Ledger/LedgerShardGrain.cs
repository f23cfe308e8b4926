using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Orleans.Training.Grains.Rounds;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Ledger;

/// <inheritdoc cref="ILedgerShardGrain"/>
[GrainType("otrain.shard"), KeepAlive]
internal sealed partial class LedgerShardGrain(ShardFiles files, TimeProvider time, ILogger<LedgerShardGrain> logger) : Grain, ILedgerShardGrain, IRemindable, IDisposable
{
    private const string Reminder = "follow";
    private const int StartAttempts = 10;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Grace = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Retry = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Wake = TimeSpan.FromSeconds(2);
    private readonly CancellationTokenSource _stop = new();
    private readonly Dictionary<TransactionKey, long> _index = [];
    private Genesis _genesis = null!;
    private TrustPolicy _policy = null!;
    private LedgerMachine _machine = null!;
    private CommittedChain _chain = null!;
    private IValidatorGrain[] _validators = [];
    private SignedNote? _checkpoint;
    private long? _woken;
    private Task _following = Task.CompletedTask;

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _genesis = files.Genesis(GrainKeys.ShardOf(this.GetPrimaryKeyString()));
        _policy = TrustPolicy.Of(_genesis.Origin, _genesis.Validators);
        _machine = new LedgerMachine(_genesis, new VerifiedSignatures().Verify);
        _chain = new CommittedChain(_machine.CreateGenesis());
        _validators = [.. _genesis.Validators.Seats.Select(seat => GrainFactory.GetGrain<IValidatorGrain>(GrainKeys.Of(_genesis.Shard, seat.Organisation.Name)))];
        await CatchUp();
        _following = Follow();
    }

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        await _stop.CancelAsync();
        await _following.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
    }

    public void Dispose() => _stop.Dispose();

    public async Task Start()
    {
        await this.RegisterOrUpdateReminder(Reminder, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1));
        await StartValidators();
    }

    public Task ReceiveReminder(string reminderName, TickStatus status) => StartValidators();

    public async Task<TransactionState> Submit(byte[] transaction)
    {
        var rejection = Transaction.TryParse(transaction, out var parsed);
        if (rejection is Rejection.None) rejection = _machine.Check(_chain.Head.Executed, parsed!, time.GetUtcNow().ToUnixTimeMilliseconds());
        if (rejection is Rejection.Duplicate) return StatusOf(new TransactionKey(parsed!.Payload.Actor, parsed.Payload.Id));
        if (rejection is not Rejection.None) return Refused(rejection);

        var first = (int)(parsed!.Digest.ToArray()[0] % _validators.Length);
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                var answer = (Rejection)(await _validators[(first + attempt) % _validators.Length].Submit([transaction]))[0];
                CrashPoints.Reach("accepted-before-shard-answer");
                return answer is Rejection.None or Rejection.Duplicate ? new TransactionState(TransactionStatus.Pending, 0, -1) : Refused(answer);
            }
            catch (Exception exception) when (attempt + 1 < _validators.Length)
            {
                LogUnreachable(logger, (first + attempt) % _validators.Length, exception.Message);
            }
        }
    }

    public Task<TransactionState> Status(string actor, string transactionId) =>
        Task.FromResult(ParticipantId.TryParse(actor, out var participant) && Identifier.TryParse(transactionId, out var id) ? StatusOf(new TransactionKey(participant, id)) : new TransactionState(TransactionStatus.Unknown, 0, -1));

    public async Task<string?> Receipt(long index)
    {
        if (_chain.Locate(index) is not var (block, position)) return null;
        if (_checkpoint is null || !Covers(_checkpoint, index)) await RefreshCheckpoint();
        if (_checkpoint is not { } note || !Protocol.Ledger.Checkpoint.TryParse(note.Text, out var checkpoint) || checkpoint!.Size <= index) return null;
        return new Receipt(LedgerState.Of(block.Executed).Leaves[position], index, _chain.InclusionProof(index, checkpoint.Size), note).ToString();
    }

    public async Task<string?> Checkpoint()
    {
        await RefreshCheckpoint();
        return _checkpoint?.ToString();
    }

    public Task<long> Size() => Task.FromResult(LedgerState.Of(_chain.Head.Executed).Tree.Size);

    public Task<LedgerItem?> Item(long index) => Task.FromResult(_chain.Locate(index) is var (block, position) ? ItemOf(block, position) : null);

    public Task<byte[]?> State(string key) => Task.FromResult(LedgerState.Of(_chain.Head.Executed).Contracts.Find<StateRecord>(key)?.Encode());

    public Task<StateItem[]> List(string prefix, string? after, int first) => Task.FromResult<StateItem[]>(
    [
        .. LedgerState.Of(_chain.Head.Executed).Contracts.Range(prefix, after)
            .Take(Math.Clamp(first, 0, 100))
            .Select(pair => new StateItem(pair.Key, pair.Value.Encode())),
    ]);

    public Task<long> Count(string prefix) => Task.FromResult((long)LedgerState.Of(_chain.Head.Executed).Contracts.Count(prefix));

    public async IAsyncEnumerable<LedgerItem> Tail(long fromIndex, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stop.Token);
        for (var index = Math.Max(0, fromIndex); ; index++)
        {
            while (index >= LedgerState.Of(_chain.Head.Executed).Tree.Size) await _chain.WaitFor(_chain.Count, either.Token);
            var (block, position) = _chain.Locate(index)!.Value;
            yield return ItemOf(block, position);
        }
    }

    // Nobody is to see less than an earlier activation has shown: the newest checkpoint that validators have at hand is reached before the first answer. When they do not
    // answer in time, following will get there.
    private async Task CatchUp()
    {
        using var asking = new CancellationTokenSource(Patience, time);
        var sizes = await Task.WhenAll(_validators.Select(validator => SizeAt(validator, asking)));
        using var patience = new CancellationTokenSource(Patience, time);
        foreach (var (validator, size) in _validators.Zip(sizes).Where(item => item.Second > 0).OrderByDescending(item => item.Second))
        {
            try
            {
                while (LedgerState.Of(_chain.Head.Executed).Tree.Size < size && await Advance(await validator.Follow(_chain.Count).WaitAsync(patience.Token)))
                {
                    // Until its checkpoint is reached.
                }
            }
            catch (Exception exception)
            {
                LogUnreachable(logger, Array.IndexOf(_validators, validator), exception.Message);
            }
        }
    }

    // The size of the validator's checkpoint, if a quorum has cosigned it; else 0. Once one has answered, the others have a little time left: their silo may be dead.
    private async Task<long> SizeAt(IValidatorGrain validator, CancellationTokenSource asking)
    {
        try
        {
            if (await validator.Checkpoint().WaitAsync(asking.Token) is not { } text || !SignedNote.TryParse(text, out var note) || _policy.Accepts(note!) is not ReceiptCheck.Good || !Protocol.Ledger.Checkpoint.TryParse(note!.Text, out var checkpoint)) return 0;
            asking.CancelAfter(Grace);
            return checkpoint!.Size;
        }
        catch (Exception exception)
        {
            LogUnreachable(logger, Array.IndexOf(_validators, validator), exception.Message);
            return 0;
        }
    }

    private Task StartValidators() => Task.WhenAll(_validators.Select(StartValidator));

    // A silo that has just joined shows its labels a moment later, and another may be down: what cannot start now is started by whoever calls it next.
    private async Task StartValidator(IValidatorGrain validator, int seat)
    {
        for (var attempt = 1; !_stop.IsCancellationRequested; attempt++)
        {
            try
            {
                await validator.Start();
                return;
            }
            catch (Exception exception)
            {
                LogUnreachable(logger, seat, exception.Message);
                if (attempt == StartAttempts) return;
            }

            await Task.Delay(2 * Retry, time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        }
    }

    // Pulls final blocks from any validator, believes nothing but certificates, and executes every block itself.
    private async Task Follow()
    {
        for (var seat = 0; !_stop.IsCancellationRequested; seat = (seat + 1) % _validators.Length)
        {
            try
            {
                // As long as this validator gives blocks or an honest 'none yet'.
                while (await Advance(await _validators[seat].Follow(_chain.Count))) WakeRuns();
            }
            catch (Exception exception) when (!_stop.IsCancellationRequested)
            {
                LogUnreachable(logger, seat, exception.Message);
            }

            WakeRuns();
            await Task.Delay(Retry, time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        }
    }

    private async Task<bool> Advance(FinalBlocks final)
    {
        if (_stop.IsCancellationRequested) return false;
        if (final.Blocks.Length == 0) return true;
        if (!Certificate.TryParse(final.Finalization, out var certificate) || certificate!.Kind is not VoteKind.Finalize || !certificate.Verify(_genesis.Validators, _genesis.Chain, _genesis.Shard)) return false;
        var executed = new List<ExecutedBlock>();
        foreach (var encoded in final.Blocks)
        {
            var parent = executed.Count > 0 ? executed[^1] : _chain.Head.Executed;
            if (!Block.TryParse(encoded, out var block) || _machine.Execute(parent, block!) is not { } next) return false;
            executed.Add(next);
        }

        if (executed[^1].Block.Digest != certificate.Digest) return false;
        foreach (var block in executed)
        {
            var state = LedgerState.Of(block);
            for (var i = 0; i < block.Block.Transactions.Count; i++)
            {
                if (Transaction.TryParse(block.Block.Transactions[i], out var transaction) is Rejection.None) _index[new TransactionKey(transaction!.Payload.Actor, transaction.Payload.Id)] = state.FirstIndex + 1 + i;
            }

            CrashPoints.Reach("final-before-shard-read-model");
            _chain.Append(new CommittedBlock(block, block == executed[^1] ? certificate : null));
            if (state.Events.Any(events => events.Any(item => item.Type is "AgreementActivated"))) _woken = null;
        }

        return true;
    }

    // A run's grain may have died with its silo while this one lives on: as long as the run is not over it is woken again and again.
    private void WakeRuns()
    {
        if (_stop.IsCancellationRequested || _woken is { } woken && time.GetElapsedTime(woken) < Wake) return;
        _woken = time.GetTimestamp();
        var state = LedgerState.Of(_chain.Head.Executed).Contracts;
        foreach (var run in state.All<RunRecord>(RunRecord.Prefix))
        {
            if (run.Failure is not null || run.PublishedRounds >= state.Find<AgreementRecord>(AgreementRecord.Key(run.Agreement))!.Agreement.Rounds) continue;
            GrainFactory.GetGrain<IRoundGrain>(GrainKeys.Of(_genesis.Shard, run.Agreement.ToString())).Start().Ignore();
        }
    }

    private TransactionState StatusOf(TransactionKey key)
    {
        if (!_index.TryGetValue(key, out var index)) return new TransactionState(TransactionStatus.Unknown, 0, -1);
        var (block, position) = _chain.Locate(index)!.Value;
        var result = Leaf.TryParse(LedgerState.Of(block.Executed).Leaves[position], out var leaf) ? ((Entry)leaf!).Result : Rejection.Malformed;
        return new TransactionState(result is Rejection.None ? TransactionStatus.Committed : TransactionStatus.Rejected, (int)result, index);
    }

    private static TransactionState Refused(Rejection rejection) => new(TransactionStatus.Rejected, (int)rejection, -1);

    private static LedgerItem ItemOf(CommittedBlock block, int position)
    {
        var state = LedgerState.Of(block.Executed);
        var transaction = position > 0 ? block.Executed.Block.Transactions[position - 1].ToArray() : null;
        var events = state.Events[position].Select(item => new LedgerItemEvent(item.Type, item.Key, item.Record.Encode())).ToArray();
        return new LedgerItem(state.FirstIndex + position, state.Leaves[position], transaction, block.Executed.Block.Header.TimeMs, events);
    }

    private static bool Covers(SignedNote note, long index) => Protocol.Ledger.Checkpoint.TryParse(note.Text, out var checkpoint) && checkpoint!.Size > index;

    // Any validator's checkpoint will do, if it is about our own tree and the policy of the genesis accepts it.
    private async Task RefreshCheckpoint()
    {
        foreach (var validator in _validators)
        {
            try
            {
                if (await validator.Checkpoint() is not { } text || !SignedNote.TryParse(text, out var note) || _policy.Accepts(note!) is not ReceiptCheck.Good) continue;
                if (!Protocol.Ledger.Checkpoint.TryParse(note!.Text, out var checkpoint) || _chain.RootAt(checkpoint!.Size) != checkpoint.Root) continue;
                if (_checkpoint is null || !Covers(_checkpoint, checkpoint.Size - 1)) _checkpoint = note;
            }
            catch (Exception exception)
            {
                LogUnreachable(logger, Array.IndexOf(_validators, validator), exception.Message);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Validator of seat {Seat} did not answer: {Reason}")]
    private static partial void LogUnreachable(ILogger logger, int seat, string reason);
}
