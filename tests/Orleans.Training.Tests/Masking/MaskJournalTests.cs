using Orleans.Training.Grains;
using Orleans.Training.Grains.Participants;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Tests.Cluster;

namespace Orleans.Training.Tests.Masking;

/// <summary>The files of masked attempts: what is served from them is what was written, in its order and from its beginning, or nothing.</summary>
public sealed class MaskJournalTests : IDisposable
{
    private static readonly byte[] Sealing = Digest.Of("sealing"u8).ToArray();
    private static readonly MaskRecord[] Records = Written();
    private readonly TemporaryFolder _folder = new();

    private string JournalPath => _folder["attempt.journal"];

    private string KeyPath => _folder["attempt.key"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Records_ComeBackInOrder_AfterReopening()
    {
        for (var count = 0; count < Records.Length; count++)
        {
            using var journal = Open();
            AssertPrefix(count, journal);
            journal.Append([]);
            journal.Append([Records[count]]);
            AssertPrefix(count + 1, journal);
        }

        using var whole = Open();
        AssertPrefix(Records.Length, whole);
    }

    [Theory]
    [InlineData("mask-journal-before-write", Loss.None, 2)]
    [InlineData("mask-journal-before-sync", Loss.All, 2)]
    [InlineData("mask-journal-before-sync", Loss.ToZeros, 2)]
    [InlineData("mask-journal-before-sync", Loss.SecondRecord, 3)]
    [InlineData("mask-journal-before-sync", Loss.None, 4)]
    [InlineData("mask-journal-after-sync", Loss.None, 4)]
    public void Append_ThatFailed_IsThereOrNot_AndTheJournalGoesOnFromWhatItHolds(string point, Loss loss, int kept)
    {
        long before;
        var isFailing = false;
        using (var journal = Open(reach: place => { if (isFailing && place == point) throw new IOException(place); }))
        {
            journal.Append(Records[..2]);
            before = new FileInfo(JournalPath).Length;
            isFailing = true;
            Assert.Throws<IOException>(() => journal.Append(Records[2..4]));
            isFailing = false;
            Assert.Throws<IOException>(() => journal.Append(Records[2..4]));
            AssertPrefix(2, journal);
        }

        Lose(loss, before);
        using (var journal = Open())
        {
            AssertPrefix(kept, journal);
            journal.Append(Records[kept..]);
        }

        using var whole = Open();
        AssertPrefix(Records.Length, whole);
    }

    [Fact]
    public void Journal_CutAtAnyLength_HoldsTheWholeRecordsBeforeTheCut()
    {
        var ends = WriteAll();
        var content = File.ReadAllBytes(JournalPath);
        for (var length = 0; length <= content.Length; length++)
        {
            File.WriteAllBytes(JournalPath, content[..length]);
            using (var journal = Open()) AssertPrefix(ends.Count(end => end <= length), journal);
            Assert.Equal(ends.LastOrDefault(end => end <= length), new FileInfo(JournalPath).Length);
        }
    }

    [Fact]
    public void Journal_WithAnyByteChanged_IsRefused()
    {
        WriteAll();
        var content = File.ReadAllBytes(JournalPath);
        for (var i = 0; i < content.Length; i++)
        {
            foreach (var change in new byte[] { 1, 0x80 })
            {
                File.WriteAllBytes(JournalPath, Changed(content, i, change));
                AssertCode("OT-4060", $"byte {i}, {change}", () => Open());
            }
        }

        File.WriteAllBytes(JournalPath, content);
        using var whole = Open();
        AssertPrefix(Records.Length, whole);
    }

    [Fact]
    public void Journal_WithFramesExchangedRepeatedOrTakenOut_IsRefused()
    {
        long[] ends = [0, .. WriteAll()];
        var content = File.ReadAllBytes(JournalPath);
        var frames = ends.Zip(ends.Skip(1), (from, to) => content[(int)from..(int)to]).ToArray();
        void Refused(params IEnumerable<byte[]> changed)
        {
            File.WriteAllBytes(JournalPath, [.. changed.SelectMany(frame => frame)]);
            AssertCode("OT-4060", "frames", () => Open());
        }

        for (var i = 0; i + 1 < frames.Length; i++)
        {
            Refused([.. frames[..i], frames[i + 1], frames[i], .. frames[(i + 2)..]]);
            Refused([.. frames[..i], frames[i], .. frames[i..]]);
            Refused([.. frames[..i], .. frames[(i + 1)..]]);
        }
    }

    [Fact]
    public void Key_ThatIsChangedCutOrGone_OpensNothing()
    {
        WriteAll();
        var key = File.ReadAllBytes(KeyPath);
        for (var i = 0; i < key.Length; i++)
        {
            File.WriteAllBytes(KeyPath, Changed(key, i, 1));
            AssertCode("OT-4060", $"byte {i}", () => Open());
            File.WriteAllBytes(KeyPath, key[..i]);
            AssertCode("OT-4060", $"length {i}", () => Open());
        }

        File.Delete(KeyPath);
        AssertCode("OT-4060", "no key", () => Open());
        File.WriteAllBytes(KeyPath, key);
        AssertCode("OT-4060", "another participant", () => MaskJournal.Open(_folder.Path, "attempt", Digest.Of("other"u8).ToArray()));
        using var whole = Open();
        AssertPrefix(Records.Length, whole);
    }

    [Fact]
    public void Journal_OfAnotherAttempt_IsRefused()
    {
        WriteAll();
        File.Copy(JournalPath, _folder["another.journal"]);
        File.Copy(KeyPath, _folder["another.key"]);
        AssertCode("OT-4060", "name", () => Open("another"));
        // With a key of its own it is as little the other's.
        File.Delete(_folder["another.journal"]);
        File.Delete(_folder["another.key"]);
        Open("another").Dispose();
        File.Copy(JournalPath, _folder["another.journal"], overwrite: true);
        AssertCode("OT-4060", "key", () => Open("another"));
    }

    [Fact]
    public void Journal_ThatIsOpen_IsNotOpenedAgain()
    {
        using (Open()) AssertCode("OT-4061", "open", () => Open());
        Open().Dispose();
    }

    [Fact]
    public void Destroy_OverwritesTheKey_AndNoCopyOfTheJournalOpens()
    {
        WriteAll();
        var copy = File.ReadAllBytes(JournalPath);
        using var key = File.OpenHandle(KeyPath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using (var journal = Open()) journal.Destroy();
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Path));
        var left = new byte[256];
        Assert.Equal(12 + MaskJournal.KeyBytes + 16, RandomAccess.Read(key, left, 0));
        Assert.All(left, value => Assert.Equal(0, value));
        File.WriteAllBytes(JournalPath, copy);
        AssertCode("OT-4060", "copy", () => Open());
        // Nor under the key of a new beginning.
        File.Delete(JournalPath);
        Open().Dispose();
        File.WriteAllBytes(JournalPath, copy);
        AssertCode("OT-4060", "copy", () => Open());
    }

