using System.Formats.Cbor;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>A seat's proposal to change the validator set, and its vote for it: [change].</summary>
public sealed record ProposeChange(SeatChange Change) : ContractCall
{
    /// <inheritdoc/>
    public override string Contract => "governance";

    /// <inheritdoc/>
    public override string Method => "Propose";

    /// <inheritdoc/>
    public override void WriteArguments(CborWriter writer)
    {
        writer.WriteStartArray(1);
        Change.Write(writer);
        writer.WriteEndArray();
    }

    internal static ProposeChange Read(CborReader reader)
    {
        reader.ReadArrayHead(1);
        var call = new ProposeChange(SeatChange.Read(reader));
        reader.ReadEndArray();
        return call;
    }

    internal override Rejection Apply(ContractContext context)
    {
        if (context.Seat < 0) return Rejection.MissingRole;
        var digest = Change.ComputeDigest();
        var key = ChangeRecord.Key(digest);
        if (context.Find<ChangeRecord>(key) is { IsPending: true }) return Rejection.AlreadyExists;
        if (Change.Entry is { } entry && CheckEntry(context, entry) is var rejection && rejection is not Rejection.None) return rejection;
        if (Change.ApplyTo(context.Validators) is null) return Rejection.ChangeImpossible;
        var agenda = EraContract.Agenda(context);
        if (agenda.Changes >= Limits.OpenChanges) return Rejection.LimitReached;

        context.Put(AgendaRecord.Key, agenda with { Changes = agenda.Changes + 1 });
        context.SetDeadline(key, null, context.TimeMs + Limits.ChangeWindowMs);
        var record = new ChangeRecord(Change, context.TimeMs, ChangeState.Open, [], []);
        context.Put(key, record, "ChangeProposed");
        VoteOnChange.Count(context, digest, record, inFavour: true);
        return Rejection.None;
    }

    // The keys of a seat have one use each: the transaction key is its organisation's on this ledger, the others are nobody's.
    private static Rejection CheckEntry(ContractContext context, Validator entry)
    {
        if (Convict.Bars(context, entry)) return Rejection.Convicted;
        if (context.Find<ParticipantRecord>(ParticipantRecord.Key(entry.Organisation)) is not { } participant) return entry.KeyIds.Any(id => context.Find<KeyRecord>(KeyRecord.Key(id)) is not null) ? Rejection.KeyInUse : Rejection.None;
        if ((participant.Roles & Roles.Validator) == 0) return Rejection.MissingRole;
        if (context.Find<KeyRecord>(KeyRecord.Key(entry.TransactionKey.Id)) is not { Revoked: false } key || key.Owner != entry.Organisation) return Rejection.NotFound;
        return entry.KeyIds.Where(id => id != entry.TransactionKey.Id).Any(id => context.Find<KeyRecord>(KeyRecord.Key(id)) is not null) ? Rejection.KeyInUse : Rejection.None;
    }
}

/// <summary>A seat's vote on a proposed change: [change digest, in favour]. One vote a seat; q of the present seats approve, n − q + 1 refuse.</summary>
public sealed record VoteOnChange(Digest Change, bool InFavour) : ContractCall
{
    /// <inheritdoc/>
    public override string Contract => "governance";

    /// <inheritdoc/>
    public override string Method => "Vote";

    /// <inheritdoc/>
    public override void WriteArguments(CborWriter writer)
    {
        writer.WriteStartArray(2);
        writer.Write(Change);
        writer.WriteBoolean(InFavour);
        writer.WriteEndArray();
    }

    internal static VoteOnChange Read(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var call = new VoteOnChange(reader.ReadDigest(), reader.ReadBoolean());
        reader.ReadEndArray();
        return call;
    }

