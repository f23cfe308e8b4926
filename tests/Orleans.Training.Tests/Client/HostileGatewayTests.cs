using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Net.WebSockets;
using Orleans.Training.Client;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.Client;

/// <summary>Gateways that lie or are none: whatever they send, a caller gets one numbered exception.</summary>
public sealed class HostileGatewayTests
{
    private const string Json = "application/json";
    private static readonly Uri[] Gateways = [new("http://gateway.example")];

    public static TheoryData<string, string> Bodies => new()
    {
        { Json, "" },
        { Json, "{" },
        { Json, "null" },
        { Json, "[]" },
        { Json, "7" },
        { Json, "{}" },
        { Json, """{"data":null}""" },
        { Json, """{"data":[]}""" },
        { Json, """{"data":{"federation":null,"transaction":null,"submitTransaction":null,"run":null}}""" },
        { Json, """{"data":{"federation":{},"transaction":{},"submitTransaction":{},"run":{}}}""" },
        { Json, """{"data":{"federation":{"ledger":{"head":{"note":7},"entry":{"text":7}},"runs":{"nodes":[7]}},"submitTransaction":{"errors":7}}}""" },
        { Json, """{"data":{"federation":{"ledger":{"head":{"note":null},"entry":{"text":null}},"runs":{"nodes":[null]}},"submitTransaction":{"errors":[null]}}}""" },
        { Json, """{"data":{"federation":{"ledger":{"head":{"note":"no note"},"entry":{"text":"no receipt"}},"runs":{"nodes":[{"id":null,"model":null}]}},"submitTransaction":{"errors":[{"number":"OT-9"}]}}}""" },
        { Json, """{"data":{"federation":{"ledger":{"head":[],"entry":[]},"runs":{"nodes":[{"id":"a","model":{"download":{"root":"ROOT","url":"//elsewhere.example/"}}}]}},"submitTransaction":{"errors":[{"number":"x"}]}}}""" },
        { Json, """{"data":{"federation":{"ledger":{"head":1,"entry":1},"runs":{"nodes":[{"id":"a","model":{"download":{"root":"ROOT","url":"http://elsewhere.example/"}}}]}},"submitTransaction":{"errors":[],"transaction":{"id":"a","status":"REJECTED","rejection":"OT-2999"}}}}""" },
        { Json, """{"errors":null}""" },
        { Json, """{"errors":[]}""" },
        { Json, """{"errors":[7]}""" },
        { Json, """{"errors":[{"message":null}]}""" },
        { Json, """{"errors":[{"message":"x","extensions":7}]}""" },
        { Json, new string('[', 100_000) },
        { Json, "{\"data\":\"" + new string('x', 5_000_000) },
        { Json, "{\"data\":\"\ud800\"}" },
        { "text/html", "<html>Welcome to the hotel</html>" },
        { "", "" },
    };

