using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>Of which of a participant's blobs a seat says that it holds it.</summary>
public enum MaskBlobKind
{
    /// <summary>The shares that it dealt; held by f + 1 it counts.</summary>
    Shares = 1,
    /// <summary>Its masked update; held by q it counts.</summary>
    Input = 2,
    /// <summary>Its openings of seeds, checked against their leaves; held by f + 1 they count.</summary>
    Openings = 3,
    /// <summary>Its openings of b, checked against their leaves; held by f + 1 they count.</summary>
    SilentOpenings = 4,
}

/// <summary>
/// A masked attempt as it stands in a state: what contracts decide by, what participants are told, and what anybody sums up afterwards all come from here.
/// It reads and never writes.
/// </summary>
/// <param name="find">The record at a key, or null.</param>
/// <param name="terms">An active agreement with masks.</param>
/// <param name="round">The attempt.</param>
public sealed class MaskedAttempt(Func<string, StateRecord?> find, AgreementRecord terms, RoundRecord round)
{
    private readonly string _name = round.StateKey[RoundRecord.Prefix.Length..];

    /// <summary>The agreement.</summary>
    public AgreementRecord Terms => terms;

    /// <summary>The attempt.</summary>
    public RoundRecord Round => round;

    /// <summary>How it is masked.</summary>
    public MaskingTerms Masking => terms.Agreement.Masking!;

    /// <summary>What is fixed about it.</summary>
    public MaskedRoundRecord Fixed => Find<MaskedRoundRecord>(MaskedRoundRecord.Prefix)!;

    /// <summary>ctx.</summary>
    public AttemptContext Attempt => AttemptContext.Restore(Fixed.Attempt);

    /// <summary>ctx1, from ShareKeys on.</summary>
    public CohortContext Cohort => CohortContext.Restore(Fixed.Cohort!.Value);

    /// <summary>ctx2, from Input on.</summary>
    public MaskContext Context => MaskContext.Restore(Fixed.Masks!.Value);

    /// <summary>The fewest survivors with whom a sum may be opened.</summary>
    public int MinParticipants => terms.Agreement.MinParticipants;

    /// <summary>τ.</summary>
    public int ConfirmThreshold => ((Fixed.Members.Count + Masking.CorruptLimit) / 2) + 1;

    /// <summary>The adverts so far; from ShareKeys on those of U1.</summary>
    public IReadOnlyList<KeyAdvert> Adverts => [.. Everybody.Where(position => Advert(position) is not null).Select(position => Advert(position)!)];

    /// <summary>β. Nobody draws a graph from it as long as all are complete, so it holds no validators' values.</summary>
    public MaskBeacon Beacon => MaskBeacon.Derive(Attempt, [], Adverts);

    /// <summary>The graph of the cohort.</summary>
    public MaskGraph Graph => MaskGraph.Create(Fixed.Members.Members, Attempt, Beacon, MaskingTerms.Bound);

    /// <summary>Acknowledgements of all members of U1, in its order; null from who sent none.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>?> Acknowledgements =>
        [.. Fixed.Members.Positions.Select(position => Find<MaskAcknowledgementRecord>(MaskAcknowledgementRecord.Prefix, position) is { } record ? record.Bits : (ReadOnlyMemory<byte>?)null)];

    /// <summary>(U2, E′).</summary>
    public MaskGraph Masks => Graph.Acknowledge(Acknowledgements);

    /// <summary>The order to unmask, once there is one.</summary>
    public UnmaskOrderRecord? Order => Find<UnmaskOrderRecord>(UnmaskOrderRecord.Prefix);

    /// <summary>U3; nobody before the order.</summary>
    public PositionSet Survivors => Order is { } order ? PositionSet.Of(order.Inputs.Select(input => (int)input.Position)) : default;

    /// <summary>Survivors that revealed nothing in time; what they are is final in RevealSilent and after.</summary>
    public PositionSet Silent => Survivors.Without(Fixed.Revealed);

