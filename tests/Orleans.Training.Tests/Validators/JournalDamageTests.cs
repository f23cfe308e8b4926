using Orleans.Training.Grains;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol.Ledger;
using Xunit.Abstractions;

namespace Orleans.Training.Tests.Validators;

/// <summary>
/// A journal of more than 200 frames in several segments, changed in every place: what is read is what was written, or a refusal that names segment, offset and frame. Only a last frame
/// that no later one proves durable may be missing (docs/spec/store.md §1.3). OTRAIN_EVERY_BIT=1 flips all eight bits of each byte instead of one.
/// </summary>
public sealed class JournalDamageTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const int Frames = 210;
    private const int SegmentBytes = 3_000;
    private const int Sector = 512;

    private readonly record struct Frame(int Segment, int Offset, int Length, string Records);

    // Each reading opens, locks and repairs files; memory keeps the disk's syncs out of it.
    private readonly string _folder = Path.Combine(Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath(), $"otrain-test-{Guid.NewGuid():N}");
    private readonly List<Frame> _frames = [];
    private readonly List<byte[]> _segments = [];

    public async Task InitializeAsync()
    {
        var random = new Random(20261123);
        await using var store = Open();
        await foreach (var _ in store.Read(default)) { }
        for (var i = 0; i < Frames; i++)
        {
            List<JournalRecord> records = [];
            for (var j = 0; j <= random.Next(3); j++)
            {
                var content = new byte[random.Next(20)];
                random.NextBytes(content);
                records.Add(new JournalRecord((JournalRecordKind)(1 + random.Next(5)), content));
            }

            var (segment, offset) = End();
            await store.Append(records, default);
            if (End().Segment > segment) (segment, offset) = (segment + 1, Segment.HeaderBytes);
            _frames.Add(new Frame(segment, offset, End().Offset - offset, Show(records)));
        }

        for (var i = 0; i < End().Segment + 1; i++) _segments.Add(await File.ReadAllBytesAsync(PathOf(i)));
        Assert.InRange(_segments.Count, 5, 20);
    }

    public Task DisposeAsync()
    {
        Directory.Delete(_folder, recursive: true);
        return Task.CompletedTask;
    }

    [Fact]
    public async Task EveryByte_Flipped_IsRecoveredOrRefusedByName()
    {
        var random = new Random(20261124);
        var everyBit = Environment.GetEnvironmentVariable("OTRAIN_EVERY_BIT") == "1";
        var (flips, refused, cut) = (0, 0, 0);
        for (var segment = 0; segment < _segments.Count; segment++)
        {
            for (var at = 0; at < _segments[segment].Length; at++)
            {
                for (var bit = everyBit ? 0 : random.Next(8); bit < 8; bit = everyBit ? bit + 1 : 8)
                {
                    Write(segment, at, [(byte)(_segments[segment][at] ^ 1 << bit)]);
                    if (await Judge(segment, at, 1)) refused++; else cut++;
                    Write(segment, at, [_segments[segment][at]]);
                    flips++;
                }
            }
        }

        output.WriteLine($"{flips} flips: {refused} refused by name, {cut} in the last frame");
        Assert.Equal((everyBit ? 8 : 1) * _segments.Sum(bytes => bytes.Length), flips);
        Assert.Equal((everyBit ? 8 : 1) * _frames[^1].Length, cut);
    }

    [Fact]
    public async Task EverySector_ReadFromAnotherPlace_IsNoticed()
    {
        List<(int Segment, int Offset, int Length)> sectors = [.. _segments.SelectMany((bytes, segment) => Enumerable.Range(0, (bytes.Length + Sector - 1) / Sector).Select(i => (segment, i * Sector, Math.Min(Sector, bytes.Length - i * Sector))))];
        foreach (var to in sectors)
        {
            foreach (var from in sectors.Where(from => from != to))
            {
                var length = Math.Min(to.Length, from.Length);
                var moved = _segments[from.Segment].AsSpan(from.Offset, length).ToArray();
                // What differs begins somewhere behind the sector's start.
                var same = moved.AsSpan().CommonPrefixLength(_segments[to.Segment].AsSpan(to.Offset, length));
                if (same == length) continue;
                Write(to.Segment, to.Offset, moved);
                await Judge(to.Segment, to.Offset + same, length - same);
                Write(to.Segment, to.Offset, _segments[to.Segment].AsSpan(to.Offset, to.Length).ToArray());
            }
        }
    }

    // What was durable when the reading began is known then: even the last frame is refused.
    [Fact]
    public async Task EveryByte_FlippedUnderAnOpenStore_IsRefusedByName()
    {
        await using var store = Open();
        await foreach (var _ in store.Read(default)) { }
        var random = new Random(20261125);
        for (var segment = 0; segment < _segments.Count; segment++)
        {
            // All of the last segment, and every seventh byte of the others.
            for (var at = 0; at < _segments[segment].Length; at += segment == _segments.Count - 1 ? 1 : 7)
            {
                Write(segment, at, [(byte)(_segments[segment][at] ^ 1 << random.Next(8))]);
                var (frames, refusal) = await Read(store);
                Assert.True(refusal is not null, $"segment {segment + 1}, byte {at}: {frames.Count} frames were read");
                AssertNames(refusal!, segment, at);
                Write(segment, at, [_segments[segment][at]]);
            }
        }

        Assert.Equal(_frames.Select(frame => frame.Records), (await Read(store)).Frames);
    }

    // True when it is refused; otherwise the last segment is whole again.
    private async Task<bool> Judge(int segment, int at, int length)
    {
        var where = $"segment {segment + 1}, bytes {at} to {at + length - 1}";
        await using var store = Open();
        var (frames, refusal) = await Read(store);
        if (refusal is not null)
        {
            AssertNames(refusal, segment, at);
            return true;
        }

        var first = FrameAt(segment, at);
        Assert.True(first == frames.Count, $"{where}: frame {first + 1} is damaged, {frames.Count} are read");
        Assert.True(segment == _segments.Count - 1 && _frames[^1].Offset < at + length, $"{where}: a durable frame is cut off");
        Assert.Equal(_frames.Take(first).Select(frame => frame.Records), frames);
        Assert.Equal(_frames[first].Offset, new FileInfo(PathOf(segment)).Length);
        await File.WriteAllBytesAsync(PathOf(segment), _segments[segment]);
        return false;
    }

    private void AssertNames(string refusal, int segment, int at)
    {
        Assert.StartsWith("OT-4010", refusal, StringComparison.Ordinal);
        Assert.Contains($"segment {Segment.FileName(segment + 1)}", refusal, StringComparison.Ordinal);
        if (at >= Segment.HeaderBytes) Assert.Contains($"offset {_frames[FrameAt(segment, at)].Offset}, frame {FrameAt(segment, at) + 1} ", refusal, StringComparison.Ordinal);
    }

    private int FrameAt(int segment, int at) => _frames.FindIndex(frame => frame.Segment == segment && at < frame.Offset + frame.Length);

    private static async Task<(List<string> Frames, string? Refusal)> Read(FileValidatorStore store)
    {
        var frames = new List<string>();
        try
        {
            await foreach (var records in store.Read(default)) frames.Add(Show(records));
            return (frames, null);
        }
        catch (LedgerCorruptException damage)
        {
            return (frames, damage.Message);
        }
    }

    private FileValidatorStore Open() => FileValidatorStore.Open(new() { Folder = _folder, Validator = "alpha", SegmentBytes = SegmentBytes });

    private string PathOf(int segment) => Path.Combine(_folder, Segment.FileName(segment + 1));

    private (int Segment, int Offset) End()
    {
        var last = Directory.GetFiles(_folder, "*.log").Length - 1;
        return (last, (int)new FileInfo(PathOf(last)).Length);
    }

    private void Write(int segment, int at, byte[] bytes)
    {
        using var handle = File.OpenHandle(PathOf(segment), FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        RandomAccess.Write(handle, bytes, at);
    }

    private static string Show(IReadOnlyList<JournalRecord> records) => string.Join(' ', records.Select(record => $"{(int)record.Kind}:{Convert.ToHexStringLower(record.Content.Span)}"));
}
