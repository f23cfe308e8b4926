using System.Buffers.Binary;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Privacy;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// What follows from a masked attempt whose reveals are fixed (docs/spec/aggregation.md §7): computed alike by proposer, validators and auditors. The published sum is the lanes, as
/// without masks, and behind them the tail of the sum, so that the metrics in it are as public and as checked as the model.
/// </summary>
public static class MaskedAggregate
{
    /// <summary>The aggregate from the ledger and the blobs that it names.</summary>
    /// <param name="masked">The attempt, in Aggregate or later.</param>
    /// <param name="baseModel">The base model as bytes.</param>
    /// <param name="read">Blobs by name, checked against it; each masked update is asked for once, and not kept.</param>
    /// <param name="aggregate">The aggregate; null with a fault, and without one when a parameter would not be finite: then there is no model either.</param>
    /// <param name="culprit">Whose fault it is, where that is one participant's and the fault names one: see <see cref="NamesCulprit"/>.</param>
    /// <returns>Why there is no sum, if there is none; <see cref="MaskFault.BlobMissing"/> is no verdict.</returns>
    public static MaskFault TryCompute(MaskedAttempt masked, ReadOnlySpan<byte> baseModel, BlobReader read, out RoundAggregate? aggregate, out ushort culprit)
    {
        aggregate = null;
        var fault = MaskedUnmasking.Of(masked, read).TryRemove(out var masks, out culprit);
        using var removed = masks;
        if (fault is not MaskFault.None) return fault;
        var inputs = new MaskedInputSum(masked.Layout);
        foreach (var (position, root) in masked.Order!.Inputs)
        {
            culprit = position;
            if (read(root) is not { } input) return MaskFault.BlobMissing;
            if (!inputs.TryAdd(input.Span)) return MaskFault.WrongLength;
        }

        culprit = 0;
        return TryCompute(masked, baseModel, inputs, masks, out aggregate);
    }

    /// <summary>
    /// The same from the sum of exactly the survivors' masked updates and the masks that are left in it. <see cref="MaskFault.CanaryMismatch"/>, <see cref="MaskFault.WeightOutOfRange"/> and
    /// <see cref="MaskFault.LaneOutOfRange"/> say that one of the survivors did not send what the protocol says; nobody can tell which.
    /// </summary>
    public static MaskFault TryCompute(MaskedAttempt masked, ReadOnlySpan<byte> baseModel, MaskedInputSum inputs, MaskTerms masks, out RoundAggregate? aggregate)
    {
        aggregate = null;
        var survivors = masked.Survivors;
        if (inputs.Count != survivors.Count) throw new ArgumentException($"The sum of {survivors.Count} survivors is not that of {inputs.Count} updates.", nameof(inputs));
        var sum = new MaskedSum(inputs.Layout);
        for (var chunk = 0; chunk < inputs.Layout.Chunks; chunk++) sum.Take(chunk, [inputs.Chunk(chunk)], masks);
        var fault = sum.TryFinish(survivors.Count, out var tail);
        if (fault is not MaskFault.None) return fault;
        // Weights are public, so the sum of those that were sent is known before.
        var weight = survivors.Positions.Sum(position => (long)masked.Terms.Weights[position]);
        if (tail.Weight != weight) return MaskFault.WeightOutOfRange;
        // Lanes have room for as much, since the agreement is sound; noise lies beyond this once in 10²³ times.
        var limit = ((long)survivors.Count * masked.Terms.Agreement.FixedPoint.Levels) + SkellamSampler.Reach((Int128)masked.Masking.NoiseVariance * survivors.Count);
        if (sum.Lanes.ContainsAnyExceptInRange((int)-limit, (int)limit)) return MaskFault.LaneOutOfRange;
        aggregate = RoundAggregate.Of(masked.Terms, masked.Round, baseModel, sum.Lanes, weight, sum.Tail);
        return MaskFault.None;
    }

    /// <summary>Whether a fault of the sum is proved to be one participant's: a dealer's or holder's own signed words show it.</summary>
    public static bool NamesCulprit(MaskFault fault) => fault is MaskFault.DealerFault or MaskFault.HolderFault;

    /// <summary>The metrics of a published sum: how many updates are in it and the tail; null where the bytes are no such sum of an agreement.</summary>
    public static (int Count, MaskTail Tail)? ReadMetrics(AgreementRecord terms, ReadOnlySpan<byte> sum)
    {
        var lanes = (int)RoundAggregate.UpdateBytes(terms);
        if (!terms.Agreement.Masks || sum.Length != lanes + LaneLayout.TailBytes) return null;
        var count = BinaryPrimitives.ReadInt32LittleEndian(sum[lanes..]);
        return MaskTail.TryReadSum(sum[lanes..], count, out var tail) is MaskFault.None ? (count, tail) : null;
    }
}
