using System.Reflection;
using Orleans.Training.Client.Exports;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Cluster;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.Exports;

public sealed class ExportVerifierTests
{
    private static string FileOf(int height) => ExportLayout.Block(height);

    [Fact]
    public void Export_OfAStrategyWithState_IsVerified_AndItsStateIsPartOfIt()
    {
        var strategy = new ServerStrategy(ServerRule.FedYogi, 10_000, 900_000, 990_000, 1_000);
        Assert.Equal(3, new TestExport(new TestExportPlan { Rounds = 3, Strategy = strategy }).Verify().Rounds);
        var found = Assert.Throws<ExportException>(() => new TestExport(new TestExportPlan { Strategy = strategy, ForgetsState = true }).Verify());
        Assert.Equal(ExportFault.ModelDiffers, found.Fault);
    }

    [Fact]
    public void GoodExport_Verifies_AndEverythingIsCounted()
    {
        var export = new TestExport();
        var report = export.Verify();
        // 9 admissions, 3 data sets, proposal and 3 acceptances; per round: opening, 3 commitments, 3 held, proposal, 3 verdicts.
        Assert.Equal((11, 38, 0, 4, 50, 2), (report.Blocks, report.Entries, report.Refused, report.Certificates, report.Receipts, report.Rounds));
        Assert.Equal((50, export.Shard.Head.Block.Header.TreeSize), (report.Size, report.Size));
        Assert.Equal(2 * (4 * 24 + 32 + 24), report.BlobBytes);
        Assert.Equal(export.Files.Where(file => file.Key.StartsWith("blocks/", StringComparison.Ordinal)).Sum(file => file.Value.Length), report.LedgerBytes);
        Assert.Equal(export.Shard.State.All<Protocol.Contracts.ModelRecord>("models/").Last().Model, report.Model);
    }

    [Fact]
    public void GoodExport_VerifiesFromDisk()
    {
        using var folder = new TemporaryFolder();
        var export = new TestExport();
        export.WriteTo(folder.Path);
        Assert.Equal(export.Verify(), ExportVerifier.Verify(folder.Path, export.Policy));
    }

    [Fact]
    public void Export_OfSeveralRunsAndFailedAttempts_Verifies()
    {
        // A verdict in an attempt that failed is about another sum than the published one: that is no lie.
        var report = new TestExport(new TestExportPlan { Runs = 2, FailedAttempts = 2 }).Verify();
        Assert.Equal(4, report.Rounds);
    }

    [Fact]
    public void OneOfFourSeats_ThatLiesAboutItsWork_IsNamedAndTheExportVerifies()
    {
        var export = new TestExport(new TestExportPlan { FalseWork = 1 });
        var report = export.Verify();
        var run = export.Shard.State.All<Protocol.Contracts.RunRecord>("runs/").Single().Agreement;
        var liar = ParticipantId.Parse(TestShard.Hospitals[export.Shard.Genesis.Validators.Quorum - 1]);
        Assert.Equal([new FalseWork(liar, run, 1, FileOf(7)), new FalseWork(liar, run, 2, FileOf(11))], report.FalseWork);
        Assert.All(report.FalseWork, item => Assert.StartsWith($"{item.File}: {liar} attested round {item.Round} of run {run} ", item.ToString(), StringComparison.Ordinal));
        Assert.Empty(new TestExport().Verify().FalseWork);
    }

    [Fact]
    public void OneParticipant_ThatAgreesWithItselfOnAFalseModel_DoesNotSpoilTheExport() =>
        Assert.Equal(2, new TestExport(new TestExportPlan { LoneAgreement = true }).Verify().Rounds);

    [Fact]
    public void LinksInTheFolder_AreRefused()
    {
        using var folder = new TemporaryFolder();
        var export = new TestExport(new TestExportPlan { Rounds = 1, Trainers = 1 });
        export.WriteTo(folder.Path);
        File.Delete(folder[ExportLayout.Genesis]);
        File.CreateSymbolicLink(folder[ExportLayout.Genesis], "/dev/null");
        AssertRefused(ExportLayout.Genesis);
        File.Delete(folder[ExportLayout.Genesis]);
        File.WriteAllBytes(folder[ExportLayout.Genesis], export.Files[ExportLayout.Genesis]);
        File.CreateSymbolicLink(folder["nowhere"], "missing");
        AssertRefused("nowhere");
        File.Delete(folder["nowhere"]);
        Directory.CreateSymbolicLink(folder["more"], folder.Path);
        AssertRefused("more");

        void AssertRefused(string file)
        {
            var found = Assert.Throws<ExportException>(() => ExportVerifier.Verify(folder.Path, export.Policy));
            Assert.Equal((ExportFault.UnexpectedFile, file), (found.Fault, found.File));
        }
    }

    [Fact]
    public void TwoOfFourSeats_ThatLieAboutTheirWork_AreFoundAndNamed()
    {
        var found = Assert.Throws<ExportException>(() => new TestExport(new TestExportPlan { FalseWork = 2 }).Verify());
        Assert.Equal((ExportFault.WorkNotDone, FileOf(7)), (found.Fault, found.File));
        Assert.Contains("more than 1 of 4 validators", found.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Writer_RefusesAFolderThatIsNotEmpty()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["something"], "");
        Assert.Throws<IOException>(() => new ExportWriter(folder.Path));
    }