    /// <summary>The Confirms of the order so far.</summary>
    public IReadOnlyList<SignedConfirm> Confirms =>
        [.. Survivors.Positions.Where(position => Has(MaskConfirmRecord.Prefix, position)).Select(position => new SignedConfirm((ushort)position, Find<MaskConfirmRecord>(MaskConfirmRecord.Prefix, position)!.Order))];

    /// <summary>The keys of a participant, or null.</summary>
    public KeyAdvert? Advert(int position) =>
        Find<MaskAdvertRecord>(MaskAdvertRecord.Prefix, position) is { } record ? KeyAdvert.Create((ushort)position, record.MaskKey.Span, record.EnvelopeKey.Span, record.Nonce) : null;

    /// <summary>The commitment of a dealer, or null.</summary>
    public ShareCommit? Commit(int position) => Find<MaskSharesRecord>(MaskSharesRecord.Prefix, position) is { } record ? new((ushort)position, record.SelfCommitment, record.BlobRoot) : null;

    /// <summary>The name of a participant's blob of a kind; null where it has none.</summary>
    public Digest? RootOf(MaskBlobKind kind, int position) => kind switch
    {
        MaskBlobKind.Shares => Commit(position)?.BlobRoot,
        MaskBlobKind.Input => Find<MaskedInputRecord>(MaskedInputRecord.Prefix, position)?.Root,
        MaskBlobKind.Openings => Find<MaskRevealRecord>(MaskRevealRecord.Prefix, position)?.Openings,
        _ => Find<SilentRevealRecord>(SilentRevealRecord.Prefix, position)?.Openings,
    };

    /// <summary>A survivor's b that it revealed itself, or null.</summary>
    public ReadOnlyMemory<byte>? SelfOf(int position) => Find<MaskRevealRecord>(MaskRevealRecord.Prefix, position)?.Self;

    /// <summary>Whether an ordered sum about a base model has a participant in it.</summary>
    public bool IsConsumed(int position) => find(ConsumptionRecord.Key(round.BaseModel, terms.Agreement.Datasets[position].Participant)) is not null;

    /// <summary>Whether those who have no sum about the base model ordered with them can still be a cohort (R0): if not, no attempt on it can be opened.</summary>
    public bool CanSucceed => Masking.CheckCohort(terms.Agreement, Everybody.Count(position => !IsConsumed(position))) is MaskFault.None;

    /// <summary>Whether the budgets of all data sets bear one more round: if not, no attempt can be opened before one of them is raised, or another attempt ends.</summary>
    public bool IsAffordable => terms.Agreement.RoundCost is not { } cost || BudgetContract.IsBorne(key => find(key) as BudgetRecord, terms.Agreement, cost);

    /// <summary>How masked updates lie in bytes.</summary>
    public LaneLayout Layout => LaneLayout.Choose(terms.Agreement.FixedPoint, RoundAggregate.SpecOf(terms).ParameterCount);

    /// <summary>
    /// What takes the masks off once the reveals are fixed: the openings of seeds and of b that count, and the shares dealt by who dropped out or fell silent, whose leaves
    /// the openings must match. With the masked updates of the survivors it is all that the sum follows from.
    /// </summary>
    public IEnumerable<Digest> UnmaskingBlobs => Order is not { } order ? [] :
    [
        .. DealtBy(order.Dropped.Or(Silent)),
        .. Fixed.Revealed.Positions.Select(position => RootOf(MaskBlobKind.Openings, position)!.Value),
        .. Fixed.SilentRevealed.Positions.Select(position => RootOf(MaskBlobKind.SilentOpenings, position)!.Value),
    ];

    /// <summary>Every blob that a published sum follows from: the survivors' masked updates, and what takes their masks off.</summary>
    public IEnumerable<Digest> SumBlobs => (Order?.Inputs.Select(input => input.Root) ?? []).Concat(UnmaskingBlobs).Distinct();

    /// <summary>The names of the shares that these dealt.</summary>
    public IEnumerable<Digest> DealtBy(PositionSet dealers) => dealers.Positions.Select(position => RootOf(MaskBlobKind.Shares, position)!.Value);

    /// <summary>All positions of the agreement.</summary>
    public IEnumerable<int> Everybody => Enumerable.Range(0, terms.Agreement.Datasets.Count);

