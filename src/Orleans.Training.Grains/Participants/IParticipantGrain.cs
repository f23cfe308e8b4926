namespace Orleans.Training.Grains.Participants;

/// <summary>
/// Signs and submits for one participant, in a silo that it chose: only there is its key folder opened. Key: <see cref="GrainKeys"/> of shard and participant.
/// </summary>
[Alias("otrain.IParticipantGrain")]
public interface IParticipantGrain : IGrainWithStringKey
{
    /// <summary>Signs a call, given as contract, method and encoded arguments, and submits it. Gives the number of the rejection at admission, 0 for none.</summary>
    [Alias("Submit")]
    Task<int> Submit(string contract, string method, byte[] arguments, byte[] salt);

    /// <summary>Thirty-two bytes that only this participant can compute (<see cref="ParticipantSecrets"/>).</summary>
    [Alias("Derive")]
    Task<byte[]> Derive(string context);
}
