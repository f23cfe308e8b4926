namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// Masked updates added up as they come, masks and all, in any order: what is kept is one update long, however many were added. Their masks come off
/// chunk by chunk in <see cref="MaskedSum"/>, once they are known.
/// </summary>
public sealed class MaskedInputSum(LaneLayout layout)
{
    private readonly byte[] _sum = new byte[checked((int)layout.Bytes)];

    /// <summary>Masked updates added.</summary>
    public int Count { get; private set; }

    /// <summary>The layout of every one of them.</summary>
    public LaneLayout Layout => layout;

    /// <summary>Adds one; false, and nothing changes, if its length is another. Its numbers mean nothing yet, so nothing else about it can be wrong.</summary>
    public bool TryAdd(ReadOnlySpan<byte> input)
    {
        if (input.Length != _sum.Length) return false;
        var payload = (int)layout.PayloadBytes;
        LaneAddition.Combine(_sum.AsSpan(0, payload), input[..payload], layout.Width, subtract: false);
        LaneAddition.Combine(_sum.AsSpan(payload), input[payload..], LaneWidth.Bits32, subtract: false);
        Count++;
        return true;
    }

    /// <summary>A chunk of the sum, still masked.</summary>
    public ReadOnlyMemory<byte> Chunk(int chunk) => _sum.AsMemory(chunk * Limits.ChunkBytes, layout.ChunkLength(chunk));
}