    [Fact]
    public void EveryFault_IsFound_InTheFileThatHasIt()
    {
        var seen = new HashSet<ExportFault>();
        foreach (var (what, export, policy, fault, file) in ExportTampering.All())
        {
            var found = Assert.Throws<ExportException>(() => export.Verify(policy));
            Assert.True((fault, file) == (found.Fault, found.File), $"{what}: expected OT-{(int)fault} {fault} in {file}, found {found.Fault} in {found.Message}");
            Assert.StartsWith($"OT-{(int)fault} {file}: ", found.Message, StringComparison.Ordinal);
            seen.Add(fault);
        }

        Assert.Equal(Enum.GetValues<ExportFault>().Order(), seen.Order());
    }

    [Fact]
    public void EachFileDeleted_IsMissed()
    {
        var export = new TestExport();
        var newest = export.Newest;
        foreach (var (file, content) in export.Files.ToArray())
        {
            export.Files.Remove(file);
            var blockLeaf = file.StartsWith("receipts/", StringComparison.Ordinal) && Receipt.TryParse(System.Text.Encoding.UTF8.GetString(content), out var receipt) && Leaf.TryParse(receipt!.Leaf, out var leaf) && leaf is BlockLeaf;
            if (blockLeaf)
            {
                Assert.Equal(49, export.Verify().Receipts);
            }
            else if (file.StartsWith("statements/", StringComparison.Ordinal))
            {
                // Nobody must say anything to other tools.
                Assert.Equal(0, export.Verify().Statements);
            }
            else
            {
                var found = Assert.Throws<ExportException>(() => export.Verify());
                // Nobody can see in a folder that its last block was taken away; the block before has no finalization.
                Assert.Equal(file == newest ? FileOf(export.Shard.Blocks.Count - 2) : file, found.File);
                Assert.Equal(file == newest ? ExportFault.NotFinal : file.StartsWith("blobs/", StringComparison.Ordinal) ? ExportFault.MissingBlob : ExportFault.MissingFile, found.Fault);
            }

            export.Files[file] = content;
        }

        Assert.Equal(50, export.Verify().Receipts);
    }

    [Fact]
    public void EachFileCutOrExtended_IsRefused()
    {
        var export = new TestExport(new TestExportPlan { Rounds = 1, Trainers = 1 });
        foreach (var (file, content) in export.Files.ToArray())
        {
            byte[][] others = [[], content[..^1], content[..(content.Length / 2)], content[1..], [.. content, 0], [.. content, (byte)'\n'], [.. content, .. content], [0xef, 0xbb, 0xbf, .. content]];
            foreach (var other in others)
            {
                export.Files[file] = other;
                Assert.Equal(file, Assert.Throws<ExportException>(() => export.Verify()).File);
            }

            export.Files[file] = content;
        }

        Assert.Equal(1, export.Verify().Rounds);
    }

    [Fact]
    public void EveryPairOfFilesSwapped_IsRefused()
    {
        var export = new TestExport(new TestExportPlan { Rounds = 1, Trainers = 1 });
        var files = export.Files.ToArray();
        var swaps = 0;
        for (var i = 0; i < files.Length; i++)
        {
            for (var j = i + 1; j < files.Length; j++)
            {
                (export.Files[files[i].Key], export.Files[files[j].Key]) = (files[j].Value, files[i].Value);
                // With one trainer of full weight the sum is the update: the same blob, and one file.
                Assert.Contains(Assert.Throws<ExportException>(() => export.Verify()).File, new[] { files[i].Key, files[j].Key });
                (export.Files[files[i].Key], export.Files[files[j].Key]) = (files[i].Value, files[j].Value);
                swaps++;
            }
        }

        Assert.True(swaps > 500, $"{swaps} swaps");
    }

    [Fact]
    public void ExportSignedWithOtherKeys_VerifiesUnderItsOwnPolicy_AndUnderNoOther()
    {
        var (original, forged) = (new TestExport(), new TestExport(new TestExportPlan { Keys = "/forged" }));
        Assert.Equal(original.Verify().Entries, forged.Verify().Entries);
        Assert.Equal(original.Shard.Genesis.Origin, forged.Shard.Genesis.Origin);
        Assert.Equal(ExportFault.CheckpointNotTrusted, Assert.Throws<ExportException>(() => forged.Verify(original.Policy)).Fault);
        Assert.Equal(ExportFault.CheckpointNotTrusted, Assert.Throws<ExportException>(() => original.Verify(forged.Policy)).Fault);
    }

    [Fact]
    public void Verifier_ReferencesNoAssemblyOfTheActorRuntime()
    {
        var closure = new Dictionary<string, Assembly>();
        var open = new Stack<Assembly>([typeof(ExportVerifier).Assembly]);
        while (open.TryPop(out var assembly))
        {
            if (!closure.TryAdd(assembly.GetName().Name!, assembly) || assembly.GetName().Name!.StartsWith("System.", StringComparison.Ordinal)) continue;
            foreach (var reference in assembly.GetReferencedAssemblies()) open.Push(Assembly.Load(reference));
        }

        Assert.Equal(["Orleans.Training.Client", "Orleans.Training.Protocol"], closure.Keys.Where(name => name.StartsWith("Orleans", StringComparison.Ordinal)).Order());
        Assert.DoesNotContain(closure.Keys, name => name.Contains("Torch", StringComparison.OrdinalIgnoreCase));
    }
}
