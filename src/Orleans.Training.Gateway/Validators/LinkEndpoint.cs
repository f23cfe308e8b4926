using System.Net.WebSockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Training.Gateway.Transport;
using Orleans.Training.Grains.Links;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Gateway.Validators;

/// <summary>
/// Where pipes between seats begin (docs/spec/links.md §1): at a validator, which serves its own seat and is a relay for the others; or at a gateway, which is a relay
/// only. Who somebody is, the handshake inside the pipe shows, so nobody is asked for a key here.
/// </summary>
/// <param name="find">The genesis of a shard that is served here, or null.</param>
/// <param name="seat">The seat that lives here, if one does.</param>
/// <param name="relay">Brings the others together.</param>
internal sealed class LinkEndpoint(Func<Identifier, Genesis?> find, ValidatorSeat? seat, Relay relay) : IDisposable
{
    private const int MostPipes = 1024;
    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(20);
    private readonly SemaphoreSlim _free = new(MostPipes);

    public void Map(IEndpointRouteBuilder endpoints)
    {
        endpoints.Map("/shards/{shard}/seats/{name}", Branch(endpoints, Seat));
        endpoints.Map("/shards/{shard}/relay/{name}", Branch(endpoints, http => Relay(http, waits: false)));
        endpoints.Map("/shards/{shard}/relay/{name}/wait", Branch(endpoints, http => Relay(http, waits: true)));
    }

    public void Dispose() => _free.Dispose();

    private static RequestDelegate Branch(IEndpointRouteBuilder endpoints, RequestDelegate serve)
    {
        var branch = endpoints.CreateApplicationBuilder();
        branch.UseWebSockets(new WebSocketOptions { KeepAliveInterval = KeepAlive });
        branch.Run(serve);
        return branch.Build();
    }

    private Task Seat(HttpContext http) => Serve(http, (_, _, pipe, ended) => seat!.Accept(pipe, ended), (genesis, name) => seat is not null && seat.Genesis.Shard == genesis.Shard && seat.Organisation == name);

    private Task Relay(HttpContext http, bool waits) => Serve(http, (genesis, name, pipe, ended) => relay.Serve(Members(genesis), name, waits, pipe, ended), (genesis, name) => Members(genesis).Contains(name));

    // A gateway follows no shard by itself: at its relay the organisations of genesis meet.
    private LinkMembers Members(Genesis genesis) => seat?.Members ?? LinkMembers.Of(genesis);

    private async Task Serve(HttpContext http, Func<Genesis, ParticipantId, Stream, CancellationToken, Task> serve, Func<Genesis, ParticipantId, bool> knows)
    {
        if (!Identifier.TryParse((string?)http.Request.RouteValues["shard"], out var shard) || find(shard) is not { } genesis || !ParticipantId.TryParse((string?)http.Request.RouteValues["name"], out var name) || !knows(genesis, name))
        {
            await PlainAnswer.Refuse(http, ApiErrors.NotFound, "There is no such seat here.");
            return;
        }

        if (!http.WebSockets.IsWebSocketRequest)
        {
            await PlainAnswer.Refuse(http, ApiErrors.BadRequest, "Seats open a WebSocket here (docs/spec/links.md).");
            return;
        }

        if (!await _free.WaitAsync(0))
        {
            await PlainAnswer.Refuse(http, ApiErrors.Unavailable, $"There are {MostPipes} pipes here already; try again.");
            return;
        }

        try
        {
            using var socket = await http.WebSockets.AcceptWebSocketAsync();
            await using var pipe = WebSocketStream.Create(socket, WebSocketMessageType.Binary, ownsWebSocket: true);
            // A process that is told to stop would wait for links that do not end by themselves.
            using var ended = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, http.RequestServices.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping);
            await serve(genesis, name, pipe, ended.Token);
        }
        catch (Exception exception) when (exception is IOException or WebSocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The other side went away.
        }
        finally
        {
            _free.Release();
        }
    }
}
