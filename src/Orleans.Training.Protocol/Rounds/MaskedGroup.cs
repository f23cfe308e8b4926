using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// One group of a masked attempt: an instance of FedMask by itself, with contexts, graph, order and sum of its own (docs/spec/fedmask.md). Groups go through the phases of their attempt together; one that
/// fails is left out, and the others go on.
/// </summary>
/// <param name="find">The record at a key, or null.</param>
/// <param name="terms">An active agreement with masks.</param>
/// <param name="round">The attempt.</param>
/// <param name="members">Who is in the group.</param>
/// <param name="index">Its number.</param>
public sealed class MaskedGroup(Func<string, StateRecord?> find, AgreementRecord terms, RoundRecord round, PositionSet members, int index) : MaskedRecords(find, terms, round)
{
    private (CohortContext Cohort, MaskGraph Graph)? _graph;
    private (MaskContext Context, MaskGraph Graph)? _masks;

    /// <summary>Its number among the agreement's groups.</summary>
    public int Index => index;

    /// <summary>Who is in the group.</summary>
    public PositionSet Members => members;

    /// <summary>The same, one by one.</summary>
    public IEnumerable<int> Everybody => members.Positions;

    /// <summary>What is fixed about it.</summary>
    public MaskedRoundRecord Fixed => (MaskedRoundRecord)At(FixedKey)!;

    /// <summary>ctx.</summary>
    public AttemptContext Attempt => AttemptContext.Restore(Fixed.Attempt);

    /// <summary>ctx1, from ShareKeys on.</summary>
    public CohortContext Cohort => CohortContext.Restore(Fixed.Cohort!.Value);

    /// <summary>ctx2, from Input on.</summary>
    public MaskContext Context => MaskContext.Restore(Fixed.Masks!.Value);

    /// <summary>τ.</summary>
    public int ConfirmThreshold => ((Fixed.Members.Count + Masking.CorruptLimit) / 2) + 1;

    /// <summary>The adverts so far; from ShareKeys on those of U1.</summary>
    public IReadOnlyList<KeyAdvert> Adverts => [.. Everybody.Where(position => Advert(position) is not null).Select(position => Advert(position)!)];

    /// <summary>β, from ShareKeys on. Nothing is drawn from it where all share with all, and no validator puts anything in.</summary>
    public MaskBeacon Beacon => MaskBeacon.Derive(Attempt, At(DrawRecord.Key(Fixed.Attempt)) is DrawRecord draw ? draw.Shown : [], Adverts);

    /// <summary>The graph of the cohort, from ShareKeys on.</summary>
    public MaskGraph Graph
    {
        get
        {
            // Once there is a cohort nothing changes that it follows from.
            if (_graph is not { } known || known.Cohort != Cohort) _graph = known = (Cohort, MaskGraph.Create(Fixed.Members.Members, Attempt, Beacon, Masking.Bound));
            return known.Graph;
        }
    }

    /// <summary>Acknowledgements of all members of U1, in its order; null from who sent none.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>?> Acknowledgements =>
        [.. Fixed.Members.Positions.Select(position => Find<MaskAcknowledgementRecord>(MaskAcknowledgementRecord.Prefix, position) is { } record ? record.Bits : (ReadOnlyMemory<byte>?)null)];

    /// <summary>(U2, E′).</summary>
    public MaskGraph Masks
    {
        get
        {
            // Fixed with ctx2; before, acknowledgements still come.
            if (Fixed.Masks is null) return Graph.Acknowledge(Acknowledgements);
            if (_masks is not { } known || known.Context != Context) _masks = known = (Context, Graph.Acknowledge(Acknowledgements));
            return known.Graph;
        }
    }

    /// <summary>The order to unmask, once there is one.</summary>
    public UnmaskOrderRecord? Order => At(OrderKey) as UnmaskOrderRecord;

    /// <summary>U3; nobody before the order.</summary>
    public PositionSet Survivors => Order is { } order ? PositionSet.Of(order.Inputs.Select(input => (int)input.Position)) : default;

    /// <summary>Survivors that revealed nothing in time; what they are is final in RevealSilent and after.</summary>
    public PositionSet Silent => Survivors.Without(Fixed.Revealed);