    [Fact]
    public void Files_HoldNoBytesOfRecords_NorWhatSealsTheKey()
    {
        WriteAll();
        byte[] files = [.. File.ReadAllBytes(JournalPath), .. File.ReadAllBytes(KeyPath)];
        foreach (var plain in Records.Select(record => record.Bytes.ToArray()).Append(Sealing))
        {
            for (var i = 0; i + 8 <= plain.Length; i += 4) Assert.Equal(-1, files.AsSpan().IndexOf(plain.AsSpan(i, 8)));
        }
    }

    // Two records are lost as a whole, the second one is cut, or their blocks were allocated and never written.
    public enum Loss
    {
        None,
        All,
        SecondRecord,
        ToZeros,
    }

    internal static void AssertCode(string code, string what, Func<IDisposable> open)
    {
        try
        {
            open().Dispose();
        }
        catch (OperationalException exception)
        {
            Assert.True(exception.Code == code, $"{what}: {exception.Message}");
            return;
        }

        Assert.Fail($"{what}: opened");
    }

    private static void AssertPrefix(int count, MaskJournal journal) =>
        Assert.Equal(Records[..count].Select(record => Convert.ToHexString(record.Bytes.Span)), journal.Records.Select(record => Convert.ToHexString(record.Bytes.Span)));

    internal static byte[] Changed(byte[] content, int index, byte change)
    {
        byte[] changed = [.. content];
        changed[index] ^= change;
        return changed;
    }

    private MaskJournal Open(string name = "attempt", Action<string>? reach = null) => MaskJournal.Open(_folder.Path, name, Sealing, reach);

    // The journal's length after each record.
    private List<long> WriteAll()
    {
        using var journal = Open();
        var ends = new List<long>();
        foreach (var record in Records)
        {
            journal.Append([record]);
            ends.Add(new FileInfo(JournalPath).Length);
        }

        return ends;
    }

    private void Lose(Loss loss, long before)
    {
        using var file = File.OpenHandle(JournalPath, FileMode.Open, FileAccess.ReadWrite);
        var length = RandomAccess.GetLength(file);
        if (loss is Loss.All) RandomAccess.SetLength(file, before);
        if (loss is Loss.SecondRecord) RandomAccess.SetLength(file, length - 1);
        if (loss is Loss.ToZeros) RandomAccess.Write(file, new byte[length - before], before);
    }

    private static MaskRecord[] Written()
    {
        var world = MaskParticipantTests.Masked(4, out var everybody);
        world.Confirm(everybody);
        world.Reveal(everybody);
        Assert.Equal(
            [MaskRecordKind.Keyed, MaskRecordKind.Shared, MaskRecordKind.Acked, MaskRecordKind.Masked, MaskRecordKind.ParentConsumed, MaskRecordKind.Confirmed, MaskRecordKind.Revealed],
            world.Journals[0].Select(record => record.Kind));
        return [.. world.Journals[0]];
    }
}
