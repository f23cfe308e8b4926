using System.Net.WebSockets;
using System.Text;
using System.Text.Json;

namespace Orleans.Training.EndToEnd;

/// <summary>graphql-transport-ws, message by message.</summary>
[Collection(Heart.Name)]
public sealed class SocketTests(HeartFixture heart)
{
    private const string Events = "subscription($id: ID!, $after: String) { events(federationId: $id, after: $after) { cursor type at data entry { index } } }";

    private object Greeting => new { type = "connection_init", payload = new { authorization = $"Bearer {heart.Key}" } };

    [Fact]
    public async Task Connection_IsClosed_WithTheCodeOfTheProtocol()
    {
        Assert.Equal(4400, await ClosedAfter("no json"));
        Assert.Equal(4400, await ClosedAfter("[]"));
        Assert.Equal(4400, await ClosedAfter(new { type = "unknown" }));
        Assert.Equal(4400, await ClosedAfter(Greeting, new { type = "subscribe", id = "1" }));
        Assert.Equal(4400, await ClosedAfter(Greeting, new { type = "subscribe", id = "", payload = new { query = "{ __typename }" } }));
        Assert.Equal(4401, await ClosedAfter(new { type = "subscribe", id = "1", payload = new { query = "{ __typename }" } }));
        Assert.Equal(4401, await ClosedAfter(new { type = "connection_init" }));
        Assert.Equal(4401, await ClosedAfter(new { type = "connection_init", payload = new { authorization = "Bearer fk_test_unknown" } }));
        Assert.Equal(4429, await ClosedAfter(Greeting, Greeting));
        Assert.Equal(4409, await ClosedAfter(Greeting, Subscribe("1", Events, new { id = heart.Federation.Id }), Subscribe("1", Events, new { id = heart.Federation.Id })));
        Assert.Equal(1009, await ClosedAfter(new string(' ', 256 * 1024 + 1)));
    }

    [Fact]
    public async Task Connection_ThatNeverGreets_IsClosed() => Assert.Equal(4408, await ClosedAfter());

    [Fact]
    public async Task Handshake_NeedsTheSubprotocol_AndAGoodKeyIfAny()
    {
        using var plain = new ClientWebSocket();
        await Assert.ThrowsAsync<WebSocketException>(() => plain.ConnectAsync(Url, CancellationToken.None));
        using var wrong = new ClientWebSocket();
        wrong.Options.AddSubProtocol("graphql-transport-ws");
        wrong.Options.SetRequestHeader("Authorization", "Bearer fk_test_unknown");
        await Assert.ThrowsAsync<WebSocketException>(() => wrong.ConnectAsync(Url, CancellationToken.None));

        using var good = new ClientWebSocket();
        good.Options.AddSubProtocol("graphql-transport-ws");
        good.Options.SetRequestHeader("Authorization", $"Bearer {heart.Key}");
        await good.ConnectAsync(Url, CancellationToken.None);
        await Send(good, new { type = "connection_init" });
        Assert.Equal("connection_ack", (await Receive(good)).GetProperty("type").GetString());
    }

