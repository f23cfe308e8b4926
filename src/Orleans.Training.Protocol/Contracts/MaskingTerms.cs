using System.Formats.Cbor;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Privacy;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>How seats find out whether a proposed sum is right.</summary>
public enum SumCheck
{
    /// <summary>Each seat reads all masked updates and computes the sum itself.</summary>
    Recomputed = 1,
    /// <summary>Each seat reads the sum, and of the updates only images that those who hold them have told (docs/spec/projection.md). Updates count once f + 1 seats hold them.</summary>
    Projected = 2,
}

/// <summary>
/// How the rounds of an agreement are masked: what must be borne, and how long each phase waits, in ms of block time:
/// [c, advertise, share, acknowledge, confirm, reveal, reveal silent, μ, check, bound, exchange], with <see cref="GroupTerms"/> behind them if there are groups. Stands in the agreement where one without masks has false.
/// </summary>
/// <param name="CorruptLimit">c: participants that are assumed to be corrupt, at most; with groups, in each of them.</param>
/// <param name="AdvertiseWindowMs">From the opening to H1, when U1 is final.</param>
/// <param name="ShareWindowMs">From there to H2, when the dealers are final.</param>
/// <param name="AcknowledgeWindowMs">From there to H2b, when the graph of masks is final.</param>
/// <param name="ConfirmWindowMs">From the order to unmask until enough have confirmed it.</param>
/// <param name="RevealWindowMs">From there to H4, when the silent are final.</param>
/// <param name="SilentWindowMs">From there to H4b.</param>
/// <param name="NoiseVariance">μ: the variance of the Skellam noise that each participant adds to each coordinate, in levels squared; 0 for none (docs/spec/privacy.md).</param>
/// <param name="Groups">The groups and what becomes of their sums; null for one sum of all.</param>
/// <param name="Check">How seats check a sum. Images are of one sum, and of lanes that are not packed.</param>
/// <param name="Bound">What the graph must bear where it is sparse: above <see cref="GraphParameters.LargestComplete"/> participants.</param>
/// <param name="Exchange">How participants come to the secrets that hide their updates.</param>
public sealed record MaskingTerms(
    int CorruptLimit, int AdvertiseWindowMs, int ShareWindowMs, int AcknowledgeWindowMs, int ConfirmWindowMs, int RevealWindowMs, int SilentWindowMs, long NoiseVariance = 0, GroupTerms? Groups = null,
    SumCheck Check = SumCheck.Recomputed, FaultBound Bound = FaultBound.Corrupt330Dropped100, KeyExchange Exchange = KeyExchange.X25519)
{
    internal bool IsSound => AdvertiseWindowMs > 0 && ShareWindowMs > 0 && AcknowledgeWindowMs > 0 && ConfirmWindowMs > 0 && RevealWindowMs > 0 && SilentWindowMs > 0
        && NoiseVariance is >= 0 and <= SkellamSampler.LargestVariance;

    /// <summary>How many of so many seats must hold a masked update before it counts.</summary>
    internal int HoldersOf(Ledger.ValidatorSet validators) => Check is SumCheck.Projected ? validators.MaxFaulty + 1 : validators.Quorum;

    /// <summary>Whether sums of such lanes can be checked as agreed.</summary>
    internal bool CanCheck(FixedPoint parameters) => Check is SumCheck.Recomputed || (Check is SumCheck.Projected && Groups is null && SumProjection.Takes(LaneLayout.Choose(parameters, 1)));

    /// <summary>Whether lanes have room for the noise of all besides their updates.</summary>
    internal bool HasRoom(FixedPoint parameters) =>
        ((long)parameters.Participants * parameters.Levels) + SkellamSampler.Reach((Int128)NoiseVariance * parameters.Participants) < 1L << (LaneLayout.Choose(parameters, 1).Bits - 1);

    /// <summary>R0 for a cohort of this size under an agreement.</summary>
    internal MaskFault CheckCohort(TrainingAgreement agreement, int cohort) =>
        cohort < GraphParameters.Smallest ? MaskFault.CohortTooSmall : new MaskSetup(0, default, default, agreement.FixedPoint, 1, CorruptLimit, agreement.MinParticipants, Bound).CheckCohort(cohort);

    internal void Write(CborWriter writer)
    {
        writer.WriteStartArray(Groups is null ? 11 : 12);
        foreach (var item in (ReadOnlySpan<int>)[CorruptLimit, AdvertiseWindowMs, ShareWindowMs, AcknowledgeWindowMs, ConfirmWindowMs, RevealWindowMs, SilentWindowMs]) writer.WriteInt32(item);
        writer.WriteInt64(NoiseVariance);
        writer.WriteInt32((int)Check);
        writer.WriteInt32((int)Bound);
        writer.WriteInt32((int)Exchange);
        Groups?.Write(writer);
        writer.WriteEndArray();
    }

    internal static MaskingTerms Read(CborReader reader)
    {
        var items = reader.ReadStartArray();
        Wire.Require(items is 11 or 12);
        int Window() => reader.ReadNumber(int.MaxValue);
        var terms = new MaskingTerms(reader.ReadNumber(Limits.Participants), Window(), Window(), Window(), Window(), Window(), Window(), reader.ReadNumber())
        {
            Check = (SumCheck)reader.ReadNumber((int)SumCheck.Projected),
            Bound = (FaultBound)reader.ReadNumber((int)FaultBound.Corrupt330Dropped100),
        };
        terms = terms with { Exchange = (KeyExchange)reader.ReadNumber((int)KeyExchange.Hybrid) };
        Wire.Require(terms.Check is not 0 && terms.Exchange is not 0);
        terms = terms with { Groups = items == 12 ? GroupTerms.Read(reader) : null };
        reader.ReadEndArray();
        return terms;
    }
}
