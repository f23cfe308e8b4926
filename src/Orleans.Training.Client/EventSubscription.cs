using System.Globalization;
using System.Net.WebSockets;
using System.Text.Json;

namespace Orleans.Training.Client;

/// <summary>One connection of the protocol <c>graphql-transport-ws</c> with one subscription to a federation's events.</summary>
internal sealed class EventSubscription(Uri gateway, string apiKey, string federation, string? after) : IAsyncDisposable
{
    private const int MaximumMessageBytes = 4 * 1024 * 1024;
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
            switch (message.GetProperty("type").GetString())
            {
                case "next":
                    var payload = message.GetProperty("payload");
                    if (payload.TryGetProperty("errors", out var errors)) throw new GatewayException(errors.ToString());
                    var item = payload.GetProperty("data").GetProperty("events");
                    return new LedgerEvent(
                        item.GetProperty("cursor").GetString()!,
                        item.GetProperty("type").GetString()!,
                        long.Parse(item.GetProperty("ledgerIndex").GetString()!, CultureInfo.InvariantCulture),
                        item.GetProperty("subject").GetString()!,
                        item.GetProperty("data").GetBytesFromBase64());
                case "ping":
                    await Send(new { type = "pong" }, cancellationToken);
                    break;
                case "error":
                    throw new GatewayException(message.GetProperty("payload").ToString());
                case "complete":
                    return null;
            }
        }

        return null;
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
        await _socket.ConnectAsync(new UriBuilder(new Uri(gateway, "graphql")) { Scheme = gateway.Scheme == Uri.UriSchemeHttps ? "wss" : "ws" }.Uri, cancellationToken);
        await Send(new { type = "connection_init" }, cancellationToken);
        if ((await Receive(cancellationToken))?.GetProperty("type").GetString() is not "connection_ack") throw new GatewayException($"The gateway {gateway.Authority} does not take the API key for subscriptions.");
        await Send(new { id = "1", type = "subscribe", payload = new { query = Query, variables = new { id = federation, after } } }, cancellationToken);
        _subscribed = true;
    }

    private async Task Send(object message, CancellationToken cancellationToken) =>
        await _socket.SendAsync(JsonSerializer.SerializeToUtf8Bytes(message), WebSocketMessageType.Text, endOfMessage: true, cancellationToken);

    private async Task<JsonElement?> Receive(CancellationToken cancellationToken)
    {
        var message = new MemoryStream();
        while (true)
        {
            var part = await _socket.ReceiveAsync(_buffer.AsMemory(), cancellationToken);
            if (part.MessageType is WebSocketMessageType.Close) return null;
            message.Write(_buffer, 0, part.Count);
            if (message.Length > MaximumMessageBytes) throw new IOException($"The gateway sent a message of more than {MaximumMessageBytes} bytes.");
            if (!part.EndOfMessage) continue;
            using var parsed = JsonDocument.Parse(message.ToArray());
            return parsed.RootElement.Clone();
        }
    }
}