    internal override Rejection Apply(ContractContext context)
    {
        if (context.Seat < 0) return Rejection.MissingRole;
        if (context.Find<ChangeRecord>(ChangeRecord.Key(Change)) is not { } record) return Rejection.NotFound;
        if (record.State is not ChangeState.Open) return Rejection.ChangeDecided;
        if (record.For.Contains(context.KeyId) || record.Against.Contains(context.KeyId)) return Rejection.AlreadyVoted;
        Count(context, Change, record, InFavour);
        return Rejection.None;
    }

    // Votes are remembered by the seats' keys, so that they outlive an era in which other seats come and go.
    internal static void Count(ContractContext context, Digest digest, ChangeRecord record, bool inFavour)
    {
        record = inFavour ? record with { For = context.WithOwnSeat(record.For) } : record with { Against = context.WithOwnSeat(record.Against) };
        var key = ChangeRecord.Key(digest);
        var validators = context.Validators;
        if (record.For.Count >= validators.Quorum)
        {
            var agenda = EraContract.Agenda(context);
            context.Put(AgendaRecord.Key, agenda with { Approved = [.. agenda.Approved, digest] });
            context.Put(key, record with { State = ChangeState.Approved }, "ChangeApproved");
            if (record.Change.Entry is { } entry) Admit(context, entry);
        }
        else if (record.Against.Count > validators.Count - validators.Quorum)
        {
            EraContract.Drop(context, digest);
            context.SetDeadline(key, record.TimeMs + Limits.ChangeWindowMs, null);
            context.Put(key, record with { State = ChangeState.Refused }, "ChangeRefused");
        }
        else
        {
            context.Put(key, record);
        }
    }

    // The quorum that gives somebody a seat is the one that admits him. If his key has become another's meanwhile, the change can never be sealed, and lapses.
    private static void Admit(ContractContext context, Validator entry)
    {
        var participant = ParticipantRecord.Key(entry.Organisation);
        var key = KeyRecord.Key(entry.TransactionKey.Id);
        if (context.Find<ParticipantRecord>(participant) is not null || context.Find<KeyRecord>(key) is not null || !context.TryCount(CountRecord.Participants, Limits.Participants)) return;
        context.Put(key, new KeyRecord(entry.Organisation, entry.TransactionKey, Revoked: false));
        context.Put(participant, new ParticipantRecord(entry.Organisation, entry.Organisation.Name, Roles.Validator, [entry.TransactionKey]), "ParticipantAdmitted");
    }
}

/// <summary>
/// A seat's word that it has caught up and will vote in the next era with these keys: [era, entry, signature of the entry's vote key on <see cref="EraContract.ReadyStatement"/>].
/// Sent with the entry's transaction key. It counts for ten minutes of block time.
/// </summary>
public sealed record Ready(ulong Era, Validator Entry, ReadOnlyMemory<byte> Proof) : ContractCall
{
    /// <inheritdoc/>
    public override string Contract => "governance";

    /// <inheritdoc/>
    public override string Method => "Ready";

    /// <inheritdoc/>
    public override void WriteArguments(CborWriter writer)
    {
        writer.WriteStartArray(3);
        writer.WriteUInt64(Era);
        Entry.Write(writer);
        writer.WriteByteString(Proof.Span);
        writer.WriteEndArray();
    }

    internal static Ready Read(CborReader reader)
    {
        reader.ReadArrayHead(3);
        var call = new Ready((ulong)reader.ReadNumber(), Validator.Read(reader), reader.ReadBytes(Signatures.Size));
        Wire.Require(call.Entry.VoteKey is not null && call.Proof.Length == Signatures.Size);
        reader.ReadEndArray();
        return call;
    }

    internal override Rejection Apply(ContractContext context)
    {
        if (Entry.Organisation != context.Actor || Entry.TransactionKey.Id != context.KeyId) return Rejection.MissingRole;
        if (Era != context.Validators.Era + 1) return Rejection.WrongEra;
        if (!IsExpected(context)) return Rejection.NotFound;
        if (!EraContract.IsProof(context, Entry, Proof)) return Rejection.BadProof;
        context.Put(ReadyRecord.Key(context.KeyId), new ReadyRecord(Era, EraContract.DigestOf(Entry), context.TimeMs), "SeatReady");
        return Rejection.None;
    }

