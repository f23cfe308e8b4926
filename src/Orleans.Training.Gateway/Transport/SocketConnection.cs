using System.Collections.Concurrent;
using System.Net.WebSockets;
using System.Text.Json;
using System.Threading.Channels;
using GraphQL;
using GraphQL.Transport;
using Orleans.Training.Gateway.Keys;

namespace Orleans.Training.Gateway.Transport;

/// <summary>
/// One graphql-transport-ws connection. Everything that leaves goes through one bounded queue to one sender; an event leaves the ledger only when the client has taken
/// an earlier one, so that a slow client costs no memory.
/// </summary>
internal sealed class SocketConnection(WebSocket socket, Executor executor, ApiKeys keys, IGraphQLTextSerializer serializer, GatewayOptions options, TimeProvider time) : IAsyncDisposable
{
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(5);
    private readonly Channel<Outgoing> _outgoing = Channel.CreateBounded<Outgoing>(new BoundedChannelOptions(GatewayLimits.MessagesPerConnection) { SingleReader = true });
    private readonly ConcurrentDictionary<string, SocketOperation> _operations = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stop = new();
    private CloseReason? _close;
    private string _secret = "";
    private bool _greeted;
    private bool _acknowledged;

    private readonly record struct Outgoing(OperationMessage Message, Action? Sent);

    private sealed record CloseReason(int Code, string Text);

    /// <summary>Serves the connection until either side ends it. <paramref name="header"/> is the Authorization of the handshake, or empty.</summary>
    public async Task Run(string header, CancellationToken cancellationToken)
    {
        if (header.Length > 0) Bearer.Find(keys, header, out _secret, out _);
        var receiving = Receive(cancellationToken);
        var sending = Send(cancellationToken);
        _ = ExpectInit();
        await Task.WhenAny(receiving, sending);
        await _stop.CancelAsync();
        foreach (var operation in _operations.Values) operation.End();
        _outgoing.Writer.TryComplete();
        await sending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Task.WhenAny(receiving, Task.Delay(Farewell, time, CancellationToken.None));
        socket.Abort();
        await receiving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public ValueTask DisposeAsync()
    {
        _stop.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Ends the connection with a code of the protocol; what waits to be sent is dropped.</summary>
    internal void Close(int code, string reason)
    {
        Interlocked.CompareExchange(ref _close, new CloseReason(code, reason), null);
        _outgoing.Writer.TryComplete();
    }

    /// <summary>Queues a message; false, and the end of the connection, when the client takes none.</summary>
    internal bool Send(OperationMessage message, Action? sent = null)
    {
        if (_outgoing.Writer.TryWrite(new Outgoing(message, sent))) return true;
        Close((int)WebSocketCloseStatus.PolicyViolation, "Too many messages wait to be received");
        return false;
    }

    /// <summary>Whether the connection's key is still good; ends the connection when it is not.</summary>
    internal bool IsStillWelcome()
    {
        if (keys.Find(_secret) is not null) return true;
        Close(SocketCloseCodes.Unauthorized, "Unauthorized");
        return false;
    }

    internal void Forget(SocketOperation operation) => _operations.TryRemove(new KeyValuePair<string, SocketOperation>(operation.Id, operation));

    private async Task ExpectInit()
    {
        await Task.Delay(options.ConnectionInitTimeout, time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!_greeted) Close(SocketCloseCodes.InitTimeout, "Connection initialisation timeout");
    }

    private async Task Send(CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var outgoing in _outgoing.Reader.ReadAllAsync(cancellationToken))
            {
                if (_close is not null) break;
                using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                limit.CancelAfter(options.SendTimeout);
                await socket.SendAsync(System.Text.Encoding.UTF8.GetBytes(serializer.Serialize(outgoing.Message)), WebSocketMessageType.Text, endOfMessage: true, limit.Token);
                outgoing.Sent?.Invoke();
            }

            if (socket.State is not (WebSocketState.Open or WebSocketState.CloseReceived)) return;
            var (code, reason) = _close ?? new CloseReason((int)WebSocketCloseStatus.NormalClosure, "");
            using var farewell = new CancellationTokenSource(Farewell, time);
            await socket.CloseOutputAsync((WebSocketCloseStatus)code, reason, farewell.Token);
        }
        catch (Exception exception) when (exception is WebSocketException or OperationCanceledException or IOException)
        {
            // The client is gone, or takes nothing any more.
            socket.Abort();
        }
    }

