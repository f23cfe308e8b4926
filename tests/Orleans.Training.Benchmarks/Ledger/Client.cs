using System.Collections.Concurrent;
using System.Diagnostics;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Benchmarks;

/// <summary>Hands transactions to validators over HTTP, one in a request, by several connections to each.</summary>
internal sealed class Client(IReadOnlyList<ValidatorProcess> validators, int connections)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(2);

    /// <summary>Submits all and waits until they are final.</summary>
    public async Task SubmitAll(Transaction[] transactions, FinalityWatch watch)
    {
        var final = transactions.Select(watch.Expect).ToArray();
        await Saturate(transactions, transactions.Length, watch, CancellationToken.None);
        await Task.WhenAll(final);
    }

    /// <summary>
    /// Submits one after the other on every connection until there are no more or the time is over. No more than <paramref name="window"/> wait to be final. Gives how many were submitted.
    /// </summary>
    public async Task<int> Saturate(Transaction[] transactions, int window, FinalityWatch watch, CancellationToken over)
    {
        // Not disposed of: a block may still be on its way to Release when the last submission is made.
        var room = new SemaphoreSlim(window);
        void Release(int entries)
        {
            if (entries > 0) room.Release(entries);
        }

        watch.Committed += Release;
        var next = -1;
        try
        {
            await Task.WhenAll(validators.SelectMany(validator => Enumerable.Range(0, connections).Select(_ => Task.Run(async () =>
            {
                using var connection = await HttpConnection.Open(validator.Address, validator.SubmitPath);
                while (!over.IsCancellationRequested)
                {
                    await room.WaitAsync(over);
                    var mine = Interlocked.Increment(ref next);
                    if (mine >= transactions.Length) return;
                    await Submit(connection, transactions[mine]);
                }
            }, CancellationToken.None))));
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested)
        {
        }
        finally
        {
            watch.Committed -= Release;
        }

        return Math.Min(next + 1, transactions.Length);
    }

    /// <summary>Submits so many a second, whatever becomes of them, to the validators in turn; gives when each was final, counted from when it was due.</summary>
    public async Task<FinalityWatch.Final[]> Offer(Transaction[] transactions, int perSecond, FinalityWatch watch)
    {
        var idle = new ConcurrentQueue<HttpConnection>[validators.Count];
        for (var i = 0; i < validators.Count; i++) idle[i] = new([await HttpConnection.Open(validators[i].Address, validators[i].SubmitPath)]);
        var final = new Task<FinalityWatch.Final>[transactions.Length];
        var sending = new List<Task>();
        var clock = Stopwatch.StartNew();
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(1));
        for (var i = 0; i < transactions.Length;)
        {
            for (var due = Math.Min(transactions.Length, (int)(clock.Elapsed.TotalSeconds * perSecond) + 1); i < due; i++)
            {
                final[i] = watch.Expect(transactions[i]);
                sending.Add(Send(i));
            }

            await tick.WaitForNextTickAsync();
        }

        await Task.WhenAll(sending);
        var all = await Task.WhenAll(final);
        foreach (var connection in idle.SelectMany(connections => connections)) connection.Dispose();
        return all;

        async Task Send(int number)
        {
            var seat = number % validators.Count;
            if (!idle[seat].TryDequeue(out var connection)) connection = await HttpConnection.Open(validators[seat].Address, validators[seat].SubmitPath);
            await Submit(connection, transactions[number]);
            idle[seat].Enqueue(connection);
        }
    }

    // Until the validator has it: one that is busy says so.
    private static async Task Submit(HttpConnection connection, Transaction transaction)
    {
        using var pause = new PeriodicTimer(Pause);
        while (true)
        {
            var (status, text) = await connection.Post(transaction.Encoded);
            if (status == 200) return;
            if (status is not 503 && !text.Contains("OT-2011", StringComparison.Ordinal)) throw new InvalidOperationException($"A validator refused a transaction of the benchmark: {status} {text}");
            await pause.WaitForNextTickAsync();
        }
    }
}
