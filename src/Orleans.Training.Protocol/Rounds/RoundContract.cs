using System.Numerics;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>The transitions of a round that more than one call, or a deadline, can cause.</summary>
internal static class RoundContract
{
    /// <summary>The attempt that a call names, or why the call cannot be about it.</summary>
    public static Rejection Find(ContractContext context, Digest agreement, int number, int attempt, out AgreementRecord? terms, out RoundRecord? round)
    {
        terms = context.Find<AgreementRecord>(AgreementRecord.Key(agreement));
        round = context.Find<RoundRecord>(RoundRecord.Key(agreement, number, attempt));
        return terms is null || round is null ? Rejection.NotFound : Rejection.None;
    }

    /// <summary>Whether the actor may drive rounds: a participant of the agreement, or a seat.</summary>
    public static bool MayDrive(ContractContext context, AgreementRecord terms) => context.Seat >= 0 || terms.Agreement.PositionOf(context.Actor) >= 0;

    /// <summary>The digest by which a proposal is attested: SHA-256("FLv1-proposal\0" ‖ inputs digest ‖ sum root ‖ model ‖ model root).</summary>
    public static Digest ProposalDigest(Digest inputs, Digest sumRoot, Digest model, Digest modelRoot) =>
        Digest.Of([.. "FLv1-proposal\0"u8, .. inputs.ToArray(), .. sumRoot.ToArray(), .. model.ToArray(), .. modelRoot.ToArray()]);

    /// <summary>Fixes the inputs that a quorum holds, or fails the attempt when they are too few.</summary>
    public static void FixInputs(ContractContext context, AgreementRecord terms, RoundRecord round)
    {
        var quorum = context.Validators.Quorum;
        if (round.Survivors(quorum).Count() < Math.Max(terms.Agreement.MinParticipants, terms.Effective!.MinParticipants))
        {
            Fail(context, round, RoundFailure.TooFewInputs);
            return;
        }

        var deadline = context.TimeMs + terms.Agreement.AggregateWindowMs;
        var survivors = round.Survivors(quorum).ToHashSet();
        var inputs = round.Inputs.Select((input, position) => survivors.Contains(position) ? input : input with { Holders = 0 }).ToArray();
        context.SetDeadline(round.StateKey, round.DeadlineMs, deadline);
        context.Put(round.StateKey, round with { DeadlineMs = deadline, Inputs = inputs, InputsDigest = round.DigestInputs(quorum) }, "InputsFixed");
    }

    /// <summary>Publishes the model of a proposal that a quorum attested.</summary>
    public static void Publish(ContractContext context, AgreementRecord terms, RoundRecord round, Proposal proposal)
    {
        var survivors = terms.Agreement.Masks ? new MaskedAttempt(context.Find<StateRecord>, terms, round).Counted.Positions : round.Survivors(context.Validators.Quorum);
        var weight = survivors.Sum(position => (long)terms.Weights[position]);
        var run = context.Find<RunRecord>(RunRecord.Key(round.Agreement))!;
        context.SetDeadline(round.StateKey, round.DeadlineMs, null);
        context.Put(round.StateKey, round with { Phase = Phase.Published });
        ExpiryContract.Begin(context, terms, round);
        context.Put(RunRecord.Key(round.Agreement), run with { PublishedRounds = round.Number, Model = proposal.Model, Attempts = 0 });
        context.Put(ModelRecord.Key(round.Agreement, round.Number), new ModelRecord(proposal.Model, round.BaseModel, round.Agreement, round.Number, proposal.ModelRoot, proposal.SumRoot, weight, proposal.Ok), "ModelPublished");
    }

    /// <summary>What falls due at an attempt's deadline.</summary>
    public static void OnDeadline(ContractContext context, string key)
    {
        if (context.Find<RoundRecord>(key) is not { Phase: not (Phase.Published or Phase.Failed) } round) return;
        var terms = context.Find<AgreementRecord>(AgreementRecord.Key(round.Agreement))!;
        if (!round.IsAggregating && terms.Agreement.Masks) MaskedRoundContract.Close(context, new MaskedAttempt(context.Find<StateRecord>, terms, round));
        else if (!round.IsAggregating) FixInputs(context, terms, round);
        else if (terms.Agreement.Masks) MaskedRoundContract.Fail(context, new MaskedAttempt(context.Find<StateRecord>, terms, round), RoundFailure.AggregateLate);
        else Fail(context, round, RoundFailure.AggregateLate);
    }

    /// <summary>Ends the attempt without a model, and with the last one, or when no other can follow, the run.</summary>
    public static void Fail(ContractContext context, RoundRecord round, RoundFailure reason, bool isLast = false)
    {
        var run = context.Find<RunRecord>(RunRecord.Key(round.Agreement))!;
        context.SetDeadline(round.StateKey, round.DeadlineMs, null);
        context.Put(round.StateKey, round with { Phase = Phase.Failed, Failure = reason }, "RoundFailed");
        ExpiryContract.Begin(context, context.Find<AgreementRecord>(AgreementRecord.Key(round.Agreement))!, round);
        context.Put(RunRecord.Key(round.Agreement), run with { Attempts = round.Attempt, Failure = isLast || round.Attempt >= RunRecord.MaxAttempts ? reason : null });
    }

    /// <summary>The seats of a bit set.</summary>
    public static int Count(uint seats) => BitOperations.PopCount(seats);
}
