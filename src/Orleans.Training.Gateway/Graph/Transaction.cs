using System.ComponentModel;
using System.Globalization;
using GraphQL;
using Orleans.Training.Gateway.Reading;
using Orleans.Training.Grains.Ledger;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Gateway.Graph;

[Implements(typeof(INode)), Description("A signed request and what became of it. UNKNOWN also while it waits at validators that this gateway did not hand it to.")]
internal sealed class Transaction(FederationReader reader, TransactionKey key, TransactionState state) : INode
{
    [GraphQL.Id]
    public string Id => GlobalId.Of(GlobalId.Transaction, reader.Shard, [.. key.Id.ToArray(), .. System.Text.Encoding.ASCII.GetBytes(key.Actor.Name)]);

    public TransactionStatus Status => state.Status;

    [Description("OT-nnnn when it was refused.")]
    public string? Rejection => state.Rejection == 0 ? null : NumberOf((Protocol.Rejection)state.Rejection);

    [Description("The receipt of its entry; null until a quorum has cosigned a checkpoint that covers it, and for ever when it was refused at admission.")]
    public async Task<Receipt?> Receipt() => state.Index < 0 ? null : await reader.Receipt(state.Index);

    internal static async Task<Transaction?> Find(FederationReader reader, GlobalId id)
    {
        if (id.Name.Length <= Identifier.Size || !ParticipantId.TryParse(System.Text.Encoding.ASCII.GetString(id.Name.Span[Identifier.Size..]), out var actor)) return null;
        var key = new TransactionKey(actor, Identifier.From(id.Name.Span[..Identifier.Size]));
        return new Transaction(reader, key, await reader.Grain.Status(actor.Name, key.Id.ToString()));
    }

    internal static string NumberOf(Protocol.Rejection rejection) => string.Create(CultureInfo.InvariantCulture, $"OT-{(int)rejection}");
}

internal sealed record SubmitTransactionInput([property: GraphQL.Id] string FederationId, ReadOnlyMemory<byte> Transaction, string? ClientMutationId = null);

internal sealed record SubmitTransactionPayload(Transaction? Transaction, IEnumerable<IUserError> Errors, string? ClientMutationId);

[Description("What kind of thing stands against a request.")]
internal enum UserErrorCode
{
    InvalidInput,
    NotFound,
    Conflict,
    PreconditionFailed,
    QuotaExceeded,
    Forbidden,
    QuorumUnavailable,
}

[Name("UserError"), Description("Why a well-formed request had no effect.")]
internal interface IUserError
{
    UserErrorCode Code { get; }

    string Message { get; }

    IEnumerable<string>? Path { get; }
}

[Implements(typeof(IUserError)), Description("Why a transaction was not taken.")]
internal sealed record SubmissionError(UserErrorCode Code, string Message, [property: Description("OT-nnnn.")] string Number) : IUserError
{
    public IEnumerable<string>? Path => ["input", Code is UserErrorCode.NotFound ? "federationId" : "transaction"];

    internal static SubmissionError Of(Rejection rejection) => new(CodeOf(rejection), $"The transaction is refused as {rejection}.", Transaction.NumberOf(rejection));

    private static UserErrorCode CodeOf(Rejection rejection) => rejection switch
    {
        Rejection.Expired or Rejection.ExpiryTooFar => UserErrorCode.PreconditionFailed,
        Rejection.UnknownKey or Rejection.BadSignature => UserErrorCode.Forbidden,
        Rejection.Duplicate or Rejection.TransactionIdReused => UserErrorCode.Conflict,
        Rejection.PoolFull => UserErrorCode.QuotaExceeded,
        _ => UserErrorCode.InvalidInput,
    };
}
