using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Privacy;

namespace Orleans.Training.Cli.Demo;

/// <summary>How much noise a demonstration's participants add, so that all of its rounds together cost each data set no more than a budget.</summary>
/// <param name="Epsilon">ε of each data set.</param>
internal sealed record DemoNoise(double Epsilon)
{
    private const int DeltaExponent = 5;
    // Wide enough that noise, which is far larger than an update's level, does not leave its lane.
    private const int LaneBits = 21;
    private const int MostBound = 4096;

    /// <summary>What each owner says that its data set may lose: δ is 10⁻⁵.</summary>
    public PrivacyBudget Budget => new((long)Math.Round(1e6 * Epsilon), DeltaExponent);

    /// <summary>ε of a cost at that δ.</summary>
    public static double EpsilonOf(PrivacyCost cost) => PrivacyBudget.EpsilonOf(cost, DeltaExponent) / 1e6;

    /// <summary>
    /// The agreement with the least noise that suffices, on the finest lanes that have room for it; null where there is none. What is agreed on otherwise stays: only the noise of its least participants without the
    /// corrupt ones counts.
    /// </summary>
    public TrainingAgreement? AddTo(TrainingAgreement plain, double clip)
    {
        var (participants, units) = (plain.LargestSum, (long)Math.Round(clip * (1L << FixedPoint.UnitBits)));
        // What a level stands for grows with the bound, and so the noise, which is counted in levels, comes to fewer of them.
        for (var bound = 1; bound <= MostBound; bound *= 2)
        {
            for (var levels = LaneLayout.LevelsFor(LaneBits, participants); ; levels /= 2)
            {
                if (!FixedPoint.TryCreate(units, bound * units, levels, participants, out var lanes) || LaneLayout.Choose(lanes, 1).Bits != LaneBits) break;
                var agreement = plain with { FixedPoint = lanes };
                if (VarianceFor(agreement) is { } variance && With(agreement, variance) is var noisy && TrainingAgreement.TryParse(noisy.Encode(), out _)) return noisy;
            }
        }

        return null;
    }

    // By bisection: more noise costs less.
    private long? VarianceFor(TrainingAgreement agreement)
    {
        var (low, high) = (0L, SkellamSampler.LargestVariance);
        if (!Budget.Admits(Total(agreement, high))) return null;
        while (high - low > 1)
        {
            var middle = low + ((high - low) / 2);
            if (Budget.Admits(Total(agreement, middle))) high = middle;
            else low = middle;
        }

        return high;
    }

    private static PrivacyCost Total(TrainingAgreement agreement, long variance)
    {
        var round = With(agreement, variance).RoundCost!;
        return Enumerable.Repeat(round, agreement.Rounds).Aggregate(PrivacyCost.None, (sum, cost) => sum.Plus(cost));
    }

    private static TrainingAgreement With(TrainingAgreement agreement, long variance) => agreement with { Masking = agreement.Masking! with { NoiseVariance = variance } };
}
