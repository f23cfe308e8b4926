namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// What a participant of a SCAFFOLD run computes besides its training (Karimireddy et al. 2020, algorithm 1, option II; docs/spec/aggregation.md §5). Control variates are kept in the unit of updates, as η_l · τ times the paper's c,
/// so that both halves of an update are of one size under one clip: vᵢ is how far τ steps along participant i's own gradients lead back, v the weighted mean of all vᵢ. K is the number of steps of a round and τ the mean
/// of all participants' K (<see cref="NormalisedUpdate"/>).
/// </summary>
public static class ControlVariate
{
    /// <summary>What is added to the parameters with every local step: (vᵢ − v) ÷ τ.</summary>
    /// <param name="own">vᵢ.</param>
    /// <param name="mean">v, which the round's model carries.</param>
    /// <param name="steps">τ.</param>
    public static float[] Drift(ReadOnlySpan<float> own, ReadOnlySpan<float> mean, double steps)
    {
        var drift = new float[own.Length];
        for (var i = 0; i < drift.Length; i++) drift[i] = (float)(((double)own[i] - mean[i]) / steps);
        return drift;
    }

    /// <summary>The update: Δ, and behind it the change of vᵢ, which is −Δ · (τ ÷ K) − v.</summary>
    /// <param name="delta">Δ, local minus global parameters.</param>
    /// <param name="mean">v.</param>
    /// <param name="scale">τ ÷ K.</param>
    public static float[] UpdateOf(ReadOnlySpan<float> delta, ReadOnlySpan<float> mean, double scale)
    {
        var update = new float[2 * delta.Length];
        delta.CopyTo(update);
        for (var i = 0; i < delta.Length; i++) update[delta.Length + i] = (float)((-delta[i] * scale) - mean[i]);
        return update;
    }

    /// <summary>vᵢ after an update that is in a sum: by exactly what the sum has of it, clipped and rounded, so that v stays the mean of all vᵢ.</summary>
    /// <param name="own">vᵢ before.</param>
    /// <param name="lanes">The lanes of the update, without noise.</param>
    /// <param name="weight">αᵢ in units of 2⁻²⁰.</param>
    /// <param name="parameters">How the update became lanes.</param>
    public static float[] Next(ReadOnlySpan<float> own, ReadOnlySpan<int> lanes, int weight, FixedPoint parameters)
    {
        if (lanes.Length != 2 * own.Length) throw new ArgumentException("An update has two lanes for every parameter.", nameof(lanes));
        var next = new float[own.Length];
        var share = (double)weight / FixedPoint.WeightOne;
        for (var i = 0; i < next.Length; i++) next[i] = (float)(own[i] + (parameters.Decode(lanes[own.Length + i]) / share));
        return next;
    }
}
