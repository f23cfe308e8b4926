using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.EndToEnd.Validators;

/// <summary>One client of each organisation, all at once: each hands in one transaction after the other, and goes to the next validator with the same bytes when one does not answer.</summary>
internal sealed class SubmittingClients : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private readonly SeatFederation _federation;
    private readonly SeatProcess? _ahead;
    private readonly CancellationTokenSource _enough;
    private readonly ConcurrentQueue<Submission> _submissions = new();
    private readonly Task _all;
    private int _acknowledged;
    private int _unanswered;
    private int _expired;

    /// <param name="federation">Whose validators are asked.</param>
    /// <param name="ahead">The one whose clock is so far ahead that it takes what is handed in for expired.</param>
    public SubmittingClients(SeatFederation federation, SeatProcess? ahead = null)
    {
        (_federation, _ahead) = (federation, ahead);
        _enough = CancellationTokenSource.CreateLinkedTokenSource(federation.Limit);
        _all = Task.WhenAll(Enumerable.Range(0, _federation.Seats.Count).Select(number => Task.Run(() => Submit(number))));
    }

    /// <summary>Receipts so far.</summary>
    public int Acknowledged => Volatile.Read(ref _acknowledged);

    /// <summary>How often the one whose clock is ahead has said that a transaction had expired.</summary>
    public int Expired => Volatile.Read(ref _expired);

    /// <summary>Waits until there are so many receipts more.</summary>
    public Task Progress(int more)
    {
        var wanted = Acknowledged + more;
        return Until(() => Acknowledged >= wanted);
    }

    /// <summary>Waits until so many more questions have had no answer in time.</summary>
    public Task Unanswered(int more)
    {
        var wanted = Volatile.Read(ref _unanswered) + more;
        return Until(() => Volatile.Read(ref _unanswered) >= wanted);
    }

    /// <summary>Lets the clients end, and gives everything that was handed in.</summary>
    public async Task<IReadOnlyList<Submission>> Stop()
    {
        await _enough.CancelAsync();
        await _all;
        return [.. _submissions];
    }

    /// <summary>Lets the clients end, and requires that all that they were told is true of the ledgers of all validators.</summary>
    public async Task<IReadOnlyList<Submission>> RequireGoodHistory()
    {
        var submissions = await Stop();
        await _federation.RequireGoodHistory(submissions);
        return submissions;
    }

    public async ValueTask DisposeAsync()
    {
        await _enough.CancelAsync();
        await _all.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _enough.Dispose();
    }

    private async Task Until(Func<bool> condition)
    {
        await _federation.Until(() => _all.IsCompleted || condition());
        // A client that has found a fault says which.
        if (_all.IsCompleted) await _all;
    }

    private async Task Submit(int number)
    {
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        while (!_enough.IsCancellationRequested)
        {
            var transaction = await _federation.Something(_federation.Seats[number]);
            var begun = Stopwatch.GetTimestamp();
            Submission? told = null;
            for (var turn = number; told is null && !_enough.IsCancellationRequested; turn++)
            {
                told = await Ask(_federation.Seats[turn % _federation.Seats.Count], transaction, begun);
                await pause.WaitForNextTickAsync(CancellationToken.None);
            }

            _submissions.Enqueue(told ?? new Submission(transaction, default, begun, Stopwatch.GetTimestamp(), null));
            if (told is not null) Interlocked.Increment(ref _acknowledged);
        }
    }

    private async Task<Submission?> Ask(SeatProcess seat, Transaction transaction, long begun)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(_enough.Token);
        patience.CancelAfter(Patience);
        try
        {
            var (rejection, receipt) = await seat.Submit(transaction, patience.Token);
            if (rejection is Rejection.Expired && seat == _ahead)
            {
                Interlocked.Increment(ref _expired);
                return null;
            }

            Assert.True(rejection is Rejection.None, $"{seat.Organisation} refused a good transaction: {rejection}");
            return new Submission(transaction, seat.Organisation, begun, Stopwatch.GetTimestamp(), receipt);
        }
        catch (Exception exception) when (exception is HttpRequestException or OperationCanceledException or JsonException or IOException)
        {
            Interlocked.Increment(ref _unanswered);
            // It is down, cut off, about to end, or has nobody to vote with.
            return null;
        }
    }
}