    /// <summary>The Confirms of the order so far.</summary>
    public IReadOnlyList<SignedConfirm> Confirms =>
        [.. Survivors.Positions.Where(position => Has(MaskConfirmRecord.Prefix, position)).Select(position => new SignedConfirm((ushort)position, Find<MaskConfirmRecord>(MaskConfirmRecord.Prefix, position)!.Order))];

    /// <summary>
    /// What takes the masks off once the reveals are fixed: the openings of seeds and of b that count, and the shares dealt by who dropped out or fell silent, whose leaves
    /// the openings must match. With the masked updates of the survivors it is all that the sum follows from.
    /// </summary>
    public IEnumerable<Digest> UnmaskingBlobs => Order is not { } order ? [] :
    [
        .. DealtBy(Opened),
        .. Fixed.Revealed.Positions.Select(position => RootOf(MaskBlobKind.Openings, position)!.Value),
        .. Fixed.SilentRevealed.Positions.Select(position => RootOf(MaskBlobKind.SilentOpenings, position)!.Value),
    ];

    /// <summary>
    /// Whose dealt shares are read to take masks off: of who dropped out or fell silent, and where a ciphertext tells the secret of two neighbours, of the survivors that made one for somebody who dropped out.
    /// </summary>
    public PositionSet Opened
    {
        get
        {
            var dropped = Order!.Dropped;
            if (Masking.Exchange is not KeyExchange.Hybrid || dropped.Count == 0) return dropped.Or(Silent);
            var masks = Masks;
            return dropped.Or(Silent).Or(PositionSet.Of(dropped.Positions.SelectMany(position => masks.Neighbours((ushort)position).ToArray().Where(neighbour => neighbour < position)).Select(neighbour => (int)neighbour)).And(Survivors));
        }
    }

    /// <summary>Every blob that its sum follows from: the survivors' masked updates, and what takes their masks off.</summary>
    public IEnumerable<Digest> SumBlobs => (Order?.Inputs.Select(input => input.Root) ?? []).Concat(UnmaskingBlobs).Distinct();

    /// <summary>The names of the shares that these dealt.</summary>
    public IEnumerable<Digest> DealtBy(PositionSet dealers) => dealers.Positions.Select(position => RootOf(MaskBlobKind.Shares, position)!.Value);

    /// <summary>Of whom a blob of a kind may come.</summary>
    public PositionSet ExpectedOf(MaskBlobKind kind) => kind switch
    {
        MaskBlobKind.Shares => Fixed.Members,
        MaskBlobKind.Input => Fixed.Maskers,
        MaskBlobKind.Openings => Survivors,
        _ => Silent.Count == 0 ? default : Fixed.Revealed,
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

    /// <summary>What a participant that loaded this very base model and follows this ledger knows before anything is sent.</summary>
    /// <param name="position">The participant.</param>
    /// <param name="parent">Root of the base model's weights.</param>
    /// <param name="length">Coordinates of an update.</param>
    public MaskSetup SetupOf(int position, Digest parent, int length) => new((ushort)position, Attempt, parent, Terms.Agreement.FixedPoint, length, Masking.CorruptLimit, MinParticipants, Masking.Bound, Masking.NoiseVariance, Masking.Exchange);

    /// <summary>N(i), without the rest of the graph.</summary>
    public ushort[] NeighboursOf(int position) => MaskGraph.NeighboursOf((ushort)position, Fixed.Members.Members, Attempt, Beacon, Masking.Bound);

    internal CohortContext DeriveCohort(PositionSet members) => CohortContext.Derive(Attempt, members.Members, Beacon);

    internal Digest DigestInputs() =>
        Digest.Of([.. "FLv1-unmasked\0"u8, .. Order!.Order.ComputeDigest().ToArray(), .. Names(MaskBlobKind.Openings, Fixed.Revealed), .. Names(MaskBlobKind.SilentOpenings, Fixed.SilentRevealed)]);

    internal string FixedKey => Key(MaskedRoundRecord.Prefix) + Suffix;

    internal string OrderKey => Key(UnmaskOrderRecord.Prefix) + Suffix;

    private string Suffix => Masking.Groups is null ? "" : $"/g{index:D2}";

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
