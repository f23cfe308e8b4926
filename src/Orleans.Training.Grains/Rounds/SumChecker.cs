using System.Security.Cryptography;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Rounds;

/// <summary>
/// How one seat checks the sums that are proposed in one attempt where they are projected (docs/spec/projection.md): it looks whether the sum can be one and gives the model, challenges it, tells the images of the updates that it has,
/// and gives its verdict when all images are agreed. Nothing here must survive: a seat that has forgotten its value has given it, or gives another.
/// </summary>
/// <param name="blobs">Where sums are read: this machine, and others if it has links.</param>
/// <param name="local">Where this seat's own updates are read: this machine.</param>
/// <param name="inputs">The attempt as the seat has seen it.</param>
/// <param name="isOverdue">Whether something has been wanted for so long that this seat does it too.</param>
internal sealed class SumChecker(IBlobStore blobs, IBlobStore local, MaskedInputs inputs, Func<string, bool> isOverdue)
{
    // By proposal: what follows from the sum, as far as it can be one.
    private readonly Dictionary<Digest, (OpenedSum? Sum, RoundAggregate? Aggregate)> _followed = [];
    // What was computed, while the ledger does not show it yet.
    private readonly Dictionary<Digest, Attest> _verdicts = [];
    private readonly Dictionary<(Digest Beacon, int Position), byte[]> _images = [];

    /// <summary>State key of the attempt.</summary>
    public string Round => inputs.Round;

    /// <summary>What follows from a sum that was looked at; null where that is nothing.</summary>
    public RoundAggregate? AggregateOf(Digest proposal) => _followed.TryGetValue(proposal, out var followed) ? followed.Aggregate : null;

    /// <summary>Whether the sum of a proposal could not be read yet.</summary>
    public bool IsMissing(Digest proposal) => !_followed.ContainsKey(proposal);

    /// <summary>The verdict on a proposal that is wrong.</summary>
    public static Attest Refuse(MaskedAttempt masked, Proposal proposal, ValidatorSet validators, int seat) => Verdict(masked.Round, proposal, validators, seat, false, Digest.Zero);

    /// <summary>What the seat has to say about a proposal now; null when that is nothing, or when something is not here.</summary>
    public async ValueTask<ContractCall?> Next(MaskedAttempt masked, Proposal proposal, byte[] parent, ValidatorSet validators, int seat, CancellationToken cancellationToken)
    {
        if (await Follow(masked, proposal, parent, cancellationToken) is not { } followed) return null;
        var (round, projected, faulty) = (masked.Round, new ProjectedSum(masked, proposal), validators.MaxFaulty);
        var isSame = followed.Aggregate is { } aggregate && aggregate.SumRoot == proposal.SumRoot && aggregate.Model == proposal.Model && aggregate.ModelRoot == proposal.ModelRoot;
        if (!isSame) return Refuse(masked, proposal, validators, seat);
        if (projected.FindBeacon(faulty) is not { } beacon)
        {
            var isSaid = projected.Challenge?.Values.Any(item => item.Seat == seat) is true;
            return isSaid ? null : new ChallengeSum(round.Agreement, round.Number, round.Attempt, proposal.Digest, Digest.From(RandomNumberGenerator.GetBytes(Digest.Size)));
        }

        if (!projected.IsProjected(faulty)) return await Project(masked, projected, proposal, beacon, validators, seat, cancellationToken);
        if (_verdicts.TryGetValue(proposal.Digest, out var verdict)) return verdict;
        if (await inputs.MasksOf(masked.Groups[0], cancellationToken) is not { } masks) return null;
        using (masks)
        {
            var isRight = projected.IsRight(followed.Sum!, masks, faulty, out var work);
            return _verdicts[proposal.Digest] = Verdict(round, proposal, validators, seat, isRight, work);
        }
    }

    private static Attest Verdict(RoundRecord round, Proposal proposal, ValidatorSet validators, int seat, bool ok, Digest masks) =>
        new(round.Agreement, round.Number, round.Attempt, proposal.Digest, ok, RoundAggregate.WorkOf(validators.Seats[seat].Organisation, masks.ToArray()));

    private async ValueTask<(OpenedSum? Sum, RoundAggregate? Aggregate)?> Follow(MaskedAttempt masked, Proposal proposal, byte[] parent, CancellationToken cancellationToken)
    {
        if (_followed.TryGetValue(proposal.Digest, out var followed)) return followed;
        var length = RoundAggregate.UpdateBytes(masked.Terms) + LaneLayout.TailBytes;
        if (await blobs.Find(proposal.SumRoot, length, cancellationToken) is not { } blob) return null;
        // What has another length is not read, and is no sum.
        if (blob.Length != length) return _followed[proposal.Digest] = (null, null);
        if (await blobs.ReadAll(proposal.SumRoot, cancellationToken) is not { } bytes) return null;
        MaskedAggregate.TryFollow(masked, parent, bytes, [], out var sums, out var aggregate);
        return _followed[proposal.Digest] = (sums.Count > 0 ? sums[0] : null, aggregate);
    }

    private async ValueTask<ContractCall?> Project(MaskedAttempt masked, ProjectedSum projected, Proposal proposal, Digest beacon, ValidatorSet validators, int seat, CancellationToken cancellationToken)
    {
        var wanted = projected.Missing(validators.MaxFaulty).Where(position => (projected.ImagesOf(position).Seats >> seat & 1) == 0).ToArray();
        var updates = new List<(int Position, ProjectedLanes Lanes)>();
        using var projection = new SumProjection(projected.Layout, beacon);
        foreach (var position in wanted.Where(position => !_images.ContainsKey((beacon, position))))
        {
            if (updates.Count == ProjectInputs.MaximumImages) break;
            var root = masked.RootOf(MaskBlobKind.Input, position)!.Value;
            // Whoever holds an update tells its image; the others fetch it only when too few have told the same.
            var store = masked.HeldBy(seat, MaskBlobKind.Input).Contains(position) ? local : isOverdue($"image {position} {proposal.Digest}") ? blobs : null;
            if (store is null || await store.Find(root, cancellationToken) is not { } blob || blob.Length != projected.Layout.Bytes) continue;
            updates.Add((position, await Read(store, root, projection, cancellationToken)));
        }

        foreach (var (update, image) in updates.Zip(updates.Count == 0 ? [] : projection.Finish([.. updates.Select(update => update.Lanes)]))) _images[(beacon, update.Position)] = image;
        (int Position, ReadOnlyMemory<byte> Image)[] told = [.. wanted.Where(position => _images.ContainsKey((beacon, position))).Take(ProjectInputs.MaximumImages).Select(position => (position, (ReadOnlyMemory<byte>)_images[(beacon, position)]))];
        return told.Length == 0 ? null : new ProjectInputs(masked.Round.Agreement, masked.Round.Number, masked.Round.Attempt, proposal.Digest, told);
    }

    private static async ValueTask<ProjectedLanes> Read(IBlobStore store, Digest root, SumProjection projection, CancellationToken cancellationToken)
    {
        var (lanes, chunk) = (projection.Begin(), new byte[Limits.ChunkBytes]);
        for (var i = 0; i < projection.Layout.Chunks; i++)
        {
            var read = await store.Read(root, i, chunk, cancellationToken);
            lanes.Take(i, chunk.AsSpan(0, read));
        }

        return lanes;
    }
}
