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
internal sealed partial class LedgerShardGrain(ShardFollowers followers, TimeProvider time, ILogger<LedgerShardGrain> logger) : Grain, ILedgerShardGrain, IRemindable, IDisposable
{
    private const string Reminder = "follow";
    private const int StartAttempts = 10;
    private static readonly TimeSpan Retry = TimeSpan.FromMilliseconds(400);
    private static readonly TimeSpan Wake = TimeSpan.FromSeconds(2);
    private readonly CancellationTokenSource _stop = new();
    private ShardFollower _follower = null!;
    private SignedNote? _checkpoint;
    private Task _waking = Task.CompletedTask;

    // Nobody is to see less than an earlier activation, in another silo, has shown.
    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _follower = followers.Of(GrainKeys.ShardOf(this.GetPrimaryKeyString()));
        await _follower.CatchUp();
        _waking = WakeRuns();
    }

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        await _stop.CancelAsync();
        await _waking.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
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
        if (rejection is Rejection.None) rejection = _follower.Machine.Check(_follower.Chain.Head, parsed!, time.GetUtcNow().ToUnixTimeMilliseconds());
        if (rejection is Rejection.Duplicate) return StatusOf(new TransactionKey(parsed!.Payload.Actor, parsed.Payload.Id));
        if (rejection is not Rejection.None) return Refused(rejection);

        var first = (int)(parsed!.Digest.ToArray()[0] % _follower.Validators.Count);
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                var answer = (Rejection)(await _follower.Validators[(first + attempt) % _follower.Validators.Count].Submit(transaction));
                CrashPoints.Reach("accepted-before-shard-answer");
                return answer is Rejection.None or Rejection.Duplicate ? new TransactionState(TransactionStatus.Pending, 0, -1) : Refused(answer);
            }
            catch (Exception exception) when (attempt + 1 < _follower.Validators.Count)
            {
                LogUnreachable(logger, (first + attempt) % _follower.Validators.Count, exception.Message);
            }
        }
    }

    public Task<TransactionState> Status(string actor, string transactionId) =>
        Task.FromResult(ParticipantId.TryParse(actor, out var participant) && Identifier.TryParse(transactionId, out var id) ? StatusOf(new TransactionKey(participant, id)) : new TransactionState(TransactionStatus.Unknown, 0, -1));

    public async Task<string?> Receipt(long index)
    {
        if (_follower.Chain.Locate(index) is null) return null;
        if (_checkpoint is null || !Covers(_checkpoint, index)) await RefreshCheckpoint();
        return _checkpoint is { } note ? _follower.Chain.Receipt(index, note)?.ToString() : null;
    }

    public Task<byte[]?> Tile(string path) => Task.FromResult(LogTile.TryParse(path, out var tile) ? _follower.Chain.Read(tile) : null);

    public async Task<string?> Checkpoint()
    {
        await RefreshCheckpoint();
        return _checkpoint?.ToString();
    }

    public Task<long> Size() => Task.FromResult(_follower.Head.Tree.Size);

    public Task<LedgerItem?> Item(long index) => Task.FromResult(_follower.Chain.Locate(index) is var (block, position) ? ItemOf(block, position) : null);

    public async Task<long> Grown(long size)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        either.CancelAfter(TimeSpan.FromSeconds(1));
        try
        {
            await _follower.Chain.WaitForLeaf(size, either.Token);
        }
        catch (OperationCanceledException)
        {
            // Nothing came.
        }

        return _follower.Head.Tree.Size;
    }

    public async IAsyncEnumerable<LedgerItem> Tail(long fromIndex, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stop.Token);
        for (var index = Math.Max(0, fromIndex); ; index++)
        {
            await _follower.Chain.WaitForLeaf(index, either.Token);
            var (block, position) = _follower.Chain.Locate(index)!.Value;
            yield return ItemOf(block, position);
        }
    }

    private Task StartValidators() => Task.WhenAll(_follower.Validators.Select(StartValidator));

    // A silo that has just joined shows its labels a moment later, and another may be down: what cannot start now is started by whoever calls it next.
    private async Task StartValidator(ValidatorAccess validator, int seat)
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

            await Task.Delay(Retry, time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        }
    }

    // A run's grain may die with its silo while this one lives on: as long as the run is not over it is woken again and again, and at once when its agreement is signed by all.
    private async Task WakeRuns()
    {
        var height = _follower.Chain.Count;
        while (!_stop.IsCancellationRequested)
        {
            var state = _follower.Head.Contracts;
            foreach (var run in state.All<RunRecord>(RunRecord.Prefix))
            {
                if (run.Failure is not null || run.PublishedRounds >= state.Find<AgreementRecord>(AgreementRecord.Key(run.Agreement))!.Agreement.Rounds) continue;
                GrainFactory.GetGrain<IRoundGrain>(GrainKeys.Of(_follower.Genesis.Shard, run.Agreement.ToString())).Start().Ignore();
            }

            using var pause = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            pause.CancelAfter(Wake);
            height = await NextAgreement(height, pause.Token);
        }
    }

    // Waits for a block in which an agreement becomes active, and gives the height behind it; behind what there is when the time is over.
    private async Task<long> NextAgreement(long height, CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                await _follower.Chain.WaitFor(height, cancellationToken);
                foreach (var block in _follower.Chain.From(height))
                {
                    height++;
                    if (block.Events.Any(events => events.Any(item => item.Type is "AgreementActivated"))) return height;
                }
            }
        }
        catch (OperationCanceledException)
        {
            return height;
        }
    }

    private TransactionState StatusOf(TransactionKey key)
    {
        if (_follower.IndexOf(key) is not { } index) return new TransactionState(TransactionStatus.Unknown, 0, -1);
        var (block, position) = _follower.Chain.Locate(index)!.Value;
        var result = Leaf.TryParse(block.Leaves[position], out var leaf) ? ((Entry)leaf!).Result : Rejection.Malformed;
        return new TransactionState(result is Rejection.None ? TransactionStatus.Committed : TransactionStatus.Rejected, (int)result, index);
    }

    private static TransactionState Refused(Rejection rejection) => new(TransactionStatus.Rejected, (int)rejection, -1);

    private static LedgerItem ItemOf(FinalBlock block, int position)
    {
        var transaction = position > 0 ? block.Block.Transactions[position - 1].ToArray() : null;
        var events = block.Events[position].Select(item => new LedgerItemEvent(item.Type, item.Key, item.Record.Encode())).ToArray();
        return new LedgerItem(block.FirstIndex + position, block.Leaves[position], transaction, block.Block.Header.TimeMs, events);
    }

    private static bool Covers(SignedNote note, long index) => Protocol.Ledger.Checkpoint.TryParse(note.Text, out var checkpoint) && checkpoint!.Size > index;

    // Any validator's checkpoint will do.
    private async Task RefreshCheckpoint()
    {
        for (var seat = 0; seat < _follower.Validators.Count; seat++)
        {
            try
            {
                if (await _follower.CheckpointOf(seat) is { } note && Protocol.Ledger.Checkpoint.TryParse(note.Text, out var checkpoint) && (_checkpoint is null || !Covers(_checkpoint, checkpoint!.Size - 1))) _checkpoint = note;
            }
            catch (Exception exception)
            {
                LogUnreachable(logger, seat, exception.Message);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Validator of seat {Seat} did not answer: {Reason}")]
    private static partial void LogUnreachable(ILogger logger, int seat, string reason);
}
