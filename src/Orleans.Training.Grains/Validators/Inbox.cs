using System.Diagnostics.CodeAnalysis;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Validators;

/// <summary>
/// What a validator's peers have sent and it has not read: a queue for each seat, bounded in messages and bytes, read in turns. Whoever floods it delays and loses
/// his own messages alone; what does not fit is dropped, as the network may drop it.
/// </summary>
internal sealed class Inbox(int seats)
{
    /// <summary>Messages of one peer that may wait.</summary>
    internal const int MessagesPerPeer = 2048;

    /// <summary>Bytes of one peer that may wait.</summary>
    internal const int BytesPerPeer = 2 * Limits.MessageBytes;

    private readonly Lock _lock = new();
    private readonly Queue<ReadOnlyMemory<byte>>[] _queues = [.. Enumerable.Range(0, seats).Select(_ => new Queue<ReadOnlyMemory<byte>>())];
    private readonly int[] _bytes = new int[seats];
    private int _turn;

    /// <summary>Takes a message in; false when it is dropped.</summary>
    public bool TryAdd(int from, ReadOnlyMemory<byte> message)
    {
        if (from < 0 || from >= seats || message.Length > Limits.MessageBytes) return false;
        lock (_lock)
        {
            if (_queues[from].Count >= MessagesPerPeer || _bytes[from] + message.Length > BytesPerPeer) return false;
            _queues[from].Enqueue(message);
            _bytes[from] += message.Length;
            return true;
        }
    }

    /// <summary>The next message of the peer whose turn it is; false when none waits.</summary>
    public bool TryTake([NotNullWhen(true)] out PeerMessage? message)
    {
        lock (_lock)
        {
            for (var tried = 0; tried < seats; tried++)
            {
                var from = _turn;
                _turn = (_turn + 1) % seats;
                if (!_queues[from].TryDequeue(out var bytes)) continue;
                _bytes[from] -= bytes.Length;
                message = new PeerMessage(from, bytes);
                return true;
            }
        }

        message = null;
        return false;
    }
}

/// <summary>A message as a peer sent it, or as somebody says that it did: what it claims is signed inside.</summary>
internal sealed record PeerMessage(int From, ReadOnlyMemory<byte> Bytes);
