using GraphQL;
using GraphQL.Execution;
using GraphQL.Validation;
using Microsoft.AspNetCore.Http;
using Orleans.Runtime;
using Orleans.Training.Grains;

namespace Orleans.Training.Gateway.Transport;

/// <summary>The numbers of the API (docs/spec/errors.md, 60xx).</summary>
internal static class ApiErrors
{
    public const string KeyMissing = "OT-6001";
    public const string KeyUnknown = "OT-6002";
    public const string Forbidden = "OT-6003";
    public const string NotFound = "OT-6004";
    public const string BadRequest = "OT-6005";
    public const string BadDocument = "OT-6006";
    public const string OverLimit = "OT-6007";
    public const string Batch = "OT-6008";
    public const string Method = "OT-6009";
    public const string MediaType = "OT-6010";
    public const string BadArgument = "OT-6011";
    public const string Unavailable = "OT-6012";
    public const string Internal = "OT-6013";
    public const string SubscriptionTransport = "OT-6014";
    public const string TooLarge = "OT-6015";

    public static ExecutionError Of(string code, string message) => new(message) { Code = code };

    /// <summary>The status of an answer without data in application/graphql-response+json.</summary>
    public static int StatusOf(string code) => code switch
    {
        KeyMissing or KeyUnknown => StatusCodes.Status401Unauthorized,
        Forbidden => StatusCodes.Status403Forbidden,
        Method => StatusCodes.Status405MethodNotAllowed,
        MediaType => StatusCodes.Status415UnsupportedMediaType,
        TooLarge => StatusCodes.Status413PayloadTooLarge,
        Unavailable => StatusCodes.Status503ServiceUnavailable,
        Internal => StatusCodes.Status500InternalServerError,
        _ => StatusCodes.Status400BadRequest,
    };
}

/// <summary>What clients are told about an error: its number and a message that gives nothing away, neither schema suggestions nor anything of the inside.</summary>
internal sealed class ErrorInfo : IErrorInfoProvider
{
    private const string Suggestion = " Did you mean ";

    public GraphQL.Execution.ErrorInfo GetInfo(ExecutionError executionError)
    {
        var (code, message) = Describe(executionError);
        return new GraphQL.Execution.ErrorInfo { Message = message, Extensions = new Dictionary<string, object?> { ["code"] = code } };
    }

    public static (string Code, string Message) Describe(ExecutionError error) => error switch
    {
        { Code: { } code } when code.StartsWith("OT-", StringComparison.Ordinal) => (code, error.Message),
        ValidationError or DocumentError => (ApiErrors.BadDocument, WithoutSuggestion(error.Message)),
        TimeoutError => (ApiErrors.Unavailable, "The operation took too long; try again, or ask for less."),
        UnhandledError { InnerException: { } inner } when IsOutage(inner) => (ApiErrors.Unavailable, "The ledger cannot be reached for the moment; try again."),
        UnhandledError => (ApiErrors.Internal, "The gateway failed; its log says why."),
        _ => (ApiErrors.BadDocument, WithoutSuggestion(error.Message)),
    };

    /// <summary>Whether an exception says that silos or validators are not there, rather than that somebody made a mistake.</summary>
    public static bool IsOutage(Exception exception) => exception is OperationalException or OrleansException or TimeoutException or IOException;

    private static string WithoutSuggestion(string message) => message.IndexOf(Suggestion, StringComparison.Ordinal) is var at && at >= 0 ? message[..at] : message;
}
