using System.Collections.Concurrent;

namespace Orleans.Training.Trainer;

/// <summary>
/// A few dedicated threads of low priority that train, behind a bounded queue: what waits here never starves a scheduler. One for a process,
/// with as many threads as cores, or one less.
/// </summary>
public sealed class TrainerPool : IDisposable
{
    private readonly BlockingCollection<Action> _queue;
    private readonly Thread[] _threads;

    /// <summary>Starts the threads.</summary>
    /// <param name="threads">Jobs that run at once.</param>
    /// <param name="capacity">Jobs that may wait.</param>
    public TrainerPool(int threads, int capacity = 64)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        _queue = new BlockingCollection<Action>(capacity);
        _threads = new Thread[threads];
        for (var i = 0; i < threads; i++)
        {
            _threads[i] = new Thread(Work) { IsBackground = true, Name = $"trainer-{i}", Priority = ThreadPriority.BelowNormal };
            _threads[i].Start();
        }
    }

    /// <summary>Runs a job on one of the threads. The job must not await.</summary>
    /// <exception cref="TrainerException">The queue is full (<see cref="TrainerFault.QueueFull"/>).</exception>
    public Task<T> Run<T>(Func<CancellationToken, T> job, CancellationToken cancellationToken = default)
    {
        var completion = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var queued = _queue.TryAdd(() => Complete(completion, job, cancellationToken));
        return queued ? completion.Task : throw new TrainerException(TrainerFault.QueueFull, $"{_queue.BoundedCapacity} jobs wait already");
    }

    /// <summary>Takes no more jobs and returns when those that were taken are done.</summary>
    public void Dispose()
    {
        _queue.CompleteAdding();
        foreach (var thread in _threads) thread.Join();
        _queue.Dispose();
    }

    private static void Complete<T>(TaskCompletionSource<T> completion, Func<CancellationToken, T> job, CancellationToken cancellationToken)
    {
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            completion.TrySetResult(job(cancellationToken));
        }
        catch (OperationCanceledException exception)
        {
            completion.TrySetCanceled(exception.CancellationToken);
        }
        catch (Exception exception)
        {
            completion.TrySetException(exception);
        }
    }

    private void Work()
    {
        foreach (var job in _queue.GetConsumingEnumerable()) job();
    }
}
