using System.Diagnostics;
using System.Text.Json;
using Orleans.Runtime;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;

namespace Orleans.Training.EndToEnd;

/// <summary>A silo dies as in a power cut, with the ledger's shard grain and one validator in it.</summary>
[Collection(Heart.Name)]
public sealed class SiloDeathTests
{
    [Fact]
    public async Task Subscriber_OfTheOtherSilo_SeesEveryEventOnce()
    {
        using var federation = new TestFederation("death");
        await using var survivor = await GatewayHost.Start(federation.Folder, federation.Shard, "survivor", ["cleveland", "hungarian", "switzerland"]);
        using var victim = await SiloProcess.Start(federation, "victim", "va");
        await survivor.SeesActive(2);

        // The shard's grain is activated where the hint says, and stays.
        RequestContext.Set(Orleans.Runtime.Placement.IPlacementDirector.PlacementHintKey, victim.Address);
        await survivor.Shard.Start();
        RequestContext.Clear();
        Assert.Equal(victim.Address, await survivor.Grains.GetGrain<IManagementGrain>(0).GetActivationAddress((IAddressable)survivor.Shard));

        using var client = new GraphClient(survivor.Url, survivor.CreateKey());
        var key = survivor.CreateKey("follower");
        await using var follower = await Follow(survivor.Url, key, federation);
        await HeartFixture.SetUp(client, federation);
        var expected = await Ledgers.Events(survivor.Shard);
        var seen = new List<string>();
        while (seen.Count < expected.Count) await ForeignClientTests.Take(follower, seen);

        // Another subscriber is served by the silo that dies, and half-way through.
        var cursor = "";
        var moved = new List<string>();
        await using (var orphan = await Follow(victim.Url, key, federation))
        {
            while (moved.Count < expected.Count / 2) cursor = await ForeignClientTests.Take(orphan, moved) ?? cursor;
        }

        // One transaction is on its way when the silo dies.
        var last = await federation.Sign("cleveland", TestFederation.Dataset("while-dying"));
        var submitting = client.Ask(GraphClient.SubmitDocument, Input(federation, last));
        victim.Kill();
        await submitting;
        await CommitInTheEnd(client, federation, last);
        for (var i = 0; i < 3; i++) await CommitInTheEnd(client, federation, await federation.Sign("hungarian", TestFederation.Dataset($"after-{i}")));

        Assert.NotEqual(victim.Address, await survivor.Grains.GetGrain<IManagementGrain>(0).GetActivationAddress((IAddressable)survivor.Shard));
        expected = await Ledgers.Events(survivor.Shard);
        while (seen.Count < expected.Count) await ForeignClientTests.Take(follower, seen);
        Assert.Equal(expected, seen);

        await using var resumed = await Follow(survivor.Url, key, federation, cursor);
        while (moved.Count < expected.Count) await ForeignClientTests.Take(resumed, moved);
        Assert.Equal(expected, moved);
        Assert.Contains(expected, item => item.EndsWith(DatasetRecord.Key(ParticipantId.Parse("hungarian"), "after-2"), StringComparison.Ordinal));
    }

    private static Task<NodeProgram> Follow(Uri url, string key, TestFederation federation, string after = "") =>
        NodeProgram.Start("follow.mjs", new UriBuilder(new Uri(url, "/graphql")) { Scheme = "ws" }.Uri.ToString(), key, federation.Id, after);

    private static object Input(TestFederation federation, Protocol.Ledger.Transaction transaction) =>
        new { input = new { federationId = federation.Id, transaction = Convert.ToBase64String(transaction.Encoded.Span) } };

    // As a client should: the same bytes again until the ledger has them.
    private static async Task CommitInTheEnd(GraphClient client, TestFederation federation, Protocol.Ledger.Transaction transaction)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(90));
        using var glance = new PeriodicTimer(TimeSpan.FromMilliseconds(250));
        JsonElement answer = default;
        while (await glance.WaitForNextTickAsync(CancellationToken.None))
        {
            Assert.False(limit.IsCancellationRequested, $"not committed: {answer}");
            answer = await client.Ask(GraphClient.SubmitDocument, Input(federation, transaction));
            if (answer.TryGetProperty("data", out var data) && data.GetProperty("submitTransaction").GetProperty("transaction") is { ValueKind: JsonValueKind.Object } state && state.GetProperty("status").GetString() == "COMMITTED") return;
        }
    }

    private sealed class SiloProcess : IDisposable
    {
        private readonly Process _process;

        private SiloProcess(Process process, SiloAddress address, Uri url) => (_process, Address, Url) = (process, address, url);

        public SiloAddress Address { get; }

        public Uri Url { get; }

        public static async Task<SiloProcess> Start(TestFederation federation, string name, params string[] participants)
        {
            var start = new ProcessStartInfo("dotnet", ["exec", typeof(SiloDeathTests).Assembly.Location, federation.Folder, federation.Shard.ToString(), name, .. participants]) { RedirectStandardInput = true, RedirectStandardOutput = true };
            var process = Process.Start(start)!;
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            var said = (await process.StandardOutput.ReadLineAsync(limit.Token))!.Split(' ');
            return new SiloProcess(process, SiloAddress.FromParsableString(said[0]), new Uri(said[1]));
        }

        public void Kill()
        {
            _process.Kill();
            _process.WaitForExit();
        }

        public void Dispose()
        {
            if (!_process.HasExited) Kill();
            _process.Dispose();
        }
    }
}
