using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using GraphQL;
using GraphQL.Types;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Training.Gateway.Keys;
using Orleans.Training.Protocol;

namespace Orleans.Training.EndToEnd;

/// <summary>Who gets in, and what everybody else gets, which is nothing: shown for every field that introspection knows.</summary>
[Collection(Heart.Name)]
public sealed class AccessTests(HeartFixture heart)
{
    private static readonly Identifier Elsewhere = Identifier.Of("another federation"u8);

    [Fact]
    public async Task EveryField_AnswersTheRightKey_AndNobodyElse()
    {
        using var anonymous = new GraphClient(heart.Host.Url, null);
        using var unknown = new GraphClient(heart.Host.Url, heart.Key[..^1] + (heart.Key[^1] == 'A' ? 'B' : 'A'));
        using var foreign = new GraphClient(heart.Host.Url, heart.Host.CreateKey("stranger", shards: Elsewhere));
        var documents = await EveryField.Documents(heart);
        Assert.True(documents.Count > 150, $"only {documents.Count} fields were found");
        foreach (var (field, document, isIntrospection) in documents)
        {
            var good = await heart.Client.Ask(document);
            Assert.False(good.TryGetProperty("errors", out var errors), $"{field}: {errors}");
            foreach (var client in new[] { anonymous, unknown })
            {
                using var response = await client.Http.PostAsJsonAsync(new Uri("/graphql", UriKind.Relative), new { query = document });
                Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
                Assert.False((await response.Content.ReadFromJsonAsync<JsonElement>()).TryGetProperty("data", out _), field);
            }

            // What the schema is, any tenant may know; what a federation holds, only its own.
            if (isIntrospection) continue;
            var stranger = await foreign.Ask(document);
            if (document.StartsWith("mutation", StringComparison.Ordinal)) Assert.Equal((await heart.Client.Ask(document.Replace(heart.Federation.Id, Gateway.GatewayExtensions.FederationId(Elsewhere), StringComparison.Ordinal))).ToString(), stranger.ToString());
            else Assert.Equal(JsonValueKind.Null, stranger.GetProperty("data").EnumerateObject().Single().Value.ValueKind);
        }
    }

    [Fact]
    public async Task EveryField_IsRefusedByTheSchemaItself_WithoutACaller()
    {
        var executer = heart.Host.Services.GetRequiredService<IDocumentExecuter>();
        var schema = heart.Host.Services.GetRequiredService<ISchema>();
        foreach (var (field, document, _) in await EveryField.Documents(heart))
        {
            var result = await executer.ExecuteAsync(new ExecutionOptions { Schema = schema, Query = document, RequestServices = heart.Host.Services });
            Assert.False(result.Executed, field);
            Assert.Null(result.Data);
            Assert.All(result.Errors!, error => Assert.Equal("OT-6001", error.Code));
        }
    }

    [Fact]
    public async Task Subscription_ShowsAStrangerNothing()
    {
        await using var stranger = await NodeProgram.Start("follow.mjs", new UriBuilder(new Uri(heart.Host.Url, "/graphql")) { Scheme = "ws" }.Uri.ToString(), heart.Host.CreateKey("stranger", shards: Elsewhere), heart.Federation.Id);
        var lines = await stranger.All();
        Assert.Equal("OT-6004", lines[^1].GetProperty("failed")[0].GetProperty("extensions").GetProperty("code").GetString());
        Assert.DoesNotContain(lines, line => line.TryGetProperty("cursor", out _));
    }

    [Fact]
    public async Task ForeignAndUnknownFederations_LookTheSame()
    {
        using var foreign = new GraphClient(heart.Host.Url, heart.Host.CreateKey("stranger", shards: Elsewhere));
        var transaction = await heart.Federation.Sign("va", TestFederation.Dataset("foreign-key"));
        var refused = await foreign.Submit(heart.Federation, transaction);
        var unknown = await heart.Client.Query(GraphClient.SubmitDocument, new { input = new { federationId = Gateway.GatewayExtensions.FederationId(Elsewhere), transaction = Convert.ToBase64String(transaction.Encoded.Span) } });
        Assert.Equal(unknown.ToString(), refused.ToString());
        Assert.Equal("NOT_FOUND", refused.GetProperty("submitTransaction").GetProperty("errors")[0].GetProperty("code").GetString());
        Assert.Null(await heart.Host.Contracts.Find(Protocol.Contracts.DatasetRecord.Key(ParticipantId.Parse("va"), "foreign-key")));
    }

