using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Orleans.Training.Gateway.Keys;
using Orleans.Training.Gateway.Reading;
using Orleans.Training.Gateway.Transport;
using Orleans.Training.Protocol;

namespace Orleans.Training.Gateway.Validators;

/// <summary>The log of every shard of this gateway as c2sp.org/tlog-tiles, for holders of a key: the same addresses and bytes as at a validator.</summary>
internal sealed class LogEndpoint(ApiKeys keys, Federations federations)
{
    public void Map(IEndpointRouteBuilder endpoints)
    {
        endpoints.MapGet("/shards/{shard}/checkpoint", http => Read(http, async reader => await reader.Grain.Checkpoint() is { } note ? PlainAnswer.Give(http, note) : null));
        endpoints.MapGet("/shards/{shard}/tile/{**path}", http => Read(http, async reader => await reader.Grain.Tile($"tile/{http.Request.RouteValues["path"]}") is { } content ? PlainAnswer.Give(http, content, forEver: true) : null));
    }

    private async Task Read(HttpContext http, Func<FederationReader, Task<Task?>> serve)
    {
        if (Bearer.Find(keys, http.Request, out var refusal) is not { } caller)
        {
            await PlainAnswer.Refuse(http, refusal!.Code!, refusal.Message);
            return;
        }

        if (!caller.Scopes.Contains(Scopes.Read))
        {
            await PlainAnswer.Refuse(http, ApiErrors.Forbidden, $"The API key lacks the scope {Scopes.Read}.");
            return;
        }

        try
        {
            var answer = Identifier.TryParse((string?)http.Request.RouteValues["shard"], out var shard) && federations.Find(caller, shard) is { } reader ? await serve(reader) : null;
            await (answer ?? PlainAnswer.Refuse(http, ApiErrors.NotFound, "There is no such thing here."));
        }
        catch (Exception exception) when (ErrorInfo.IsOutage(exception) && !http.Response.HasStarted)
        {
            http.Response.Clear();
            await PlainAnswer.Refuse(http, ApiErrors.Unavailable, "The ledger cannot be reached for the moment; try again.");
        }
    }
}
