using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>A commitment to a data set that never leaves its owner: [owner, name, commitment, records, schema].</summary>
public sealed record DatasetRecord(ParticipantId Owner, string Name, Digest Commitment, long Records, string Schema) : StateRecord
{
    /// <summary>The state key.</summary>
    public static string Key(ParticipantId owner, string name) => $"{Prefix}{owner}/{name}";

    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "datasets/";

    internal static DatasetRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(5);
        var record = new DatasetRecord(reader.ReadParticipant(), reader.ReadName(), reader.ReadDigest(), reader.ReadNumber(), reader.ReadText(4096));
        reader.ReadEndArray();
        return record;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(5);
        writer.Write(Owner);
        writer.WriteTextString(Name);
        writer.Write(Commitment);
        writer.WriteInt64(Records);
        writer.WriteTextString(Schema);
        writer.WriteEndArray();
    }
}

/// <summary>
/// Registers a data set before it is trained on: [name, commitment, records, schema]. The commitment is the root over salted records
/// (docs/spec/data.md); the salts stay with the owner.
/// </summary>
public sealed record RegisterDataset(string Name, Digest Commitment, long Records, string Schema) : ContractCall
{
    /// <inheritdoc/>
    public override string Contract => "dataset";

    /// <inheritdoc/>
    public override string Method => "Register";

    /// <inheritdoc/>
    public override void WriteArguments(CborWriter writer)
    {
        writer.WriteStartArray(4);
        writer.WriteTextString(Name);
        writer.Write(Commitment);
        writer.WriteInt64(Records);
        writer.WriteTextString(Schema);
        writer.WriteEndArray();
    }

    internal static RegisterDataset Read(CborReader reader)
    {
        reader.ReadArrayHead(4);
        var call = new RegisterDataset(reader.ReadName(), reader.ReadDigest(), reader.ReadNumber(int.MaxValue), reader.ReadText(4096));
        Wire.Require(call.Records > 0);
        reader.ReadEndArray();
        return call;
    }

    internal override Rejection Apply(ContractContext context)
    {
        var participant = context.Find<ParticipantRecord>(ParticipantRecord.Key(context.Actor))!;
        if ((participant.Roles & Roles.DataOwner) == 0) return Rejection.MissingRole;
        var key = DatasetRecord.Key(context.Actor, Name);
        if (context.Find<DatasetRecord>(key) is not null) return Rejection.AlreadyExists;
        if (!context.TryCount(CountRecord.Datasets(context.Actor), Limits.DatasetsPerParticipant)) return Rejection.LimitReached;
        context.Put(key, new DatasetRecord(context.Actor, Name, Commitment, Records, Schema), "DatasetRegistered");
        return Rejection.None;
    }
}
