namespace Orleans.Training.Protocol.Aggregation;

/// <summary>What a participant knows of a masked attempt from the ledger and the agreement before anything is sent (P0).</summary>
/// <param name="Position">The participant's own position in the roster.</param>
/// <param name="Attempt">ctx, derived from the model that the participant itself loaded: others' masks cancel only if they loaded the same.</param>
/// <param name="Parent">Root of the parent's weights: what may be summed up about once only, whatever version or task names it.</param>
/// <param name="Parameters">How updates become integers.</param>
/// <param name="Length">Coordinates of an update.</param>
/// <param name="CorruptLimit">c: the most participants that are assumed to be corrupt.</param>
/// <param name="MinParticipants">The fewest survivors with whom a sum may be opened.</param>
/// <param name="Bound">What a sparse graph must bear.</param>
/// <param name="NoiseVariance">μ of the noise that every update has in it.</param>
/// <param name="Exchange">How neighbours come to their secrets.</param>
public sealed record MaskSetup(ushort Position, AttemptContext Attempt, Digest Parent, FixedPoint Parameters, int Length, int CorruptLimit, int MinParticipants, FaultBound Bound, long NoiseVariance = 0, KeyExchange Exchange = KeyExchange.X25519)
{
    /// <summary>How masked updates lie in bytes.</summary>
    public LaneLayout Layout => LaneLayout.Choose(Parameters, Length);

    /// <summary>R0: whether a cohort of this size bears what is assumed: at least c + 3 survivors, 3c + 1 in all, and no more than its graph bears. <see cref="MaskFault.LaneOutOfRange"/> if it is larger than lanes have room for.</summary>
    public MaskFault CheckCohort(int cohort)
    {
        if (cohort > Parameters.Participants) return MaskFault.LaneOutOfRange;
        return CorruptLimit >= 0 && MinParticipants >= CorruptLimit + 3 && cohort <= Limits.Participants && cohort >= Math.Max(MinParticipants, (3 * CorruptLimit) + 1)
            && CorruptLimit <= GraphParameters.CorruptLimit(cohort, Bound) ? MaskFault.None : MaskFault.CohortTooSmall;
    }

    /// <summary>τ: the Confirms that must be seen before anything is revealed, a majority of the cohort however the corrupt ones vote.</summary>
    public int ConfirmThreshold(int cohort) => ((cohort + CorruptLimit) / 2) + 1;
}

/// <summary>The stages of a participant in one attempt.</summary>
public enum MaskPhase
{
    /// <summary>Nothing was sent.</summary>
    Idle = 0,
    /// <summary>Keys are advertised (P1).</summary>
    Keyed = 1,
    /// <summary>Secrets are shared (P2).</summary>
    Shared = 2,
    /// <summary>Shares are acknowledged (P2b).</summary>
    Acked = 3,
    /// <summary>The masked update is committed (P3).</summary>
    Masked = 4,
    /// <summary>An order to unmask is confirmed (P3b).</summary>
    Confirmed = 5,
    /// <summary>The own b and shares of who dropped out are revealed (P4a).</summary>
    Revealed = 6,
    /// <summary>The attempt is over, and secrets are zeroed.</summary>
    Done = 7,
    /// <summary>The participant left the attempt, and secrets are zeroed.</summary>
    Aborted = 8,
}
