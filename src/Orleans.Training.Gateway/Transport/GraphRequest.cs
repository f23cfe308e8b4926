using System.Text.Json;
using GraphQL;

namespace Orleans.Training.Gateway.Transport;

/// <summary>A GraphQL request, whichever way it came.</summary>
internal sealed record GraphRequest(string Query, string? OperationName, Inputs? Variables)
{
    /// <summary>Reads the parameters of GraphQL over HTTP from a JSON value, or says why it cannot.</summary>
    public static GraphRequest? Of(JsonElement json, IGraphQLTextSerializer serializer, out ExecutionError? error)
    {
        error = json.ValueKind is JsonValueKind.Array ? ApiErrors.Of(ApiErrors.Batch, "One request at a time: batches are not answered.")
            : json.ValueKind is not JsonValueKind.Object ? ApiErrors.Of(ApiErrors.BadRequest, "A request is a JSON object.")
            : !TryText(json, "query", out var query) || query is null ? ApiErrors.Of(ApiErrors.BadRequest, "'query' must be a string.")
            : !TryText(json, "operationName", out _) ? ApiErrors.Of(ApiErrors.BadRequest, "'operationName' must be a string or null.")
            : !IsObject(json, "variables") || !IsObject(json, "extensions") ? ApiErrors.Of(ApiErrors.BadRequest, "'variables' and 'extensions' must be objects or null.")
            : null;
        if (error is not null) return null;
        TryText(json, "query", out var document);
        TryText(json, "operationName", out var name);
        var variables = json.TryGetProperty("variables", out var given) && given.ValueKind is JsonValueKind.Object ? serializer.ReadNode<Inputs>(given) : null;
        return new GraphRequest(document!, name, variables);
    }

    private static bool TryText(JsonElement json, string name, out string? text)
    {
        text = null;
        if (!json.TryGetProperty(name, out var value) || value.ValueKind is JsonValueKind.Null) return true;
        if (value.ValueKind is not JsonValueKind.String) return false;
        text = value.GetString();
        return true;
    }

    private static bool IsObject(JsonElement json, string name) => !json.TryGetProperty(name, out var value) || value.ValueKind is JsonValueKind.Object or JsonValueKind.Null;
}
