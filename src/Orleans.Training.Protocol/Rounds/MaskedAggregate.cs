using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// The aggregate of a masked attempt whose reveals are fixed: the survivors' masked updates, less the masks that what was revealed gives, and the model that follows. The lanes are those that the same
/// updates would have without masks, so that the model is the same bit for bit.
/// </summary>
public static class MaskedAggregate
{
    /// <summary>An empty total of an agreement's masked updates.</summary>
    public static MaskedTotal NewTotal(AgreementRecord terms) => new(LayoutOf(terms));

    /// <summary>How an agreement's masked updates lie in bytes.</summary>
    public static LaneLayout LayoutOf(AgreementRecord terms) => LaneLayout.Choose(terms.Agreement.FixedPoint, RoundAggregate.SpecOf(terms).ParameterCount);

    /// <summary>The names of all that the aggregate follows from, beside the base model: the dealers' shares, the survivors' updates, and the openings that count.</summary>
    public static IEnumerable<(MaskBlobKind Kind, int Position, Digest Root)> Needs(MaskedAttempt masked)
    {
        foreach (var (kind, positions) in new[]
        {
            (MaskBlobKind.Shares, masked.Fixed.Dealers), (MaskBlobKind.Input, masked.Survivors),
            (MaskBlobKind.Openings, masked.Fixed.Revealed), (MaskBlobKind.SilentOpenings, masked.Fixed.SilentRevealed),
        })
        {
            foreach (var position in positions.Positions) yield return (kind, position, masked.RootOf(kind, position)!.Value);
        }
    }

    /// <summary>
    /// The aggregate, or why there is none: <see cref="MaskFault.DealerFault"/> with its culprit if shares lie, <see cref="MaskFault.CanaryMismatch"/> if what is left is no sum of updates,
    /// <see cref="MaskFault.WeightOutOfRange"/> if their weights are not the agreement's. Then no honest validator attests anything.
    /// </summary>
    /// <param name="masked">The attempt.</param>
    /// <param name="baseModel">The base model's bytes.</param>
    /// <param name="total">The total of exactly the survivors' masked updates.</param>
    /// <param name="read">Shares and openings by name.</param>
    /// <param name="aggregate">The aggregate; null with a fault, and if a result is not finite.</param>
    /// <param name="culprit">Whose fault it is, if it is one's.</param>
    public static MaskFault TryCompute(MaskedAttempt masked, ReadOnlySpan<byte> baseModel, MaskedTotal total, BlobReader read, out RoundAggregate? aggregate, out ushort culprit)
    {
        aggregate = null;
        var fault = MaskedUnmasking.Of(masked, read).TryRemove(out var terms, out culprit);
        using var masks = terms;
        if (fault is not MaskFault.None) return fault;

        culprit = 0;
        var sum = new MaskedSum(total.Layout);
        for (var chunk = 0; chunk < total.Layout.Chunks; chunk++) sum.Take(chunk, [total.Chunk(chunk)], masks);
        fault = sum.TryFinish(masked.Survivors.Count, out var tail);
        if (fault is not MaskFault.None) return fault;
        var weight = masked.Survivors.Positions.Sum(position => (long)masked.Terms.Weights[position]);
        if (tail.Weight != weight) return MaskFault.WeightOutOfRange;
        aggregate = RoundAggregate.Compute(masked.Terms, masked.Round, baseModel, sum.Lanes, weight, sum.Tail);
        return MaskFault.None;
    }
}
