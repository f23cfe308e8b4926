using Orleans.Training.Grains;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Cluster;

namespace Orleans.Training.Tests.Validators;

public sealed class FileValidatorStoreTests : ValidatorStoreContractTests, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private protected override Task<IValidatorStore> Open(Func<WriteFrame, WriteFrame>? disk = null) =>
        Task.FromResult<IValidatorStore>(OpenIn(_folder.Path, segmentBytes: 4096, disk: disk));

    [Fact]
    public async Task SecondOpener_IsRefused_UntilTheFirstCloses()
    {
        await using (OpenIn(_folder.Path))
        {
            Assert.Equal("OT-4001", Assert.Throws<OperationalException>(() => OpenIn(_folder.Path)).Code);
        }

        await using var second = OpenIn(_folder.Path);
        Assert.Empty(await ReadAll(second));
    }

    [Fact]
    public async Task Journal_OfAnotherValidator_IsRefused()
    {
        await Write(_folder.Path, frames: 1);
        await using var store = OpenIn(_folder.Path, validator: "beta");
        Assert.Contains("journal-000001.log", (await Assert.ThrowsAsync<LedgerCorruptException>(() => ReadAll(store))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Segments_AreRotatedAtTheirSize_AndReadAsOneJournal()
    {
        await Write(_folder.Path, frames: 7, segmentBytes: 300);
        Assert.Equal(["journal-000001.log", "journal-000002.log", "journal-000003.log", "journal-000004.log"], Segments(_folder.Path).Select(Path.GetFileName));
        await using var store = OpenIn(_folder.Path, segmentBytes: 300);
        Assert.Equal(Written(7), await ReadAll(store));
    }

    [Fact]
    public async Task HalfCreatedSegment_IsRemoved()
    {
        await Write(_folder.Path, frames: 2);
        await File.WriteAllBytesAsync(_folder["journal-000002.log.new"], [1, 2, 3]);
        await using var store = OpenIn(_folder.Path);
        Assert.Equal(Written(2), await ReadAll(store));
        Assert.False(File.Exists(_folder["journal-000002.log.new"]));
    }

    [Fact]
    public async Task MissingSegment_IsDamage()
    {
        await Write(_folder.Path, frames: 7, segmentBytes: 300);
        File.Delete(_folder["journal-000002.log"]);
        await using var store = OpenIn(_folder.Path);
        var damage = await Assert.ThrowsAsync<LedgerCorruptException>(() => ReadAll(store));
        Assert.Contains("segment journal-000002.log is missing", damage.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tail_TornAtEveryByte_IsCutAndTheRestStands()
    {
        var source = _folder["source"];
        await Write(source, frames: 5, segmentBytes: 300);
        var last = Segments(source)[^1];
        var whole = await File.ReadAllBytesAsync(last);
        var frame = JournalFormat.OverheadBytes + JournalFormat.RecordHeaderBytes + 96;
        for (var length = whole.Length - frame; length < whole.Length; length++)
        {
            await File.WriteAllBytesAsync(last, whole[..length]);
            await using (var store = OpenIn(source, segmentBytes: 300))
            {
                Assert.Equal(Written(4), await ReadAll(store));
                Assert.Equal(whole.Length - frame, new FileInfo(last).Length);
            }
        }

        await using var repaired = OpenIn(source, segmentBytes: 300);
        await ReadAll(repaired);
        await repaired.Append([Record(JournalRecordKind.Guard, 5, 96)], default);
        Assert.Equal(Written(5), await ReadAll(repaired));
    }

    [Fact]
    public async Task EveryByte_Flipped_GivesThePrefixOrARefusalNamingTheFrame()
    {
        var folder = _folder["flipped"];
        await Write(folder, frames: 6, segmentBytes: 300);
        var segments = Segments(folder);
        Assert.Equal(3, segments.Length);
        var frame = JournalFormat.OverheadBytes + JournalFormat.RecordHeaderBytes + 96;
        foreach (var path in segments)
        {
            var whole = await File.ReadAllBytesAsync(path);
            for (var at = 0; at < whole.Length; at++)
            {
                var flipped = (byte[])whole.Clone();
                flipped[at] ^= (byte)(1 << (at % 8));
                await File.WriteAllBytesAsync(path, flipped);
                await using var store = OpenIn(folder, segmentBytes: 300);
                if (path == segments[^1] && at >= whole.Length - frame)
                {
                    Assert.Equal(Written(5), await ReadAll(store));
                }
                else
                {
                    var damage = await Assert.ThrowsAsync<LedgerCorruptException>(() => ReadAll(store));
                    Assert.Contains($"segment {Path.GetFileName(path)}", damage.Message, StringComparison.Ordinal);
                    var inFrame = (at - Segment.HeaderBytes) / frame;
                    if (at >= Segment.HeaderBytes) Assert.Contains($"offset {Segment.HeaderBytes + inFrame * frame}, frame {2 * Array.IndexOf(segments, path) + inFrame + 1} ", damage.Message, StringComparison.Ordinal);
                    Assert.Equal(flipped, await File.ReadAllBytesAsync(path));
                }
            }

            await File.WriteAllBytesAsync(path, whole);
        }
    }

    [Fact]
    public async Task Frame_ThatVerifiesButDoesNotFollow_IsDamage()
    {
        await Write(_folder.Path, frames: 3);
        var path = Segments(_folder.Path)[0];
        var whole = await File.ReadAllBytesAsync(path);
        var frame = (whole.Length - Segment.HeaderBytes) / 3;
        await File.WriteAllBytesAsync(path, [.. whole, .. whole[Segment.HeaderBytes..(Segment.HeaderBytes + frame)]]);
        await using var store = OpenIn(_folder.Path);
        Assert.Contains("frame 4 ", (await Assert.ThrowsAsync<LedgerCorruptException>(() => ReadAll(store))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Frame_OfAnotherBranchOfTheSameJournal_IsDamage()
    {
        var (one, two) = (_folder["one"], _folder["two"]);
        await Write(one, frames: 1);
        Directory.CreateDirectory(two);
        File.Copy(Segments(one)[0], Path.Combine(two, "journal-000001.log"));
        foreach (var (folder, number) in new[] { (one, 2), (two, 12) })
        {
            await using var branch = OpenIn(folder);
            await ReadAll(branch);
            for (var i = 0; i < 2; i++) await branch.Append([Record(JournalRecordKind.Guard, number + i, 96)], default);
        }

        var (whole, other) = (await File.ReadAllBytesAsync(Segments(one)[0]), await File.ReadAllBytesAsync(Segments(two)[0]));
        var third = whole.Length - (whole.Length - Segment.HeaderBytes) / 3;
        await File.WriteAllBytesAsync(Segments(one)[0], [.. whole[..third], .. other[third..]]);
        await using var spliced = OpenIn(one);
        Assert.Contains("frame 3 ", (await Assert.ThrowsAsync<LedgerCorruptException>(() => ReadAll(spliced))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task FullDisk_HalfAFrame_IsCutWhenReopened()
    {
        await using (var store = await Open(write => (number, previous, frame) =>
        {
            var written = write(number, previous, number == 2 ? frame[..(frame.Length / 2)] : frame);
            return number == 2 ? throw new IOException("No space left on device") : written;
        }))
        {
            await ReadAll(store);
            await store.Append([Record(JournalRecordKind.Guard, 1, 96)], default);
            Assert.Contains("No space left", (await Refused(store, 2)).Message, StringComparison.Ordinal);
            await Refused(store, 3);
        }

        await using var reopened = await Open();
        Assert.Equal(Written(1), await ReadAll(reopened));
    }

    [Fact]
    public async Task Appends_ThatWait_ShareOneFrame()
    {
        var frames = 0;
        var first = new TaskCompletionSource();
        await using var store = await Open(write => async (number, previous, frame) =>
        {
            frames++;
            await first.Task;
            await write(number, previous, frame);
        });
        await ReadAll(store);
        var appends = Enumerable.Range(0, 50).Select(i => store.Append([Record(JournalRecordKind.Block, i, 10)], default).AsTask()).ToArray();
        first.SetResult();
        await Task.WhenAll(appends);
        Assert.InRange(frames, 1, 50 - 1);
    }

    private static FileValidatorStore OpenIn(string folder, string validator = "alpha", int segmentBytes = 1 << 20, Func<WriteFrame, WriteFrame>? disk = null) =>
        FileValidatorStore.Open(new() { Folder = folder, Validator = validator, SegmentBytes = segmentBytes, Disk = disk ?? (write => write) });

    private static async Task Write(string folder, int frames, int segmentBytes = 1 << 20)
    {
        await using var store = OpenIn(folder, segmentBytes: segmentBytes);
        await ReadAll(store);
        for (var i = 1; i <= frames; i++) await store.Append([Record(JournalRecordKind.Guard, i, 96)], default);
    }

    private static IEnumerable<string> Written(int frames) => Enumerable.Range(1, frames).Select(i => Show(Record(JournalRecordKind.Guard, i, 96)));

    private static string[] Segments(string folder) => [.. Directory.EnumerateFiles(folder, "*.log").Order(StringComparer.Ordinal)];
}
