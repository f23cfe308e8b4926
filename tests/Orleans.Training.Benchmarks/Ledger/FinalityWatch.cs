using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Diagnostics;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Benchmarks;

/// <summary>Follows the final blocks of one validator over HTTP, as a client would, and notes when it saw what.</summary>
internal sealed class FinalityWatch : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<UInt128, (long Since, TaskCompletionSource<Final> Seen)> _expected = [];
    private readonly Task _following;
    private volatile Exception? _failure;
    private long _entries;

    public FinalityWatch(ValidatorProcess validator, long height) => _following = Task.Run(() => Run(validator, height));

    /// <summary>What became of a transaction.</summary>
    /// <param name="Milliseconds">From its submission until its block was here.</param>
    /// <param name="Index">Its leaf.</param>
    public readonly record struct Final(double Milliseconds, long Index);

    /// <summary>A final block, when it was here, and the entries so far.</summary>
    public readonly record struct Arrival(long Timestamp, BlockHeader Header, long Entries);

    /// <summary>The blocks so far.</summary>
    public ConcurrentQueue<Arrival> Arrivals { get; } = new();

    /// <summary>Entries seen so far; fails when no more can be seen.</summary>
    public long Entries => _failure is { } failure ? throw new InvalidOperationException("The final blocks can no longer be followed.", failure) : Interlocked.Read(ref _entries);

    /// <summary>Told of every block how many entries it has.</summary>
    public event Action<int>? Committed;

    /// <summary>Ends when the transaction is final; the clock runs from now.</summary>
    public Task<Final> Expect(Transaction transaction)
    {
        var seen = new TaskCompletionSource<Final>(TaskCreationOptions.RunContinuationsAsynchronously);
        _expected[Name(transaction.Encoded.Span)] = (Stopwatch.GetTimestamp(), seen);
        if (_failure is { } failure) seen.TrySetException(failure);
        return seen.Task;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _following.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task Run(ValidatorProcess validator, long height)
    {
        try
        {
            await foreach (var block in validator.Follow(height, _stop.Token)) Take(block, Stopwatch.GetTimestamp());
        }
        catch (Exception exception) when (!_stop.IsCancellationRequested)
        {
            // Whoever waits for a transaction, now or later, is to know why none comes any more.
            _failure = exception;
            foreach (var (_, seen) in _expected.Values) seen.TrySetException(exception);
            throw;
        }
    }

    private void Take(Block block, long now)
    {
        var transactions = block.Transactions;
        Arrivals.Enqueue(new Arrival(now, block.Header, Interlocked.Add(ref _entries, transactions.Count)));
        var first = block.Header.TreeSize - transactions.Count;
        for (var i = 0; i < transactions.Count; i++)
        {
            if (!_expected.IsEmpty && _expected.TryRemove(Name(transactions[i].Span), out var expected)) expected.Seen.TrySetResult(new Final(Stopwatch.GetElapsedTime(expected.Since, now).TotalMilliseconds, first + i));
        }

        Committed?.Invoke(transactions.Count);
    }

    // The end of a transaction is the end of its signature.
    private static UInt128 Name(ReadOnlySpan<byte> encoded) => BinaryPrimitives.ReadUInt128BigEndian(encoded[^16..]);
}
