using System.Security.Cryptography;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// A proposed sum that seats check by images of the updates in it (docs/spec/projection.md): what the ledger has of that, and whether the sum is right. It needs the sum and what takes the masks off, and no update.
/// </summary>
/// <param name="masked">The attempt, in Aggregate or later; without groups.</param>
/// <param name="proposal">The proposal.</param>
public sealed class ProjectedSum(MaskedAttempt masked, Proposal proposal)
{
    private readonly MaskedGroup _group = masked.Groups.Single();

    /// <summary>Whose updates are in the sum.</summary>
    public PositionSet Survivors => _group.Survivors;

    /// <summary>How updates lie in bytes.</summary>
    public LaneLayout Layout => _group.Layout;

    /// <summary>The challenge so far, or null.</summary>
    public ChallengeRecord? Challenge => masked.At(ChallengeRecord.Key(proposal.Digest)) as ChallengeRecord;

    internal static ProjectedSum Of(ContractContext context, AgreementRecord terms, RoundRecord round, Proposal proposal) => new(new MaskedAttempt(context.Find<StateRecord>, terms, round), proposal);

    /// <summary>What decides the images, once f + 1 seats have challenged; null before.</summary>
    public Digest? FindBeacon(int maxFaulty) => Challenge is { } challenge && challenge.Values.Count > maxFaulty ? challenge.BeaconOf(proposal.Digest) : null;

    /// <summary>What seats have said about an update.</summary>
    public ImagesRecord ImagesOf(int position) => masked.At(ImagesRecord.Key(proposal.Digest, position)) as ImagesRecord ?? new ImagesRecord([]);

    /// <summary>The updates whose image is not agreed.</summary>
    public IEnumerable<int> Missing(int maxFaulty) => Survivors.Positions.Where(position => ImagesOf(position).Agreed(maxFaulty) is null);

    /// <summary>Whether the images of all updates are agreed.</summary>
    public bool IsProjected(int maxFaulty) => !Missing(maxFaulty).Any();

    /// <summary>
    /// Whether the sum is that of the survivors' updates, by their images: a wrong one passes with a chance of 2⁻¹²⁷. All images must be agreed.
    /// </summary>
    /// <param name="sum">The sum that was proposed, which by itself can be one.</param>
    /// <param name="masks">The masks that are left in the sum of the masked updates.</param>
    /// <param name="maxFaulty">f.</param>
    /// <param name="work">The digest of the masks, which a seat's verdict shows that it has computed: SHA-256 of their sum, as a masked update of zeros would have it.</param>
    public bool IsRight(OpenedSum sum, MaskTerms masks, int maxFaulty, out Digest work)
    {
        using var projection = new SumProjection(Layout, FindBeacon(maxFaulty)!.Value);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var images = projection.Finish([projection.Of(masks, hash), projection.Of(sum.Lanes.Span, sum.Tail.Span)]);
        work = Digest.From(hash.GetHashAndReset());
        return projection.Accepts(Survivors.Positions.Select(position => ImagesOf(position).Agreed(maxFaulty)!.Value), images[0], images[1]);
    }

    /// <summary>The digest of the masks alone.</summary>
    public static Digest DigestOf(LaneLayout layout, MaskTerms masks)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        masks.Walk(layout, (_, bytes) => hash.AppendData(bytes));
        return Digest.From(hash.GetHashAndReset());
    }
}