    [Theory, MemberData(nameof(Bodies))]
    public async Task Answers_OfNoForm_AreOneNumberedException(string type, string body)
    {
        var root = Digest.Of("model"u8);
        using var client = new LedgerClient(Gateways, "key", "fed", new Answering(type, body.Replace("ROOT", root.ToString(), StringComparison.Ordinal)));
        var transaction = new TestShard().Sign("va", new RegisterDataset("none", Digest.Zero, 1, ""));
        foreach (var call in (Func<Task>[])[() => client.Checkpoint(default), () => client.Receipt(3, default), () => client.Model(root, default), () => client.SubmitAndWait(transaction, default)])
        {
            var refusal = await Assert.ThrowsAsync<GatewayException>(call);
            Assert.StartsWith("OT-6022 ", refusal.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', refusal.Message);
        }
    }

    [Fact]
    public async Task Errors_OfTheGateway_KeepTheirNumber()
    {
        using var client = new LedgerClient(Gateways, "key", "fed", new Answering(Json, """{"errors":[{"message":"no such key","extensions":{"code":"OT-6002"}}]}"""));
        Assert.Equal("OT-6002 no such key", (await Assert.ThrowsAsync<GatewayException>(() => client.Checkpoint(default))).Message);
    }

    [Fact]
    public async Task Gateway_ThatBreaksOff_IsNoAnswer()
    {
        using var client = new LedgerClient(Gateways, "key", "fed", new Answering(Json, null));
        Assert.StartsWith("OT-6023 no gateway answers (gateway.example)", (await Assert.ThrowsAsync<GatewayException>(() => client.Checkpoint(default))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("7")]
    [InlineData("{}")]
    [InlineData("""{"type":7}""")]
    [InlineData("""{"type":"next"}""")]
    [InlineData("""{"type":"next","payload":{"data":{"events":null}}}""")]
    [InlineData("""{"type":"next","payload":{"data":{"events":{"cursor":"c","type":"t","ledgerIndex":"x","subject":"s","data":""}}}}""")]
    [InlineData("""{"type":"next","payload":{"data":{"events":{"cursor":"c","type":"t","ledgerIndex":"1","subject":"s","data":"no base64!"}}}}""")]
    [InlineData("""{"type":"error","payload":[]}""")]
    [InlineData(null)]
    public async Task Messages_OfNoForm_AreOneNumberedException(string? message)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using var listener = new HttpListener();
        var address = new Uri($"http://127.0.0.1:{FreePort()}/");
        listener.Prefixes.Add(address.ToString());
        listener.Start();
        var serving = Serve(listener, message ?? new string(' ', 5_000_000), limit.Token);
        using var client = new LedgerClient([address], "key", "fed");
        var refusal = await Assert.ThrowsAsync<GatewayException>(async () =>
        {
            await foreach (var _ in client.Events(null, limit.Token)) Assert.Fail("That is no event.");
        });
        Assert.StartsWith("OT-6022 ", refusal.Message, StringComparison.Ordinal);
        await limit.CancelAsync();
        await serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
    }

    [Theory]
    [InlineData(401)]
    [InlineData(403)]
    public async Task Events_OfAGatewayThatDoesNotTakeTheKey_AreNotAskedForAgain(int status)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var address = new Uri($"http://127.0.0.1:{FreePort()}/");
        using var listener = new HttpListener();
        listener.Prefixes.Add(address.ToString());
        listener.Start();
        var refusing = Refuse();
        using var client = new LedgerClient([address], "key", "fed");
        var refusal = await Assert.ThrowsAsync<GatewayException>(async () =>
        {
            await foreach (var _ in client.Events(null, limit.Token)) Assert.Fail("That is no event.");
        });
        Assert.StartsWith("OT-6002 ", refusal.Message, StringComparison.Ordinal);
        await refusing;

        async Task Refuse()
        {
            var context = await listener.GetContextAsync();
            context.Response.StatusCode = status;
            context.Response.Close();
        }
    }

    private static async Task Serve(HttpListener listener, string message, CancellationToken cancellationToken)
    {
        using var socket = (await (await listener.GetContextAsync()).AcceptWebSocketAsync("graphql-transport-ws")).WebSocket;
        foreach (var text in new[] { """{"type":"connection_ack"}""", message })
        {
            await socket.ReceiveAsync(new byte[4096], cancellationToken);
            await socket.SendAsync(System.Text.Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, endOfMessage: true, cancellationToken);
        }

        await socket.ReceiveAsync(new byte[4096], cancellationToken);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    // Answers everything with the same; null breaks off in the middle.
    private sealed class Answering(string type, string? body) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Assert.Equal("gateway.example", request.RequestUri!.Host);
            var content = new StreamContent(body is null ? new Broken() : new MemoryStream(System.Text.Encoding.UTF8.GetBytes(body)));
            if (type.Length > 0) content.Headers.ContentType = new MediaTypeHeaderValue(type);
            return Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK) { Content = content });
        }
    }

    private sealed class Broken : MemoryStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => throw new IOException("The connection was reset.");

        public override bool CanSeek => false;
    }
}
