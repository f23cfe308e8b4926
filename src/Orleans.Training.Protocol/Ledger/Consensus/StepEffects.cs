namespace Orleans.Training.Protocol.Ledger;

/// <summary>Collects the writes and outputs of one step.</summary>
internal sealed class StepEffects
{
    private List<JournalRecord> _writes = [];
    private List<ConsensusOutput> _outputs = [];
    private long? _deadlineMs;

    public void Write(JournalRecordKind kind, ReadOnlyMemory<byte> content) => _writes.Add(new JournalRecord(kind, content));

    public void Emit(ConsensusOutput output) => _outputs.Add(output);

    public void Send(int to, ConsensusMessage message) => _outputs.Add(new SendMessage(to, message));

    public void Broadcast(ConsensusMessage message) => _outputs.Add(new BroadcastMessage(message));

    /// <summary>Tells the host of the next deadline when it is another than the last one.</summary>
    public void Deadline(long? timeMs)
    {
        if (timeMs == _deadlineMs) return;
        _deadlineMs = timeMs;
        Emit(new SetDeadline(timeMs));
    }

    public ConsensusStep Take()
    {
        var step = new ConsensusStep(_writes, _outputs);
        (_writes, _outputs) = ([], []);
        return step;
    }
}

/// <summary>What a timer is for.</summary>
internal enum TimerPurpose
{
    /// <summary>The view has taken too long.</summary>
    View,
    /// <summary>Say everything again, or ask where the others are.</summary>
    Resend,
    /// <summary>A body is still missing.</summary>
    Fetch,
    /// <summary>A proposal's time is no longer too far ahead.</summary>
    Hold,
    /// <summary>The leader has waited long enough for a finalization, and makes an empty child.</summary>
    EmptyChild,
}

/// <summary>Timers by purpose: setting one makes the earlier one of that purpose stale.</summary>
internal sealed class Timers(StepEffects effects, ulong lastToken = 0)
{
    private const int PurposeBits = 3;
    private readonly ulong[] _running = new ulong[1 << PurposeBits];
    private ulong _sequence = lastToken >> PurposeBits;

    /// <summary>No timer has had a token above this one: where a successor begins, so that timers of the past stay stale.</summary>
    public ulong LastToken => _sequence << PurposeBits;

    public static TimerPurpose PurposeOf(ulong token) => (TimerPurpose)(token & (1 << PurposeBits) - 1);

    public bool IsRunning(TimerPurpose purpose) => _running[(int)purpose] != 0;

    public void Set(TimerPurpose purpose, long durationMs)
    {
        var token = ++_sequence << PurposeBits | (ulong)purpose;
        _running[(int)purpose] = token;
        effects.Emit(new SetTimer(durationMs, token));
    }

    public void Forget(TimerPurpose purpose) => _running[(int)purpose] = 0;

    /// <summary>The purpose of a timer that ran out, or null when it is stale.</summary>
    public TimerPurpose? Expire(ulong token)
    {
        var purpose = PurposeOf(token);
        if (token == 0 || _running[(int)purpose] != token) return null;
        _running[(int)purpose] = 0;
        return purpose;
    }
}