    // A present seat as it is or with the key that waits, or one that a change brings in.
    private bool IsExpected(ContractContext context)
    {
        var seat = context.Seat;
        if (seat >= 0 && (context.Validators.Seats[seat] == Entry || EraContract.EntryOf(context, context.Validators.Seats[seat]) == Entry)) return true;
        return EraContract.Agenda(context).Approved.Any(digest => context.Find<ChangeRecord>(ChangeRecord.Key(digest))!.Change.Entry is { } entry && EraContract.DigestOf(entry) == EraContract.DigestOf(Entry));
    }
}

/// <summary>
/// Another vote key for the actor's own seat from the next era on, or none until then again: [vote key | null, its signature as for <see cref="Ready"/>, empty without a key].
/// Needs no vote: after a lost disk or a theft the seat's organisation acts alone, at most once in an hour.
/// </summary>
public sealed record Redelegate(PublicKey? VoteKey, ReadOnlyMemory<byte> Proof) : ContractCall
{
    /// <inheritdoc/>
    public override string Contract => "governance";

    /// <inheritdoc/>
    public override string Method => "Redelegate";

    /// <inheritdoc/>
    public override void WriteArguments(CborWriter writer)
    {
        writer.WriteStartArray(2);
        if (VoteKey is null) writer.WriteNull(); else VoteKey.Write(writer);
        writer.WriteByteString(Proof.Span);
        writer.WriteEndArray();
    }

    internal static Redelegate Read(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var call = new Redelegate(Validator.ReadVoteKey(reader), reader.ReadBytes(Signatures.Size));
        Wire.Require(call.VoteKey?.Algorithm is null or SignatureAlgorithm.Ed25519);
        Wire.Require(call.Proof.Length == (call.VoteKey is null ? 0 : Signatures.Size));
        reader.ReadEndArray();
        return call;
    }

    internal override Rejection Apply(ContractContext context)
    {
        if (context.Seat < 0) return Rejection.MissingRole;
        var seat = context.Validators.Seats[context.Seat];
        var key = DelegationRecord.Key(context.KeyId);
        var last = context.Find<DelegationRecord>(key);
        if (EraContract.EntryOf(context, seat).VoteKey == VoteKey) return Rejection.AlreadyExists;
        if (Convict.Bars(context, seat with { VoteKey = VoteKey })) return Rejection.Convicted;
        if (VoteKey is { } voteKey && IsInUse(context, voteKey.Id)) return Rejection.KeyInUse;
        if (context.TimeMs < last?.TimeMs + Limits.RedelegationMs) return Rejection.TooSoon;
        var entry = seat with { VoteKey = VoteKey };
        if (VoteKey is not null && !EraContract.IsProof(context, entry, Proof)) return Rejection.BadProof;

        var agenda = EraContract.Agenda(context);
        context.Put(key, new DelegationRecord(VoteKey, context.TimeMs, Waits: true), "SeatRedelegated");
        context.Put(AgendaRecord.Key, agenda with { Delegated = [.. agenda.Delegated.Where(id => id != context.KeyId), context.KeyId] });
        if (VoteKey is not null) context.Put(ReadyRecord.Key(context.KeyId), new ReadyRecord(context.Validators.Era + 1, EraContract.DigestOf(entry), context.TimeMs));
        return Rejection.None;
    }

    private static bool IsInUse(ContractContext context, Identifier id) =>
        context.Find<KeyRecord>(KeyRecord.Key(id)) is not null || context.Validators.Seats.Any(seat => seat.KeyIds.Contains(id) || EraContract.EntryOf(context, seat).VoteKey?.Id == id);
}
