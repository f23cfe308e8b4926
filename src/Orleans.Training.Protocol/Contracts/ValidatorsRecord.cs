using System.Formats.Cbor;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>The validator set of an era and the SHA-256 of its tlog-policy text (docs/spec/receipt.md): [set, policy digest]. One record an era, for ever.</summary>
public sealed record ValidatorsRecord(ValidatorSet Set, Digest Policy) : StateRecord
{
    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "validators/";

    /// <summary>The state key.</summary>
    public static string Key(ulong era) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{Prefix}{era:D6}");

    internal static ValidatorsRecord Of(string origin, ValidatorSet set) => new(set, Digest.Of(System.Text.Encoding.UTF8.GetBytes(TrustPolicy.Text(origin, set))));

    /// <summary>The set that makes the block after this state.</summary>
    internal static ValidatorsRecord Current(ContractState state) => state.Find<ValidatorsRecord>(Key(state.Find<EraRecord>(EraRecord.Key)!.Era))!;

    internal static ValidatorsRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var record = new ValidatorsRecord(ValidatorSet.Read(reader), reader.ReadDigest());
        reader.ReadEndArray();
        return record;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(2);
        writer.WriteEncodedValue(Set.Encode());
        writer.Write(Policy);
        writer.WriteEndArray();
    }
}

/// <summary>The era of the block after this state: a number.</summary>
public sealed record EraRecord(ulong Era) : StateRecord
{
    /// <summary>The state key.</summary>
    public const string Key = "era";

    internal static EraRecord Read(CborReader reader) => new((ulong)reader.ReadNumber());

    /// <inheritdoc/>
    public override void Write(CborWriter writer) => writer.WriteUInt64(Era);
}

/// <summary>A seat's word that it will vote with this entry in this era: [era, SHA-256 of the entry, time].</summary>
public sealed record ReadyRecord(ulong Era, Digest Seat, long TimeMs) : StateRecord
{
    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "ready/";

    /// <summary>The state key: by the seat's transaction key.</summary>
    public static string Key(Identifier transactionKey) => $"{Prefix}{transactionKey}";

    internal static ReadyRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(3);
        var record = new ReadyRecord((ulong)reader.ReadNumber(), reader.ReadDigest(), reader.ReadNumber());
        reader.ReadEndArray();
        return record;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(3);
        writer.WriteUInt64(Era);
        writer.Write(Seat);
        writer.WriteInt64(TimeMs);
        writer.WriteEndArray();
    }
}

/// <summary>The vote key (null: none) that a seat gave itself last, when, and whether the sealing block that puts it in force is still to come: [vote key | null, time, waits].</summary>
public sealed record DelegationRecord(PublicKey? VoteKey, long TimeMs, bool Waits) : StateRecord
{
    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "delegations/";

    /// <summary>The state key: by the seat's transaction key.</summary>
    public static string Key(Identifier transactionKey) => $"{Prefix}{transactionKey}";

    internal static DelegationRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(3);
        var record = new DelegationRecord(Validator.ReadVoteKey(reader), reader.ReadNumber(), reader.ReadBoolean());
        reader.ReadEndArray();
        return record;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(3);
        if (VoteKey is null) writer.WriteNull(); else VoteKey.Write(writer);
        writer.WriteInt64(TimeMs);
        writer.WriteBoolean(Waits);
        writer.WriteEndArray();
    }
}

/// <summary>
/// What may end the era: [[approved change…], [seat with a waiting vote key…], how many changes are open or approved, [convicted seat…]], each list in the order in which it came; seats by their transaction keys' ids.
/// </summary>
public sealed record AgendaRecord(IReadOnlyList<Digest> Approved, IReadOnlyList<Identifier> Delegated, int Changes, IReadOnlyList<Identifier> Convicted) : StateRecord
{
    /// <summary>The state key.</summary>
    public const string Key = "agenda";

    /// <summary>Nothing.</summary>
    public static AgendaRecord Empty { get; } = new([], [], 0, []);

    /// <summary>Whether nothing is to end the era.</summary>
    public bool IsEmpty => Approved.Count == 0 && Delegated.Count == 0 && Convicted.Count == 0;

    internal static AgendaRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(4);
        var record = new AgendaRecord(reader.ReadArray(Limits.OpenChanges, Wire.ReadDigest), reader.ReadArray(Limits.Participants, Wire.ReadIdentifier), reader.ReadNumber(Limits.OpenChanges), reader.ReadArray(Limits.Participants, Wire.ReadIdentifier));
        reader.ReadEndArray();
        return record;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(4);
        writer.WriteStartArray(Approved.Count);
        foreach (var change in Approved) writer.Write(change);
        writer.WriteEndArray();
        writer.Write(Delegated);
        writer.WriteInt32(Changes);
        writer.Write(Convicted);
        writer.WriteEndArray();
    }
}
