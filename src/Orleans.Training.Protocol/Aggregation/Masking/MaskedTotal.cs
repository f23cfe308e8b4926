namespace Orleans.Training.Protocol.Aggregation;

/// <summary>Masked updates added up as they come, one at a time: only their total is kept. The masks are still in it, and the order in which it grew leaves no trace.</summary>
public sealed class MaskedTotal(LaneLayout layout)
{
    private readonly byte[] _bytes = new byte[checked((int)layout.Bytes)];

    /// <summary>How updates lie in bytes.</summary>
    public LaneLayout Layout => layout;

    /// <summary>Adds a masked update; false, and nothing changes, for another length.</summary>
    public bool TryAdd(ReadOnlySpan<byte> update)
    {
        if (update.Length != _bytes.Length) return false;
        var payload = checked((int)layout.PayloadBytes);
        LaneAddition.Combine(_bytes.AsSpan(0, payload), update[..payload], layout.Width, subtract: false);
        LaneAddition.Combine(_bytes.AsSpan(payload), update[payload..], LaneWidth.Bits32, subtract: false);
        return true;
    }

    /// <summary>One chunk of the total.</summary>
    public ReadOnlyMemory<byte> Chunk(int chunk) => _bytes.AsMemory(chunk * Limits.ChunkBytes, layout.ChunkLength(chunk));
}
