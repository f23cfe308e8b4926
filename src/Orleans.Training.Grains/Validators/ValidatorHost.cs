using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>The keys of one seat that its host signs with; each has one role (docs/spec/receipt.md).</summary>
public sealed record ValidatorKeys(ISigner Transaction, ISigner Vote, ISigner Cosign, ISigner Log);

/// <summary>
/// Runs one seat: takes inputs one at a time, appends what the core writes, and only when that is durable signs and sends (docs/spec/consensus.md). The same class
/// serves the grain and the stand-alone process. When anything is uncertain (a failed append, a lost guard) it ends and never signs again; whoever owns it
/// opens the store anew.
/// </summary>
public sealed partial class ValidatorHost : IAsyncDisposable
{
    private const int InputsAtOnce = 256;
    private static readonly TimeSpan Confirmation = TimeSpan.FromSeconds(1), Freshness = TimeSpan.FromSeconds(60);

    /// <summary>The code of the failure after which the vote key must be destroyed.</summary>
    public const string GuardLostCode = "OT-4011";

    private readonly Genesis _genesis;
    private readonly int _seat;
    private readonly ValidatorKeys _keys;
    private readonly IValidatorStore _store;
    private readonly ITransport _transport;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Action<Evidence>? _convict;
    private volatile ConsensusCore _core;
    private EraPeers _peers;
    private CheckpointKeeper _checkpoints;
    private readonly CancellationTokenSource _stop = new();
    // Messages of peers may be dropped; what this validator itself waits for may not.
    private readonly Inbox _messages;
    private readonly Channel<object> _own = Channel.CreateUnbounded<object>();
    private readonly SemaphoreSlim _wake = new(0);
    private readonly List<JournalRecord> _unsaved = [];
    private readonly Dictionary<ulong, ITimer> _timers = [];
    private ITimer? _deadline;
    private ITimer? _cosigning;
    private long _cosignedSize;
    private long _cosignedAt;
    private volatile SignedNote? _newest;

    // Time to look whether a quorum has confirmed the head; and after a longer while to cosign it anew, so that everybody sees that it is still the head.
    private sealed record LookAgain;

    private sealed record Submission(IReadOnlyList<Transaction> Transactions, TaskCompletionSource<IReadOnlyList<Rejection>> Answer);

    private ValidatorHost(Genesis genesis, int seat, ValidatorKeys keys, IValidatorStore store, ITransport transport, TimeProvider time, ILogger logger, ConsensusSetup setup, IEnumerable<JournalRecord> journal, Action<Evidence>? convict)
    {
        (_genesis, _seat, _keys, _store, _transport, _time, _logger, _convict) = (genesis, seat, keys, store, transport, time, logger, convict);
        _messages = new Inbox(genesis.Validators.Count);
        Chain = new CommittedChain(setup.Genesis);
        _core = ConsensusCore.Restore(setup, journal, committed => Chain.Append(new CommittedBlock(committed.Executed, committed.Finalization)));
        (_peers, _checkpoints) = OfEra();
        Completion = Task.Run(Run);
    }

    /// <summary>The final blocks.</summary>
    public CommittedChain Chain { get; }

    /// <summary>The newest checkpoint that a quorum cosigned, or null.</summary>
    public SignedNote? Checkpoint => _newest;

    /// <summary>The seat's number in the present era; −1 when it has none.</summary>
    public int Seat => _core.Setup.Seat;

    /// <summary>The seat that this validator's transactions are for in a set, or −1.</summary>
    public int SeatIn(ValidatorSet validators) => validators.SeatOf(_keys.Transaction.PublicKey.Id);

    /// <summary>Ends when the host does; faulted when something went wrong.</summary>
    public Task Completion { get; }

    /// <summary>Opens a seat: reads its whole journal, then takes part.</summary>
    /// <exception cref="LedgerCorruptException">The journal is damaged.</exception>
    public static async Task<ValidatorHost> Start(Genesis genesis, ValidatorKeys keys, IValidatorStore store, ITransport transport, TimeProvider time, ILogger logger, CancellationToken cancellationToken, Action<Evidence>? convict = null)
    {
        var seat = SeatOf(genesis, keys);
        var machine = new LedgerMachine(genesis, new VerifiedSignatures().Verify);
        var setup = new ConsensusSetup { Chain = genesis.Chain, Shard = genesis.Shard, Validators = genesis.Validators, Seat = seat, Genesis = machine.CreateGenesis(), Machine = machine, SeatIn = validators => FindSeat(validators, keys) };
        var journal = new List<JournalRecord>();
        await foreach (var records in store.Read(cancellationToken)) journal.AddRange(records);
        var started = time.GetTimestamp();
        var host = Restore(() => new ValidatorHost(genesis, seat, keys, store, transport, time, logger, setup, journal, convict), seat);
        LogStarted(logger, seat, host.Chain.Head.Executed.Block.Header.Height, journal.Count, (long)time.GetElapsedTime(started).TotalMilliseconds);
        return host;
    }

