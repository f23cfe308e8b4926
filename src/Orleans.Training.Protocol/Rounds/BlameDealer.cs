using System.Formats.Cbor;
using System.Numerics;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// A seat's word that a sum cannot be had by fault of one participant: [agreement, round, attempt, position]. What it dealt under its own signature gives other secrets than it committed to
/// (<see cref="MaskFault.DealerFault"/>), which everybody can compute from public messages; when f + 1 seats say so, one of whom is honest, the participant loses the right to train until a quorum gives it back.
/// </summary>
public sealed record BlameDealer(Digest Agreement, int Number, int Attempt, int Position) : MaskedRoundCall(Agreement, Number, Attempt)
{
    /// <inheritdoc/>
    public override string Method => "Blame";

    /// <inheritdoc/>
    protected override int Arguments => 4;

    /// <inheritdoc/>
    protected override void WriteOthers(CborWriter writer) => writer.WriteInt32(Position);

    internal static BlameDealer Read(CborReader reader)
    {
        var (agreement, number, attempt) = ReadHead(reader, 4);
        return End(reader, new BlameDealer(agreement, number, attempt, reader.ReadNumber(Limits.Participants - 1)));
    }

    internal override Rejection Apply(ContractContext context, MaskedAttempt attempt)
    {
        if (context.Seat < 0) return Rejection.MissingRole;
        if (CheckPhase(attempt, Phase.Aggregate) is var refused and not Rejection.None) return refused;
        if (attempt.Standing.All(group => !group.Fixed.Maskers.Contains(Position))) return Rejection.NotInCohort;
        var key = attempt.Key(BlameRecord.Prefix, Position);
        var seats = (context.Find<BlameRecord>(key)?.Seats ?? 0) | 1u << context.Seat;
        if (seats == context.Find<BlameRecord>(key)?.Seats) return Rejection.AlreadyExists;
        context.Put(key, new BlameRecord(seats));
        if (BitOperations.PopCount(seats) != context.Validators.MaxFaulty + 1) return Rejection.None;

        var owner = ParticipantRecord.Key(attempt.Terms.Agreement.Datasets[Position].Participant);
        var participant = context.Find<ParticipantRecord>(owner)!;
        context.Put(owner, participant with { Roles = participant.Roles & ~Roles.Trainer }, "TrainerExcluded");
        // With groups the others have a model without it.
        if (attempt.Masking.Groups is null) MaskedRoundContract.Fail(context, attempt, RoundFailure.SumSpoilt);
        return Rejection.None;
    }
}

/// <summary>Which seats say that a participant's own words spoil a sum: [seats as a bit set].</summary>
public sealed record BlameRecord(uint Seats) : StateRecord
{
    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "masks/blames/";

    internal static BlameRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(1);
        var record = new BlameRecord(reader.ReadUInt32());
        reader.ReadEndArray();
        return record;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(1);
        writer.WriteUInt32(Seats);
        writer.WriteEndArray();
    }
}