    private async Task Receive(CancellationToken cancellationToken)
    {
        var buffer = new byte[4096];
        using var message = new MemoryStream();
        while (true)
        {
            ValueWebSocketReceiveResult result;
            try
            {
                result = await socket.ReceiveAsync(buffer.AsMemory(), cancellationToken);
            }
            catch (Exception exception) when (exception is WebSocketException or OperationCanceledException or IOException)
            {
                return;
            }

            if (result.MessageType is WebSocketMessageType.Close) return;
            // After a close of our own only the client's answer to it matters.
            if (_close is not null) continue;
            message.Write(buffer.AsSpan(0, result.Count));
            if (message.Length > (_acknowledged ? GatewayLimits.MessageBytes : GatewayLimits.GreetingBytes)) Close((int)WebSocketCloseStatus.MessageTooBig, "Message too big");
            if (!result.EndOfMessage || _close is not null) continue;
            if (result.MessageType is WebSocketMessageType.Text) Handle(message.GetBuffer().AsMemory(0, (int)message.Length));
            else Close(SocketCloseCodes.BadRequest, "Messages are text");
            message.SetLength(0);
        }
    }

    private void Handle(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            using var json = JsonDocument.Parse(bytes);
            if (json.RootElement.ValueKind is not JsonValueKind.Object || !TryText(json.RootElement, "type", out var type)) Close(SocketCloseCodes.BadRequest, "A message is an object with a type");
            else Handle(type, json.RootElement);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            Close(SocketCloseCodes.BadRequest, "Messages are JSON");
        }
    }

    private void Handle(string type, JsonElement message)
    {
        switch (type)
        {
            case "connection_init": Init(message); break;
            case "ping": Send(new OperationMessage { Type = "pong" }); break;
            case "pong": break;
            case "subscribe": Subscribe(message); break;
            case "complete" when TryText(message, "id", out var id):
                if (_operations.TryRemove(id, out var operation)) operation.End();
                break;
            default: Close(SocketCloseCodes.BadRequest, "Unknown or incomplete message"); break;
        }
    }

    private void Init(JsonElement message)
    {
        if (_greeted)
        {
            Close(SocketCloseCodes.TooManyInits, "Too many initialisation requests");
            return;
        }

        _greeted = true;
        if (message.TryGetProperty("payload", out var payload) && payload.ValueKind is JsonValueKind.Object)
        {
            var given = payload.EnumerateObject().FirstOrDefault(property => property.Name.Equals("Authorization", StringComparison.OrdinalIgnoreCase)).Value;
            if (given.ValueKind is JsonValueKind.String) Bearer.Find(keys, given.GetString()!, out _secret, out _);
        }

        if (!IsStillWelcome()) return;
        _acknowledged = true;
        Send(new OperationMessage { Type = "connection_ack" });
    }

    private void Subscribe(JsonElement message)
    {
        if (!_acknowledged)
        {
            Close(SocketCloseCodes.Unauthorized, "Unauthorized");
            return;
        }

        if (!TryText(message, "id", out var id) || id.Length is 0 or > GatewayLimits.IdCharacters || !message.TryGetProperty("payload", out var payload))
        {
            Close(SocketCloseCodes.BadRequest, "subscribe needs an id and a payload");
            return;
        }

        if (keys.Find(_secret) is not { } caller)
        {
            IsStillWelcome();
            return;
        }

        if (_operations.ContainsKey(id))
        {
            Close(SocketCloseCodes.SubscriberExists, $"Subscriber for {id} already exists");
            return;
        }

        var request = GraphRequest.Of(payload, serializer, out var error);
        if (_operations.Count >= options.OperationsPerConnection) error = ApiErrors.Of(ApiErrors.OverLimit, $"This connection has {options.OperationsPerConnection} operations open, which is the limit.");
        if (error is not null)
        {
            Send(new OperationMessage { Id = id, Type = "error", Payload = new ExecutionErrors { error } });
            return;
        }

        var operation = new SocketOperation(id, this);
        _operations[id] = operation;
        _ = operation.Run(executor, request!, caller);
    }

    private static bool TryText(JsonElement json, string name, out string text)
    {
        var found = json.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.String;
        text = found ? value.GetString()! : "";
        return found;
    }
}

/// <summary>Close codes of graphql-transport-ws.</summary>
internal static class SocketCloseCodes
{
    public const int BadRequest = 4400;
    public const int Unauthorized = 4401;
    public const int InitTimeout = 4408;
    public const int SubscriberExists = 4409;
    public const int TooManyInits = 4429;
}
