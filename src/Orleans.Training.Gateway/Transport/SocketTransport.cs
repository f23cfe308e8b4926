using GraphQL;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;
using Orleans.Training.Gateway.Keys;

namespace Orleans.Training.Gateway.Transport;

/// <summary>Opens WebSockets for graphql-transport-ws; docs/spec/api.md §4.</summary>
internal sealed class SocketTransport(Executor executor, ApiKeys keys, IGraphQLTextSerializer serializer, IOptions<GatewayOptions> options, TimeProvider time)
{
    public const string Protocol = "graphql-transport-ws";

    public async Task Handle(HttpContext http)
    {
        // A key may come in the header or in connection_init; a wrong one in the header needs no connection to be refused.
        if (http.Request.Headers.Authorization.Count > 0 && Bearer.Find(keys, http.Request, out _) is null)
        {
            http.Response.StatusCode = StatusCodes.Status401Unauthorized;
            return;
        }

        if (!http.WebSockets.WebSocketRequestedProtocols.Contains(Protocol))
        {
            http.Response.StatusCode = StatusCodes.Status400BadRequest;
            return;
        }

        using var socket = await http.WebSockets.AcceptWebSocketAsync(Protocol);
        await using var connection = new SocketConnection(socket, executor, keys, serializer, options.Value, time);
        await connection.Run(http.Request.Headers.Authorization.ToString(), http.RequestAborted);
    }
}
