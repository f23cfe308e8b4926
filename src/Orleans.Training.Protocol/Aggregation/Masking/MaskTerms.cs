using System.Security.Cryptography;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// A sum of masks ±G(K), known by its keys and computed chunk by chunk: all masks of a chunk before the next one, so that the chunk stays in the
/// processor's cache and memory never holds more than it.
/// </summary>
public sealed class MaskTerms : IDisposable
{
    private readonly List<(MaskStream Stream, bool Negative)> _terms = [];

    /// <summary>Number of masks.</summary>
    public int Count => _terms.Count;

    /// <summary>One more mask.</summary>
    public void Include(ReadOnlySpan<byte> key, bool negative) => _terms.Add((MaskStream.Create(key), negative));

    /// <summary>chunk += masks, each lane modulo its width.</summary>
    public void Add(LaneLayout layout, int chunk, Span<byte> bytes) => Apply(layout, chunk, bytes, inverse: false);

    /// <summary>chunk −= masks.</summary>
    public void Subtract(LaneLayout layout, int chunk, Span<byte> bytes) => Apply(layout, chunk, bytes, inverse: true);

    /// <summary>Takes a chunk; the bytes are valid until it returns.</summary>
    public delegate void ChunkReader(int chunk, ReadOnlySpan<byte> bytes);

    /// <summary>Gives the sum of the masks, chunk by chunk: what a masked update of zeros would be.</summary>
    public void Walk(LaneLayout layout, ChunkReader take)
    {
        var bytes = new byte[Limits.ChunkBytes];
        for (var chunk = 0; chunk < layout.Chunks; chunk++)
        {
            var part = bytes.AsSpan(0, layout.ChunkLength(chunk));
            part.Clear();
            Add(layout, chunk, part);
            take(chunk, part);
        }
    }

    /// <summary>Gives the secret that a participant has with a neighbour (<see cref="PairSecrets"/>); false where there is none.</summary>
    public delegate bool Agreement(ushort neighbour, Span<byte> shared);

    /// <summary>The masks of one participant's input: its own, and one with each neighbour, added by the smaller position and subtracted by the larger.</summary>
    /// <param name="masks">ctx2.</param>
    /// <param name="graph">The graph of masks (U2, E′).</param>
    /// <param name="position">The participant.</param>
    /// <param name="self">Its b.</param>
    /// <param name="agree">Its secrets with its neighbours.</param>
    /// <exception cref="ArgumentException">It has none with one of them: the cohort was not checked.</exception>
    public static MaskTerms OfInput(MaskContext masks, MaskGraph graph, ushort position, ReadOnlySpan<byte> self, Agreement agree)
    {
        var terms = new MaskTerms();
        terms.IncludeSelf(masks, position, self);
        terms.IncludePairs(masks, position, graph.Neighbours(position), agree, inverse: false);
        return terms;
    }

    /// <summary>b of a survivor: its own mask.</summary>
    public void IncludeSelf(MaskContext masks, ushort position, ReadOnlySpan<byte> self)
    {
        Span<byte> key = stackalloc byte[MaskKeys.Size];
        MaskKeys.SelfKey(self, masks, position, key);
        Include(key, negative: false);
        CryptographicOperations.ZeroMemory(key);
    }

    /// <summary>What the surviving neighbours of one that dropped out added for it; false, with the first of them with whom it has no secret.</summary>
    /// <param name="masks">ctx2.</param>
    /// <param name="graph">The graph of masks (U2, E′).</param>
    /// <param name="dropped">Who dropped out.</param>
    /// <param name="survivors">U3, ascending.</param>
    /// <param name="agree">Its secrets with its neighbours, from its seed.</param>
    /// <param name="other">The neighbour; 0 without a fault.</param>
    public bool TryIncludeDropped(MaskContext masks, MaskGraph graph, ushort dropped, ReadOnlySpan<ushort> survivors, Agreement agree, out ushort other)
    {
        var chosen = survivors.ToArray();
        ushort[] neighbours = [.. graph.Neighbours(dropped).ToArray().Where(neighbour => Array.BinarySearch(chosen, neighbour) >= 0)];
        return TryIncludePairs(masks, dropped, neighbours, agree, inverse: true, out other);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var (stream, _) in _terms) stream.Dispose();
        _terms.Clear();
    }

    internal void IncludePairs(MaskContext masks, ushort position, ReadOnlySpan<ushort> neighbours, Agreement agree, bool inverse)
    {
        if (!TryIncludePairs(masks, position, neighbours, agree, inverse, out var other)) throw new ArgumentException($"There is no secret with {other}.", nameof(agree));
    }

    // s(i, j) is +1 where i < j. Seen from the neighbour, which is the inverse, it is the other way round.
    private bool TryIncludePairs(MaskContext masks, ushort position, ReadOnlySpan<ushort> neighbours, Agreement agree, bool inverse, out ushort other)
    {
        Span<byte> shared = stackalloc byte[MaskKeys.Size], key = stackalloc byte[MaskKeys.Size];
        foreach (var neighbour in neighbours)
        {
            other = neighbour;
            if (!agree(neighbour, shared)) return false;
            MaskKeys.PairKey(shared, masks, position, neighbour, key);
            Include(key, position < neighbour == inverse);
        }

        CryptographicOperations.ZeroMemory(shared);
        CryptographicOperations.ZeroMemory(key);
        other = 0;
        return true;
    }

    private void Apply(LaneLayout layout, int chunk, Span<byte> bytes, bool inverse)
    {
        if (bytes.Length != layout.ChunkLength(chunk)) throw new ArgumentException($"Chunk {chunk} has {layout.ChunkLength(chunk)} bytes, not {bytes.Length}.", nameof(bytes));
        var payload = layout.PayloadIn(chunk);
        var block = (long)chunk * MaskStream.BlocksPerChunk;
        foreach (var (stream, negative) in _terms)
        {
            if (negative != inverse)
            {
                stream.Subtract(bytes[..payload], layout.Width, block);
                stream.Subtract(bytes[payload..], LaneWidth.Bits32, block + (payload / MaskStream.BlockBytes));
            }
            else
            {
                stream.Add(bytes[..payload], layout.Width, block);
                stream.Add(bytes[payload..], LaneWidth.Bits32, block + (payload / MaskStream.BlockBytes));
            }
        }
    }
}
