using GraphQL;
using GraphQL.Types;
using GraphQLParser;
using GraphQLParser.AST;
using GraphQLParser.Exceptions;
using Microsoft.Extensions.Logging;

namespace Orleans.Training.Gateway.Transport;

/// <summary>Which operations a transport carries.</summary>
internal enum Carries
{
    Queries,
    QueriesAndMutations,
    Everything,
}

/// <summary>Parses, measures, validates and executes; the one way from either transport to the schema.</summary>
internal sealed partial class Executor(IDocumentExecuter executer, ISchema schema, IServiceProvider services, ILogger<Executor> logger)
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    public async Task<ExecutionResult> Execute(GraphRequest request, GraphCall call, Carries carries, CancellationToken cancellationToken)
    {
        if (request.Query.Length > GatewayLimits.DocumentCharacters) return Refused(ApiErrors.OverLimit, $"The document has more than {GatewayLimits.DocumentCharacters} characters.");
        GraphQLDocument document;
        try
        {
            document = Parser.Parse(request.Query);
        }
        catch (Exception exception) when (exception is GraphQLSyntaxErrorException or GraphQLMaxDepthExceededException)
        {
            return Refused(ApiErrors.BadDocument, exception.Message);
        }

        if (!schema.Initialized) schema.Initialize();
        if (DocumentLimits.Check(document, schema, request.Variables) is { } problem) return Refused(ApiErrors.OverLimit, problem);
        var operation = Selected(document, request.OperationName);
        if (operation is OperationType.Mutation && carries is Carries.Queries) return Refused(ApiErrors.Method, "GET carries queries only: POST a mutation.");
        if (operation is OperationType.Subscription && carries is not Carries.Everything) return Refused(ApiErrors.SubscriptionTransport, "Subscribe over WebSocket, with the subprotocol graphql-transport-ws.");
        return await executer.ExecuteAsync(new ExecutionOptions
        {
            Schema = schema,
            Document = document,
            Query = request.Query,
            OperationName = request.OperationName,
            Variables = request.Variables,
            UserContext = call,
            RequestServices = services,
            CancellationToken = cancellationToken,
            Timeout = operation is OperationType.Subscription ? System.Threading.Timeout.InfiniteTimeSpan : Timeout,
            MaxParallelExecutionCount = 16,
            UnhandledExceptionDelegate = unhandled =>
            {
                if (unhandled.OriginalException is not OperationCanceledException) LogFailure(logger, unhandled.OriginalException);
                return Task.CompletedTask;
            },
        });
    }

    public static ExecutionResult Refused(string code, string message) => Refused(ApiErrors.Of(code, message));

    public static ExecutionResult Refused(ExecutionError error) => new() { Errors = [error] };

    private static OperationType? Selected(GraphQLDocument document, string? name) =>
        document.Definitions.OfType<GraphQLOperationDefinition>().FirstOrDefault(operation => string.IsNullOrEmpty(name) || operation.Name?.StringValue == name)?.Operation;

    [LoggerMessage(Level = LogLevel.Error, Message = "A field failed")]
    private static partial void LogFailure(ILogger logger, Exception exception);
}
