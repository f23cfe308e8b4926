using System.ComponentModel;
using System.Globalization;
using System.Runtime.CompilerServices;
using GraphQL;
using Orleans.Training.Gateway.Keys;
using Orleans.Training.Gateway.Reading;
using Orleans.Training.Gateway.Transport;
using Orleans.Training.Grains.Ledger;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Gateway.Graph;

internal sealed class Query
{
    [Scope(Scopes.Read), Description("The thing of an id; null for an unknown one and for one that the key does not open, which look the same.")]
    public static async Task<INode?> Node(IResolveFieldContext context, [FromServices] Federations federations, [GraphQL.Id] string id)
    {
        if (!GlobalId.TryParse(id, out var parsed) || federations.Find(GraphCall.Of(context).Caller, parsed.Shard) is not { } reader) return null;
        INode? node = parsed.Prefix switch
        {
            GlobalId.Federation => new Federation(reader),
            GlobalId.Participant => await reader.Find<ParticipantRecord>($"{ParticipantRecord.Prefix}{parsed.Text}") is { } record ? new Participant(reader, record.Id, record) : null,
            GlobalId.Dataset => await reader.Find<DatasetRecord>($"{DatasetRecord.Prefix}{parsed.Text}") is { } record ? new Dataset(reader, record) : null,
            GlobalId.Agreement => parsed.TryDigest(0, out var digest, out _) && await reader.Find<AgreementRecord>(AgreementRecord.Key(digest)) is { } record ? new TrainingAgreement(reader, record) : null,
            GlobalId.Run => parsed.TryDigest(0, out var digest, out _) && await reader.Find<RunRecord>(RunRecord.Key(digest)) is { } record ? new Run(reader, record) : null,
            GlobalId.Round => parsed.TryDigest(2, out var digest, out var numbers) && await reader.Find<RoundRecord>(RoundRecord.Key(digest, numbers[0], numbers[1])) is { } record ? new Round(reader, record) : null,
            GlobalId.Model => parsed.TryDigest(1, out var digest, out var numbers) ? await ModelVersion.Find(reader, digest, numbers[0]) : null,
            GlobalId.Transaction => await Graph.Transaction.Find(reader, parsed),
            GlobalId.Entry => parsed.TryIndex(out var index) && await reader.Grain.Item(index) is { } item ? new LedgerEntry(reader, item) : null,
            GlobalId.Event => await Event.Find(reader, parsed),
            _ => null,
        };
        return node?.Id == id ? node : null;
    }

    [Scope(Scopes.Read)]
    public static Federation? Federation(IResolveFieldContext context, [FromServices] Federations federations, [GraphQL.Id] string id) =>
        federations.Find(GraphCall.Of(context).Caller, id, GlobalId.Federation, out var parsed) is { } reader && parsed.Name.IsEmpty ? new Federation(reader) : null;

    [Scope(Scopes.Read)]
    public static async Task<Run?> Run(IResolveFieldContext context, [FromServices] Federations federations, [GraphQL.Id] string id) => await Node(context, federations, id) as Run;

    [Scope(Scopes.Read), Description("A transaction by its id, also when nothing is known about it yet.")]
    public static async Task<Transaction?> Transaction(IResolveFieldContext context, [FromServices] Federations federations, [GraphQL.Id] string id) => await Node(context, federations, id) as Transaction;
}

