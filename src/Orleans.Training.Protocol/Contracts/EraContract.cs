using System.Buffers.Binary;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>A validator set that could follow the present one, and what it is made from.</summary>
internal sealed record EraPlan(ValidatorSet Next, Digest? Change, IReadOnlyList<Identifier> Delegated, IReadOnlyList<Identifier> Expelled);

/// <summary>How an era ends (docs/spec/contracts.md, Governance): what may be sealed, and what sealing writes.</summary>
public static class EraContract
{
    /// <summary>
    /// What a vote key signs to show that whoever enters it has it: "FLv1-ready\0" ‖ chain (32) ‖ shard (16) ‖ era (64 bit, big-endian) ‖ SHA-256 of the seat's entry.
    /// </summary>
    public static byte[] ReadyStatement(Digest chain, Identifier shard, ulong era, Validator entry)
    {
        var statement = new byte[11 + Digest.Size + Identifier.Size + 8 + Digest.Size];
        "FLv1-ready\0"u8.CopyTo(statement);
        chain.CopyTo(statement.AsSpan(11));
        shard.CopyTo(statement.AsSpan(43));
        BinaryPrimitives.WriteUInt64BigEndian(statement.AsSpan(59), era);
        DigestOf(entry).CopyTo(statement.AsSpan(67));
        return statement;
    }

    /// <summary>
    /// Whether an era may end with this set for the next: the members that stay with their vote key are a quorum of it by themselves, or every member has
    /// said that it is ready. Else seats that never come up could halt the shard behind a closed era.
    /// </summary>
    public static bool MaySeal(ValidatorSet current, ValidatorSet next, Func<Validator, bool> isReady)
    {
        var stay = next.Seats.Count(seat => seat.VoteKey is not null && current.SeatOf(seat.TransactionKey.Id) is >= 0 and var before && current.Seats[before].VoteKey == seat.VoteKey);
        return stay >= next.Quorum || next.Seats.All(seat => seat.VoteKey is not null && isReady(seat));
    }

    internal static Digest DigestOf(Validator entry) => Digest.Of(Wire.Encode(entry.Write));

    internal static bool IsProof(ContractContext context, Validator entry, ReadOnlyMemory<byte> signature) =>
        context.Scope.Verify(entry.VoteKey!, ReadyStatement(context.Scope.Genesis.Chain, context.Scope.Genesis.Shard, context.Validators.Era + 1, entry), signature.Span);

    internal static AgendaRecord Agenda(ContractContext context) => context.Find<AgendaRecord>(AgendaRecord.Key) ?? AgendaRecord.Empty;

    /// <summary>A seat's entry with the vote key that waits for the next era, if one does.</summary>
    internal static Validator EntryOf(ContractContext context, Validator seat) =>
        context.Find<DelegationRecord>(DelegationRecord.Key(seat.TransactionKey.Id)) is { Waits: true } delegation ? seat with { VoteKey = delegation.VoteKey } : seat;

    /// <summary>A convicted seat leaves with the next era, if it still has one, and no vote key waits for it any more.</summary>
    internal static void Expel(ContractContext context, Identifier seat)
    {
        var agenda = Agenda(context);
        var leaves = Without(context.Validators, seat) is not null;
        context.Put(AgendaRecord.Key, agenda with { Delegated = [.. agenda.Delegated.Where(id => id != seat)], Convicted = leaves ? [.. agenda.Convicted, seat] : agenda.Convicted });
    }

    /// <summary>
    /// The set that would follow now, open rounds left aside: without every convicted seat that may go, with the oldest approved change that may be sealed, and every waiting vote key that may be sealed with it.
    /// </summary>
    internal static EraPlan? Plan(ContractContext context)
    {
        var agenda = Agenda(context);
        if (agenda.IsEmpty) return null;
        var current = context.Validators;
        bool MaySealWith(IReadOnlyList<Validator> seats, out ValidatorSet next) => MaySeal(current, next = new ValidatorSet(current.Era + 1, seats), seat => IsReady(context, seat));

        var (remaining, expelled) = (current, new List<Identifier>());
        foreach (var id in agenda.Convicted)
        {
            if (Without(remaining, id) is not { } seats || !MaySealWith(seats, out _)) continue;
            remaining = new ValidatorSet(current.Era, seats);
            expelled.Add(id);
        }

        var (next, change) = (expelled.Count > 0 ? new ValidatorSet(current.Era + 1, remaining.Seats) : null, (Digest?)null);
        foreach (var digest in agenda.Approved)
        {
            var candidate = context.Find<ChangeRecord>(ChangeRecord.Key(digest))!.Change;
            if (candidate.ApplyTo(remaining) is not { } seats || (candidate.Entry is { } entry && !MayEnter(context, entry)) || !MaySealWith(seats, out var set)) continue;
            (next, change) = (set, digest);
            break;
        }

        // All at once if that may be, else one after the other as far as it may.
        var delegated = new List<Identifier>();
        foreach (var ids in agenda.Delegated.Select(id => new[] { id }).Prepend([.. agenda.Delegated]))
        {
            var seats = WithWaitingKeys(context, next?.Seats ?? current.Seats, [.. ids.Except(delegated)], out var taken);
            if (taken.Count == 0 || !MaySealWith(seats, out var set)) continue;
            next = set;
            delegated.AddRange(taken);
        }

        return next is null ? null : new EraPlan(next, change, delegated, expelled);
    }

