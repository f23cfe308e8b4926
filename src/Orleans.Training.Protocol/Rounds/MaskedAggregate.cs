using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Privacy;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// What follows from a masked attempt whose reveals are fixed (docs/spec/aggregation.md §7): computed alike by proposer, validators and auditors. The published sum is the lanes, as
/// without masks, and behind them the tail of the sum, so that the metrics in it are as public and as checked as the model; with groups, all their sums.
/// </summary>
public static class MaskedAggregate
{
    /// <summary>The masks that are left in a group's sum of masked updates, and that sum; or why they cannot be had.</summary>
    public delegate MaskFault GroupReader(MaskedGroup group, out MaskedInputSum? inputs, out MaskTerms? masks, out ushort culprit);

    /// <summary>The aggregate from the ledger and the blobs that it names.</summary>
    /// <param name="masked">The attempt, in Aggregate or later.</param>
    /// <param name="baseModel">The base model as bytes.</param>
    /// <param name="read">Blobs by name, checked against it; each update is asked for once, and not kept.</param>
    /// <param name="aggregate">The aggregate; null with a fault, and without one when a parameter would not be finite: then there is no model either.</param>
    /// <param name="culprit">Whose fault it is, where that is one participant's and the fault names one: see <see cref="NamesCulprit"/>.</param>
    /// <returns>Why there is no sum, if there is none; <see cref="MaskFault.BlobMissing"/> is no verdict.</returns>
    public static MaskFault TryCompute(MaskedAttempt masked, ReadOnlySpan<byte> baseModel, BlobReader read, out RoundAggregate? aggregate, out ushort culprit) =>
        TryCompute(masked, baseModel, (MaskedGroup group, out MaskedInputSum? inputs, out MaskTerms? masks, out ushort whose) => Read(group, read, out inputs, out masks, out whose), read, out aggregate, out culprit);

    /// <summary>
    /// The same from the groups' sums of exactly the survivors' masked updates and the masks that are left in them. <see cref="MaskFault.CanaryMismatch"/>, <see cref="MaskFault.WeightOutOfRange"/> and
    /// <see cref="MaskFault.LaneOutOfRange"/> say that one of the survivors did not send what the protocol says; nobody can tell which. A group whose sum is spoilt is left out, and with too few of them there is
    /// no aggregate.
    /// </summary>
    public static MaskFault TryCompute(MaskedAttempt masked, ReadOnlySpan<byte> baseModel, GroupReader read, BlobReader readBlob, out RoundAggregate? aggregate, out ushort culprit)
    {
        (aggregate, culprit) = (null, 0);
        int[] reference = [];
        if (masked.Reference is { } root)
        {
            culprit = (ushort)masked.Trusted!.Value;
            if (readBlob(root) is not { } bytes) return MaskFault.BlobMissing;
            // A quorum that holds it has found it admissible.
            if (!TryReadReference(masked.Terms, bytes.Span, out reference!)) return MaskFault.WrongLength;
        }

        var opened = new List<OpenedSum>();
        var last = MaskFault.None;
        foreach (var group in masked.Standing)
        {
            var fault = TryOpen(group, read, out var sum, out var whose);
            if (fault is MaskFault.BlobMissing)
            {
                culprit = whose;
                return fault;
            }

            if (fault is MaskFault.None) opened.Add(sum!);
            else (last, culprit) = (fault, whose);
        }

        if (opened.Count < masked.LeastGroups) return last;
        (culprit, aggregate) = (0, ModelOf(masked, baseModel, opened, reference));
        return MaskFault.None;
    }