internal sealed class Mutation
{
    [Scope(Scopes.Submit), Description("Hands in a transaction that a participant's own key has signed; nothing is added to it. The same bytes again give the state of the first.")]
    public static async Task<SubmitTransactionPayload> SubmitTransaction(IResolveFieldContext context, [FromServices] Federations federations, SubmitTransactionInput input)
    {
        if (federations.Find(GraphCall.Of(context).Caller, input.FederationId, GlobalId.Federation, out var parsed) is not { } reader || !parsed.Name.IsEmpty)
            return Refused(new SubmissionError(UserErrorCode.NotFound, "There is no such federation.", ApiErrors.NotFound));
        var rejection = Protocol.Ledger.Transaction.TryParse(input.Transaction, out var transaction);
        if (rejection is not Rejection.None) return Refused(SubmissionError.Of(rejection));
        var key = new TransactionKey(transaction!.Payload.Actor, transaction.Payload.Id);
        TransactionState state;
        try
        {
            state = await reader.Grain.Submit(input.Transaction.ToArray());
        }
        catch (Exception exception) when (ErrorInfo.IsOutage(exception))
        {
            return Refused(new SubmissionError(UserErrorCode.QuorumUnavailable, "The validators cannot be reached for the moment, and may or may not have the transaction: send the same bytes again.", ApiErrors.Unavailable));
        }

        return new SubmitTransactionPayload(
            new Transaction(reader, key, state),
            state is { Status: TransactionStatus.Rejected, Index: < 0 } ? [SubmissionError.Of((Rejection)state.Rejection)] : [],
            input.ClientMutationId);

        SubmitTransactionPayload Refused(SubmissionError error) => new(null, [error], input.ClientMutationId);
    }
}

internal sealed class Subscription
{
    [Scope(Scopes.Read), Description("Facts of a ledger in its order, from a cursor on (from the beginning without one), then live. After a new connection, go on after the last cursor seen: there is no gap and no duplicate.")]
    public static IAsyncEnumerable<Event> Events(
        IResolveFieldContext context,
        [FromServices] Federations federations,
        [FromServices] EventSource source,
        [GraphQL.Id] string federationId,
        [Description("The cursor of the last event seen.")] string? after = null,
        [Description("Only events of these types.")] IEnumerable<string>? types = null,
        CancellationToken cancellationToken = default)
    {
        var request = GraphCall.Of(context);
        if (federations.Find(request.Caller, federationId, GlobalId.Federation, out var parsed) is not { } reader || !parsed.Name.IsEmpty) throw ApiErrors.Of(ApiErrors.NotFound, "There is no such federation.");
        var cursor = EventCursor.Beginning;
        if (after is not null && !EventCursor.TryParse(after, reader.Shard, out cursor)) throw ApiErrors.Of(ApiErrors.BadArgument, "'after' is no cursor of this federation.");
        return Follow(request, reader, source, cursor, types?.ToHashSet(StringComparer.Ordinal), cancellationToken);
    }

    private static async IAsyncEnumerable<Event> Follow(GraphCall request, FederationReader reader, EventSource source, EventCursor after, HashSet<string>? types, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var placed in source.Follow(reader.Shard, after, cancellationToken))
        {
            if (types is not null && !types.Contains(placed.Fact.Type)) continue;
            await request.InFlight!.WaitAsync(cancellationToken);
            yield return new Event(reader, placed);
        }
    }
}

[Implements(typeof(INode)), Description("A fact that the execution of a transaction, or of a deadline, wrote. Delivered at least once and in ledger order.")]
internal sealed class Event(FederationReader reader, PlacedEvent placed) : INode
{
    [GraphQL.Id]
    public string Id => GlobalId.Of(GlobalId.Event, reader.Shard, string.Create(CultureInfo.InvariantCulture, $"{placed.Cursor.Index}.{placed.Cursor.Position}"));

    public string Cursor => placed.Cursor.Write(reader.Shard);

    public string Type => placed.Fact.Type;

    [Description("Time of the block.")]
    public DateTimeOffset At => DateTimeOffset.FromUnixTimeMilliseconds(placed.Item.TimeMs);

    public long LedgerIndex => placed.Item.Index;

    [Description("The state key that it is about.")]
    public string Subject => placed.Fact.Key;

    [Description("The record that it left there, encoded.")]
    public ReadOnlyMemory<byte> Data => placed.Fact.Record;

    public LedgerEntry Entry => new(reader, placed.Item);

    internal static async Task<Event?> Find(FederationReader reader, GlobalId id)
    {
        var parts = id.Text.Split('.');
        if (parts.Length != 2 || !long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var index) || !int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var position)) return null;
        return await reader.Grain.Item(index) is { } item && position < item.Events.Length ? new Event(reader, new PlacedEvent(new EventCursor(index, position), item, item.Events[position])) : null;
    }
}
