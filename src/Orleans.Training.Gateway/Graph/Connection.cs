using System.ComponentModel;
using GraphQL;

namespace Orleans.Training.Gateway.Graph;

[Name("Node"), Description("Anything with an id of its own.")]
internal interface INode
{
    [GraphQL.Id]
    string Id { get; }
}

internal sealed record PageInfo(bool HasNextPage, bool HasPreviousPage, string? StartCursor, string? EndCursor);

internal sealed record Edge<T>(string Cursor, T Node) where T : class;

internal sealed class Connection<T>(IReadOnlyList<Edge<T>> edges, bool more, bool earlier, Func<Task<long>> count) where T : class
{
    public IEnumerable<Edge<T>> Edges => edges;

    public IEnumerable<T> Nodes => edges.Select(edge => edge.Node);

    public PageInfo PageInfo => new(more, earlier, edges.Count > 0 ? edges[0].Cursor : null, edges.Count > 0 ? edges[^1].Cursor : null);

    public Task<long> TotalCount() => count();
}
