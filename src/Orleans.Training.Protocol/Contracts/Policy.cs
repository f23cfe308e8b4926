using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// The rules that a participant attaches to its consent: [1, least participants, most rounds, most local epochs, end (ms), masks required].
/// What holds for a round is the meet of all participants' policies.
/// </summary>
public sealed record Policy(int MinParticipants, int MaxRounds, int MaxLocalEpochs, long NotAfterMs, bool RequireMasks)
{
    /// <summary>The policy that forbids nothing.</summary>
    public static Policy Open { get; } = new(1, Limits.Rounds, int.MaxValue, long.MaxValue, RequireMasks: false);

    /// <summary>The strictest of both, rule by rule.</summary>
    public Policy Meet(Policy other) => new(
        Math.Max(MinParticipants, other.MinParticipants),
        Math.Min(MaxRounds, other.MaxRounds),
        Math.Min(MaxLocalEpochs, other.MaxLocalEpochs),
        Math.Min(NotAfterMs, other.NotAfterMs),
        RequireMasks || other.RequireMasks);

    /// <summary>Whether the agreement keeps to this policy at this time.</summary>
    public bool Allows(TrainingAgreement agreement, long timeMs) =>
        agreement.MinParticipants >= MinParticipants && agreement.Rounds <= MaxRounds && agreement.Training.LocalEpochs <= MaxLocalEpochs && timeMs < NotAfterMs && (agreement.Masks || !RequireMasks);

    /// <summary>Writes the policy.</summary>
    public void Write(CborWriter writer)
    {
        writer.WriteStartArray(6);
        writer.WriteUInt32(1);
        writer.WriteInt32(MinParticipants);
        writer.WriteInt32(MaxRounds);
        writer.WriteInt32(MaxLocalEpochs);
        writer.WriteInt64(NotAfterMs);
        writer.WriteBoolean(RequireMasks);
        writer.WriteEndArray();
    }

    internal static Policy Read(CborReader reader)
    {
        reader.ReadArrayHead(6);
        reader.ReadVersion(1);
        var policy = new Policy(reader.ReadNumber(Limits.Participants), reader.ReadNumber(Limits.Rounds), reader.ReadNumber(int.MaxValue), reader.ReadNumber(), reader.ReadBoolean());
        reader.ReadEndArray();
        return policy;
    }
}
