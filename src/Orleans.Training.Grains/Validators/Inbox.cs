using System.Diagnostics.CodeAnalysis;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Validators;

/// <summary>
/// What a validator's peers have sent and it has not read: a queue for each organisation that may speak, bounded in messages and bytes, read in turns. Whoever floods it delays and loses
/// his own messages alone; what does not fit is dropped, as the network may drop it.
/// </summary>
/// <param name="maySpeak">Whether an organisation is heard at this moment.</param>
internal sealed class Inbox(Func<ParticipantId, bool> maySpeak)
{
    /// <summary>Messages of one peer that may wait.</summary>
    internal const int MessagesPerPeer = 2048;

    /// <summary>Bytes of one peer that may wait.</summary>
    internal const int BytesPerPeer = 2 * Limits.MessageBytes;

    private sealed class Waiting
    {
        public Queue<ReadOnlyMemory<byte>> Messages { get; } = [];

        public int Bytes { get; set; }
    }

    private readonly Lock _lock = new();
    private readonly Dictionary<ParticipantId, Waiting> _waiting = [];
    // Each who has something waiting, once.
    private readonly Queue<ParticipantId> _turns = [];

    /// <summary>Takes a message in; false when it is dropped.</summary>
    public bool TryAdd(ParticipantId from, ReadOnlyMemory<byte> message)
    {
        if (message.Length > Limits.MessageBytes || !maySpeak(from)) return false;
        lock (_lock)
        {
            if (!_waiting.TryGetValue(from, out var waiting)) _waiting[from] = waiting = new Waiting();
            if (waiting.Messages.Count >= MessagesPerPeer || waiting.Bytes + message.Length > BytesPerPeer) return false;
            if (waiting.Messages.Count == 0) _turns.Enqueue(from);
            waiting.Messages.Enqueue(message);
            waiting.Bytes += message.Length;
            return true;
        }
    }

    /// <summary>The next message of the peer whose turn it is; false when none waits.</summary>
    public bool TryTake([NotNullWhen(true)] out PeerMessage? message)
    {
        lock (_lock)
        {
            message = null;
            if (!_turns.TryDequeue(out var from)) return false;
            var waiting = _waiting[from];
            var bytes = waiting.Messages.Dequeue();
            waiting.Bytes -= bytes.Length;
            message = new PeerMessage(from, bytes);
            if (waiting.Messages.Count > 0) _turns.Enqueue(from);
            // Who is no longer heard leaves nothing behind.
            else if (!maySpeak(from)) _waiting.Remove(from);
            return true;
        }
    }
}

/// <summary>A message as an organisation sent it, or as somebody says that it did: what it claims is signed inside.</summary>
internal sealed record PeerMessage(ParticipantId From, ReadOnlyMemory<byte> Bytes);
