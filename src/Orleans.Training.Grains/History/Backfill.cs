using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.History;

/// <summary>
/// What a validator that has joined at a snapshot does about the past: it asks the others for the blocks from where it was, batch by batch, believes none without a finalization, executes all of them beside its work, and so
/// ends with a whole archive, and with its own word for the state that it has believed in.
/// </summary>
internal sealed partial class Backfill : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly PastRun _run;
    private readonly SnapshotRecord _target;
    private readonly Func<IReadOnlyList<ParticipantId>> _peers;
    private readonly ITransport _transport;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly Channel<BlocksMessage> _answers = Channel.CreateBounded<BlocksMessage>(1);
    private volatile Question? _asked;

    private sealed record Question(ParticipantId Peer, ulong From);

    /// <summary>Begins to fetch.</summary>
    /// <param name="genesis">The ledger's genesis.</param>
    /// <param name="past">The chain as far as it is known; it grows up to the target.</param>
    /// <param name="target">The snapshot whose past is wanted.</param>
    /// <param name="peers">Whom to ask.</param>
    /// <param name="transport">The way to them.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Where to log.</param>
    public Backfill(Genesis genesis, CommittedChain past, SnapshotRecord target, Func<IReadOnlyList<ParticipantId>> peers, ITransport transport, TimeProvider time, ILogger logger)
    {
        (_run, _target, _peers, _transport, _time, _logger) = (new PastRun(genesis, past, target), target, peers, transport, time, logger);
        Done = Task.Run(Work);
    }

    /// <summary>Gives the whole past when it is here; faulted when the snapshot is not what its blocks give (OT-4015).</summary>
    public Task<CommittedChain> Done { get; }

    /// <summary>Whether these blocks are the answer that is waited for; then they are nobody else's.</summary>
    public bool TryTake(ParticipantId from, BlocksMessage answer)
    {
        if (_asked is not { } asked || asked.Peer != from || answer.Blocks is not [var first, ..] || first.Header.Height != asked.From) return false;
        _asked = null;
        return _answers.Writer.TryWrite(answer);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await ((Task)Done).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task<CommittedChain> Work()
    {
        var (attempt, started) = (0, _time.GetTimestamp());
        while (!_run.IsWhole)
        {
            var peers = _peers();
            var answer = peers.Count == 0 ? null : await Ask(peers[attempt % peers.Count]);
            if (answer is null) _run.Forget();
            if (answer is null || _run.Take(answer) is null) attempt++;

            if (peers.Count == 0) await Task.Delay(Patience, _time, _stop.Token);
        }

        var past = _run.Finish();
        LogDone(_logger, _target.Height, (long)_time.GetElapsedTime(started).TotalMilliseconds);
        return past;
    }

    private async ValueTask<BlocksMessage?> Ask(ParticipantId peer)
    {
        var question = _run.Question;
        _asked = new Question(peer, question.Above + 1);
        _transport.Send(peer, question.Encode());
        using var patience = new CancellationTokenSource(Patience, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, _stop.Token);
        try
        {
            return await _answers.Reader.ReadAsync(either.Token);
        }
        catch (OperationCanceledException) when (!_stop.IsCancellationRequested)
        {
            return null;
        }
        finally
        {
            _asked = null;
            // One that came too late.
            _answers.Reader.TryRead(out _);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "The past up to block {Height} is here, and gives the state that a quorum has attested: {Milliseconds} ms")]
    private static partial void LogDone(ILogger logger, ulong height, long milliseconds);
}
