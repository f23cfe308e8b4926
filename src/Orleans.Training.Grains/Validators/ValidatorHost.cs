using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.History;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Grains.Links;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>
/// Runs one organisation's seat through all eras, those in which it has none included: takes inputs one at a time, appends what the core writes, and only when that is durable signs and sends (docs/spec/consensus.md). The same class
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
    private readonly ParticipantId _self;
    private readonly IReadOnlyCollection<ParticipantId> _known;
    private readonly ValidatorKeys _keys;
    private readonly IValidatorStore _store;
    private readonly ITransport _transport;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly EvidenceFolder? _evidence;
    private readonly HistoryFolder? _history;
    private volatile ConsensusCore _core;
    private EraPeers _peers;
    private CheckpointKeeper _checkpoints;
    // The present era's, when this validator has a seat in it.
    private ISigner? _vote;
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
    private volatile LinkMembers _members;
    // The final heights that peers have named last.
    private readonly ConcurrentDictionary<ParticipantId, ulong> _heights = [];

    // Time to look whether a quorum has confirmed the head; and after a longer while to cosign it anew, so that everybody sees that it is still the head.
    private sealed record LookAgain;

    private sealed record Submission(IReadOnlyList<Transaction> Transactions, TaskCompletionSource<IReadOnlyList<Rejection>> Answer);

    private ValidatorHost(Genesis genesis, ParticipantId self, IReadOnlyCollection<ParticipantId> known, ValidatorKeys keys, IValidatorStore store, ITransport transport, TimeProvider time, ILogger logger, Opening opening, EvidenceFolder? evidence, IBlobStore? blobs)
    {
        (_genesis, _self, _known, _keys, _store, _transport, _time, _logger, _evidence, _blobs) = (genesis, self, known, keys, store, transport, time, logger, evidence, blobs);
        _messages = new Inbox(from => _members!.Contains(from) || _known.Contains(from));
        (Chain, _history) = (opening.Chain, opening.History);
        _core = ConsensusCore.Restore(opening.Setup, opening.Journal.Records, committed => Chain.Append(committed.Executed, committed.Finalization));
        _members = MembersNow();
        (_peers, _checkpoints) = OfEra();
        DestroyPastVoteKeys();
        if (opening.Missing is { } missing) Fill(opening.Past!, missing);
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

    /// <summary>The validators of all eras so far, the present one last.</summary>
    public IEnumerable<ValidatorSet> Eras => _core.Setup.Past.Select(link => link.Next).Prepend(_genesis.Validators);

    /// <summary>Time of the block with which this seat's present vote key came into force, ms since 1970 (UTC); null before the first block, or without such a key.</summary>
    public long? VoteKeySinceMs
    {
        get
        {
            var past = _core.Setup.Past;
            if (_keys.VoteKeyIn(_core.Setup.Validators) is not { } present) return null;
            for (var i = past.Count - 1; i >= 0; i--)
            {
                if (_keys.VoteKeyIn(i == 0 ? _genesis.Validators : past[i - 1].Next) != present) return past[i].SealedMs;
            }

            return Chain.First > 1 ? _genesis.TimeMs : Chain.Count > 1 ? Chain[1].Block.Header.TimeMs : null;
        }
    }

    /// <summary>Who may have links now, by the newest final state.</summary>
    public LinkMembers Members => _members;

    /// <summary>
    /// Whether so many seats have said that they are no further than this validator that a quorum, with it, is not. What a seat says of itself is not proven, but f of them cannot
    /// make a validator believe that it has caught up.
    /// </summary>
    public bool HasCaughtUp
    {
        get
        {
            var (present, height) = (_members.Present, Chain.Head.Block.Header.Height);
            var others = present.Seats.Select(seat => seat.Organisation).Where(organisation => organisation != _self).Distinct().Count(organisation => _heights.TryGetValue(organisation, out var said) && said <= height);
            return others + (Seat < 0 ? 0 : 1) >= present.Quorum;
        }
    }

    /// <summary>Ends when the host does; faulted when something went wrong.</summary>
    public Task Completion { get; }

    /// <summary>Takes a message from the network.</summary>
    public void Receive(ParticipantId from, ReadOnlyMemory<byte> message)
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
        await _fetching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_backfill is not null) await _backfill.DisposeAsync();
        if (_history is not null) await _history.DisposeAsync();
        _stop.Dispose();
        _wake.Dispose();
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
                SnapshotFetched? fetched = null;
                while (inputs.Count < InputsAtOnce && fetched is null && _own.Reader.TryRead(out var own))
                {
                    if (own is SnapshotFetched snapshot) fetched = snapshot; else inputs.Add(own);
                }

                while (inputs.Count < InputsAtOnce && _messages.TryTake(out var message)) inputs.Add(message);
                if (inputs.Count > 0) await Step(inputs);
                if (fetched is not null) await Join(fetched);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
        }
        catch (Exception exception)
        {
            LogFailed(_logger, _self, exception);
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
                if (!ConsensusMessage.TryParse(bytes, out var message)) LogMalformed(_logger, _self, from);
                if (message is StatusMessage status) _heights[from] = status.FinalHeight;
                if (message is null || TakeAboutSnapshots(from, message)) break;
                if (message is CosignatureMessage cosignature) await ReceiveCosignature(from, cosignature);
                else if (_core.News(message) is { } news && MessageVerifier.Verify(_core.Setup, news)) Apply(new MessageReceived(NowMs, _peers.PeerOf(from), news), outputs);
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
            case PastFetched fetched:
                await TakePast(fetched.Past);
                break;
            case Exception failure:
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
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
                    Chain.Append(block.Executed, block.Finalization);
                    // A snapshot of a chain without its past would be in the way of the one that it was joined at.
                    if (_backfill is null) _history?.Review(block.Executed);
                    committed = true;
                    break;
                case EraEnded:
                    // The old set's word for the block that names the new one.
                    await Cosign();
                    _core = _core.Successor();
                    _members = MembersNow();
                    (_peers, _checkpoints) = OfEra();
                    CrashPoints.Reach("era-ended-before-keys-destroyed");
                    DestroyPastVoteKeys();
                    LogEra(_logger, _self, _core.Setup.Validators.Era, Seat);
                    signed.Insert(0, new Started(NowMs));
                    break;
                case ServeBlocks serve:
                    Serve(serve);
                    break;
                case RaiseAlarm alarm:
                    LogAlarm(_logger, _self, alarm.Text);
                    break;
                case EvidenceFound found:
                    LogAlarm(_logger, _self, $"Seat {found.Seat} has signed two votes of view {found.Evidence.View} that contradict each other, with its key {found.Evidence.Key.Id}. {Keep(found.Evidence)}");
                    break;
                case GuardLost lost:
                    // A newer opener of the journal may be the one that signed it. Then the store refuses this record (OT-4003), and the key is as good as before.
                    await _store.Append([new JournalRecord(JournalRecordKind.Guard, _core.Guard.Encode())], _stop.Token);
                    // So nobody else voted: the journal was restored or copied, and the key may never vote again.
                    _keys.Votes.Destroy(_vote!.PublicKey);
                    throw new OperationalException(GuardLostCode, $"The vote key of {_self} has signed a vote of view {lost.Evidence.Vote.View} that this journal does not hold: the journal was restored or copied. The key is destroyed; make another with 'otrain validator redelegate'.");
            }
        }

        if (!committed) return signed;
        _members = MembersNow();
        await Cosign();
        return signed;
    }

    // Whoever reads the alarm is to know whether there is a proof.
    private string Keep(Evidence evidence)
    {
        try
        {
            return _evidence?.Keep(evidence) is { } path ? $"The proof: {path}" : "The proof is not kept.";
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return $"The proof could not be written and is lost when this process ends: {exception.Message}";
        }
    }

    private async ValueTask<SignedVote> Sign(Vote vote)
    {
        var preimage = new byte[Vote.PreimageSize];
        vote.WritePreimage(_genesis.Chain, _genesis.Shard, preimage);
        return new SignedVote(vote, _core.Setup.Seat, await _vote!.Sign(preimage, _stop.Token));
    }

    private async ValueTask Cosign()
    {
        if (LedgerState.Of(Chain.Head).Tree.Size > _cosignedSize) await CosignAnew();
    }

    private async ValueTask CosignAnew()
    {
        if (_core.Setup.Seat < 0) return;
        _cosignedSize = LedgerState.Of(Chain.Head).Tree.Size;
        _cosignedAt = _time.GetTimestamp();
        _cosigning?.Change(Confirmation, Timeout.InfiniteTimeSpan);
        var cosignature = await _checkpoints.Cosign(_time.GetUtcNow(), _stop.Token);
        CrashPoints.Reach("cosigned-before-broadcast");
        Broadcast(cosignature);
        _newest = _checkpoints.Newest ?? _newest;
    }

    private async ValueTask ReceiveCosignature(ParticipantId from, CosignatureMessage message)
    {
        if (await _checkpoints.Receive(_peers.PeerOf(from), message, _stop.Token) is { } own) _transport.Send(from, own.Encode());
        _newest = _checkpoints.Newest ?? _newest;
    }

    private long NowMs => _time.GetUtcNow().ToUnixTimeMilliseconds();
}
