using Orleans.Training.Protocol.Privacy;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>y: an update under masks.</summary>
public static class MaskedInput
{
    /// <summary>The masked update of one participant, or why there is none: lanes or tail are beyond what the sum can hold, or of another length.</summary>
    /// <param name="parameters">How the update became integers.</param>
    /// <param name="layout">The layout that follows from them.</param>
    /// <param name="lanes">The update, one number for each coordinate.</param>
    /// <param name="tail">What goes with it.</param>
    /// <param name="terms">The masks.</param>
    /// <param name="bytes">The masked update; empty with a fault.</param>
    /// <param name="noiseVariance">μ of the noise that the update has in it.</param>
    public static MaskFault TryCreate(FixedPoint parameters, LaneLayout layout, ReadOnlySpan<int> lanes, MaskTail tail, MaskTerms terms, out byte[] bytes, long noiseVariance = 0)
    {
        bytes = [];
        Span<byte> tailBytes = stackalloc byte[LaneLayout.TailBytes];
        if (lanes.Length != layout.Length) return MaskFault.WrongLength;
        if (!tail.TryWrite(parameters.Participants, tailBytes)) return MaskFault.LaneOutOfRange;
        var limit = parameters.Levels + SkellamSampler.Reach(noiseVariance);
        foreach (var lane in lanes)
        {
            if (lane > limit || lane < -limit) return MaskFault.LaneOutOfRange;
        }

        bytes = new byte[checked((int)layout.Bytes)];
        for (var chunk = 0; chunk < layout.Chunks; chunk++)
        {
            var part = bytes.AsSpan(chunk * Limits.ChunkBytes, layout.ChunkLength(chunk));
            layout.Write(chunk, lanes, tailBytes, part);
            terms.Add(layout, chunk, part);
        }

        return MaskFault.None;
    }

    /// <summary>Whether a blob is the masked update that the ledger names: <see cref="MaskFault.BlobMissing"/>, <see cref="MaskFault.WrongLength"/> or <see cref="MaskFault.BlobMismatch"/> if not.</summary>
    public static MaskFault Check(LaneLayout layout, Digest root, ReadOnlyMemory<byte>? bytes)
    {
        if (bytes is null) return MaskFault.BlobMissing;
        if (bytes.Value.Length != layout.Bytes) return MaskFault.WrongLength;
        return ChunkedBlob.Root(bytes.Value.Span) == root ? MaskFault.None : MaskFault.BlobMismatch;
    }
}

/// <summary>
/// The sum of masked updates, one chunk at a time: add each input's chunk, take the masks off, read. Only the sums of the coordinates are kept, never
/// the inputs. Any chunk can be computed without the others.
/// </summary>
public sealed class MaskedSum(LaneLayout layout)
{
    private readonly int[] _lanes = new int[layout.Length];
    private readonly byte[] _tail = new byte[LaneLayout.TailBytes];
    private readonly byte[] _chunk = new byte[Limits.ChunkBytes];
    private bool _paddingIsZero = true;

    /// <summary>The sums of the chunks that were taken.</summary>
    public ReadOnlyMemory<int> Lanes => _lanes;

    /// <summary>The 64 bytes behind the lanes, once the last chunk was taken.</summary>
    public ReadOnlyMemory<byte> Tail => _tail;

    /// <summary>Computes one chunk of the sum.</summary>
    /// <param name="chunk">Number of the chunk.</param>
    /// <param name="inputs">The chunk of every survivor's masked update.</param>
    /// <param name="masks">The masks that are left in their sum.</param>
    /// <returns>The chunk of the sum, valid until the next call.</returns>
    public ReadOnlySpan<byte> Take(int chunk, IEnumerable<ReadOnlyMemory<byte>> inputs, MaskTerms masks)
    {
        var sum = _chunk.AsSpan(0, layout.ChunkLength(chunk));
        var payload = layout.PayloadIn(chunk);
        sum.Clear();
        foreach (var input in inputs)
        {
            if (input.Length != sum.Length) throw new ArgumentException($"Chunk {chunk} has {sum.Length} bytes, not {input.Length}.", nameof(inputs));
            LaneAddition.Combine(sum[..payload], input.Span[..payload], layout.Width, subtract: false);
            LaneAddition.Combine(sum[payload..], input.Span[payload..], LaneWidth.Bits32, subtract: false);
        }

        masks.Subtract(layout, chunk, sum);
        layout.Read(chunk, sum, _lanes);
        _paddingIsZero &= layout.PaddingIsZero(chunk, sum);
        if (payload < sum.Length) sum[payload..].CopyTo(_tail);
        return sum;
    }

    /// <summary>Once every chunk was taken: whether this is the sum of so many updates, and its tail. See <see cref="MaskTail.TryReadSum(ReadOnlySpan{byte}, int, out MaskTail)"/>.</summary>
    public MaskFault TryFinish(int count, out MaskTail tail) => TryFinish(count, MaskRules.Correct, out tail);

    internal MaskFault TryFinish(int count, MaskRules rules, out MaskTail tail)
    {
        var fault = MaskTail.TryReadSum(_tail, count, rules, out tail);
        return fault is MaskFault.None && rules.CheckCanaries && !_paddingIsZero ? MaskFault.CanaryMismatch : fault;
    }
}