    // A convicted seat goes; where the set would be none without it, its vote key goes. Null when there is nothing to take.
    private static IReadOnlyList<Validator>? Without(ValidatorSet validators, Identifier seat)
    {
        if (SeatChange.Remove(seat).ApplyTo(validators) is { } fewer) return fewer;
        return validators.SeatOf(seat) is >= 0 and var at && validators.Seats[at].VoteKey is not null ? [.. validators.Seats.Select((member, i) => i == at ? member with { VoteKey = null } : member)] : null;
    }

    private static Validator[] WithWaitingKeys(ContractContext context, IReadOnlyList<Validator> seats, IReadOnlyList<Identifier> ids, out List<Identifier> taken)
    {
        taken = [.. seats.Select(seat => seat.TransactionKey.Id).Where(ids.Contains)];
        return [.. seats.Select(seat => ids.Contains(seat.TransactionKey.Id) ? EntryOf(context, seat) : seat)];
    }

    /// <summary>At the end of a block: ends the era if it may end now, and gives the next set; null when it goes on.</summary>
    internal static ValidatorSet? Seal(ContractContext context)
    {
        if (Plan(context) is not { } plan || context.Awaits(RoundRecord.Prefix)) return null;
        var agenda = Agenda(context);
        if (plan.Change is { } digest)
        {
            var change = context.Find<ChangeRecord>(ChangeRecord.Key(digest))!;
            context.SetDeadline(ChangeRecord.Key(digest), change.TimeMs + Limits.ChangeWindowMs, null);
            context.Put(ChangeRecord.Key(digest), change with { State = ChangeState.Sealed });
        }

        foreach (var id in plan.Delegated)
        {
            var key = DelegationRecord.Key(id);
            context.Put(key, context.Find<DelegationRecord>(key)! with { Waits = false });
        }

        // Who has lost its seat has nothing to wait for either.
        context.Put(AgendaRecord.Key, new AgendaRecord(
            [.. agenda.Approved.Where(change => change != plan.Change)],
            [.. agenda.Delegated.Where(id => !plan.Delegated.Contains(id) && plan.Next.SeatOf(id) >= 0)],
            agenda.Changes - (plan.Change is null ? 0 : 1),
            [.. agenda.Convicted.Where(id => !plan.Expelled.Contains(id) && plan.Next.SeatOf(id) >= 0)]));
        var before = ValidatorsRecord.Of(context.Scope.Genesis.Origin, context.Validators);
        var record = ValidatorsRecord.Of(context.Scope.Genesis.Origin, plan.Next);
        context.Put(EraRecord.Key, new EraRecord(plan.Next.Era));
        context.Put(ValidatorsRecord.Key(plan.Next.Era), record, "EraSealed");
        if (record.Policy != before.Policy) context.Put(ValidatorsRecord.Key(plan.Next.Era), record, "PolicyChanged");
        return plan.Next;
    }

    /// <summary>A change whose time is over lapses.</summary>
    internal static void OnDeadline(ContractContext context, string key)
    {
        if (context.Find<ChangeRecord>(key) is not { IsPending: true } change) return;
        Drop(context, change.Change.ComputeDigest());
        context.Put(key, change with { State = ChangeState.Lapsed }, "ChangeLapsed");
    }

    /// <summary>Takes a change off the agenda.</summary>
    internal static void Drop(ContractContext context, Digest change)
    {
        var agenda = Agenda(context);
        context.Put(AgendaRecord.Key, agenda with { Approved = [.. agenda.Approved.Where(other => other != change)], Changes = agenda.Changes - 1 });
    }

    // Whoever comes in has said so for this very era, was not convicted since, and its organisation still has the key that it will attest with.
    private static bool MayEnter(ContractContext context, Validator entry) =>
        IsReady(context, entry) && !Convict.Bars(context, entry) && context.Find<KeyRecord>(KeyRecord.Key(entry.TransactionKey.Id)) is { Revoked: false } key && key.Owner == entry.Organisation;

    private static bool IsReady(ContractContext context, Validator seat) =>
        context.Find<ReadyRecord>(ReadyRecord.Key(seat.TransactionKey.Id)) is { } ready
        && ready.Era == context.Validators.Era + 1 && ready.Seat == DigestOf(seat) && ready.TimeMs + Limits.ReadyWindowMs > context.TimeMs;
}
