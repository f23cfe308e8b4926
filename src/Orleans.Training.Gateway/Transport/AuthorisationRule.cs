using GraphQL;
using GraphQL.Validation;
using GraphQLParser.AST;

namespace Orleans.Training.Gateway.Transport;

/// <summary>
/// No field without a caller, introspection included, and none whose scope the caller's key lacks. The transports let nobody come this far without a key; this rule
/// holds even if one forgets. What a caller may see of the federations is decided where they are found.
/// </summary>
internal sealed class AuthorisationRule : ValidationRuleBase
{
    public override ValueTask<INodeVisitor?> GetPreNodeVisitorAsync(ValidationContext context) => new(new MatchingNodeVisitor<GraphQLField>((field, visited) =>
    {
        if (visited.UserContext is not GraphCall { Caller: { } caller }) visited.ReportError(Error(ApiErrors.KeyMissing, "An API key is needed: Authorization: Bearer."));
        else if (visited.TypeInfo.GetFieldDef()?.GetMetadata<string>(ScopeAttribute.Metadata) is { } scope && !caller.Scopes.Contains(scope)) visited.ReportError(Error(ApiErrors.Forbidden, $"The API key lacks the scope {scope}."));
    }));

    private static ValidationError Error(string code, string message) => new(message) { Code = code };
}