    /// <summary>
    /// What follows from a sum that somebody has published: whether it can be one, and the model. Whether it is that of the survivors' updates is another question (<see cref="ProjectedSum"/>).
    /// </summary>
    /// <param name="masked">The attempt, in Aggregate or later.</param>
    /// <param name="baseModel">The base model as bytes.</param>
    /// <param name="sum">The published sum; with groups, all their sums.</param>
    /// <param name="reference">The trusted participant's update; empty where there is none, or where it is not known: then a model that follows from it cannot be had.</param>
    /// <param name="opened">The sums; empty with a fault.</param>
    /// <param name="aggregate">What follows from them; null with a fault, and without one when a parameter would not be finite.</param>
    public static MaskFault TryFollow(MaskedAttempt masked, ReadOnlySpan<byte> baseModel, ReadOnlyMemory<byte> sum, ReadOnlySpan<int> reference, out IReadOnlyList<OpenedSum> opened, out RoundAggregate? aggregate)
    {
        (opened, aggregate) = ([], null);
        var offsets = TailOffsets(masked.Terms, sum.Length);
        MaskedGroup[] groups = masked.Masking.Groups is null ? [masked.Groups[0]] : [.. masked.Groups.Where(group => sum.Length >= sizeof(ulong) && GroupSumsBlob.GroupsOf(sum).Contains(group.Index))];
        if (offsets.Count == 0 || offsets.Count != groups.Length || groups.Length < masked.LeastGroups || groups.Any(group => group.Fixed.Failure is not null)) return MaskFault.WrongLength;
        var sums = new List<OpenedSum>();
        foreach (var (group, offset) in groups.Zip(offsets))
        {
            var tailBytes = sum.Slice((int)offset, LaneLayout.TailBytes);
            if (MaskTail.TryReadSum(tailBytes.Span, group.Survivors.Count, out var tail) is var fault and not MaskFault.None) return fault;
            var lanes = new int[masked.Terms.Agreement.UpdateLength];
            LittleEndian.Read(sum.Span.Slice((int)offset - (sizeof(int) * lanes.Length), sizeof(int) * lanes.Length), lanes);
            if (TryAdmit(group, lanes, tailBytes, tail, out var one) is var refused and not MaskFault.None) return refused;
            sums.Add(one!);
        }

        (opened, aggregate) = (sums, ModelOf(masked, baseModel, sums, reference));
        return MaskFault.None;
    }

    private static RoundAggregate? ModelOf(MaskedAttempt masked, ReadOnlySpan<byte> baseModel, List<OpenedSum> opened, ReadOnlySpan<int> reference)
    {
        if (masked.Masking.Groups is null) return RoundAggregate.Of(masked.Terms, masked.Round, baseModel, opened[0].Lanes.Span, opened[0].Weight, opened[0].Tail.Span);
        var sums = new GroupSums([.. opened.Select(sum => sum.Lanes)], [.. opened.Select(sum => sum.Count)]);
        return RoundAggregate.Of(masked.Terms, masked.Round, baseModel, sums, reference, GroupSumsBlob.Write(opened));
    }

    /// <summary>The lanes of the trusted participant's update; false for another length, and for one that would not be held without masks either: beyond the agreement's clip and lanes.</summary>
    public static bool TryReadReference(AgreementRecord terms, ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out int[]? lanes) =>
        UpdateBlob.TryRead(bytes, RoundAggregate.SpecOf(terms).ParameterCount, out lanes) && terms.Agreement.FixedPoint.Admits(lanes, FixedPoint.WeightOne);

    /// <summary>Whether a fault of the sum is proved to be one participant's: a dealer's or holder's own signed words show it.</summary>
    public static bool NamesCulprit(MaskFault fault) => fault is MaskFault.DealerFault or MaskFault.HolderFault;

    /// <summary>Where in the bytes of a published sum the tails lie, of <see cref="LaneLayout.TailBytes"/> each: one, or with groups one for each; empty for bytes of a length that no sum of the agreement has, and without masks.</summary>
    /// <param name="terms">The agreement.</param>
    /// <param name="length">Bytes of the sum.</param>
    public static IReadOnlyList<long> TailOffsets(AgreementRecord terms, long length)
    {
        if (!terms.Agreement.Masks) return [];
        var lanes = RoundAggregate.UpdateBytes(terms);
        long[] offsets = [.. terms.Agreement.Groups is null ? [lanes] : GroupSumsBlob.TailOffsets(length, lanes)];
        return offsets.Length is > 0 and <= GroupSums.MaximumGroups && offsets[^1] + LaneLayout.TailBytes == length ? offsets : [];
    }

