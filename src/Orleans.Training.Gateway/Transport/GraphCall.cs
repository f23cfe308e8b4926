using GraphQL;
using GraphQL.Types;
using Orleans.Training.Gateway.Keys;

namespace Orleans.Training.Gateway.Transport;

/// <summary>Who asks, and for a subscription how many events may be on their way.</summary>
internal sealed class GraphCall(Caller caller, SemaphoreSlim? inFlight) : Dictionary<string, object?>
{
    public Caller Caller => caller;

    public SemaphoreSlim? InFlight => inFlight;

    public static GraphCall Of(IResolveFieldContext context) => (GraphCall)context.UserContext;
}

/// <summary>The scope that a field asks of the caller's key.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class ScopeAttribute(string scope) : GraphQLAttribute
{
    public const string Metadata = "otrain.scope";

    public override void Modify(FieldType fieldType, bool isInputType) => fieldType.WithMetadata(Metadata, scope);
}
