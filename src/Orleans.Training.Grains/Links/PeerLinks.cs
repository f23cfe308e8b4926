namespace Orleans.Training.Grains.Links;

/// <summary>
/// The links to one other seat that live at this moment. Two seats that dial each other at the same time have two, and each may take another for the newest: so
/// what is sent goes over the newest that lives, and only the end of the last one means that the seat is out of reach.
/// </summary>
internal sealed class PeerLinks
{
    private readonly Lock _lock = new();
    private SeatLink[] _newestFirst = [];
    private TaskCompletionSource _none = Completed();

    /// <summary>The newest link that lives, or null.</summary>
    public SeatLink? Newest => Volatile.Read(ref _newestFirst) is [var newest, ..] ? newest : null;

    /// <summary>Completes when no link lives.</summary>
    public Task None
    {
        get
        {
            lock (_lock) return _none.Task;
        }
    }

    /// <summary>Sends over the newest link that takes it.</summary>
    public bool TrySend(LinkFrameKind kind, ReadOnlyMemory<byte> content)
    {
        foreach (var link in Volatile.Read(ref _newestFirst))
        {
            if (link.TrySend(kind, content)) return true;
        }

        return false;
    }

    public void Add(SeatLink link)
    {
        lock (_lock)
        {
            if (_newestFirst.Length == 0) _none = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            Volatile.Write(ref _newestFirst, [link, .. _newestFirst]);
        }
    }

    public void Remove(SeatLink link)
    {
        lock (_lock)
        {
            Volatile.Write(ref _newestFirst, [.. _newestFirst.Where(one => one != link)]);
            if (_newestFirst.Length == 0) _none.TrySetResult();
        }
    }

    private static TaskCompletionSource Completed()
    {
        var completed = new TaskCompletionSource();
        completed.SetResult();
        return completed;
    }
}
