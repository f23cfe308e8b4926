using System.Globalization;
using System.Net;
using System.Net.WebSockets;
using System.Text.Json;

namespace Orleans.Training.Client;

/// <summary>One connection of the protocol <c>graphql-transport-ws</c> with one subscription to a federation's events.</summary>
internal sealed class EventSubscription(Uri gateway, string apiKey, string federation, string? after) : IAsyncDisposable
{
    private const int Unauthorized = 4401;
    private const string Query = "subscription($id: ID!, $after: String) { events(federationId: $id, after: $after) { cursor type ledgerIndex subject data } }";
    private readonly ClientWebSocket _socket = new();
    private readonly byte[] _buffer = new byte[16 * 1024];
    private bool _subscribed;

    /// <summary>The next event; null when the gateway has ended the subscription.</summary>
    public async Task<LedgerEvent?> Next(CancellationToken cancellationToken)
    {
        if (!_subscribed) await Subscribe(cancellationToken);
        while (await Receive(cancellationToken) is { } message)
        {
            var (type, item, problem) = GatewayAnswer.Read(message, Read);
            if (type is "complete" || problem?.StartsWith(GatewayAnswer.Unavailable, StringComparison.Ordinal) is true) return null;
            if (problem is not null) throw new GatewayException(problem);
            if (type is "ping") await Send(new { type = "pong" }, cancellationToken);
            if (item is not null) return item;
        }

        return null;
    }

    private static (string Type, LedgerEvent? Item, string? Problem) Read(JsonElement message)
    {
        var type = message.Text("type");
        if (type is "error") return (type, null, GatewayAnswer.Describe(message.GetProperty("payload")));
        if (type is not "next") return (type, null, null);
        var payload = message.GetProperty("payload");
        if (payload.TryGetProperty("errors", out var errors)) return (type, null, GatewayAnswer.Describe(errors));
        var item = payload.GetProperty("data").GetProperty("events");
        var index = long.Parse(item.Text("ledgerIndex"), NumberStyles.None, CultureInfo.InvariantCulture);
        return (type, new LedgerEvent(item.Text("cursor"), item.Text("type"), index, item.Text("subject"), item.GetProperty("data").GetBytesFromBase64()), null);
    }

    public ValueTask DisposeAsync()
    {
        _socket.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task Subscribe(CancellationToken cancellationToken)
    {
        _socket.Options.AddSubProtocol("graphql-transport-ws");
        _socket.Options.SetRequestHeader("Authorization", $"Bearer {apiKey}");
        _socket.Options.CollectHttpResponseDetails = true;
        try
        {
            await _socket.ConnectAsync(new UriBuilder(new Uri(gateway, "graphql")) { Scheme = gateway.Scheme == Uri.UriSchemeHttps ? "wss" : "ws" }.Uri, cancellationToken);
        }
        catch (WebSocketException exception) when (_socket.HttpStatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden)
        {
            throw KeyRefused(exception);
        }

        await Send(new { type = "connection_init" }, cancellationToken);
        if (await Receive(cancellationToken) is not { } message)
        {
            throw (int?)_socket.CloseStatus is Unauthorized
                ? KeyRefused()
                : new IOException($"The gateway {gateway.Authority} closed the connection.");
        }

        if (GatewayAnswer.Read(message, Read).Type is not "connection_ack") throw new GatewayException($"OT-6022 the gateway {gateway.Authority} does not acknowledge the connection.");
        await Send(new { id = "1", type = "subscribe", payload = new { query = Query, variables = new { id = federation, after } } }, cancellationToken);
        _subscribed = true;
    }

    private GatewayException KeyRefused(Exception? inner = null) => new($"OT-6002 the gateway {gateway.Authority} does not take the API key for subscriptions.", inner);

    private async Task Send(object message, CancellationToken cancellationToken) =>
        await _socket.SendAsync(JsonSerializer.SerializeToUtf8Bytes(message), WebSocketMessageType.Text, endOfMessage: true, cancellationToken);

    private async Task<ReadOnlyMemory<byte>?> Receive(CancellationToken cancellationToken)
    {
        var message = new MemoryStream();
        while (true)
        {
            var part = await _socket.ReceiveAsync(_buffer.AsMemory(), cancellationToken);
            if (part.MessageType is WebSocketMessageType.Close) return null;
            message.Write(_buffer, 0, part.Count);
            if (message.Length > GatewayAnswer.MaximumBytes) throw GatewayAnswer.TooLong(GatewayAnswer.MaximumBytes);
            if (part.EndOfMessage) return message.ToArray();
        }
    }
}
