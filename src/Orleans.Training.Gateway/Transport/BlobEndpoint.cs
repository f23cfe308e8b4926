using GraphQL;
using Microsoft.AspNetCore.Http;
using Orleans.Training.Gateway.Keys;
using Orleans.Training.Gateway.Reading;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;

namespace Orleans.Training.Gateway.Transport;

/// <summary>The parameters of published models. The model's id in the query says whose they are, so that a key opens only what its federations have published.</summary>
internal sealed class BlobEndpoint(ApiKeys keys, Federations federations, IBlobStore blobs, IGraphQLTextSerializer serializer)
{
    public async Task Handle(HttpContext http)
    {
        try
        {
            await Serve(http);
        }
        catch (Exception exception) when (ErrorInfo.IsOutage(exception) && !http.Response.HasStarted)
        {
            http.Response.Clear();
            await Refuse(http, ApiErrors.Of(ApiErrors.Unavailable, "The model cannot be had for the moment; try again."));
        }
    }

    private async Task Serve(HttpContext http)
    {
        if (Bearer.Find(keys, http.Request, out var refusal) is not { } caller)
        {
            http.Response.Headers.WWWAuthenticate = "Bearer";
            await Refuse(http, refusal!);
            return;
        }

        if (!caller.Scopes.Contains(Scopes.Read))
        {
            await Refuse(http, ApiErrors.Of(ApiErrors.Forbidden, $"The API key lacks the scope {Scopes.Read}."));
            return;
        }

        if (!Digest.TryParse((string?)http.Request.RouteValues["root"], out var root) || !await MaySee(caller, http.Request.Query["model"].ToString(), root) || await blobs.Find(root, http.RequestAborted) is not { } blob)
        {
            await Refuse(http, ApiErrors.Of(ApiErrors.NotFound, "There is no such blob."), StatusCodes.Status404NotFound);
            return;
        }

        await RangedBlob.Serve(http, blobs, blob);
    }

    private async Task<bool> MaySee(Caller caller, string model, Digest root) =>
        federations.Find(caller, model, GlobalId.Model, out var id) is { } reader
        && id.TryDigest(1, out var agreement, out var numbers)
        && await reader.Find<ModelRecord>(ModelRecord.Key(agreement, numbers[0])) is { } record
        && record.Root == root;

    private async Task Refuse(HttpContext http, ExecutionError error, int? status = null)
    {
        http.Response.StatusCode = status ?? ApiErrors.StatusOf(error.Code!);
        http.Response.ContentType = "application/json; charset=utf-8";
        await serializer.WriteAsync(http.Response.Body, Executor.Refused(error), http.RequestAborted);
    }
}
