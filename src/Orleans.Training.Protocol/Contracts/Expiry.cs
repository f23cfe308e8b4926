using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// When everything is deleted from which an attempt's single updates could ever be had: [time in ms, whether it is past]. Until then anybody can compute the sum again and show that it is wrong; afterwards the ledger
/// has the names of what there was, and nobody has to fear who keeps masked updates for a day on which their keys are broken.
/// </summary>
public sealed record ExpiryRecord(long TimeMs, bool IsOver) : StateRecord
{
    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "expiry/";

    /// <summary>The state key of an attempt's.</summary>
    /// <param name="round">State key of the attempt.</param>
    public static string Key(string round) => Prefix + round[RoundRecord.Prefix.Length..];

    /// <summary>State key of the attempt.</summary>
    public static string RoundOf(string key) => RoundRecord.Prefix + key[Prefix.Length..];

    internal static ExpiryRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var record = new ExpiryRecord(reader.ReadNumber(), reader.ReadBoolean());
        reader.ReadEndArray();
        return record;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(2);
        writer.WriteInt64(TimeMs);
        writer.WriteBoolean(IsOver);
        writer.WriteEndArray();
    }
}

/// <summary>How attempts come to their end for good: the agreement's challenge window after they were published or failed, by block time.</summary>
public static class ExpiryContract
{
    /// <summary>Whether the updates of an attempt have expired.</summary>
    public static bool IsOver(ContractState state, RoundRecord round) => state.Find<ExpiryRecord>(ExpiryRecord.Key(round.StateKey)) is { IsOver: true };

    /// <summary>
    /// The names of what is deleted with an attempt: updates, shares and openings, but what another attempt names that has not expired. Sums and models stay.
    /// </summary>
    /// <param name="state">In which the attempt has expired.</param>
    /// <param name="key">State key of the attempt.</param>
    public static IReadOnlyList<Digest> Expired(ContractState state, string key)
    {
        var waiting = state.Deadlines.Select(deadline => deadline.Key).Where(item => item.StartsWith(RoundRecord.Prefix, StringComparison.Ordinal))
            .Concat(state.Deadlines.Where(deadline => deadline.Key.StartsWith(ExpiryRecord.Prefix, StringComparison.Ordinal)).Select(deadline => ExpiryRecord.RoundOf(deadline.Key)));
        var kept = waiting.SelectMany(round => Updates(state, round)).ToHashSet();
        return [.. Updates(state, key).Where(name => !kept.Contains(name)).Distinct()];
    }

    /// <summary>
    /// The names of what somebody who checks a published attempt reads besides its sum and model: what counts of that which participants have stored; when that has expired only the trusted update of FLTrust, which all were meant to see.
    /// </summary>
    /// <param name="state">In which the attempt is published.</param>
    /// <param name="round">The attempt.</param>
    /// <param name="quorum">Of the validators that published it.</param>
    public static IEnumerable<Digest> Counted(ContractState state, RoundRecord round, int quorum)
    {
        var terms = state.Find<AgreementRecord>(AgreementRecord.Key(round.Agreement))!;
        var isOver = IsOver(state, round);
        if (!terms.Agreement.Masks) return isOver ? [] : round.Survivors(quorum).Select(position => round.Inputs[position].Root);
        var masked = new MaskedAttempt(key => state.Find<StateRecord>(key), terms, round);
        return !isOver ? masked.SumBlobs : masked.Reference is { } reference ? [reference] : [];
    }

    internal static void Begin(ContractContext context, AgreementRecord terms, RoundRecord round)
    {
        var (key, time) = (ExpiryRecord.Key(round.StateKey), context.TimeMs + terms.Agreement.ChallengeWindowMs);
        context.SetDeadline(key, null, time);
        context.Put(key, new ExpiryRecord(time, false));
    }

    internal static void OnDeadline(ContractContext context, string key) => context.Put(key, context.Find<ExpiryRecord>(key)! with { IsOver = true }, "UpdatesExpired");

    // Everything that participants have named in an attempt, but what all were meant to see.
    private static IEnumerable<Digest> Updates(ContractState state, string key)
    {
        var round = state.Find<RoundRecord>(key)!;
        var terms = state.Find<AgreementRecord>(AgreementRecord.Key(round.Agreement))!;
        if (!terms.Agreement.Masks) return round.Inputs.Select(input => input.Root).Where(root => root != Digest.Zero);
        var masked = new MaskedAttempt(item => state.Find<StateRecord>(item), terms, round);
        return masked.Everybody.SelectMany(position => Enum.GetValues<MaskBlobKind>().Where(kind => kind is not MaskBlobKind.Reference).Select(kind => masked.RootOf(kind, position))).Where(root => root is not null).Select(root => root!.Value);
    }
}
