using Orleans.Training.Grains.History;
using Orleans.Training.Grains;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Contracts;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.History;

/// <summary>A chain in an archive gives the same answers as one in memory, after every way to open it, and never a wrong one.</summary>
public sealed class CommittedChainTests : IDisposable
{
    private static readonly TestShard Long = Blocks(700);
    private readonly string _folder = Directory.CreateTempSubdirectory("history").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory, InlineData(0), InlineData(1), InlineData(255), InlineData(256), InlineData(257), InlineData(300), InlineData(700)]
    public void OpenedAtAHeight_ItGivesTheSameAnswers_AndGrowsOn(int height)
    {
        using (var archive = ChainArchive.Open(_folder)) Fill(new CommittedChain(Long.Blocks[0], archive), 700);
        using var again = ChainArchive.Open(_folder);
        var chain = CommittedChain.Open(again, Long.Blocks[height]);
        Assert.NotNull(chain);
        Assert.Equal(height + 1, chain.Count);
        AssertSame(Fill(new CommittedChain(Long.Blocks[0]), height), chain);
        AssertSame(Fill(new CommittedChain(Long.Blocks[0]), 700), Fill(chain, 700));
    }

    [Fact]
    public void WhatAnArchiveDoesNotHold_IsNotOpened_AndItIsEmptyThen()
    {
        using var archive = ChainArchive.Open(_folder);
        Fill(new CommittedChain(Long.Blocks[0], archive), 300);
        Assert.Null(CommittedChain.Open(archive, Long.Blocks[301]));
        Assert.Equal(0, archive.Count);
        // What it does hold is still there.
        AssertSame(Fill(new CommittedChain(Long.Blocks[0]), 270), CommittedChain.Open(archive, Long.Blocks[270])!);
        Fill(new CommittedChain(Long.Blocks[0], archive), 300);
        Assert.Null(CommittedChain.Open(archive, Blocks(10, "/other").Blocks[10]));
        AssertSame(Fill(new CommittedChain(Long.Blocks[0]), 20), Fill(new CommittedChain(Long.Blocks[0], archive), 20));
    }

    // Whatever the newest root grows from is looked at when the archive is opened, not only when it is asked for.
    [Fact]
    public void ATreeThatDoesNotGrowToTheRoot_IsNotOpened()
    {
        using (var archive = ChainArchive.Open(_folder)) Fill(new CommittedChain(Long.Blocks[0], archive), 300);
        var bytes = File.ReadAllBytes(Path.Combine(_folder, "tree"));
        Assert.True(bytes.Length >= SubtreeFile.RecordBytes);
        // The root of the last complete subtree is what stands last.
        bytes[^1] ^= 1;
        File.WriteAllBytes(Path.Combine(_folder, "tree"), bytes);
        using var again = ChainArchive.Open(_folder);
        Assert.Null(CommittedChain.Open(again, Long.Blocks[300]));
    }

    // Whoever joins at a height says nothing of what was before, proves what came after, and says all when the past is there.
    [Theory, InlineData(0), InlineData(1), InlineData(254), InlineData(255), InlineData(256), InlineData(430)]
    public void BehindAHeight_ItKnowsWhatComesAfter_AndAllWithThePast(int height)
    {
        var whole = Fill(new CommittedChain(Long.Blocks[0]), 700);
        var chain = Fill(CommittedChain.After(Long.Blocks[height]), 600);
        var (unknown, header) = (Long.Blocks[height].Block.Header.TreeSize, Long.Blocks[600].Block.Header);
        Assert.Equal(height + 1, chain.First);
        for (var size = 0L; size <= header.TreeSize; size += size % 3 + 1) Assert.Equal(size < unknown ? null : whole.RootAt(size), chain.RootAt(size));
        for (var index = unknown; index < header.TreeSize; index += 3) Assert.Equal(whole.InclusionProof(index, header.TreeSize), chain.InclusionProof(index, header.TreeSize));
        for (var level = 0; level < 2; level++)
        {
            for (var tile = 0; tile < header.TreeSize >> (8 * level) >> 8; tile++) Assert.Equal(tile * LogTile.FullWidth < unknown >> (8 * level) ? null : whole.Read(new LogTile(level, tile, LogTile.FullWidth)), chain.Read(new LogTile(level, tile, LogTile.FullWidth)));
        }

        Assert.Equal(600 - height, chain.From(0).Count());
        using (var archive = ChainArchive.Open(_folder))
        {
            var past = Fill(new CommittedChain(Long.Blocks[0], archive), height);
            Assert.Throws<InvalidOperationException>(() => CommittedChain.After(Long.Blocks[height + 1]).Complete(past));
            chain.Complete(past);
            AssertSame(Fill(new CommittedChain(Long.Blocks[0]), 600), chain);
            AssertSame(whole, Fill(chain, 700));
        }

        using var again = ChainArchive.Open(_folder);
        AssertSame(whole, CommittedChain.Open(again, Long.Blocks[700])!);
    }

    [Fact]
    public void ALeap_LeavesThePastBehind_WhichGrowsOnItsOwn()
    {
        using var archive = ChainArchive.Open(_folder);
        var chain = Fill(new CommittedChain(Long.Blocks[0], archive), 100);
        var past = chain.LeapTo(Long.Blocks[400]);
        Assert.Equal((401, 401, 101), (chain.First, chain.Count, past.Count));
        Fill(chain, 700);
        chain.Complete(Fill(past, 400));
        AssertSame(Fill(new CommittedChain(Long.Blocks[0]), 700), chain);
    }

    [Fact]
    public void AnArchive_IsForOneProcess()
    {
        using var archive = ChainArchive.Open(_folder);
        Assert.Equal("OT-4014", Assert.Throws<OperationalException>(() => ChainArchive.Open(_folder)).Code);
    }

    [Fact]
    public void PastEras_AreTheSame()
    {
        var governed = TestGovernance.Example();
        using (var archive = ChainArchive.Open(_folder))
        {
            var chain = new CommittedChain(governed.Blocks[0], archive);
            foreach (var block in governed.Blocks.Skip(1)) chain.Append(block, Finalization(block));
        }

        using var again = ChainArchive.Open(_folder);
        var links = CommittedChain.Open(again, governed.Blocks[^1])!.PastEras;
        var sealing = governed.Blocks.Where(block => block.Block.IsSealing).ToArray();
        Assert.NotEmpty(sealing);
        Assert.Equal(sealing.Select(block => (block.Block.Digest, block.Seals!.Digest)), links.Select(link => (link.Final.Digest, link.Next.Digest)));
        Assert.Equal(sealing.Select(block => block.Block.Header.TimeMs), links.Select(link => link.SealedMs));
    }

    // One byte in 401, in all files: it is made anew, or refused when the byte is met, or the byte is of no account.
    [Fact]
    public void AFlippedByte_IsNeverServed()
    {
        const int Height = 300;
        using (var archive = ChainArchive.Open(_folder)) Fill(new CommittedChain(Long.Blocks[0], archive), Height);
        var good = Answers(Fill(new CommittedChain(Long.Blocks[0]), Height));
        var (anew, refused, untouched) = (0, 0, 0);
        foreach (var path in Directory.EnumerateFiles(_folder).Order(StringComparer.Ordinal))
        {
            var bytes = File.ReadAllBytes(path);
            for (var at = 0; at < bytes.Length; at += 401)
            {
                bytes[at] ^= 0x10;
                var copy = Path.Combine(_folder, "copy");
                Directory.CreateDirectory(copy);
                foreach (var file in Directory.EnumerateFiles(_folder)) File.Copy(file, Path.Combine(copy, Path.GetFileName(file)), overwrite: true);
                File.WriteAllBytes(Path.Combine(copy, Path.GetFileName(path)), bytes);
                bytes[at] ^= 0x10;
                using var archive = ChainArchive.Open(copy);
                if (CommittedChain.Open(archive, Long.Blocks[Height]) is not { } chain)
                {
                    anew++;
                    continue;
                }

                var answers = Answers(chain);
                Assert.Equal(good.Length, answers.Length);
                for (var i = 0; i < good.Length; i++) Assert.True(answers[i] == good[i] || answers[i] == "OT-4013", $"{path} at {at}: answer {i}");
                if (answers.Contains("OT-4013")) refused++; else untouched++;
            }
        }

        Assert.True(anew > 10 && refused > 10, $"{anew} anew, {refused} refused, {untouched} untouched");
    }

    private static TestShard Blocks(int count, string keys = "")
    {
        var shard = new TestShard(keys);
        for (var i = 0; i < count; i++) shard.Commit(10, [.. Enumerable.Range(0, i % 3).Select(j => shard.Sign("va", new AddKey(TestShard.Key($"{i} {j}").Public), key: shard.KeyOf("va")))]);
        return shard;
    }

    private static CommittedChain Fill(CommittedChain chain, int height)
    {
        while (chain.Count <= height) chain.Append(Long.Blocks[(int)chain.Count], null);
        return chain;
    }

    private static Certificate Finalization(ExecutedBlock block) => Certificate.Join([new SignedVote(Vote.Finalize(block.Block.Header.Era, block.Block.Header.Height, block.Block.Digest), 0, new byte[Signatures.Size])]);

    private static void AssertSame(CommittedChain expected, CommittedChain actual) => Assert.Equal(Answers(expected), Answers(actual));

    // Everything that is asked of a chain, as text; the number of the refusal where it refuses.
    private static string[] Answers(CommittedChain chain)
    {
        var answers = new List<string>();
        void Ask(Func<object> question)
        {
            try
            {
                answers.Add(question().ToString()!);
            }
            catch (LedgerCorruptException exception)
            {
                answers.Add(exception.Code);
            }
        }

        var header = chain.Head.Block.Header;
        var note = new SignedNote(new Checkpoint("ledger.example/fed-heart", header.TreeSize, chain.RootAt(header.TreeSize)!.Value).Text, []);
        for (var height = 0L; height < chain.Count; height += 7) Ask(() => Convert.ToHexString(chain[height].Encode()));
        for (var index = 0L; index < header.TreeSize; index += 5)
        {
            Ask(() => chain.Receipt(index, note)!.ToString());
            Ask(() => chain.Locate(index)!.Value.Position);
        }

        for (var tile = 0; tile < header.TreeSize / LogTile.FullWidth; tile++)
        {
            Ask(() => Convert.ToHexString(chain.Read(new LogTile(0, tile, LogTile.FullWidth))!));
            Ask(() => Convert.ToHexString(chain.Read(new LogTile(LogTile.Entries, tile, LogTile.FullWidth))!));
        }

        Ask(() => string.Concat(chain.ConsistencyProof(header.TreeSize / 3 + 1, header.TreeSize)!));
        Ask(() => chain.From(0).Count());
        return [.. answers];
    }
}
