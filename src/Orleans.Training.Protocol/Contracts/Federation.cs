using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>What a participant may do.</summary>
[Flags]
public enum Roles
{
    /// <summary>Nothing but read.</summary>
    None = 0,
    /// <summary>Train, and commit updates.</summary>
    Trainer = 1,
    /// <summary>Hold a seat among the validators.</summary>
    Validator = 2,
    /// <summary>Audit.</summary>
    Auditor = 4,
    /// <summary>Register data sets.</summary>
    DataOwner = 8,
    /// <summary>Every role there is.</summary>
    All = Trainer | Validator | Auditor | DataOwner,
}

/// <summary>An organisation of the federation: [id, display name, roles, [key…]].</summary>
public sealed record ParticipantRecord(ParticipantId Id, string DisplayName, Roles Roles, IReadOnlyList<PublicKey> Keys) : StateRecord
{
    /// <summary>The state key.</summary>
    public static string Key(ParticipantId id) => Prefix + id;

    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "participants/";

    internal static ParticipantRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(4);
        var record = new ParticipantRecord(reader.ReadParticipant(), reader.ReadText(Limits.NameLength), (Roles)reader.ReadNumber((int)Roles.All), reader.ReadArray(Limits.KeysPerParticipant, PublicKey.Read));
        reader.ReadEndArray();
        return record;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(4);
        writer.Write(Id);
        writer.WriteTextString(DisplayName);
        writer.WriteInt32((int)Roles);
        writer.WriteStartArray(Keys.Count);
        foreach (var key in Keys) key.Write(writer);
        writer.WriteEndArray();
        writer.WriteEndArray();
    }
}

/// <summary>Who uses a signing key: [participant, key]. A key is used by one participant only, for ever.</summary>
public sealed record KeyRecord(ParticipantId Owner, PublicKey PublicKey, bool Revoked) : StateRecord
{
    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "keys/";

    /// <summary>The state key.</summary>
    public static string Key(Identifier keyId) => $"{Prefix}{keyId}";

    internal static KeyRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(3);
        var record = new KeyRecord(reader.ReadParticipant(), PublicKey.Read(reader), reader.ReadBoolean());
        reader.ReadEndArray();
        return record;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(3);
        writer.Write(Owner);
        PublicKey.Write(writer);
        writer.WriteBoolean(Revoked);
        writer.WriteEndArray();
    }
}

/// <summary>Validators that asked for one and the same admission so far: [transaction key id of the seat…]. Only those that still have a seat count.</summary>
public sealed record AdmissionRecord(IReadOnlyList<Identifier> Seats) : StateRecord
{
    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "admissions/";

    /// <summary>The state key: by the digest of the arguments.</summary>
    public static string Key(Digest arguments) => $"{Prefix}{arguments}";

    internal static AdmissionRecord Read(CborReader reader) => new(reader.ReadArray(Limits.Participants, Wire.ReadIdentifier));

    /// <inheritdoc/>
    public override void Write(CborWriter writer) => writer.Write(Seats);
}

/// <summary>
/// A validator's vote to admit a participant (or to give it more roles or another key): it happens when a quorum of seats has sent the same arguments.
/// [participant, display name, roles, key].
/// </summary>
public sealed record Admit(ParticipantId Participant, string DisplayName, Roles Roles, PublicKey PublicKey) : ContractCall
{
    /// <inheritdoc/>
    public override string Contract => "federation";

    /// <inheritdoc/>
    public override string Method => "Admit";

    /// <inheritdoc/>
    public override void WriteArguments(CborWriter writer)
    {
        writer.WriteStartArray(4);
        writer.Write(Participant);
        writer.WriteTextString(DisplayName);
        writer.WriteInt32((int)Roles);
        PublicKey.Write(writer);
        writer.WriteEndArray();
    }

    internal static Admit Read(CborReader reader)
    {
        reader.ReadArrayHead(4);
        var call = new Admit(reader.ReadParticipant(), reader.ReadText(Limits.NameLength), (Roles)reader.ReadNumber((int)Roles.All), PublicKey.Read(reader));
        Wire.Require(call.DisplayName.Length > 0 && !call.DisplayName.Any(char.IsControl));
        reader.ReadEndArray();
        return call;
    }

