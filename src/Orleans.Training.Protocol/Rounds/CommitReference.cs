using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// The update of the participant that FLTrust trusts, without masks: [agreement, round, attempt, name of its lanes]. It comes before the order to unmask, when nobody knows a group's sum, and so depends on none.
/// </summary>
public sealed record CommitReference(Digest Agreement, int Number, int Attempt, Digest Root) : MaskedRoundCall(Agreement, Number, Attempt)
{
    /// <inheritdoc/>
    public override string Method => "Reference";

    /// <inheritdoc/>
    protected override int Arguments => 4;

    /// <inheritdoc/>
    protected override void WriteOthers(CborWriter writer) => writer.Write(Root);

    internal static CommitReference Read(CborReader reader)
    {
        var (agreement, number, attempt) = ReadHead(reader, 4);
        return End(reader, new CommitReference(agreement, number, attempt, reader.ReadDigest()));
    }

    internal override Rejection Apply(ContractContext context, MaskedAttempt attempt)
    {
        var position = attempt.Terms.Agreement.PositionOf(context.Actor);
        if (position < 0) return Rejection.NotInAgreement;
        if (position != attempt.Trusted) return Rejection.NotInCohort;
        if (CheckPhase(attempt) is var refused and not Rejection.None) return refused;
        if (attempt.Reference is not null) return Rejection.AlreadyExists;
        return Accept(context, attempt, MaskReferenceRecord.Prefix, position, new MaskReferenceRecord(Root), "ReferenceCommitted");
    }

    /// <summary><see cref="Rejection.Late"/> once inputs are fixed, <see cref="Rejection.WrongPhase"/> after the attempt.</summary>
    internal static Rejection CheckPhase(MaskedAttempt attempt) =>
        attempt.TakesReference ? Rejection.None : attempt.Round.Phase is Phase.Failed or Phase.Published ? Rejection.WrongPhase : Rejection.Late;
}
