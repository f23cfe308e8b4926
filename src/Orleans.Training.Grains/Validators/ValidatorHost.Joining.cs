using Microsoft.Extensions.Logging;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.History;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>
/// How a host that has no seat and is far behind goes on from a state that a quorum has attested (docs/spec/consensus.md §8.1), and how a host shows others the way to such a state.
/// </summary>
public sealed partial class ValidatorHost
{
    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan AnswerPatience = TimeSpan.FromSeconds(2);

    private readonly IBlobStore? _blobs;
    private Backfill? _backfill;
    private Task _fetching = Task.CompletedTask;
    private volatile TaskCompletionSource _filled = Whole();
    // Who was asked when, and when the answer that is waited for was asked for.
    private readonly Dictionary<ParticipantId, long> _asked = [];
    private long? _awaiting;

    private sealed record SnapshotFetched(SnapshotOffer Offer, ExecutedBlock Executed);

    private sealed record PastFetched(CommittedChain Past);

    /// <summary>Ends when what comes before the snapshot that this host has joined at is here; it has ended when nothing is missing.</summary>
    public Task Filled => _filled.Task;

    /// <summary>The snapshot that this host has written last; null when it has written none since its start.</summary>
    public TakenSnapshot? Taken => _history?.Newest;

    private ulong Height => Chain.Head.Block.Header.Height;

    // A message about snapshots: true when it is none of the core's business.
    private bool TakeAboutSnapshots(ParticipantId from, ConsensusMessage message)
    {
        switch (message)
        {
            case GetSnapshot ask:
                _transport.Send(from, (Offer(ask) ?? SnapshotOffer.None).Encode());
                return true;
            case SnapshotOffer offer:
                if (_awaiting is not null) Consider(offer);
                return true;
            case BlocksMessage blocks when _backfill?.TryTake(from, blocks) is true: return true;
            case StatusMessage or EraProof when MayJoin && !IsOnTheWay && SnapshotJoining.IsFarAhead(message, Height) && (!_asked.TryGetValue(from, out var before) || _time.GetElapsedTime(before) > AskAgain):
                _awaiting = _asked[from] = _time.GetTimestamp();
                _transport.Send(from, new GetSnapshot(_core.Setup.Validators.Era, Height).Encode());
                return true;
            default: return IsOnTheWay;
        }
    }

    // Whatever is heard meanwhile would be executed in vain.
    private bool IsOnTheWay => !_fetching.IsCompleted || (_awaiting is { } since && _time.GetElapsedTime(since) < AnswerPatience);

    private bool MayJoin => Seat < 0 && _history is not null && _blobs is not null && _backfill is null && _fetching.IsCompleted;

    /// <summary>The way to the newest attested snapshot for somebody who believes in the validators of an era; null when there is none above a height, or it cannot be shown.</summary>
    public SnapshotOffer? Offer(GetSnapshot ask) => SnapshotJoining.Offer(ask, Chain, _newest, _core.Setup.Past, name => _history?.Snapshots.Find(name) is not null);

    // Asking for it costs somebody a proof.
    private void Consider(SnapshotOffer offer)
    {
        _awaiting = null;
        if (!MayJoin || SnapshotJoining.Consider(offer, _genesis, _core.Setup.Validators, Chain.Head, _history!.Interval) is not { } snapshot) return;
        // What the journal will say has all links.
        var whole = offer with { Links = [.. _core.Setup.Past, .. offer.Links] };
        _fetching = Task.Run(() => Fetch(whole, snapshot));
    }

    private async Task Fetch(SnapshotOffer offer, SnapshotRecord snapshot)
    {
        try
        {
            if (await _blobs!.Find(snapshot.Name, _stop.Token) is null) return;
            using var content = new MemoryStream();
            await _blobs.CopyTo(snapshot.Name, content, _stop.Token);
            await _blobs.Delete(snapshot.Name, _stop.Token);
            if (SnapshotJoining.Read(content.GetBuffer().AsMemory(0, (int)content.Length), snapshot) is not { } executed || _history!.Snapshots.Write(executed).Name != snapshot.Name) return;
            Enqueue(new SnapshotFetched(offer, executed));
        }
        catch (Exception exception) when (!_stop.IsCancellationRequested)
        {
            LogNotFetched(_logger, _self, snapshot.Height, exception.Message);
        }
    }

    // The journal says so first; from then on this is where every start begins, until the past is here.
    private async ValueTask Join(SnapshotFetched fetched)
    {
        if (Seat >= 0 || fetched.Executed.Block.Header.Height <= Height) return;
        CrashPoints.Reach("snapshot-fetched-before-journal");
        await _store.Append([.. _unsaved, new JournalRecord(JournalRecordKind.Joined, fetched.Offer.Encode())], _stop.Token);
        _unsaved.Clear();
        CrashPoints.Reach("joined-before-use");
        var past = Chain.LeapTo(fetched.Executed);
        _core = _core.From(SnapshotJoining.SetupAt(_core.Setup, fetched.Executed, fetched.Offer, _keys.SeatIn));
        _members = MembersNow();
        (_peers, _checkpoints) = OfEra();
        StartedFrom = (long)Height;
        LogJoined(_logger, _self, Height, _core.Setup.Validators.Era);
        Fill(past, fetched.Offer.Snapshot!);
        await Step([new Started(NowMs)]);
    }

    private static TaskCompletionSource Whole()
    {
        var whole = new TaskCompletionSource();
        whole.SetResult();
        return whole;
    }

    private void Fill(CommittedChain past, SnapshotRecord target)
    {
        _filled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var backfill = _backfill = new Backfill(_genesis, past, target, () => [.. _members.Present.Seats.Select(seat => seat.Organisation).Where(organisation => organisation != _self).Distinct()], _transport, _time, _logger);
        _ = Wait();

        async Task Wait()
        {
            try
            {
                Enqueue(new PastFetched(await backfill.Done));
            }
            catch (OperationCanceledException)
            {
                // Stopped.
            }
            catch (Exception exception)
            {
                Enqueue(exception);
            }
        }
    }

    private async ValueTask TakePast(CommittedChain past)
    {
        Chain.Complete(past);
        await _backfill!.DisposeAsync();
        _backfill = null;
        _filled.SetResult();
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Self} goes on from the snapshot of block {Height}, era {Era}; what lies before it is fetched and executed beside the work")]
    private static partial void LogJoined(ILogger logger, ParticipantId self, ulong height, ulong era);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Self} could not fetch the snapshot of block {Height}; it executes the blocks, or tries again: {Reason}")]
    private static partial void LogNotFetched(ILogger logger, ParticipantId self, ulong height, string reason);
}
