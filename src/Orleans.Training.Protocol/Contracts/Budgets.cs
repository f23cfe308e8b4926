using System.Formats.Cbor;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Privacy;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// What a data set may lose and has lost: [[ε in millionths, exponent of δ] | null, exposed, spent | null, reserved | null], null for nothing. It is exposed once an agreement without noise has become
/// active on it: no budget can hold from then on.
/// </summary>
public sealed record BudgetRecord(PrivacyBudget? Budget, bool IsExposed, PrivacyCost Spent, PrivacyCost Reserved) : StateRecord
{
    /// <summary>A data set that nothing was computed from and that has no budget.</summary>
    public static BudgetRecord Untouched { get; } = new(null, false, PrivacyCost.None, PrivacyCost.None);

    /// <summary>Whether the data set may lose so much more; null is a cost without bound.</summary>
    public bool Bears(PrivacyCost? cost) => Budget is not { } budget || cost is not null && budget.Admits(Spent.Plus(Reserved).Plus(cost));

    /// <summary>The state key.</summary>
    public static string Key(ParticipantId owner, string dataset) => $"{Prefix}{owner}/{dataset}";

    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "budgets/";

    internal static BudgetRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(4);
        PrivacyBudget? budget = null;
        if (reader.PeekState() is CborReaderState.Null) reader.ReadNull(); else budget = SetBudget.ReadBudget(reader);
        var record = new BudgetRecord(budget, reader.ReadBoolean(), ReadCost(reader), ReadCost(reader));
        reader.ReadEndArray();
        return record;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(4);
        if (Budget is { } budget) SetBudget.WriteBudget(writer, budget); else writer.WriteNull();
        writer.WriteBoolean(IsExposed);
        WriteCost(writer, Spent);
        WriteCost(writer, Reserved);
        writer.WriteEndArray();
    }

    private static PrivacyCost ReadCost(CborReader reader)
    {
        if (reader.PeekState() is not CborReaderState.Null) return PrivacyCost.Read(reader);
        reader.ReadNull();
        return PrivacyCost.None;
    }

    private static void WriteCost(CborWriter writer, PrivacyCost cost)
    {
        if (cost.Equals(PrivacyCost.None)) writer.WriteNull(); else cost.Write(writer);
    }
}

/// <summary>
/// A data set's owner says what it may lose in all: [name, [ε in millionths, exponent of δ]]. It may say so again, more or less, at any time; what was spent stays spent.
/// </summary>
public sealed record SetBudget(string Dataset, PrivacyBudget Budget) : ContractCall
{
    /// <inheritdoc/>
    public override string Contract => "dataset";

    /// <inheritdoc/>
    public override string Method => "SetBudget";

    /// <inheritdoc/>
    public override void WriteArguments(CborWriter writer)
    {
        writer.WriteStartArray(2);
        writer.WriteTextString(Dataset);
        WriteBudget(writer, Budget);
        writer.WriteEndArray();
    }

    internal static SetBudget Read(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var call = new SetBudget(reader.ReadName(), ReadBudget(reader));
        reader.ReadEndArray();
        return call;
    }

    internal static PrivacyBudget ReadBudget(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var budget = new PrivacyBudget(reader.ReadNumber(int.MaxValue), reader.ReadNumber(RenyiOrders.LargestDeltaExponent));
        Wire.Require(budget.EpsilonMicro > 0 && budget.DeltaExponent >= RenyiOrders.SmallestDeltaExponent);
        reader.ReadEndArray();
        return budget;
    }

    internal static void WriteBudget(CborWriter writer, PrivacyBudget budget)
    {
        writer.WriteStartArray(2);
        writer.WriteInt64(budget.EpsilonMicro);
        writer.WriteInt32(budget.DeltaExponent);
        writer.WriteEndArray();
    }

    internal override Rejection Apply(ContractContext context)
    {
        if (context.Find<DatasetRecord>(DatasetRecord.Key(context.Actor, Dataset)) is null) return Rejection.DatasetUnknown;
        var key = BudgetRecord.Key(context.Actor, Dataset);
        var record = context.Find<BudgetRecord>(key) ?? BudgetRecord.Untouched;
        if (record.IsExposed) return Rejection.DatasetExposed;
        context.Put(key, record with { Budget = Budget }, "BudgetSet");
        return Rejection.None;
    }
}

/// <summary>
/// What rounds cost the data sets of their participants. All of them reserve the cost when an attempt opens, so that no two attempts pass the same check; it is spent by who is in the sum once the order
/// to unmask is written, whether or not a model follows: what was revealed travels outside the ledger too. Who is not gets its reservation back.
/// </summary>
internal static class BudgetContract
{
    /// <summary>Whether an agreement may be accepted: it may not touch a data set that has a budget where its cost is without bound.</summary>
    public static Rejection Check(ContractContext context, TrainingAgreement agreement) =>
        All(agreement).All(item => item.Cost is not null || Of(context, item.Agreed).Bears(null)) ? Rejection.None : Rejection.BudgetExceeded;

    /// <summary>Whether every data set of an agreement bears one more round.</summary>
    public static bool IsBorne(Func<string, BudgetRecord?> find, TrainingAgreement agreement) =>
        All(agreement).All(item => (find(KeyOf(item.Agreed)) ?? BudgetRecord.Untouched).Bears(item.Cost));

    /// <summary>Marks the data sets that an agreement which has become active uses without noise.</summary>
    public static void Expose(ContractContext context, TrainingAgreement agreement)
    {
        foreach (var (agreed, cost) in All(agreement))
        {
            var record = Of(context, agreed);
            if (cost is null && !record.IsExposed) context.Put(KeyOf(agreed), record with { IsExposed = true });
        }
    }

    /// <summary>Reserves the cost of an attempt for all, or for nobody.</summary>
    public static Rejection Reserve(ContractContext context, TrainingAgreement agreement)
    {
        if (!IsBorne(context.Find<BudgetRecord>, agreement)) return Rejection.BudgetExceeded;
        foreach (var (agreed, cost) in All(agreement))
        {
            var record = Of(context, agreed);
            if (cost is not null) context.Put(KeyOf(agreed), record with { Reserved = record.Reserved.Plus(cost) });
        }

        return Rejection.None;
    }

    /// <summary>Spends the reservations of these positions, and gives the others theirs back.</summary>
    public static void Settle(ContractContext context, TrainingAgreement agreement, PositionSet survivors)
    {
        foreach (var (agreed, cost) in All(agreement))
        {
            if (cost is null) continue;
            var record = Of(context, agreed);
            record = record with { Reserved = record.Reserved.Minus(cost) };
            if (survivors.Contains(agreement.PositionOf(agreed.Participant))) context.Put(KeyOf(agreed), record with { Spent = record.Spent.Plus(cost) }, "BudgetSpent");
            else context.Put(KeyOf(agreed), record);
        }
    }

    // What a round costs each data set: without bound if there is no noise, and for the one whose update everybody sees.
    private static IEnumerable<(AgreedDataset Agreed, PrivacyCost? Cost)> All(TrainingAgreement agreement)
    {
        var cost = agreement.RoundCost;
        return agreement.Datasets.Select((agreed, position) => (agreed, position == agreement.Groups?.Trusted ? null : cost));
    }

    private static string KeyOf(AgreedDataset agreed) => BudgetRecord.Key(agreed.Participant, agreed.Dataset);

    private static BudgetRecord Of(ContractContext context, AgreedDataset agreed) => context.Find<BudgetRecord>(KeyOf(agreed)) ?? BudgetRecord.Untouched;
}