    internal override Rejection Apply(ContractContext context)
    {
        if (context.Seat < 0) return Rejection.MissingRole;
        var owner = context.Find<KeyRecord>(KeyRecord.Key(PublicKey.Id));
        if (owner is not null && (owner.Revoked || owner.Owner != Participant)) return Rejection.KeyInUse;
        var existing = context.Find<ParticipantRecord>(ParticipantRecord.Key(Participant));
        if (existing is not null && owner is not null && (existing.Roles & Roles) == Roles) return Rejection.AlreadyExists;
        if (existing?.Keys.Count >= Limits.KeysPerParticipant && owner is null) return Rejection.LimitReached;
        var count = context.Find<CountRecord>(CountRecord.Participants)?.Value ?? 0;
        if (existing is null && count >= Limits.Participants) return Rejection.LimitReached;

        var key = AdmissionRecord.Key(Digest.Of(Wire.Encode(WriteArguments)));
        var seats = context.WithOwnSeat(context.Find<AdmissionRecord>(key)?.Seats ?? []);
        context.Put(key, new AdmissionRecord(seats));
        if (seats.Count < context.Validators.Quorum) return Rejection.None;

        context.Put(key, new AdmissionRecord([]));
        if (existing is null) context.Put(CountRecord.Participants, new CountRecord(count + 1));
        if (owner is null) context.Put(KeyRecord.Key(PublicKey.Id), new KeyRecord(Participant, PublicKey, Revoked: false));
        var record = existing is null
            ? new ParticipantRecord(Participant, DisplayName, Roles, [PublicKey])
            : existing with { DisplayName = DisplayName, Roles = existing.Roles | Roles, Keys = owner is null ? [.. existing.Keys, PublicKey] : existing.Keys };
        context.Put(ParticipantRecord.Key(Participant), record, "ParticipantAdmitted");
        return Rejection.None;
    }
}

/// <summary>A counter that a limit is checked against.</summary>
public sealed record CountRecord(long Value) : StateRecord
{
    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "counts/";

    /// <summary>Participants of the federation.</summary>
    public const string Participants = "counts/participants";

    /// <summary>Ledgers that this one watches.</summary>
    public const string Watched = "counts/watched";

    /// <summary>Data sets of a participant.</summary>
    public static string Datasets(ParticipantId owner) => $"counts/datasets/{owner}";

    /// <summary>Agreements that a participant has proposed.</summary>
    public static string Agreements(ParticipantId proposer) => $"counts/agreements/{proposer}";

    internal static CountRecord Read(CborReader reader) => new(reader.ReadNumber());

    /// <inheritdoc/>
    public override void Write(CborWriter writer) => writer.WriteInt64(Value);
}

/// <summary>A participant's further key, vouched for by one it has: [key].</summary>
public sealed record AddKey(PublicKey PublicKey) : ContractCall
{
    /// <inheritdoc/>
    public override string Contract => "federation";

    /// <inheritdoc/>
    public override string Method => "AddKey";

    /// <inheritdoc/>
    public override void WriteArguments(CborWriter writer)
    {
        writer.WriteStartArray(1);
        PublicKey.Write(writer);
        writer.WriteEndArray();
    }

    internal static AddKey Read(CborReader reader)
    {
        reader.ReadArrayHead(1);
        var call = new AddKey(PublicKey.Read(reader));
        reader.ReadEndArray();
        return call;
    }

    internal override Rejection Apply(ContractContext context)
    {
        var participant = context.Find<ParticipantRecord>(ParticipantRecord.Key(context.Actor))!;
        if (context.Find<KeyRecord>(KeyRecord.Key(PublicKey.Id)) is not null) return Rejection.KeyInUse;
        if (participant.Keys.Count >= Limits.KeysPerParticipant) return Rejection.LimitReached;
        context.Put(KeyRecord.Key(PublicKey.Id), new KeyRecord(context.Actor, PublicKey, Revoked: false));
        context.Put(ParticipantRecord.Key(context.Actor), participant with { Keys = [.. participant.Keys, PublicKey] }, "KeyAdded");
        return Rejection.None;
    }
}

/// <summary>The end of one of the actor's keys: [key id]. The last one stays, and so does the transaction key of a seat.</summary>
public sealed record RevokeKey(Identifier KeyId) : ContractCall
{
    /// <inheritdoc/>
    public override string Contract => "federation";

    /// <inheritdoc/>
    public override string Method => "RevokeKey";

    /// <inheritdoc/>
    public override void WriteArguments(CborWriter writer)
    {
        writer.WriteStartArray(1);
        writer.Write(KeyId);
        writer.WriteEndArray();
    }

    internal static RevokeKey Read(CborReader reader)
    {
        reader.ReadArrayHead(1);
        var call = new RevokeKey(reader.ReadIdentifier());
        reader.ReadEndArray();
        return call;
    }

    internal override Rejection Apply(ContractContext context)
    {
        var participant = context.Find<ParticipantRecord>(ParticipantRecord.Key(context.Actor))!;
        var key = participant.Keys.FirstOrDefault(candidate => candidate.Id == KeyId);
        if (key is null) return Rejection.NotFound;
        if (participant.Keys.Count == 1 || context.Validators.Seats.Any(seat => seat.TransactionKey.Id == KeyId)) return Rejection.LastKey;
        context.Put(KeyRecord.Key(KeyId), new KeyRecord(context.Actor, key, Revoked: true));
        context.Put(ParticipantRecord.Key(context.Actor), participant with { Keys = [.. participant.Keys.Where(candidate => candidate.Id != KeyId)] }, "KeyRevoked");
        return Rejection.None;
    }
}
