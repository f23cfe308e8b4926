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
    private readonly IReadOnlyList<SeatProcess> _seats;
    private readonly CancellationTokenSource _enough;
    private readonly ConcurrentQueue<Submission> _submissions = new();
    private readonly Task _all;
    private int _acknowledged;
    private int _unanswered;

    public SubmittingClients(SeatFederation federation, IReadOnlyList<SeatProcess>? seats = null)
    {
        (_federation, _seats) = (federation, seats ?? federation.Seats);
        _enough = CancellationTokenSource.CreateLinkedTokenSource(federation.Limit);
        _all = Task.WhenAll(Enumerable.Range(0, _seats.Count).Select(number => Task.Run(() => Submit(number))));
    }

    /// <summary>Receipts so far.</summary>
    public int Acknowledged => Volatile.Read(ref _acknowledged);

    /// <summary>Waits until there are so many receipts more.</summary>
    public Task Progress(int more)
    {
        var wanted = Acknowledged + more;
        return _federation.Until(() => Acknowledged >= wanted);
    }

    /// <summary>Waits until so many more questions have had no answer in time.</summary>
    public Task Unanswered(int more)
    {
        var wanted = Volatile.Read(ref _unanswered) + more;
        return _federation.Until(() => Volatile.Read(ref _unanswered) >= wanted);
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

    private async Task Submit(int number)
    {
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        while (!_enough.IsCancellationRequested)
        {
            var transaction = await _federation.Something(_seats[number]);
            var begun = Stopwatch.GetTimestamp();
            Submission? told = null;
            for (var turn = number; told is null && !_enough.IsCancellationRequested; turn++)
            {
                told = await Ask(_seats[turn % _seats.Count], transaction, begun);
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