    [Fact]
    public async Task Connection_CarriesQueriesMutationsAndPings()
    {
        using var socket = await Greet();
        await Send(socket, new { type = "ping" });
        Assert.Equal("pong", (await Receive(socket)).GetProperty("type").GetString());

        await Send(socket, Subscribe("q", "query($id: ID!) { federation(id: $id) { name } }", new { id = heart.Federation.Id }));
        var next = await Receive(socket);
        Assert.Equal(("next", "q"), (next.GetProperty("type").GetString(), next.GetProperty("id").GetString()));
        Assert.Equal("ledger.example/fed-heart", next.GetProperty("payload").GetProperty("data").GetProperty("federation").GetProperty("name").GetString());
        Assert.Equal("complete", (await Receive(socket)).GetProperty("type").GetString());

        var transaction = await heart.Federation.Sign("va", TestFederation.Dataset("by-socket"));
        await Send(socket, Subscribe("q", GraphClient.SubmitDocument, new { input = new { federationId = heart.Federation.Id, transaction = Convert.ToBase64String(transaction.Encoded.Span) } }));
        Assert.Equal("PENDING", (await Receive(socket)).GetProperty("payload").GetProperty("data").GetProperty("submitTransaction").GetProperty("transaction").GetProperty("status").GetString());
        Assert.Equal("complete", (await Receive(socket)).GetProperty("type").GetString());

        foreach (var wrong in new[] { "{", "{ unknown }", "subscription { events(federationId: \"fed_AAAA\") { id } }", "subscription($x: ID!) { events(federationId: $x, after: \"AAAA\") { id } }" })
        {
            await Send(socket, Subscribe("e", wrong, new { x = heart.Federation.Id }));
            var error = await Receive(socket);
            Assert.Equal("error", error.GetProperty("type").GetString());
            Assert.StartsWith("OT-60", error.GetProperty("payload")[0].GetProperty("extensions").GetProperty("code").GetString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Operations_OfOneConnection_AreLimited_AndEndWhenTheyAreCompleted()
    {
        using var socket = await Greet();
        var cursor = (await heart.Client.Query("query($id: ID!) { federation(id: $id) { ledger { cursor } } }", new { id = heart.Federation.Id })).GetProperty("federation").GetProperty("ledger").GetProperty("cursor").GetString();
        for (var i = 0; i < 16; i++) await Send(socket, Subscribe($"{i}", Events, new { id = heart.Federation.Id, after = cursor }));
        await Send(socket, Subscribe("16", Events, new { id = heart.Federation.Id, after = cursor }));
        var refused = await Receive(socket);
        Assert.Equal(("error", "16", "OT-6007"), (refused.GetProperty("type").GetString(), refused.GetProperty("id").GetString(), refused.GetProperty("payload")[0].GetProperty("extensions").GetProperty("code").GetString()));
        for (var i = 1; i < 16; i++) await Send(socket, new { type = "complete", id = $"{i}" });
        await heart.Client.Commit(heart.Federation, "va", TestFederation.Dataset("after-complete"));
        var next = await Receive(socket);
        Assert.Equal(("next", "0"), (next.GetProperty("type").GetString(), next.GetProperty("id").GetString()));
        Assert.Equal("DatasetRegistered", next.GetProperty("payload").GetProperty("data").GetProperty("events").GetProperty("type").GetString());
    }

    [Fact]
    public async Task KeyThatIsTakenBack_EndsItsConnections()
    {
        var key = heart.Host.CreateKey("short");
        using var socket = await Greet(key);
        await Send(socket, Subscribe("1", Events, new { id = heart.Federation.Id }));
        await RemoveLastKey();
        await Send(socket, Subscribe("2", "{ __typename }"));
        Assert.Equal(4401, await CloseCode(socket));
    }

    private async Task RemoveLastKey()
    {
        var file = System.Text.Json.Nodes.JsonNode.Parse(await File.ReadAllTextAsync(heart.Federation.KeyFile))!;
        var keys = file["keys"]!.AsArray();
        keys.RemoveAt(keys.Count - 1);
        await File.WriteAllTextAsync(heart.Federation.KeyFile, file.ToJsonString());
    }

    private Uri Url => new UriBuilder(new Uri(heart.Host.Url, "/graphql")) { Scheme = "ws" }.Uri;

    private async Task<ClientWebSocket> Open()
    {
        var socket = new ClientWebSocket();
        socket.Options.AddSubProtocol("graphql-transport-ws");
        await socket.ConnectAsync(Url, CancellationToken.None);
        return socket;
    }

    private async Task<ClientWebSocket> Greet(string? key = null)
    {
        var socket = await Open();
        await Send(socket, new { type = "connection_init", payload = new { Authorization = $"Bearer {key ?? heart.Key}" } });
        Assert.Equal("connection_ack", (await Receive(socket)).GetProperty("type").GetString());
        return socket;
    }

    private static object Subscribe(string id, string query, object? variables = null) => new { type = "subscribe", id, payload = new { query, variables } };

    private async Task<int> ClosedAfter(params object[] messages)
    {
        using var socket = await Open();
        foreach (var message in messages) await Send(socket, message);
        return await CloseCode(socket);
    }

    private static async Task<int> CloseCode(ClientWebSocket socket)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        var buffer = new byte[64 * 1024];
        while ((await socket.ReceiveAsync(buffer.AsMemory(), limit.Token)).MessageType is not WebSocketMessageType.Close)
        {
            // What came before the close.
        }

        return (int)socket.CloseStatus!;
    }

    private static Task Send(ClientWebSocket socket, object message) =>
        socket.SendAsync(Encoding.UTF8.GetBytes(message as string ?? JsonSerializer.Serialize(message)), WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);

    private static async Task<JsonElement> Receive(ClientWebSocket socket)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using var message = new MemoryStream();
        var buffer = new byte[64 * 1024];
        ValueWebSocketReceiveResult result;
        do
        {
            result = await socket.ReceiveAsync(buffer.AsMemory(), limit.Token);
            Assert.NotEqual(WebSocketMessageType.Close, result.MessageType);
            message.Write(buffer.AsSpan(0, result.Count));
        }
        while (!result.EndOfMessage);
        return JsonSerializer.Deserialize<JsonElement>(message.ToArray());
    }
}