    [Fact]
    public async Task Scopes_AreNeeded()
    {
        using var reader = new GraphClient(heart.Host.Url, heart.Host.CreateKey("reader", [Scopes.Read]));
        using var writer = new GraphClient(heart.Host.Url, heart.Host.CreateKey("writer", [Scopes.Submit]));
        var transaction = Convert.ToBase64String((await heart.Federation.Sign("va", TestFederation.Dataset("scoped"))).Encoded.Span);
        var submit = await reader.Ask(GraphClient.SubmitDocument, new { input = new { federationId = heart.Federation.Id, transaction } });
        Assert.Equal("OT-6003", CodeOf(submit));
        Assert.Equal("OT-6003", CodeOf(await writer.Ask("query($id: ID!) { federation(id: $id) { id } }", new { id = heart.Federation.Id })));
        Assert.Equal("PENDING", (await writer.Ask(GraphClient.SubmitDocument, new { input = new { federationId = heart.Federation.Id, transaction } })).GetProperty("data").GetProperty("submitTransaction").GetProperty("transaction").GetProperty("status").GetString());
    }

    [Fact]
    [System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
    public async Task Keys_ThatExpiredOrAreReadableByOthers_OpenNothing()
    {
        using var federation = new TestFederation("keys");
        var expired = ApiKeys.Create(federation.KeyFile, "old", [federation.Shard], Scopes.All, TimeProvider.System, TimeSpan.FromSeconds(-1));
        var good = ApiKeys.Create(federation.KeyFile, "new", [federation.Shard], Scopes.All, TimeProvider.System);
        Assert.Matches("^fk_test_[A-Za-z0-9_-]{49}$", good);
        Assert.DoesNotContain(good[8..], await File.ReadAllTextAsync(federation.KeyFile), StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(federation.KeyFile));
        var keys = new ApiKeys(federation.KeyFile, TimeProvider.System);
        Assert.Null(keys.Find(expired));
        Assert.Equal("new", keys.Find(good)?.Tenant);
        File.SetUnixFileMode(federation.KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        Assert.Null(new ApiKeys(federation.KeyFile, TimeProvider.System).Find(good));
        Assert.StartsWith("OT-6021", Assert.Throws<Grains.OperationalException>(keys.Check).Message, StringComparison.Ordinal);
        Assert.Null(new ApiKeys(federation.KeyFile + ".none", TimeProvider.System).Find(good));
    }

    [Fact]
    public async Task Keys_ThatAreMadeAtOnce_AllOpen()
    {
        const int Each = 20;
        using var federation = new TestFederation("writers");
        using var together = new Barrier(2);
        var writers = Enumerable.Range(0, 2).Select(writer => Task.Factory.StartNew(
            () =>
            {
                together.SignalAndWait();
                return Enumerable.Range(0, Each).Select(i => ApiKeys.Create(federation.KeyFile, $"tenant-{writer}-{i}", [federation.Shard], Scopes.All, TimeProvider.System)).ToArray();
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default));
        var made = await Task.WhenAll(writers);
        var keys = new ApiKeys(federation.KeyFile, TimeProvider.System);
        Assert.Equal(Enumerable.Range(0, 2).SelectMany(writer => Enumerable.Range(0, Each).Select(i => $"tenant-{writer}-{i}")), made.SelectMany(all => all.Select(key => keys.Find(key)?.Tenant)));
    }

    [Fact]
    public async Task Blobs_AreForThoseWhoMaySeeTheirModel()
    {
        const string Document = "query($id: ID!) { run(id: $id) { models { nodes { id download { url root } } } } }";
        var models = (await heart.Client.Query(Document, new { id = heart.RunId })).GetProperty("run").GetProperty("models").GetProperty("nodes");
        var url = models[0].GetProperty("download").GetProperty("url").GetString()!;
        using var anonymous = new GraphClient(heart.Host.Url, null);
        using var foreign = new GraphClient(heart.Host.Url, heart.Host.CreateKey("stranger", shards: Elsewhere));
        using var writer = new GraphClient(heart.Host.Url, heart.Host.CreateKey("writer", [Scopes.Submit]));
        Assert.Equal(HttpStatusCode.OK, await Get(heart.Client, url));
        Assert.Equal(HttpStatusCode.Unauthorized, await Get(anonymous, url));
        Assert.Equal(HttpStatusCode.NotFound, await Get(foreign, url));
        Assert.Equal(HttpStatusCode.Forbidden, await Get(writer, url));
        foreach (var wrong in new[] { url.Split('?')[0], "/blobs/none", "/blobs/" + Digest.Of("none"u8) + "?model=" + models[0].GetProperty("id").GetString(), url.Split('?')[0] + "?model=" + heart.RunId })
            Assert.Equal(HttpStatusCode.NotFound, await Get(heart.Client, wrong));
        Assert.Equal("ok", await anonymous.Http.GetStringAsync(new Uri("/healthz", UriKind.Relative)));
    }

    private static async Task<HttpStatusCode> Get(GraphClient client, string url)
    {
        using var response = await client.Http.GetAsync(new Uri(url, UriKind.Relative));
        return response.StatusCode;
    }

    private static string? CodeOf(JsonElement answer) => answer.GetProperty("errors")[0].GetProperty("extensions").GetProperty("code").GetString();
}
