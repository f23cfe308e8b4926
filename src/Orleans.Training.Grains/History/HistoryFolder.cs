using Microsoft.Extensions.Logging;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.History;

/// <summary>
/// Where a validator keeps what follows from its journal: the archive of final blocks, and now and then a snapshot of the state, so that a start executes only what came after. Snapshots are written beside the work; one at a time.
/// </summary>
public sealed partial class HistoryFolder : IAsyncDisposable
{
    // The longer a snapshot takes to write and to read, the more may be left to execute: at 50 MB about 25,000 entries, which takes some seconds.
    private const int BytesOfAnEntry = 2048;

    private readonly ILogger _logger;
    private readonly long _interval;
    private long _next;
    private Task _writing = Task.CompletedTask;

    /// <summary>Opens or creates the folder.</summary>
    /// <param name="folder">The folder; one process has it open.</param>
    /// <param name="logger">Where to log.</param>
    /// <param name="interval">Leaves from one snapshot to the next at least.</param>
    /// <exception cref="OperationalException">OT-4014: it is open elsewhere, or cannot be opened.</exception>
    public HistoryFolder(string folder, ILogger logger, long interval = Snapshot.Interval)
    {
        (Archive, Snapshots, _logger, _interval) = (ChainArchive.Open(folder), new Snapshots(folder), logger, interval);
        _next = interval;
    }

    /// <summary>Opens the folder, or gives null and says so when that is not possible: another activation of the validator may be about to leave it, and one can work without.</summary>
    public static HistoryFolder? OpenIfFree(string folder, ILogger logger, long interval = Snapshot.Interval)
    {
        try
        {
            return new HistoryFolder(folder, logger, interval);
        }
        catch (OperationalException exception)
        {
            LogWithout(logger, exception.Message);
            return null;
        }
    }

    /// <summary>The final blocks.</summary>
    public ChainArchive Archive { get; }

    /// <summary>The snapshots.</summary>
    public Snapshots Snapshots { get; }

    /// <summary>Ends when no snapshot is being written.</summary>
    public Task Written => _writing;

    /// <summary>Looks at a new head, which the archive holds: when it is time, a snapshot of it is begun.</summary>
    public void Review(ExecutedBlock head)
    {
        if (head.Block.Header.TreeSize < _next || head.Block.IsSealing || !_writing.IsCompleted) return;
        _writing = Task.Run(() => Write(head));
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _writing;
        Archive.Dispose();
    }

    // Without a snapshot everything goes on; the next start takes longer.
    private void Write(ExecutedBlock head)
    {
        var size = head.Block.Header.TreeSize;
        try
        {
            Archive.Sync();
            var bytes = Snapshots.Write(head);
            _next = size + Math.Max(_interval, bytes / BytesOfAnEntry);
            LogWritten(_logger, head.Block.Header.Height, bytes);
        }
        catch (Exception exception)
        {
            _next = size + _interval;
            LogFailed(_logger, head.Block.Header.Height, exception);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Snapshot of the state at height {Height}: {Bytes} bytes")]
    private static partial void LogWritten(ILogger logger, ulong height, long bytes);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Everything stays in memory until the next start: {Reason}")]
    private static partial void LogWithout(ILogger logger, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "OT-4015 No snapshot of the state at height {Height}; the next start may take longer")]
    private static partial void LogFailed(ILogger logger, ulong height, Exception exception);
}
