using Orleans.Training.Grains.Participants;
using Orleans.Training.Protocol;
using Orleans.Training.Tests.Cluster;

namespace Orleans.Training.Tests.Masking;

/// <summary>The list of models about which a participant has confirmed an order: nothing on it is ever lost or passed over.</summary>
public sealed class ConsumedParentsTests : IDisposable
{
    private static readonly Digest[] Parents = [.. Enumerable.Range(0, 3).Select(i => Digest.Of([(byte)i]))];
    private static readonly Digest Order = Digest.Of("order"u8);
    private readonly TemporaryFolder _folder = new();

    private string ListPath => _folder["consumed"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Models_SurviveReopening_AndAllowTheirOwnOrderOnly()
    {
        Assert.Empty(Open().Besides(null));
        Assert.True(Open().TryAdd(Parents[0], Order));
        Assert.True(Open().TryAdd(Parents[1], Digest.Of("second"u8)));
        var length = new FileInfo(ListPath).Length;
        Assert.True(Open().TryAdd(Parents[0], Order));
        Assert.False(Open().TryAdd(Parents[0], Digest.Of("second"u8)));
        Assert.Equal(length, new FileInfo(ListPath).Length);
        Assert.Equal(Parents[..2].ToHashSet(), Open().Besides(null));
        Assert.Equal([Parents[1]], Open().Besides(Order));
    }

    [Fact]
    public void Attempts_OfOneParticipant_SeeAndKeepWhatTheOthersAdd()
    {
        var (first, second) = (Open(), Open());
        Assert.True(first.TryAdd(Parents[0], Order));
        Assert.True(second.TryAdd(Parents[1], Order));
        Assert.False(second.TryAdd(Parents[0], Parents[2]));
        Assert.Equal(Parents[..2].ToHashSet(), first.Besides(null));
        Assert.Equal(Parents[..2].ToHashSet(), Open().Besides(null));
    }

    [Fact]
    public async Task OneOfManyOrders_AboutOneModel_IsTheOneAtATime()
    {
        var attempts = Enumerable.Range(0, 16).Select(i => (List: Open(), Order: Digest.Of([(byte)i]))).ToArray();
        var taken = await Task.WhenAll(attempts.Select(attempt => Task.Run(() => attempt.List.TryAdd(Parents[0], attempt.Order))));
        Assert.Single(taken, won => won);
    }

    [Fact]
    public void Line_ThatWasCutShort_SaysNothing_AndIsOverwritten()
    {
        var line = WriteTwo().Length / 2;
        var content = File.ReadAllBytes(ListPath);
        for (var length = 0; length <= content.Length; length++)
        {
            File.WriteAllBytes(ListPath, content[..length]);
            var whole = length / line;
            Assert.Equal(Parents[..whole].ToHashSet(), Open().Besides(null));
            Assert.True(Open().TryAdd(Parents[2], Order));
            Assert.Equal([.. Parents[..whole], Parents[2]], Open().Besides(null));
            Assert.Equal((whole + 1) * line, new FileInfo(ListPath).Length);
        }
    }

    [Fact]
    public void Line_WithAnyByteChanged_IsRefused()
    {
        var content = WriteTwo();
        for (var i = 0; i < content.Length; i++)
        {
            foreach (var change in new byte[] { 1, 0x20, 0x80 })
            {
                File.WriteAllBytes(ListPath, MaskJournalTests.Changed(content, i, change));
                MaskJournalTests.AssertCode("OT-4060", $"byte {i}, {change}", () => { Open(); return Stream.Null; });
            }
        }
    }

    [Fact]
    public void List_ThatAnotherProcessWrites_IsNotWritten()
    {
        WriteTwo();
        var list = Open();
        using (File.OpenHandle(ListPath, FileMode.Open, FileAccess.ReadWrite, FileShare.None))
        {
            MaskJournalTests.AssertCode("OT-4061", "busy", () => { list.TryAdd(Parents[2], Order); return Stream.Null; });
            MaskJournalTests.AssertCode("OT-4061", "busy", () => { Open(); return Stream.Null; });
        }

        Assert.Equal(Parents[..2].ToHashSet(), Open().Besides(null));
    }

    private ConsumedParents Open() => new(_folder.Path);

    private byte[] WriteTwo()
    {
        foreach (var parent in Parents[..2]) Assert.True(Open().TryAdd(parent, Order));
        return File.ReadAllBytes(ListPath);
    }
}
