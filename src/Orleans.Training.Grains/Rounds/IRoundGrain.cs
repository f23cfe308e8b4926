namespace Orleans.Training.Grains.Rounds;

/// <summary>
/// Follows one run and wakes its participants' trainers when a round opens. It holds no rule and no key: every transition is a transaction, or a deadline that the time of a
/// block has passed. Key: <see cref="GrainKeys"/> of shard and agreement digest.
/// </summary>
[Alias("otrain.IRoundGrain")]
public interface IRoundGrain : IGrainWithStringKey
{
    /// <summary>Starts following if it does not.</summary>
    [Alias("Start")]
    Task Start();
}
