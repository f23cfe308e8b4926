using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// A masked attempt as it stands in a state: what contracts decide by, what participants are told, and what anybody sums up afterwards all come from here and from its groups.
/// An agreement without groups has one, of everybody.
/// </summary>
/// <param name="find">The record at a key, or null.</param>
/// <param name="terms">An active agreement with masks; if it has groups, they are drawn.</param>
/// <param name="round">The attempt.</param>
public sealed class MaskedAttempt(Func<string, StateRecord?> find, AgreementRecord terms, RoundRecord round) : MaskedRecords(find, terms, round)
{
    private IReadOnlyList<MaskedGroup>? _groups;

    /// <summary>The groups, each of which has a sum of its own.</summary>
    public IReadOnlyList<MaskedGroup> Groups => _groups ??= [.. Terms.Groups().Select((members, index) => new MaskedGroup(At, Terms, Round, members, index))];

    /// <summary>The groups that have not failed.</summary>
    public IEnumerable<MaskedGroup> Standing => Groups.Where(group => group.Fixed.Failure is null);

    /// <summary>The fewest groups with whose sums a model may be made.</summary>
    public int LeastGroups => Masking.Groups?.Least ?? 1;

    /// <summary>Position of the participant whose update FLTrust compares the groups with; null without.</summary>
    public int? Trusted => Masking.Groups?.Trusted;

    /// <summary>The name of that participant's update, or null.</summary>
    public Digest? Reference => Trusted is { } trusted ? RootOf(MaskBlobKind.Reference, trusted) : null;

    /// <summary>Whether that update may still come: nobody can know a group's sum before the order to unmask.</summary>
    public bool TakesReference => Trusted is not null && Round.Phase is (Phase.AdvertiseKeys or Phase.ShareKeys or Phase.AcknowledgeShares or Phase.Input);

    /// <summary>All positions of the agreement.</summary>
    public IEnumerable<int> Everybody => Enumerable.Range(0, Terms.Agreement.Datasets.Count);

    /// <summary>Everybody whose update is in an order to unmask.</summary>
    public PositionSet Survivors => Union(Groups, group => group.Survivors);

    /// <summary>Those of them whose groups still stand: whose updates are in the model, unless their group's sum is spoilt.</summary>
    public PositionSet Counted => Union(Standing, group => group.Survivors);

    /// <summary>Whether an order to unmask is written.</summary>
    public bool IsOrdered => Groups.Any(group => group.Order is not null);

    /// <summary>Whether those who have no sum about the base model ordered with them can still be enough groups (R0): if not, no attempt on it can be opened.</summary>
    public bool CanSucceed => Groups.Count(group => Masking.CheckCohort(Terms.Agreement, group.Everybody.Count(position => !IsConsumed(position) && MayTrain(position))) is MaskFault.None) >= LeastGroups;

    /// <summary>Whether the budgets of all data sets bear one more round: if not, no attempt can be opened before one of them is raised, or another attempt ends.</summary>
    public bool IsAffordable => BudgetContract.IsBorne(key => At(key) as BudgetRecord, Terms.Agreement);

    /// <summary>Every blob that a published model follows from: the survivors' masked updates, and what takes their masks off.</summary>
    public IEnumerable<Digest> SumBlobs => Standing.SelectMany(group => group.SumBlobs).Concat(Reference is { } reference ? [reference] : []).Distinct();

    /// <summary>The group that a participant is in; null for the trusted one.</summary>
    public MaskedGroup? FindGroup(int position) => Groups.FirstOrDefault(group => group.Members.Contains(position));

    /// <summary>The group that a participant is in.</summary>
    /// <exception cref="InvalidOperationException">It is the trusted one, which is in none.</exception>
    public MaskedGroup GroupOf(int position) => FindGroup(position) ?? throw new InvalidOperationException($"Position {position} is in no group.");

    /// <summary>Of whom a blob of a kind may come.</summary>
    public PositionSet ExpectedOf(MaskBlobKind kind) => kind is MaskBlobKind.Reference ? PositionSet.Of(Trusted is { } trusted ? [trusted] : []) : Union(Standing, group => group.ExpectedOf(kind));

    /// <summary>Whether no group that stands has anybody left to wait for.</summary>
    public bool IsEnough(MaskBlobKind kind, PositionSet held) => kind is MaskBlobKind.Reference ? ExpectedOf(kind).Without(held).Count == 0 : Standing.All(group => group.IsEnough(kind, held));

    /// <summary>The positions that a seat says to hold.</summary>
    public PositionSet HeldBy(int seat, MaskBlobKind kind) => (At(HoldingKey(seat, kind)) as MaskHoldingRecord)?.Positions ?? default;

    /// <summary>The positions that so many seats hold.</summary>
    public PositionSet Held(MaskBlobKind kind, int seats, int least)
    {
        var held = new int[Terms.Agreement.Datasets.Count];
        for (var seat = 0; seat < seats; seat++)
        {
            foreach (var position in HeldBy(seat, kind).Positions) held[position]++;
        }

        return PositionSet.Of(Everybody.Where(position => held[position] >= least));
    }

    /// <summary>
    /// What a proposal must name: of each group that stands SHA-256("FLv1-unmasked\0" ‖ digest of the order ‖ [[position, name of the openings]…] ‖ the same of the silent), of those that count. With groups
    /// SHA-256("FLv1-groups\0" ‖ for each that stands, its number as 16 bits, big-endian ‖ that digest ‖ name of the trusted participant's update, if there is one).
    /// </summary>
    public Digest DigestInputs() => Masking.Groups is null
        ? Groups[0].DigestInputs()
        : Digest.Of([.. "FLv1-groups\0"u8, .. Standing.SelectMany(group => (byte[])[(byte)(group.Index >> 8), (byte)group.Index, .. group.DigestInputs().ToArray()]), .. Reference is { } reference ? reference.ToArray() : []]);

    /// <summary>ctx of an attempt: the configuration is the agreement's record, with weights, policies and what groups were drawn by.</summary>
    public static AttemptContext ContextOf(Digest chain, AgreementRecord terms, int number, int attempt, Digest baseModel, Digest roster) =>
        AttemptContext.Derive(chain, terms.Digest, number, attempt, baseModel, Digest.Of(terms.Encode()), roster);

    /// <summary>The digest of a roster: who takes part under which keys, in the agreement's order. An entry is the name ‖ 0x00 ‖ SHA-256 of the keys' encoding.</summary>
    public static Digest RosterOf(AgreementRecord terms, Func<ParticipantId, ParticipantRecord> participants) => AttemptContext.RosterDigest([.. terms.Agreement.Datasets.Select(agreed =>
    {
        var keys = Digest.Of(Wire.Encode(writer =>
        {
            var record = participants(agreed.Participant);
            writer.WriteStartArray(record.Keys.Count);
            foreach (var key in record.Keys) key.Write(writer);
            writer.WriteEndArray();
        }));
        return (ReadOnlyMemory<byte>)(byte[])[.. System.Text.Encoding.ASCII.GetBytes(agreed.Participant.Name), 0, .. keys.ToArray()];
    })]);

    internal string HoldingKey(int seat, MaskBlobKind kind) => $"{Key(MaskHoldingRecord.Prefix)}/{(int)kind}/{seat:D2}";

    private static PositionSet Union(IEnumerable<MaskedGroup> groups, Func<MaskedGroup, PositionSet> positions) => groups.Aggregate(default(PositionSet), (all, group) => all.Or(positions(group)));
}
