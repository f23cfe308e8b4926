using System.Buffers;
using System.Threading.Channels;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>Makes one sealed frame durable; throws when it cannot say that it is.</summary>
internal delegate ValueTask WriteFrame(long number, Digest previous, ReadOnlyMemory<byte> frame);

/// <summary>
/// The one writer of a journal: takes the appends that wait, writes them as one frame, completes them all. After a failure nothing more is
/// written, because what is on disk is unknown.
/// </summary>
internal sealed class GroupCommit : IAsyncDisposable
{
    private const int Waiting = 1024;
    // Beyond this a larger frame saves no more syncs worth having, and keeps the first caller waiting.
    private const int FullFrameBytes = 1024 * 1024;

    private readonly record struct Pending(IReadOnlyList<JournalRecord> Records, TaskCompletionSource Done);

    private readonly Channel<Pending> _waiting = Channel.CreateBounded<Pending>(new BoundedChannelOptions(Waiting) { SingleReader = true });
    private readonly ArrayBufferWriter<byte> _buffer = new();
    private readonly List<Pending> _group = [];
    private readonly JournalFormat _format;
    private readonly WriteFrame _write;
    private readonly Task _writer;
    private OperationalException? _failure;
    private long _lastNumber;
    private Digest _chain;

    public GroupCommit(JournalFormat format, long lastNumber, Digest lastChain, WriteFrame write)
    {
        _format = format;
        _lastNumber = lastNumber;
        _chain = lastChain;
        _write = write;
        _writer = Task.Run(WriteAll);
    }

    /// <summary>The number of the newest durable frame.</summary>
    public long LastNumber => Interlocked.Read(ref _lastNumber);

    public async ValueTask Append(IReadOnlyList<JournalRecord> records, CancellationToken cancellationToken)
    {
        JournalFormat.Measure(records);
        var pending = new Pending(records, new(TaskCreationOptions.RunContinuationsAsynchronously));
        try
        {
            await _waiting.Writer.WriteAsync(pending, cancellationToken);
        }
        catch (ChannelClosedException)
        {
            throw Refusal();
        }

        await pending.Done.Task;
    }

    public async ValueTask DisposeAsync()
    {
        _waiting.Writer.TryComplete();
        await _writer;
    }

    private async Task WriteAll()
    {
        while (await _waiting.Reader.WaitToReadAsync())
        {
            try
            {
                await WriteGroup();
            }
            catch (Exception exception)
            {
                _failure = exception as OperationalException ?? new OperationalException("OT-4002", $"The journal could not be written: {exception.Message.TrimEnd('.')}.", exception);
                _waiting.Writer.TryComplete();
                foreach (var pending in _group) pending.Done.TrySetException(Refusal());
                while (_waiting.Reader.TryRead(out var pending)) pending.Done.TrySetException(Refusal());
                return;
            }
        }
    }

    private async ValueTask WriteGroup()
    {
        _group.Clear();
        _buffer.ResetWrittenCount();
        _format.Begin(_buffer, LastNumber + 1, _chain);
        while (_buffer.WrittenCount < FullFrameBytes && _waiting.Reader.TryRead(out var pending))
        {
            _group.Add(pending);
            JournalFormat.Add(_buffer, pending.Records);
        }

        var chain = JournalFormat.Seal(_buffer, out var frame);
        await _write(LastNumber + 1, _chain, frame);
        CrashPoints.Reach("journal-synced-before-acknowledged");
        _chain = chain;
        Interlocked.Increment(ref _lastNumber);
        foreach (var pending in _group) pending.Done.TrySetResult();
    }

    private OperationalException Refusal() => _failure is null
        ? new OperationalException("OT-4002", "The journal is closed.")
        : new OperationalException(_failure.Code, $"{_failure.Message[(_failure.Code.Length + 1)..]} Remedy that and start the validator again: it reads what is there.", _failure);
}
