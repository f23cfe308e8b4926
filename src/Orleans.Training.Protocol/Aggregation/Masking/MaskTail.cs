using System.Buffers.Binary;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// What a participant sends with its lanes, under the same masks: sixteen 32-bit lanes. The first three are 1 and the last six are 0, so that a sum in
/// which masks are left is told from a sum of updates.
/// </summary>
/// <param name="Weight">α in units of 2⁻²⁰, 1 to 2²⁰.</param>
/// <param name="LossSum">Σ of losses, in units of 1 ÷ <see cref="LossUnit"/>.</param>
/// <param name="Correct">Right answers.</param>
/// <param name="Samples">Samples.</param>
/// <param name="NormBit">Whether the update was within the clip.</param>
/// <param name="ClippedCoordinates">Coordinates cut at the bound.</param>
/// <param name="WeightedSteps">α times local steps.</param>
public readonly record struct MaskTail(int Weight, int LossSum, int Correct, int Samples, int NormBit, int ClippedCoordinates, int WeightedSteps)
{
    /// <summary>A loss of 1.</summary>
    public const int LossUnit = 1024;

    private const int Canaries = 3;
    private const int Lanes = LaneLayout.TailBytes / sizeof(int);

    /// <summary>A tail with nothing but a weight.</summary>
    public static MaskTail Of(int weight) => new(weight, 0, 0, 0, 0, 0, 0);

    /// <summary>Writes the 64 bytes of one participant's tail; false if a number is beyond what as many participants may send: (2³¹ − 1) ÷ participants, and 2²⁰ for the weight.</summary>
    public bool TryWrite(int participants, Span<byte> destination)
    {
        if (Weight is < 1 or > FixedPoint.WeightOne) return false;
        var limit = int.MaxValue / participants;
        Span<int> lanes = [1, 1, 1, Weight, LossSum, Correct, Samples, NormBit, ClippedCoordinates, WeightedSteps, 0, 0, 0, 0, 0, 0];
        foreach (var lane in lanes)
        {
            if (lane > limit || lane < -limit) return false;
        }

        LittleEndian.Write(lanes, destination);
        return true;
    }

    /// <summary>The tail of both together.</summary>
    public MaskTail Plus(MaskTail other) => new(
        Weight + other.Weight, LossSum + other.LossSum, Correct + other.Correct, Samples + other.Samples, NormBit + other.NormBit, ClippedCoordinates + other.ClippedCoordinates, WeightedSteps + other.WeightedSteps);

    /// <summary>The tail of a sum of this many updates: <see cref="MaskFault.CanaryMismatch"/> if masks are left in it, <see cref="MaskFault.WeightOutOfRange"/> if Σα is not from 1 to count · 2²⁰.</summary>
    public static MaskFault TryReadSum(ReadOnlySpan<byte> bytes, int count, out MaskTail sum) => TryReadSum(bytes, count, MaskRules.Correct, out sum);

    internal static MaskFault TryReadSum(ReadOnlySpan<byte> bytes, int count, MaskRules rules, out MaskTail sum)
    {
        Span<int> lanes = stackalloc int[Lanes];
        for (var i = 0; i < Lanes; i++) lanes[i] = BinaryPrimitives.ReadInt32LittleEndian(bytes[(sizeof(int) * i)..]);
        sum = new(lanes[3], lanes[4], lanes[5], lanes[6], lanes[7], lanes[8], lanes[9]);
        if (!rules.CheckCanaries) return MaskFault.None;
        if (lanes[..Canaries].ContainsAnyExcept(count) || lanes[10..].ContainsAnyExcept(0)) return MaskFault.CanaryMismatch;
        return sum.Weight >= 1 && sum.Weight <= (long)count * FixedPoint.WeightOne ? MaskFault.None : MaskFault.WeightOutOfRange;
    }
}
