using System.Text.Json;
using GraphQL;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;
using Orleans.Training.Gateway.Keys;

namespace Orleans.Training.Gateway.Transport;

/// <summary>GraphQL over HTTP: POST with application/json, GET for queries; docs/spec/api.md §3.</summary>
internal sealed class HttpTransport(Executor executor, ApiKeys keys, IGraphQLTextSerializer serializer)
{
    private const string Json = "application/json";
    private const string GraphResponse = "application/graphql-response+json";

    public async Task Handle(HttpContext http)
    {
        if (MediaOf(http.Request) is not { } media)
        {
            await Write(http, Json, StatusCodes.Status406NotAcceptable, Executor.Refused(ApiErrors.MediaType, $"Answers come as {GraphResponse} or {Json}."));
            return;
        }

        if (Bearer.Find(keys, http.Request, out var refusal) is not { } caller)
        {
            http.Response.Headers.WWWAuthenticate = "Bearer";
            await Write(http, media, StatusCodes.Status401Unauthorized, Executor.Refused(refusal!));
            return;
        }

        var isGet = HttpMethods.IsGet(http.Request.Method);
        if (!isGet && !HttpMethods.IsPost(http.Request.Method))
        {
            http.Response.Headers.Allow = "GET, POST";
            await Write(http, media, StatusCodes.Status405MethodNotAllowed, Executor.Refused(ApiErrors.Method, "Use GET or POST."));
            return;
        }

        var (request, error) = isGet ? FromQuery(http.Request) : await FromBody(http);
        if (request is null)
        {
            await Write(http, media, ApiErrors.StatusOf(error!.Code!), Executor.Refused(error));
            return;
        }

        var result = await executor.Execute(request, new GraphCall(caller, inFlight: null), isGet ? Carries.Queries : Carries.QueriesAndMutations, http.RequestAborted);
        await Write(http, media, StatusOf(result, media), result);
    }

    // The answer of a request that was executed is 200; one that was not is a failure, which application/json tells only in its body (GraphQL over HTTP §6.4).
    private static int StatusOf(ExecutionResult result, string media)
    {
        if (result.Executed || result.Errors is not { Count: > 0 }) return StatusCodes.Status200OK;
        var code = ErrorInfo.Describe(result.Errors[0]).Code;
        return media is Json && code is not (ApiErrors.Method or ApiErrors.SubscriptionTransport) ? StatusCodes.Status200OK : ApiErrors.StatusOf(code);
    }

    private (GraphRequest? Request, ExecutionError? Error) FromQuery(HttpRequest request)
    {
        var parameters = new Dictionary<string, object?>();
        foreach (var name in new[] { "query", "operationName" })
        {
            if (request.Query.TryGetValue(name, out var value)) parameters[name] = value.ToString();
        }

        try
        {
            foreach (var name in new[] { "variables", "extensions" })
            {
                if (request.Query.TryGetValue(name, out var value) && value.ToString() is { Length: > 0 } text) parameters[name] = JsonSerializer.Deserialize<JsonElement>(text);
            }
        }
        catch (JsonException)
        {
            return (null, ApiErrors.Of(ApiErrors.BadRequest, "'variables' and 'extensions' must be JSON."));
        }

        return (GraphRequest.Of(JsonSerializer.SerializeToElement(parameters), serializer, out var error), error);
    }

    private async Task<(GraphRequest? Request, ExecutionError? Error)> FromBody(HttpContext http)
    {
        // Browsers send other types without asking first, which would let a foreign page post.
        if (!MediaTypeHeaderValue.TryParse(http.Request.ContentType, out var type) || !type.MediaType.Equals(Json, StringComparison.OrdinalIgnoreCase) || type.Charset is { HasValue: true, Value: not ("utf-8" or "UTF-8") })
            return (null, ApiErrors.Of(ApiErrors.MediaType, $"The body must be {Json} in UTF-8."));
        var buffer = new byte[GatewayLimits.MessageBytes + 1];
        var length = http.Request.ContentLength > GatewayLimits.MessageBytes ? buffer.Length : await http.Request.Body.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, http.RequestAborted);
        if (length > GatewayLimits.MessageBytes) return (null, ApiErrors.Of(ApiErrors.TooLarge, $"The body has more than {GatewayLimits.MessageBytes} bytes."));
        try
        {
            using var json = JsonDocument.Parse(buffer.AsMemory(0, length));
            return (GraphRequest.Of(json.RootElement, serializer, out var error), error);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return (null, ApiErrors.Of(ApiErrors.BadRequest, "The body is not JSON."));
        }
    }

    private static string? MediaOf(HttpRequest request)
    {
        var accept = request.Headers.Accept;
        if (accept.Count == 0) return Json;
        if (!MediaTypeHeaderValue.TryParseList(accept, out var types)) return null;
        foreach (var type in types.Where(type => type.Quality is not 0).OrderByDescending(type => type.Quality ?? 1))
        {
            if (type.MediaType.Equals(GraphResponse, StringComparison.OrdinalIgnoreCase)) return GraphResponse;
            if (type.MediaType.Equals(Json, StringComparison.OrdinalIgnoreCase) || type.MatchesAllTypes || type.MediaType.Equals("application/*", StringComparison.OrdinalIgnoreCase)) return Json;
        }

        return null;
    }

    private async Task Write(HttpContext http, string media, int status, ExecutionResult result)
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = $"{media}; charset=utf-8";
        http.Response.Headers.CacheControl = "no-store";
        await serializer.WriteAsync(http.Response.Body, result, http.RequestAborted);
    }
}

/// <summary>The key of a request's header <c>Authorization: Bearer</c>.</summary>
internal static class Bearer
{
    private const string Scheme = "Bearer ";

    public static Caller? Find(ApiKeys keys, HttpRequest request, out ExecutionError? refusal) => Find(keys, request.Headers.Authorization.ToString(), out _, out refusal);

    /// <summary>Who holds the key of a header's value, or why nobody does.</summary>
    public static Caller? Find(ApiKeys keys, string header, out string secret, out ExecutionError? refusal)
    {
        secret = header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? header[Scheme.Length..].Trim() : "";
        var caller = secret.Length == 0 ? null : keys.Find(secret);
        refusal = caller is not null ? null
            : secret.Length == 0 ? ApiErrors.Of(ApiErrors.KeyMissing, "An API key is needed: Authorization: Bearer.")
            : ApiErrors.Of(ApiErrors.KeyUnknown, "The API key is unknown or no longer good.");
        return caller;
    }
}
