using Microsoft.Extensions.Logging;
using Orleans.Training.Grains.Links;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

public sealed partial class ValidatorHost
{
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
        if (_peers.OrganisationOf(peer) is { } organisation && organisation != _self) _transport.Send(organisation, encoded);
    }

    private (EraPeers, CheckpointKeeper) OfEra()
    {
        var setup = _core.Setup;
        _vote = setup.Seat < 0 ? null : _keys.Votes.Find(setup.Validators.Seats[setup.Seat].VoteKey);
        return (new EraPeers(setup.Validators, _known), new CheckpointKeeper(_genesis, setup.Validators, setup.Seat, _keys.Log, _keys.Cosign, Chain));
    }

    private LinkMembers MembersNow() => LinkMembers.Of(_genesis, LedgerState.Of(Chain.Head).Contracts);

    // What cannot be destroyed now is tried again at the next end of an era and at the next start.
    private void DestroyPastVoteKeys()
    {
        try
        {
            _keys.DestroyPastVoteKeys(Eras.SkipLast(1), LedgerState.Of(Chain.Head));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            LogAlarm(_logger, _self, $"a vote key of an era that is over could not be destroyed: {exception.Message}");
        }
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
        if (height < Chain.First) return ([], null);
        var blocks = new List<Block>();
        Certificate? final = null;
        var (bytes, fitting) = (0, 0);
        foreach (var (block, _, _, finalization) in Chain.From(height))
        {
            bytes += block.Body.Length + 4096;
            if (bytes > Limits.BlockBytes && fitting > 0) break;
            blocks.Add(block);
            if (finalization?.Digest != block.Digest) continue;
            (final, fitting) = (finalization, blocks.Count);
            // What comes behind is for the next era's validators to finalize.
            if (block.IsSealing) break;
        }

        return (blocks.GetRange(0, fitting), final);
    }

    private void Serve(ServeBlocks serve)
    {
        var (blocks, final) = FinalFrom((long)serve.FirstHeight);
        if (final is not null) Send(serve.To, BlocksMessage.Fitting(final, blocks).Encode());
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Validator of {Self} (seat {Seat}) starts at height {Height}, {From} of them from a snapshot: {Records} records read in {Milliseconds} ms")]
    private static partial void LogStarted(ILogger logger, ParticipantId self, int seat, ulong height, long from, long records, long milliseconds);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Self} dropped a malformed message from {From}")]
    private static partial void LogMalformed(ILogger logger, ParticipantId self, ParticipantId from);

    [LoggerMessage(Level = LogLevel.Critical, Message = "{Self}: {Text}")]
    private static partial void LogAlarm(ILogger logger, ParticipantId self, string text);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Self} is in era {Era}, seat {Seat}")]
    private static partial void LogEra(ILogger logger, ParticipantId self, ulong era, int seat);

    [LoggerMessage(Level = LogLevel.Critical, Message = "Validator of {Self} has stopped")]
    private static partial void LogFailed(ILogger logger, ParticipantId self, Exception exception);
}
