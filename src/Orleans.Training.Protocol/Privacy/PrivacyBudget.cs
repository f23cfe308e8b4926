namespace Orleans.Training.Protocol.Privacy;

/// <summary>
/// How much a participant's data may lose: ε and δ over everything that was ever computed from them. A cost is admitted if at one order at least it leads to no
/// more: a filter on Rényi divergences, valid whatever the next mechanism is chosen by (Feldman and Zrnic 2021).
/// </summary>
/// <param name="EpsilonMicro">ε in millionths.</param>
/// <param name="DeltaExponent">δ = 10^−this, 3 to 15.</param>
public readonly record struct PrivacyBudget(long EpsilonMicro, int DeltaExponent)
{
    private const long Million = 1_000_000;

    /// <summary>Whether so much may be lost in all.</summary>
    public bool Admits(PrivacyCost total)
    {
        // ε is exact in millionths only; in units of 2⁻⁶⁴ it is rounded down.
        var limit = ((UInt128)(ulong)EpsilonMicro << PrivacyCost.FractionBits) / Million;
        var offsets = RenyiOrders.OffsetsAt(DeltaExponent);
        var costs = total.Divergences;
        for (var i = 0; i < offsets.Length; i++)
        {
            if (limit >= offsets[i] && costs[i] <= limit - offsets[i]) return true;
        }

        return false;
    }

    /// <summary>The ε that a cost leads to at a δ, in millionths, rounded up; <see cref="long.MaxValue"/> if it is beyond all bounds.</summary>
    public static long EpsilonOf(PrivacyCost total, int deltaExponent)
    {
        var offsets = RenyiOrders.OffsetsAt(deltaExponent);
        var costs = total.Divergences;
        var least = UInt128.MaxValue;
        for (var i = 0; i < offsets.Length; i++)
        {
            var sum = unchecked(costs[i] + offsets[i]);
            if (sum >= costs[i] && sum < least) least = sum;
        }

        var (whole, fraction) = (least >> PrivacyCost.FractionBits, least & ulong.MaxValue);
        var micro = (whole * Million) + (((fraction * Million) + ulong.MaxValue) >> PrivacyCost.FractionBits);
        return whole > long.MaxValue / Million - 1 ? long.MaxValue : (long)micro;
    }
}
