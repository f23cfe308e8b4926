using System.Security.Cryptography;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// A random linear image of masked updates (docs/spec/projection.md): a few hundred bytes for each, however long it is, such that images add up as updates do. Where the image of a claimed sum is the sum of
/// the images, minus that of the masks, the claim is right but with a chance of 2 · 2⁻¹²⁸, as long as the beacon was not known before the claim (Freivalds 1977, in two stages, modulo 2^width).
/// </summary>
public sealed class SumProjection : IDisposable
{
    /// <summary>K: numbers of an image, and repetitions of its test.</summary>
    public const int Repetitions = 128;

    /// <summary>W: an update is a matrix of rows of so many lanes, the last one filled up with zeros.</summary>
    public const int Columns = 1024;

    /// <summary>Bytes of the longest image.</summary>
    public const int MaximumBytes = (Repetitions * sizeof(uint)) + LaneLayout.TailBytes;

    private readonly MaskStream _rows;
    private readonly MaskStream _columns;

    /// <summary>The image that a beacon gives.</summary>
    /// <param name="layout">Of the updates and their sum.</param>
    /// <param name="beacon">What nobody knew when the sum was claimed; it decides all of the map.</param>
    /// <exception cref="ArgumentException">Lanes of the layout are packed: what lies beside them in a word means nothing, and an image would show it.</exception>
    public SumProjection(LaneLayout layout, Digest beacon)
    {
        if (!Takes(layout)) throw new ArgumentException("Packed lanes have no image.", nameof(layout));
        Layout = layout;
        _rows = MaskStream.Create(new Preimage("fedmask/1/rows").Add(beacon).Finish().ToArray());
        _columns = MaskStream.Create(new Preimage("fedmask/1/columns").Add(beacon).Finish().ToArray());
    }

    /// <summary>Of what there are images.</summary>
    public LaneLayout Layout { get; }

    /// <summary>Bytes of an image: K lanes of the layout's width, and the tail as it is.</summary>
    public int Bytes => BytesOf(Layout);

    internal int LaneBytes => (int)Layout.Width / 8;

    internal int RowBytes => Columns * LaneBytes;

    /// <summary>Whether updates of a layout have images.</summary>
    public static bool Takes(LaneLayout layout) => layout.Slots == 1;

    /// <summary>Bytes of an image of a layout.</summary>
    public static int BytesOf(LaneLayout layout) => (Repetitions * (int)layout.Width / 8) + LaneLayout.TailBytes;

    /// <summary>An update, masked or not, of which nothing is known yet.</summary>
    public ProjectedLanes Begin() => new(this);

    /// <summary>An update that is at hand as a whole.</summary>
    public ProjectedLanes Of(ReadOnlySpan<byte> update)
    {
        var projected = Begin();
        for (var chunk = 0; chunk < Layout.Chunks; chunk++) projected.Take(chunk, update.Slice(chunk * Limits.ChunkBytes, Layout.ChunkLength(chunk)));
        return projected;
    }

    /// <summary>The masks of a sum.</summary>
    /// <param name="masks">The masks.</param>
    /// <param name="hash">Takes their bytes, too, if it is given.</param>
    public ProjectedLanes Of(MaskTerms masks, IncrementalHash? hash = null)
    {
        var projected = Begin();
        masks.Walk(Layout, (chunk, bytes) =>
        {
            hash?.AppendData(bytes);
            projected.Take(chunk, bytes);
        });
        return projected;
    }

    /// <summary>A sum without masks.</summary>
    /// <param name="lanes">A number for each coordinate.</param>
    /// <param name="tail">Its tail, 64 bytes.</param>
    public ProjectedLanes Of(ReadOnlySpan<int> lanes, ReadOnlySpan<byte> tail)
    {
        var projected = Begin();
        var bytes = new byte[Limits.ChunkBytes];
        for (var chunk = 0; chunk < Layout.Chunks; chunk++)
        {
            var part = bytes.AsSpan(0, Layout.ChunkLength(chunk));
            Layout.Write(chunk, lanes, tail, part);
            projected.Take(chunk, part);
        }

        return projected;
    }

