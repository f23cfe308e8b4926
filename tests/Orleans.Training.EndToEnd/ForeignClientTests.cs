using System.Text.Json;
using Orleans.Training.Grains.Ledger;

namespace Orleans.Training.EndToEnd;

/// <summary>Other people's programs, unmodified, find what they expect.</summary>
[Collection(Heart.Name)]
public sealed class ForeignClientTests(HeartFixture heart)
{
    private Uri Graph => new(heart.Host.Url, "/graphql");

    private Uri Socket => new UriBuilder(Graph) { Scheme = "ws" }.Uri;

    [Fact]
    public async Task GraphQLOverHttpAudit_FindsNoFailure()
    {
        await using var audit = await NodeProgram.Start("audit.mjs", Graph.ToString(), heart.Key);
        var results = await audit.All();
        Assert.True(results.Count > 50, $"only {results.Count} audits ran");
        SchemaTests.AssertNone(results.Where(result => result.GetProperty("status").GetString() != "ok").Select(result => result.ToString()));
    }

    [Fact]
    public async Task GraphQLWs_WhoseConnectionIsCut_ResumesWithNoGapAndNoDuplicate()
    {
        await using var follower = await NodeProgram.Start("follow.mjs", Socket.ToString(), heart.Key, heart.Federation.Id);
        var expected = await Ledgers.Events(heart.Host.Shard);
        var seen = new List<string>();
        while (seen.Count < expected.Count / 2) await Take(follower, seen);
        for (var cut = 0; cut < 3; cut++)
        {
            await follower.Tell("cut");
            await heart.Client.Commit(heart.Federation, "va", TestFederation.Dataset($"cut-{cut}"));
            await heart.Client.Commit(heart.Federation, "cleveland", TestFederation.Dataset($"cut-{cut}"));
            expected = await Ledgers.Events(heart.Host.Shard);
            while (seen.Count < expected.Count) await Take(follower, seen);
        }

        Assert.Equal(expected, seen);
    }

    [Fact]
    public async Task GraphQLWs_SeesOnlyTheTypesThatItAskedFor_FromTheCursorThatItGave()
    {
        var cursor = (await heart.Client.Query("query($id: ID!) { federation(id: $id) { ledger { cursor } } }", new { id = heart.Federation.Id })).GetProperty("federation").GetProperty("ledger").GetProperty("cursor").GetString()!;
        await using var follower = await NodeProgram.Start("follow.mjs", Socket.ToString(), heart.Key, heart.Federation.Id, cursor, "DatasetRegistered");
        await heart.Client.Commit(heart.Federation, "va", new Protocol.Contracts.AddKey(heart.Federation.Key("va", "derivation")));
        await heart.Client.Commit(heart.Federation, "va", TestFederation.Dataset("typed"));
        var seen = new List<string>();
        while (seen.Count < 1) await Take(follower, seen);
        var expected = await Ledgers.Events(heart.Host.Shard);
        Assert.Equal([expected[^1]], seen);
        Assert.Contains(expected, item => item.Contains("KeyAdded", StringComparison.Ordinal));
    }

    [Fact]
    public async Task GraphQLWs_WithAnUnknownKey_IsTurnedAwayForGood()
    {
        await using var follower = await NodeProgram.Start("follow.mjs", Socket.ToString(), "fk_test_unknown", heart.Federation.Id);
        var lines = await follower.All();
        Assert.Equal(4401, lines[^1].GetProperty("code").GetInt32());
    }

    /// <summary>Takes the next line; the cursor when it was an event, which then joins those seen.</summary>
    internal static async Task<string?> Take(NodeProgram follower, List<string> seen)
    {
        var line = await follower.Next();
        Assert.False(line.TryGetProperty("failed", out var failed) || line.TryGetProperty("errors", out failed), line.ToString());
        if (!line.TryGetProperty("cursor", out var cursor)) return null;
        seen.Add($"{line.GetProperty("ledgerIndex").GetString()} {line.GetProperty("type").GetString()} {line.GetProperty("subject").GetString()}");
        return cursor.GetString();
    }
}

internal static class Ledgers
{
    /// <summary>Every event of the ledger so far, read leaf by leaf and not as subscribers do.</summary>
    public static async Task<List<string>> Events(ILedgerShardGrain shard)
    {
        var events = new List<string>();
        for (long index = 0; await shard.Item(index) is { } item; index++) events.AddRange(item.Events.Select(fact => $"{item.Index} {fact.Type} {fact.Key}"));
        return events;
    }
}