    /// <summary>The metrics of a published sum from its tails: how many updates are in it, and the tail of all of them together; null where one of them is none, or there are none.</summary>
    public static (int Count, MaskTail Tail)? ReadMetrics(IReadOnlyList<ReadOnlyMemory<byte>> tails)
    {
        var (count, total) = (0, default(MaskTail));
        foreach (var bytes in tails)
        {
            var updates = BinaryPrimitives.ReadInt32LittleEndian(bytes.Span);
            if (MaskTail.TryReadSum(bytes.Span, updates, out var tail) is not MaskFault.None) return null;
            (count, total) = (count + updates, total.Plus(tail));
        }

        return tails.Count > 0 ? (count, total) : null;
    }

    /// <summary>The same from the whole sum.</summary>
    public static (int Count, MaskTail Tail)? ReadMetrics(AgreementRecord terms, ReadOnlyMemory<byte> sum) =>
        ReadMetrics([.. TailOffsets(terms, sum.Length).Select(offset => sum.Slice((int)offset, LaneLayout.TailBytes))]);

    private static MaskFault TryOpen(MaskedGroup group, GroupReader read, out OpenedSum? opened, out ushort culprit)
    {
        opened = null;
        var fault = read(group, out var inputs, out var masks, out culprit);
        using (masks)
        {
            return fault is MaskFault.None ? TryOpen(group, inputs!, masks!, out opened) : fault;
        }
    }

    private static MaskFault TryOpen(MaskedGroup group, MaskedInputSum inputs, MaskTerms masks, out OpenedSum? opened)
    {
        opened = null;
        var survivors = group.Survivors;
        if (inputs.Count != survivors.Count) throw new ArgumentException($"The sum of {survivors.Count} survivors is not that of {inputs.Count} updates.", nameof(inputs));
        var sum = new MaskedSum(inputs.Layout);
        for (var chunk = 0; chunk < inputs.Layout.Chunks; chunk++) sum.Take(chunk, [inputs.Chunk(chunk)], masks);
        var fault = sum.TryFinish(survivors.Count, out var tail);
        return fault is MaskFault.None ? TryAdmit(group, sum.Lanes, sum.Tail, tail, out opened) : fault;
    }

    // What can be asked of a sum by itself.
    private static MaskFault TryAdmit(MaskedGroup group, ReadOnlyMemory<int> lanes, ReadOnlyMemory<byte> tailBytes, MaskTail tail, out OpenedSum? opened)
    {
        opened = null;
        var survivors = group.Survivors;
        // Weights are public, so the sum of those that were sent is known before.
        var weight = survivors.Positions.Sum(position => (long)group.Terms.Weights[position]);
        if (tail.Weight != weight) return MaskFault.WeightOutOfRange;
        // Lanes have room for as much, since the agreement is sound; noise lies beyond this once in 10²³ times.
        var limit = ((long)survivors.Count * group.Terms.Agreement.FixedPoint.Levels) + SkellamSampler.Reach((Int128)group.Masking.NoiseVariance * survivors.Count);
        if (lanes.Span.ContainsAnyExceptInRange((int)-limit, (int)limit)) return MaskFault.LaneOutOfRange;
        opened = new OpenedSum(group.Index, survivors.Count, weight, lanes, tailBytes);
        return MaskFault.None;
    }

    private static MaskFault Read(MaskedGroup group, BlobReader read, out MaskedInputSum? inputs, out MaskTerms? masks, out ushort culprit)
    {
        inputs = null;
        var fault = MaskedUnmasking.Of(group, read).TryRemove(out masks, out culprit);
        if (fault is not MaskFault.None) return fault;
        inputs = new MaskedInputSum(group.Layout);
        foreach (var (position, root) in group.Order!.Inputs)
        {
            culprit = position;
            if (read(root) is not { } input) return MaskFault.BlobMissing;
            if (!inputs.TryAdd(input.Span)) return MaskFault.WrongLength;
        }

        culprit = 0;
        return MaskFault.None;
    }
}
