namespace Orleans.Training.Grains.Participants;

/// <summary>
/// Signs for one participant, in a silo that it chose: only there is its key folder opened. It signs nothing but commitments to updates, so that whoever can call grains cannot have anything
/// else signed. Key: <see cref="GrainKeys"/> of shard and participant.
/// </summary>
[Alias("otrain.IParticipantGrain")]
public interface IParticipantGrain : IGrainWithStringKey
{
    /// <summary>Signs and submits <c>round.InputCommit</c>. Gives the number of the rejection at admission, 0 for none. Digests are 32 bytes.</summary>
    [Alias("CommitInput")]
    Task<int> CommitInput(byte[] agreement, int round, int attempt, byte[] baseModel, byte[] root);
}