    /// <summary>The images: of several at once, since half of the work is the same for all.</summary>
    public IReadOnlyList<byte[]> Finish(IReadOnlyList<ProjectedLanes> updates)
    {
        byte[][] images = [.. updates.Select(_ => new byte[Bytes])];
        // One row of all G's at a time stays in the cache while it meets that row of all updates.
        var columns = new byte[Repetitions * RowBytes];
        for (var k = 0; k < Repetitions; k++)
        {
            Array.Clear(columns);
            for (var s = 0; s < Repetitions; s++) _columns.Add(columns.AsSpan(s * RowBytes, RowBytes), Layout.Width, ((long)s * Repetitions + k) * RowBytes / MaskStream.BlockBytes);
            for (var i = 0; i < images.Length; i++) ProjectionKernel.Dot(columns, updates[i].Lanes.AsSpan(k * RowBytes, RowBytes), images[i].AsSpan(0, Repetitions * LaneBytes), Layout.Width);
        }

        for (var i = 0; i < images.Length; i++) updates[i].Tail.CopyTo(images[i].AsSpan(Repetitions * LaneBytes));
        return images;
    }

    /// <summary>Whether a sum is that of the updates without their masks, by the images of all three. The updates' may be added before, in any order.</summary>
    public bool Accepts(IEnumerable<ReadOnlyMemory<byte>> updates, ReadOnlySpan<byte> masks, ReadOnlySpan<byte> sum)
    {
        var total = new byte[Bytes];
        foreach (var update in updates) Combine(total, update.Span, subtract: false);
        Combine(total, masks, subtract: true);
        return sum.SequenceEqual(total);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _rows.Dispose();
        _columns.Dispose();
    }

    // What each row of a chunk is multiplied with: K lanes for the first, then for the second, …
    internal void Multipliers(int firstRow, Span<byte> destination)
    {
        destination.Clear();
        _rows.Add(destination, Layout.Width, (long)firstRow * Repetitions * LaneBytes / MaskStream.BlockBytes);
    }

    private void Combine(Span<byte> total, ReadOnlySpan<byte> image, bool subtract)
    {
        if (image.Length != total.Length) throw new ArgumentException($"An image has {total.Length} bytes, not {image.Length}.", nameof(image));
        var lanes = Repetitions * LaneBytes;
        LaneAddition.Combine(total[..lanes], image[..lanes], Layout.Width, subtract);
        LaneAddition.Combine(total[lanes..], image[lanes..], LaneWidth.Bits32, subtract);
    }
}

/// <summary>R · y: what the first stage has made of an update, which comes in chunks of any order; each chunk counts as often as it is taken.</summary>
public sealed class ProjectedLanes
{
    private readonly SumProjection _projection;
    private readonly byte[] _multipliers;
    private readonly byte[] _row;

    internal ProjectedLanes(SumProjection projection)
    {
        _projection = projection;
        Lanes = new byte[SumProjection.Repetitions * projection.RowBytes];
        _multipliers = new byte[Limits.ChunkBytes / projection.RowBytes * SumProjection.Repetitions * projection.LaneBytes];
        _row = new byte[projection.RowBytes];
    }

    internal byte[] Lanes { get; }

    internal byte[] Tail { get; } = new byte[LaneLayout.TailBytes];

    /// <summary>Takes a chunk.</summary>
    /// <exception cref="ArgumentException">It has another length than the layout gives it.</exception>
    public void Take(int chunk, ReadOnlySpan<byte> bytes)
    {
        var layout = _projection.Layout;
        if (bytes.Length != layout.ChunkLength(chunk)) throw new ArgumentException($"Chunk {chunk} has {layout.ChunkLength(chunk)} bytes, not {bytes.Length}.", nameof(bytes));
        var payload = bytes[..layout.PayloadIn(chunk)];
        var (row, whole) = (chunk * (Limits.ChunkBytes / _row.Length), payload.Length / _row.Length);
        Take(row, whole, payload[..(whole * _row.Length)]);
        if (payload.Length % _row.Length is > 0 and var rest)
        {
            payload[^rest..].CopyTo(_row);
            _row.AsSpan(rest).Clear();
            Take(row + whole, 1, _row);
        }

        LaneAddition.Combine(Tail.AsSpan(0, bytes.Length - payload.Length), bytes[payload.Length..], LaneWidth.Bits32, subtract: false);
    }

    private void Take(int firstRow, int rows, ReadOnlySpan<byte> bytes)
    {
        if (rows == 0) return;
        var multipliers = _multipliers.AsSpan(0, rows * SumProjection.Repetitions * _projection.LaneBytes);
        _projection.Multipliers(firstRow, multipliers);
        ProjectionKernel.Accumulate(Lanes, multipliers, bytes, _projection.Layout.Width);
    }
}
