using Microsoft.Extensions.Logging;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.History;

/// <summary>
/// Where a validator keeps what follows from its journal: the archive of final blocks, and now and then a snapshot of the state, so that a start executes only what came after. Snapshots are written beside the work; one at a time.
/// </summary>
public sealed partial class HistoryFolder : IAsyncDisposable
{
    private readonly ILogger _logger;
    private Task _writing = Task.CompletedTask;
    private volatile TakenSnapshot? _newest;

    /// <summary>Opens or creates the folder.</summary>
    /// <param name="folder">The folder; one process has it open.</param>
    /// <param name="logger">Where to log.</param>
    /// <param name="interval">Leaves from one snapshot to the next (<see cref="Snapshot.IsDue"/>). Validators that are to attest each other's use the same.</param>
    /// <exception cref="OperationalException">OT-4014: it is open elsewhere, or cannot be opened.</exception>
    public HistoryFolder(string folder, ILogger logger, long interval = Snapshot.Interval)
    {
        (Archive, Snapshots, _logger, Interval) = (ChainArchive.Open(folder), new Snapshots(folder), logger, interval);
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

    /// <summary>Leaves from one snapshot to the next.</summary>
    public long Interval { get; }

    /// <summary>The snapshot that was written last; null when none was since the start.</summary>
    public TakenSnapshot? Newest => _newest;

    /// <summary>Ends when no snapshot is being written.</summary>
    public Task Written => _writing;

    /// <summary>Looks at each new final block, which the archive holds: when a snapshot is due, it is begun, unless another is not finished.</summary>
    public void Review(ExecutedBlock executed)
    {
        if (!_writing.IsCompleted || !Snapshot.IsDue(executed, Interval)) return;
        _writing = Task.Run(() => Write(executed));
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
        try
        {
            Archive.Sync();
            var (name, bytes) = Snapshots.Write(head);
            _newest = new TakenSnapshot(head.Block.Header.Height, head.Block.Digest, name);
            LogWritten(_logger, head.Block.Header.Height, bytes);
        }
        catch (Exception exception)
        {
            LogFailed(_logger, head.Block.Header.Height, exception);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Snapshot of the state at height {Height}: {Bytes} bytes")]
    private static partial void LogWritten(ILogger logger, ulong height, long bytes);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Everything stays in memory until the next start: {Reason}")]
    private static partial void LogWithout(ILogger logger, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "OT-4017 No snapshot of the state at height {Height}; the next start may take longer")]
    private static partial void LogFailed(ILogger logger, ulong height, Exception exception);
}

/// <summary>A snapshot that was written: the block whose state it is, and its name as a blob.</summary>
public sealed record TakenSnapshot(ulong Height, Digest Block, Digest Name);
