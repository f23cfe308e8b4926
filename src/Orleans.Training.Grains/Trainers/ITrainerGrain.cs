namespace Orleans.Training.Grains.Trainers;

/// <summary>
/// Trains for one participant, in a silo that the participant chose and that has the accelerator. Key: <see cref="GrainKeys"/> of shard and participant.
/// </summary>
[Alias("otrain.ITrainerGrain")]
public interface ITrainerGrain : IGrainWithStringKey
{
    /// <summary>
    /// Trains one attempt at a round, stores the update and commits to it on the ledger. Idempotent: the same attempt gives the same update. Returns when the commitment waits for
    /// a block, or at once when the round no longer takes inputs; of an attempt with masks when it is over, or the participant out of it.
    /// </summary>
    [Alias("Train"), ResponseTimeout("01:00:00")]
    Task Train(string agreement, int round, int attempt);
}