    /// <summary>Of whom a blob of a kind may come.</summary>
    public PositionSet ExpectedOf(MaskBlobKind kind) => kind switch
    {
        MaskBlobKind.Shares => Fixed.Members,
        MaskBlobKind.Input => Fixed.Maskers,
        MaskBlobKind.Openings => Survivors,
        _ => Fixed.Revealed,
    };

    /// <summary>Whether nobody is left to wait for once blobs of a kind are held of these: all of whom one may come, or, of openings of b, enough for each of the silent.</summary>
    public bool IsEnough(MaskBlobKind kind, PositionSet held) => kind is MaskBlobKind.SilentOpenings ? HaveEnough(Silent, held) : ExpectedOf(kind).Without(held).Count == 0;

    /// <summary>Whether each of these has t neighbours in E′ among the others.</summary>
    public bool HaveEnough(PositionSet whose, PositionSet holders)
    {
        if (whose.Count == 0) return true;
        var masks = Masks;
        return whose.Positions.All(position => PositionSet.Of(masks.Neighbours((ushort)position).ToArray().Select(neighbour => (int)neighbour)).And(holders).Count >= masks.Threshold);
    }

    /// <summary>The positions that a seat says to hold.</summary>
    public PositionSet HeldBy(int seat, MaskBlobKind kind) => (find(HoldingKey(seat, kind)) as MaskHoldingRecord)?.Positions ?? default;

    /// <summary>The positions that so many seats hold.</summary>
    public PositionSet Held(MaskBlobKind kind, int seats, int least)
    {
        var held = new int[MaskingTerms.MaximumParticipants];
        for (var seat = 0; seat < seats; seat++)
        {
            foreach (var position in HeldBy(seat, kind).Positions) held[position]++;
        }

        return PositionSet.Of(Everybody.Where(position => held[position] >= least));
    }

    /// <summary>What a participant that loaded this very base model and follows this ledger knows before anything is sent.</summary>
    /// <param name="position">The participant.</param>
    /// <param name="parent">Root of the base model's weights.</param>
    /// <param name="length">Coordinates of an update.</param>
    public MaskSetup SetupOf(int position, Digest parent, int length) => new((ushort)position, Attempt, parent, terms.Agreement.FixedPoint, length, Masking.CorruptLimit, MinParticipants, MaskingTerms.Bound, Masking.NoiseVariance);

    /// <summary>ctx of an attempt: the configuration is the agreement's record, with weights and policies.</summary>
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

    /// <summary>What a proposal must name: SHA-256("FLv1-unmasked\0" ‖ digest of the order ‖ [[position, name of the openings]…] ‖ the same of the silent), of those that count.</summary>
    public Digest DigestInputs() =>
        Digest.Of([.. "FLv1-unmasked\0"u8, .. Order!.Order.ComputeDigest().ToArray(), .. Names(MaskBlobKind.Openings, Fixed.Revealed), .. Names(MaskBlobKind.SilentOpenings, Fixed.SilentRevealed)]);

    internal string Key(string prefix) => prefix + _name;

    internal string Key(string prefix, int position) => $"{prefix}{_name}/{position:D4}";

    internal string HoldingKey(int seat, MaskBlobKind kind) => $"{MaskHoldingRecord.Prefix}{_name}/{(int)kind}/{seat:D2}";

    internal T? Find<T>(string prefix, int position) where T : StateRecord => find(Key(prefix, position)) as T;

    internal bool Has(string prefix, int position) => find(Key(prefix, position)) is not null;

    private T? Find<T>(string prefix) where T : StateRecord => find(Key(prefix)) as T;

    private byte[] Names(MaskBlobKind kind, PositionSet positions) => Wire.Encode(writer =>
    {
        writer.WriteStartArray(positions.Count);
        foreach (var position in positions.Positions)
        {
            writer.WriteStartArray(2);
            writer.WriteInt32(position);
            writer.Write(RootOf(kind, position)!.Value);
            writer.WriteEndArray();
        }

        writer.WriteEndArray();
    });
}
