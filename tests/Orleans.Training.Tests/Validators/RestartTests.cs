using Orleans.Training.Grains.History;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.Validators;

/// <summary>A validator that starts from a snapshot is the one that it was; without a good one it executes its journal.</summary>
public sealed class RestartTests
{
    [Fact]
    public async Task FromASnapshot_AValidatorIsWhereItWas_AndGoesOn()
    {
        await using var validators = new LocalValidators();
        await validators.Start(0, 1, 2, 3);
        await Write(validators, 40, 0);
        // Another era, so that the snapshot begins behind its border.
        var given = validators.Sign("va", new Redelegate(null, default));
        Assert.Equal([Rejection.None], await validators[0].Submit([given]));
        await LocalValidators.Committed(validators[2], given);
        await Write(validators, 40, 40);

        var before = await Stopped(validators, 2);
        Assert.NotEmpty(new Snapshots(validators.HistoryOf(2)).Read());
        await validators.Start(2);
        Assert.True(validators[2].StartedFrom > 0);
        Assert.Equal(2, validators[2].Eras.Count());
        await Write(validators, 10, 80);
        AssertSame(before, validators[2]);
        AssertSame(before, validators[0]);
    }

    [Theory]
    [InlineData("newest", true), InlineData("all", false), InlineData("blocks", false), InlineData("index", false), InlineData("tree", false), InlineData("tail", false)]
    public async Task WhatIsGoneOrDamaged_IsMadeAgainFromTheJournal(string what, bool stillFromASnapshot)
    {
        await using var validators = new LocalValidators();
        await validators.Start(0, 1, 2, 3);
        await Write(validators, 300, 0);
        var before = await Stopped(validators, 1);
        var folder = validators.HistoryOf(1);
        var snapshots = Directory.EnumerateFiles(folder, "snapshot-*-*").OrderDescending(StringComparer.Ordinal).ToArray();
        Assert.Equal(2, snapshots.Length);
        switch (what)
        {
            case "newest": Flip(snapshots[0]); break;
            case "all": foreach (var path in snapshots) Flip(path); break;
            // A crash that took what was not synced.
            case "tail": File.WriteAllBytes(Path.Combine(folder, "blocks"), File.ReadAllBytes(Path.Combine(folder, "blocks"))[..2000]); break;
            default: File.Delete(Path.Combine(folder, what)); break;
        }

        await validators.Start(1);
        Assert.Equal(stillFromASnapshot, validators[1].StartedFrom > 0);
        AssertSame(before, validators[1]);
        await Write(validators, 5, 300);
        AssertSame(before, validators[1]);

        static void Flip(string path)
        {
            var bytes = File.ReadAllBytes(path);
            bytes[bytes.Length / 2] ^= 1;
            File.WriteAllBytes(path, bytes);
        }
    }

    [Fact]
    public async Task AHistoryOfAnotherLedger_IsNotBelieved()
    {
        await using var one = new LocalValidators();
        await using var other = new LocalValidators();
        await one.Start(0, 1, 2, 3);
        await Write(one, 60, 0);
        await Stopped(one, 3);
        foreach (var file in Directory.EnumerateFiles(one.HistoryOf(3))) File.Copy(file, Path.Combine(Directory.CreateDirectory(other.HistoryOf(3)).FullName, Path.GetFileName(file)), overwrite: true);
        await other.Start(0, 1, 2, 3);
        Assert.Equal(0, other[3].StartedFrom);
        await Write(other, 20, 0);
        // The other ledger's are gone, and not in the way of this one's.
        await Stopped(other, 3);
        Assert.All(new Snapshots(other.HistoryOf(3)).Read(), snapshot => Assert.Equal(other.Genesis.Chain, snapshot.Block.Header.Chain));
        await other.Start(3);
        Assert.True(other[3].StartedFrom > 0);
        Assert.Equal(other[0].Chain[1].Block.Digest, other[3].Chain[1].Block.Digest);
    }

    // One by one, so that there are many blocks.
    private static async Task Write(LocalValidators validators, int count, int first)
    {
        for (var i = first; i < first + count; i += 5)
        {
            var transactions = Enumerable.Range(i, 5).Select(number => validators.Sign(TestShard.Hospitals[number % 3], new AddKey(TestShard.Key($"more {number}").Public))).ToArray();
            Assert.All(await validators[0].Submit(transactions), answer => Assert.Equal(Rejection.None, answer));
            foreach (var transaction in transactions) await LocalValidators.Committed(validators[0], transaction);
        }
    }

    private static async Task<(ExecutedBlock Head, Digest Root)> Stopped(LocalValidators validators, int seat)
    {
        var host = validators[seat];
        await validators.Stop(seat);
        return (host.Chain.Head, host.Chain.RootAt(host.Chain.Head.Block.Header.TreeSize)!.Value);
    }

    private static void AssertSame((ExecutedBlock Head, Digest Root) before, ValidatorHost host)
    {
        var header = before.Head.Block.Header;
        Assert.Equal(before.Head.Block.Digest, host.Chain[(long)header.Height].Block.Digest);
        Assert.Equal(before.Root, host.Chain.RootAt(header.TreeSize));
        for (var index = 0L; index < header.TreeSize; index++) Assert.True(MerkleProof.VerifyInclusion(MerkleHash.Leaf(host.Chain.Locate(index)!.Value.Block.Leaves[host.Chain.Locate(index)!.Value.Position]), index, header.TreeSize, host.Chain.InclusionProof(index, header.TreeSize), before.Root));
        if (host.Chain.Head.Block.Digest == before.Head.Block.Digest && !before.Head.Block.IsSealing) Assert.Equal(SnapshotTests.Bytes(before.Head), SnapshotTests.Bytes(host.Chain.Head));
    }
}
