namespace Orleans.Training.Gateway;

/// <summary>Every limit of the API (docs/spec/api.md §6).</summary>
internal static class GatewayLimits
{
    /// <summary>Bytes of a request's body, and of one WebSocket message.</summary>
    public const int MessageBytes = 256 * 1024;

    /// <summary>Bytes of a WebSocket message of somebody who is not known yet.</summary>
    public const int GreetingBytes = 4096;

    /// <summary>Characters of a document.</summary>
    public const int DocumentCharacters = 64 * 1024;

    /// <summary>Fields below each other.</summary>
    public const int Depth = 12;

    /// <summary>Fields below each other in introspection, which is deep by nature.</summary>
    public const int IntrospectionDepth = 20;

    /// <summary>Lists below each other in introspection.</summary>
    public const int IntrospectionLists = 3;

    /// <summary>Fields that an operation may come to, items of lists counted each.</summary>
    public const long Complexity = 5_000;

    /// <summary>Aliases in one document.</summary>
    public const int Aliases = 15;

    /// <summary>Directives in one document.</summary>
    public const int Directives = 50;

    /// <summary>Items of one page.</summary>
    public const int Page = 100;

    /// <summary>Items of one page unless asked otherwise.</summary>
    public const int DefaultPage = 20;

    /// <summary>What a list without pages counts in <see cref="Complexity"/>.</summary>
    public const int ListFactor = 10;

    /// <summary>Events of one subscription on their way to the client.</summary>
    public const int EventsInFlight = 32;

    /// <summary>Messages that wait to be sent on one connection, above all events in flight.</summary>
    public const int MessagesPerConnection = 16 * 1024;

    /// <summary>Keys in a key file.</summary>
    public const int Keys = 10_000;

    /// <summary>Characters of an id or cursor.</summary>
    public const int IdCharacters = 256;
}
