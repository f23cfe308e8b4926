using System.Globalization;
using GraphQL;
using GraphQL.Types;
using GraphQLParser;
using GraphQLParser.AST;

namespace Orleans.Training.Gateway.Transport;

/// <summary>
/// Measures a document before anything else looks at it: aliases, directives, depth and complexity, in time that grows with its length only. Each fragment is measured once.
/// </summary>
internal sealed class DocumentLimits
{
    private readonly ISchema _schema;
    private readonly Inputs? _variables;
    private readonly Dictionary<ROM, GraphQLFragmentDefinition> _fragments = [];
    private readonly Dictionary<ROM, Measure?> _measured = [];
    private int _aliases;
    private int _directives;

    private DocumentLimits(GraphQLDocument document, ISchema schema, Inputs? variables)
    {
        (_schema, _variables) = (schema, variables);
        foreach (var fragment in document.Definitions.OfType<GraphQLFragmentDefinition>()) _fragments.TryAdd(fragment.FragmentName.Name.Value, fragment);
    }

    /// <summary>What the document exceeds; null when it keeps every limit.</summary>
    public static string? Check(GraphQLDocument document, ISchema schema, Inputs? variables)
    {
        var limits = new DocumentLimits(document, schema, variables);
        var worst = new Measure(0, 0, 0, 0);
        foreach (var definition in document.Definitions)
        {
            var measure = definition switch
            {
                GraphQLOperationDefinition operation => limits.Of(operation.SelectionSet, limits.RootOf(operation.Operation)),
                GraphQLFragmentDefinition fragment => limits.OfFragment(fragment.FragmentName.Name.Value),
                _ => default,
            };
            if (definition is IHasDirectivesNode { Directives: { } directives }) limits._directives += directives.Count;
            worst = worst.Beside(measure);
        }

        if (limits._aliases > GatewayLimits.Aliases) return Exceeds("aliases", limits._aliases, GatewayLimits.Aliases);
        if (limits._directives > GatewayLimits.Directives) return Exceeds("directives", limits._directives, GatewayLimits.Directives);
        if (worst.Depth > GatewayLimits.Depth) return Exceeds("depth", worst.Depth, GatewayLimits.Depth);
        if (worst.IntrospectionDepth > GatewayLimits.IntrospectionDepth) return Exceeds("introspection depth", worst.IntrospectionDepth, GatewayLimits.IntrospectionDepth);
        if (worst.Lists > GatewayLimits.IntrospectionLists) return Exceeds("lists below each other in introspection", worst.Lists, GatewayLimits.IntrospectionLists);
        return worst.Cost > GatewayLimits.Complexity ? Exceeds("complexity", worst.Cost, GatewayLimits.Complexity) : null;
    }

    private static string Exceeds(string what, long value, long limit) => string.Create(CultureInfo.InvariantCulture, $"The document's {what} is {value}; the limit is {limit}.");

    private IGraphType? RootOf(OperationType operation) => operation switch
    {
        OperationType.Mutation => _schema.Mutation,
        OperationType.Subscription => _schema.Subscription,
        _ => _schema.Query,
    };

    // A set of selections: the widest of depths, the sum of costs.
    private Measure Of(GraphQLSelectionSet? selections, IGraphType? type)
    {
        var sum = default(Measure);
        foreach (var selection in selections?.Selections ?? [])
        {
            if (selection is IHasDirectivesNode { Directives: { } directives }) _directives += directives.Count;
            sum = sum.Beside(selection switch
            {
                GraphQLField field => OfField(field, type),
                GraphQLInlineFragment inline => Of(inline.SelectionSet, inline.TypeCondition is { } condition ? Named(condition.Type.Name.Value) : type),
                GraphQLFragmentSpread spread => OfFragment(spread.FragmentName.Name.Value),
                _ => default,
            });
        }

        return sum;
    }

    private Measure OfFragment(ROM name)
    {
        // A cycle counts nothing here: validation refuses it.
        if (_measured.TryGetValue(name, out var measured)) return measured ?? default;
        if (!_fragments.TryGetValue(name, out var fragment)) return default;
        _measured[name] = null;
        var measure = Of(fragment.SelectionSet, Named(fragment.TypeCondition.Type.Name.Value));
        _measured[name] = measure;
        return measure;
    }

    private Measure OfField(GraphQLField field, IGraphType? parent)
    {
        if (field.Alias is not null) _aliases++;
        var name = field.Name.Value;
        var introspection = name.Span.StartsWith("__");
        var type = introspection ? null : (parent as IComplexGraphType)?.Fields.Find(name)?.ResolvedType;
        var below = Of(field.SelectionSet, type?.GetNamedType());
        if (introspection || parent is null)
        {
            var list = name.Span is "fields" or "interfaces" or "possibleTypes" or "inputFields" ? 1 : 0;
            return new Measure(introspection ? 1 : 0, below.IntrospectionDepth + 1, below.Lists + list, Saturated(1, below.Cost, 1));
        }

        var factor = FirstOf(field) ?? (type is not null && IsConnection(type) ? GatewayLimits.DefaultPage : type is not null && IsFreeList(type, parent) ? GatewayLimits.ListFactor : 1);
        return new Measure(below.Depth + 1, below.IntrospectionDepth, below.Lists, Saturated(1, below.Cost, factor));
    }

    private int? FirstOf(GraphQLField field)
    {
        var argument = field.Arguments?.FirstOrDefault(candidate => candidate.Name.Value == "first");
        var text = argument?.Value switch
        {
            GraphQLIntValue number => number.Value.ToString(),
            GraphQLVariable variable => _variables is not null && _variables.TryGetValue(variable.Name.StringValue, out var value) ? Convert.ToString(value, CultureInfo.InvariantCulture) : "",
            _ => null,
        };
        if (text is null) return null;
        // A variable may have a default: the worst is assumed.
        return int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out var first) ? Math.Clamp(first, 1, GatewayLimits.Page) : GatewayLimits.Page;
    }

    private static bool IsConnection(IGraphType type) => type.GetNamedType().Name.EndsWith("Connection", StringComparison.Ordinal);

    // The lists of a connection are counted where the connection is.
    private static bool IsFreeList(IGraphType type, IGraphType parent) => !IsConnection(parent) && (type is ListGraphType || type is NonNullGraphType { ResolvedType: ListGraphType });

    private IGraphType? Named(ROM name) => _schema.AllTypes[name];

    private static long Saturated(long own, long below, long factor) => below > long.MaxValue / (2 * factor) - own ? long.MaxValue / 2 : own + below * factor;

    private readonly record struct Measure(int Depth, int IntrospectionDepth, int Lists, long Cost)
    {
        public Measure Beside(Measure other) => new(Math.Max(Depth, other.Depth), Math.Max(IntrospectionDepth, other.IntrospectionDepth), Math.Max(Lists, other.Lists), Cost > long.MaxValue / 2 - other.Cost ? long.MaxValue / 2 : Cost + other.Cost);
    }
}
