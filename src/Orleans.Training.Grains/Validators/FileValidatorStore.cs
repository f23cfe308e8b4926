using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>A journal in a folder of segment files, for a validator on one machine; the folder's lock is the fence.</summary>
public sealed partial class FileValidatorStore : IValidatorStore
{
    private readonly record struct Position(int Segment, long Offset);

    private readonly FileValidatorStoreOptions _options;
    private readonly FileStream _lock;
    private readonly ILogger _logger;
    private readonly SemaphoreSlim _reading = new(1);
    private JournalFormat? _format;
    private GroupCommit? _commit;
    // The writer alone uses _newest once _commit is set; _durable is what it has synced, for readers.
    private Segment? _newest;
    private StrongBox<Position> _durable = new();

    private FileValidatorStore(FileValidatorStoreOptions options, FileStream lockFile, ILogger? logger)
    {
        _options = options;
        _lock = lockFile;
        _logger = logger ?? NullLogger.Instance;
    }

    /// <summary>Opens or creates the journal and takes its lock.</summary>
    /// <exception cref="OperationalException">OT-4001: another process, or this one, has it open. OT-4006: locks do not work there.</exception>
    public static FileValidatorStore Open(FileValidatorStoreOptions options, ILogger? logger = null)
    {
        if (options.SegmentBytes is < 1 or > 1 << 30) throw new ArgumentException("SegmentBytes must be from 1 to 1 GiB.", nameof(options));
        DurableFiles.CreateFolder(options.Folder);
        var lockFile = TakeLock(Path.Combine(options.Folder, "lock"));
        foreach (var leftover in Directory.EnumerateFiles(options.Folder, "journal-*.log.new")) File.Delete(leftover);
        return new FileValidatorStore(options, lockFile, logger);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<IReadOnlyList<JournalRecord>> Read([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await _reading.WaitAsync(cancellationToken);
        try
        {
            var repair = _commit is null;
            var end = Volatile.Read(ref _durable).Value;
            foreach (var records in repair ? Recover() : Walk(end))
            {
                cancellationToken.ThrowIfCancellationRequested();
                yield return records;
            }
        }
        finally
        {
            _reading.Release();
        }
    }

    /// <inheritdoc/>
    public ValueTask Append(IReadOnlyList<JournalRecord> records, CancellationToken cancellationToken) =>
        (_commit ?? throw new InvalidOperationException("The journal must be read to its end before the first append.")).Append(records, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_commit is not null) await _commit.DisposeAsync();
        _newest?.Dispose();
        await _lock.DisposeAsync();
    }

    private static FileStream TakeLock(string path)
    {
        try
        {
            var taken = File.Open(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            if (!IsLocked(path))
            {
                taken.Dispose();
                throw new OperationalException("OT-4006", $"Locks do not exclude anybody on {path}: two validators could sign with one key.");
            }

            return taken;
        }
        catch (IOException exception)
        {
            throw new OperationalException("OT-4001", $"The journal in {Path.GetDirectoryName(path)} is open elsewhere, or its lock cannot be had: {exception.Message}", exception);
        }
    }

    private static bool IsLocked(string path)
    {
        try
        {
            File.Open(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None).Dispose();
            return false;
        }
        catch (IOException)
        {
            return true;
        }
    }

    /// <summary>The first reading: verifies and yields everything, repairs the tail, and leaves the store ready to append.</summary>
    private IEnumerable<IReadOnlyList<JournalRecord>> Recover()
    {
        var paths = SegmentPaths();
        _format = new JournalFormat(_options.Validator, paths.Count > 0 ? Segment.ReadSalt(paths[0]) : RandomNumberGenerator.GetBytes(JournalFormat.SaltBytes));
        var (number, chain, offset) = (0L, _format.Seed, (long)Segment.HeaderBytes);
        Segment? newest = null;
        try
        {
            for (var i = 0; i < paths.Count; i++)
            {
                newest?.Dispose();
                newest = Segment.Open(paths[i], _format, i + 1, number + 1, chain);
                offset = Segment.HeaderBytes;
                var end = newest.Length;
                while (offset < end)
                {
                    if (NextFrame(newest, offset, end, number + 1, chain) is not { } frame)
                    {
                        CutTornTail(newest, offset, number + 1, isLast: i == paths.Count - 1);
                        break;
                    }

                    yield return Records(newest, offset, number + 1, frame);
                    (number, chain, offset) = (number + 1, JournalFormat.Chain(frame), offset + frame.Length);
                }
            }

            newest ??= Segment.Create(_options.Folder, _format, 1, 1, chain);
            _newest = newest;
            newest = null;
        }
        finally
        {
            newest?.Dispose();
        }

        _durable = new(new(_newest.Number, offset));
        _commit = new GroupCommit(_format, number, chain, _options.Disk(WriteFrame));
    }

    /// <summary>A later reading, up to what was durable when it began; it verifies all over again.</summary>
    private IEnumerable<IReadOnlyList<JournalRecord>> Walk(Position until)
    {
        var (number, chain) = (0L, _format!.Seed);
        for (var i = 1; i <= until.Segment; i++)
        {
            using var segment = Segment.Open(Path.Combine(_options.Folder, Segment.FileName(i)), _format, i, number + 1, chain);
            var end = i == until.Segment ? until.Offset : segment.Length;
            for (long offset = Segment.HeaderBytes; offset < end;)
            {
                var frame = NextFrame(segment, offset, end, number + 1, chain) ?? throw Damaged(segment, offset, number + 1);
                yield return Records(segment, offset, number + 1, frame);
                (number, chain, offset) = (number + 1, JournalFormat.Chain(frame), offset + frame.Length);
            }
        }
    }

    private byte[]? NextFrame(Segment segment, long offset, long end, long number, Digest chain) =>
        segment.ReadFrame(_format!, offset, end) is { } frame
        && JournalFormat.TryReadHeader(frame, out var found, out _) && found == number && JournalFormat.Previous(frame) == chain ? frame : null;

    private static IReadOnlyList<JournalRecord> Records(Segment segment, long offset, long number, byte[] frame) =>
        JournalFormat.TryReadRecords(JournalFormat.Content(frame), out var records) ? records : throw Damaged(segment, offset, number);

    private void CutTornTail(Segment segment, long offset, long number, bool isLast)
    {
        if (!isLast || segment.HasFrameFrom(_format!, offset, number)) throw Damaged(segment, offset, number);
        LogTornTail(_options.Validator, segment.Name, offset, segment.Length - offset, number);
        segment.Truncate(offset);
    }

    private static LedgerCorruptException Damaged(Segment segment, long offset, long number) =>
        new("OT-4010", $"The journal is damaged: segment {segment.Name}, offset {offset}, frame {number} does not verify, and it was durable.");

    private List<string> SegmentPaths()
    {
        var paths = Directory.EnumerateFiles(_options.Folder, "journal-*.log").Order(StringComparer.Ordinal).ToList();
        for (var i = 0; i < paths.Count; i++)
        {
            if (Path.GetFileName(paths[i]) == Segment.FileName(i + 1)) continue;
            throw new LedgerCorruptException("OT-4010", $"The journal is damaged: segment {Segment.FileName(i + 1)} is missing, {Path.GetFileName(paths[i])} is there (offset 0).");
        }

        return paths;
    }

    private ValueTask WriteFrame(long number, Digest previous, ReadOnlyMemory<byte> frame)
    {
        var (_, offset) = _durable.Value;
        if (offset >= _options.SegmentBytes && offset > Segment.HeaderBytes)
        {
            var full = _newest!;
            _newest = Segment.Create(_options.Folder, _format!, full.Number + 1, number, previous);
            full.Dispose();
            offset = Segment.HeaderBytes;
        }

        RandomAccess.Write(_newest!.Handle, frame.Span, offset);
        CrashPoints.Reach("journal-appended-before-sync");
        RandomAccess.FlushToDisk(_newest.Handle);
        Volatile.Write(ref _durable, new(new(_newest.Number, offset + frame.Length)));
        return ValueTask.CompletedTask;
    }
}
