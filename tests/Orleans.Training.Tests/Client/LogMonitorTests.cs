using System.Net;
using System.Text;
using Orleans.Training.Client.Logs;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Exports;

namespace Orleans.Training.Tests.Client;

/// <summary>Logs as their servers show them: honest ones, slow ones, and such that show another history.</summary>
public sealed class LogMonitorTests
{
    private static readonly TestExport Signers = new(new TestExportPlan { Rounds = 1, Trainers = 1 });

    [Fact]
    public async Task Proofs_FromTiles_AreTheTrees()
    {
        var tree = Tree(70_000);
        using var reader = Serve(tree, 70_000);
        foreach (var (old, size) in new (long, long)[] { (1, 1), (1, 2), (3, 7), (255, 256), (256, 257), (256, 65_536), (257, 65_537), (65_535, 65_536), (65_536, 70_000), (1, 70_000), (69_999, 70_000), (70_000, 70_000) })
        {
            Assert.Equal(tree.ConsistencyProof(old, size), await reader.Prove(old, size, CancellationToken.None));
        }

        for (var size = 1; size <= 40; size++)
        {
            for (var old = 1; old <= size; old++) Assert.Equal(tree.ConsistencyProof(old, size), await reader.Prove(old, size, CancellationToken.None));
        }
    }

    [Fact]
    public async Task ServersThatAreBehind_AreGood_AndTheLargestIsRemembered()
    {
        var tree = Tree(600);
        using var slow = Serve(tree, 300);
        using var fast = Serve(tree, 600);
        var (findings, known) = await new LogMonitor(Signers.Policy, [slow, fast]).Look(null, CancellationToken.None);
        Assert.Equal([LogHealth.Good, LogHealth.Good], findings.Select(finding => finding.Health));
        Assert.Equal(600, SizeOf(known!));
        // Later: one is still behind what was seen, the other shows that it belongs there.
        (findings, known) = await new LogMonitor(Signers.Policy, [slow, fast]).Look(known, CancellationToken.None);
        Assert.Equal([LogHealth.Good, LogHealth.Good], findings.Select(finding => finding.Health));
        Assert.Equal(600, SizeOf(known!));
    }

    [Theory]
    [InlineData(600, 600)]
    [InlineData(300, 600)]
    [InlineData(600, 300)]
    public async Task ASecondHistory_IsFound_WhoeverShowsIt_AndItsSignersAreNamed(long first, long second)
    {
        using var one = Serve(Tree(600), first);
        using var other = Serve(Tree(600, from: 100), second);
        var (findings, _) = await new LogMonitor(Signers.Policy, [one, other]).Look(null, CancellationToken.None);
        RequireProof(Assert.Single(findings, finding => finding.Health is LogHealth.SplitView));
        // And when they are asked one after the other.
        var (_, known) = await new LogMonitor(Signers.Policy, [one]).Look(null, CancellationToken.None);
        (findings, var still) = await new LogMonitor(Signers.Policy, [other]).Look(known, CancellationToken.None);
        Assert.Same(known, still);
        // A server that has only the smaller tree cannot show what the larger one begins with: then there is suspicion, and no proof.
        var finding = Assert.Single(findings);
        Assert.Equal(second < first ? LogHealth.NotConsistent : LogHealth.SplitView, finding.Health);
        if (second < first) Assert.Empty(finding.Evidence);
        else RequireProof(finding);

        // The log key and the three that cosigned; each file proves it alone.
        static void RequireProof(LogFinding finding)
        {
            Assert.Equal(4, finding.Evidence.Count);
            Assert.All(finding.Evidence, view =>
            {
                Assert.True(SplitView.TryParse(view.Encode(), out var read));
                Assert.Equal(FaultKind.TwoTrees, read!.Check());
            });
        }
    }

    [Fact]
    public async Task WhatNobodySigned_AndWhatIsNoLog_SaysSo()
    {
        using var unsigned = Serve(Tree(5), 5, cosigners: 2);
        using var nothing = new LogReader(new Uri("http://log.example/shards/x"), null, new Answers(_ => null));
        using var noise = new LogReader(new Uri("http://log.example/shards/x"), null, new Answers(_ => [0xFF, 0xFE]));
        var (findings, known) = await new LogMonitor(Signers.Policy, [unsigned, nothing, noise]).Look(null, CancellationToken.None);
        Assert.Equal([LogHealth.NotTrusted, LogHealth.Unreadable, LogHealth.Unreadable], findings.Select(finding => finding.Health));
        Assert.All(findings.Skip(1), finding => Assert.Contains("OT-3301", finding.Text, StringComparison.Ordinal));
        Assert.Null(known);
    }

    [Fact]
    public async Task TilesThatAreTooShort_AreNoProof()
    {
        using var reader = new LogReader(new Uri("http://log.example/"), null, new Answers(_ => new byte[31]));
        Assert.StartsWith("OT-3301 ", (await Assert.ThrowsAsync<LogException>(() => reader.Prove(3, 7, CancellationToken.None))).Message, StringComparison.Ordinal);
    }

    private static LogReader Serve(MerkleTree tree, long size, int cosigners = 3) => new(new Uri("http://log.example/shards/x"), "key", new Answers(path =>
        path == "checkpoint" ? Encoding.UTF8.GetBytes(Signers.Checkpoint(tree, size, cosigners).ToString())
        // A server gives the tiles of what it has.
        : LogTile.TryParse(path, out var tile) && (tile.First + tile.Width) << (8 * tile.Level) <= size ? tree.Read(tile) : null));

    private static long SizeOf(SignedNote note) => Checkpoint.TryParse(note.Text, out var checkpoint) ? checkpoint!.Size : -1;

    private static MerkleTree Tree(int size, int from = int.MaxValue)
    {
        var tree = new MerkleTree();
        for (var i = 0; i < size; i++) tree.Append(MerkleHash.Leaf([.. BitConverter.GetBytes(i), i >= from ? (byte)1 : (byte)0]));
        return tree;
    }

    private sealed class Answers(Func<string, byte[]?> serve) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromResult(serve(request.RequestUri!.AbsolutePath.Replace("/shards/x/", "", StringComparison.Ordinal)) is { } content ? new HttpResponseMessage(HttpStatusCode.OK) { Content = new ByteArrayContent(content) } : new HttpResponseMessage(HttpStatusCode.NotFound));
    }
}