    /// <summary>Takes a message from the network.</summary>
    public void Receive(int from, ReadOnlyMemory<byte> message)
    {
        if (_messages.TryAdd(from, message)) _wake.Release();
    }

    /// <summary>Hands in transactions for a block; the answers say whether they wait for one.</summary>
    public Task<IReadOnlyList<Rejection>> Submit(IReadOnlyList<Transaction> transactions)
    {
        var answer = new TaskCompletionSource<IReadOnlyList<Rejection>>(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!Enqueue(new Submission(transactions, answer))) answer.SetException(new OperationalException("OT-7020", "This validator has stopped; hand the transaction to another."));
        return answer.Task;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _wake.Release();
        await Completion.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var timer in _timers.Values) await timer.DisposeAsync();
        if (_deadline is not null) await _deadline.DisposeAsync();
        if (_cosigning is not null) await _cosigning.DisposeAsync();
        await _store.DisposeAsync();
        _stop.Dispose();
        _wake.Dispose();
    }

    /// <summary>The seat that has these keys.</summary>
    /// <exception cref="OperationalException">OT-7021: none has.</exception>
    public static int SeatOf(Genesis genesis, ValidatorKeys keys) =>
        FindSeat(genesis.Validators, keys) is >= 0 and var seat ? seat : throw new OperationalException("OT-7021", "No seat of this genesis has these keys: start the validator with the key folder that the genesis was made from.");

    private static int FindSeat(ValidatorSet validators, ValidatorKeys keys) => validators.Seats.ToList().FindIndex(seat =>
        seat.VoteKey == keys.Vote.PublicKey && seat.CosignKey == keys.Cosign.PublicKey && seat.LogKey == keys.Log.PublicKey && seat.TransactionKey == keys.Transaction.PublicKey);

    // Every frame was whole, so what does not fit was written so, or belongs to another genesis.
    private static ValidatorHost Restore(Func<ValidatorHost> create, int seat)
    {
        try
        {
            return create();
        }
        catch (InvalidDataException exception)
        {
            throw new LedgerCorruptException("OT-4012", $"The journal of seat {seat} does not add up: {exception.Message}", exception);
        }
    }

    private bool Enqueue(object input)
    {
        if (!_own.Writer.TryWrite(input)) return false;
        _wake.Release();
        return true;
    }

    private async Task Run()
    {
        try
        {
            await Step([new Started(NowMs)]);
            // The line that was made before a crash may have reached nobody, and the next block may be long in coming.
            _cosigning = _time.CreateTimer(_ => Enqueue(new LookAgain()), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            await Cosign();
            while (!_stop.IsCancellationRequested)
            {
                await _wake.WaitAsync(_stop.Token);
                var inputs = new List<object>();
                while (inputs.Count < InputsAtOnce && _own.Reader.TryRead(out var own)) inputs.Add(own);
                while (inputs.Count < InputsAtOnce && _messages.TryTake(out var message)) inputs.Add(message);
                if (inputs.Count > 0) await Step(inputs);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
        }
        catch (Exception exception)
        {
            LogFailed(_logger, _seat, exception);
            throw;
        }
        finally
        {
            _own.Writer.TryComplete();
            while (_own.Reader.TryRead(out var input))
            {
                if (input is Submission submission) submission.Answer.TrySetException(new OperationalException("OT-7020", "This validator has stopped; hand the transaction to another."));
            }
        }
    }

    // One group: everything that the inputs lead to is written at once, and only then acted on. Own signed votes go first into the next group.
    private async ValueTask Step(IReadOnlyList<object> inputs)
    {
        IReadOnlyList<object> next = inputs;
        while (next.Count > 0)
        {
            var outputs = new List<ConsensusOutput>();
            foreach (var input in next) await Take(input, outputs);
            if (_unsaved.Count > 0 && outputs.Exists(output => output is SignVote or BlockCommitted))
            {
                CrashPoints.Reach("journal-before-append");
                await _store.Append([.. _unsaved], _stop.Token);
                CrashPoints.Reach("journal-synced-before-sign");
                _unsaved.Clear();
            }

            next = await Act(outputs);
        }
    }

    private async ValueTask Take(object input, List<ConsensusOutput> outputs)
    {
        switch (input)
        {
            case Submission submission:
                var step = Apply(new TransactionsSubmitted(NowMs, submission.Transactions), outputs);
                CrashPoints.Reach("accepted-before-answer");
                submission.Answer.TrySetResult([.. step.Outputs.OfType<TransactionChecked>().Select(output => output.Rejection)]);
                break;
            case PeerMessage(var from, var bytes):
                if (!ConsensusMessage.TryParse(bytes, out var message)) LogMalformed(_logger, _seat, from);
                else if (message is CosignatureMessage cosignature) await ReceiveCosignature(from, cosignature);
                else if (_core.News(message!) is { } news && MessageVerifier.Verify(_core.Setup, news)) Apply(new MessageReceived(NowMs, _peers.PeerOf(from), news), outputs);
                break;
            case LookAgain when _checkpoints.Unconfirmed is { } own:
                Broadcast(own);
                _cosigning!.Change(Confirmation, Timeout.InfiniteTimeSpan);
                break;
            case LookAgain when _time.GetElapsedTime(_cosignedAt) >= Freshness:
                await CosignAnew();
                break;
            case LookAgain:
                _cosigning!.Change(Freshness - _time.GetElapsedTime(_cosignedAt), Timeout.InfiniteTimeSpan);
                break;
            case ConsensusInput consensus:
                if (consensus is TimerExpired expired && _timers.Remove(expired.Token, out var timer)) await timer.DisposeAsync();
                Apply(consensus, outputs);
                break;
        }
    }

    private ConsensusStep Apply(ConsensusInput input, List<ConsensusOutput> outputs)
    {
        var step = _core.Step(input);
        _unsaved.AddRange(step.Writes);
        outputs.AddRange(step.Outputs);
        return step;
    }

    private async ValueTask<IReadOnlyList<object>> Act(List<ConsensusOutput> outputs)
    {
        var signed = new List<object>();
        var committed = false;
        foreach (var output in outputs)
        {
            switch (output)
            {
                case SignVote sign:
                    signed.Add(new VoteSigned(NowMs, await Sign(sign.Vote)));
                    CrashPoints.Reach("signed-before-send");
                    break;
                case SendMessage send:
                    Send(send.To, send.Message.Encode());
                    break;
                case BroadcastMessage broadcast:
                    Broadcast(broadcast.Message);
                    break;
                case SetTimer timer:
                    SetTimer(timer);
                    break;
                case SetDeadline deadline:
                    SetDeadline(deadline.TimeMs);
                    break;
                case BlockCommitted block:
                    CrashPoints.Reach("final-before-read-model");
                    Chain.Append(new CommittedBlock(block.Executed, block.Finalization));
                    committed = true;
                    break;
                case EraEnded:
                    // The old set's word for the block that names the new one.
                    await Cosign();
                    _core = _core.Successor();
                    (_peers, _checkpoints) = OfEra();
                    signed.Insert(0, new Started(NowMs));
                    break;
                case ServeBlocks serve:
                    Serve(serve);
                    break;
                case RaiseAlarm alarm:
                    LogAlarm(_logger, _seat, alarm.Text);
                    break;
                case EvidenceFound found:
                    _convict?.Invoke(found.Evidence);
                    LogAlarm(_logger, _seat, $"Seat {found.Seat} has signed two votes of view {found.Evidence.First.Vote.View} that contradict each other: the proof names its key {found.Evidence.Key.Id}.");
                    break;
                case GuardLost lost:
                    // A newer opener of the journal may be the one that signed it. Then the store refuses this record (OT-4003), and the key is as good as before.
                    await _store.Append([new JournalRecord(JournalRecordKind.Guard, _core.Guard.Encode())], _stop.Token);
                    throw new OperationalException(GuardLostCode, $"The vote key of seat {_seat} has signed a vote of view {lost.Evidence.Vote.View} that this journal does not hold: the journal was restored or copied. This seat must get a new vote key.");
            }
        }

        if (committed) await Cosign();
        return signed;
    }

    private async ValueTask<SignedVote> Sign(Vote vote)
    {
        var preimage = new byte[Vote.PreimageSize];
        vote.WritePreimage(_genesis.Chain, _genesis.Shard, preimage);
        return new SignedVote(vote, _core.Setup.Seat, await _keys.Vote.Sign(preimage, _stop.Token));
    }

    private void Broadcast(ConsensusMessage message)
    {
        var encoded = message.Encode();
        for (var seat = 0; seat < _core.Setup.Validators.Count; seat++)
        {
            if (seat != _core.Setup.Seat) Send(seat, encoded);
        }
    }

    private void Send(int peer, ReadOnlyMemory<byte> encoded)
    {
        if (_peers.TransportOf(peer) is >= 0 and var transport && transport != _seat) _transport.Send(transport, encoded);
    }

    private (EraPeers, CheckpointKeeper) OfEra()
    {
        var setup = _core.Setup;
        return (new EraPeers(_genesis, setup.Validators), new CheckpointKeeper(_genesis, setup.Validators, setup.Seat, _keys.Log, _keys.Cosign, Chain));
    }

    private async ValueTask Cosign()
    {
        if (LedgerState.Of(Chain.Head.Executed).Tree.Size > _cosignedSize) await CosignAnew();
    }

    private async ValueTask CosignAnew()
    {
        if (_core.Setup.Seat < 0) return;
        _cosignedSize = LedgerState.Of(Chain.Head.Executed).Tree.Size;
        _cosignedAt = _time.GetTimestamp();
        _cosigning?.Change(Confirmation, Timeout.InfiniteTimeSpan);
        var cosignature = await _checkpoints.Cosign(_time.GetUtcNow(), _stop.Token);
        CrashPoints.Reach("cosigned-before-broadcast");
        Broadcast(cosignature);
        _newest = _checkpoints.Newest ?? _newest;
    }

    private async ValueTask ReceiveCosignature(int from, CosignatureMessage message)
    {
        if (await _checkpoints.Receive(_peers.PeerOf(from), message, _stop.Token) is { } own) _transport.Send(from, own.Encode());
        _newest = _checkpoints.Newest ?? _newest;
    }

    private void SetTimer(SetTimer timer)
    {
        _timers[timer.Token] = _time.CreateTimer(_ => Enqueue(new TimerExpired(NowMs, timer.Token)), null, TimeSpan.FromMilliseconds(timer.DurationMs), Timeout.InfiniteTimeSpan);
    }

    private void SetDeadline(long? timeMs)
    {
        _deadline?.Dispose();
        _deadline = timeMs is { } due ? _time.CreateTimer(_ => Enqueue(new DeadlineReached(NowMs)), null, TimeSpan.FromMilliseconds(Math.Clamp(due - NowMs, 1, int.MaxValue)), Timeout.InfiniteTimeSpan) : null;
    }

    /// <summary>As many final blocks of one era from a height on as fit into a message, and the finalization of the last; none when there are none.</summary>
    public (IReadOnlyList<Block> Blocks, Certificate? Finalization) FinalFrom(long height)
    {
        var blocks = new List<Block>();
        Certificate? final = null;
        var (bytes, fitting) = (0, 0);
        foreach (var committed in Chain.From(height, 1024))
        {
            bytes += committed.Executed.Block.Body.Length + 4096;
            if (bytes > Limits.BlockBytes && fitting > 0) break;
            blocks.Add(committed.Executed.Block);
            if (committed.Finalization?.Digest != committed.Executed.Block.Digest) continue;
            (final, fitting) = (committed.Finalization, blocks.Count);
            // What comes behind is for the next era's validators to finalize.
            if (committed.Executed.Block.IsSealing) break;
        }

        return (blocks.GetRange(0, fitting), final);
    }

    private void Serve(ServeBlocks serve)
    {
        var (blocks, final) = FinalFrom((long)serve.FirstHeight);
        if (final is not null) Send(serve.To, new BlocksMessage(final, blocks).Encode());
    }

    private long NowMs => _time.GetUtcNow().ToUnixTimeMilliseconds();

    [LoggerMessage(Level = LogLevel.Information, Message = "Validator of seat {Seat} starts at height {Height}: {Records} records replayed in {Milliseconds} ms")]
    private static partial void LogStarted(ILogger logger, int seat, ulong height, int records, long milliseconds);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Seat {Seat} dropped a malformed message from seat {From}")]
    private static partial void LogMalformed(ILogger logger, int seat, int from);

    [LoggerMessage(Level = LogLevel.Critical, Message = "Seat {Seat}: {Text}")]
    private static partial void LogAlarm(ILogger logger, int seat, string text);

    [LoggerMessage(Level = LogLevel.Critical, Message = "Validator of seat {Seat} has stopped")]
    private static partial void LogFailed(ILogger logger, int seat, Exception exception);
}
