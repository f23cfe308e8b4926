using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>How a masked attempt goes from phase to phase: when everybody is in, or at the deadline, each phase fixes a set, and the next begins or the attempt fails by name.</summary>
internal static class MaskedRoundContract
{
    /// <summary>Opens an attempt, unless too many of its participants have a sum about this base model ordered with them.</summary>
    public static Rejection Open(ContractContext context, AgreementRecord terms, int number, int attempt, Digest baseModel)
    {
        var roster = MaskedAttempt.RosterOf(terms, participant => context.Find<ParticipantRecord>(ParticipantRecord.Key(participant))!);
        var deadline = context.TimeMs + terms.Agreement.Masking!.AdvertiseWindowMs;
        var round = new RoundRecord(terms.Digest, number, attempt, baseModel, Phase.AdvertiseKeys, deadline, [], null, [], null);
        var masked = new MaskedAttempt(context.Find<StateRecord>, terms, round);
        if (!masked.CanSucceed) return Rejection.ModelConsumed;
        if (BudgetContract.Reserve(context, terms.Agreement) is var spent and not Rejection.None) return spent;

        var about = MaskedAttempt.ContextOf(context.Scope.Genesis.Chain, terms, number, attempt, baseModel, roster);
        context.Put(masked.Key(MaskedRoundRecord.Prefix), new MaskedRoundRecord(roster, about.Digest, null, null, default, default, default, default, default));
        context.SetDeadline(round.StateKey, null, deadline);
        context.Put(round.StateKey, round, "RoundOpened");
        return Rejection.None;
    }

    /// <summary>Ends the phase if nobody is left to wait for.</summary>
    public static void Advance(ContractContext context, MaskedAttempt masked)
    {
        if (IsComplete(context, masked)) Close(context, masked);
    }

    /// <summary>Ends the phase with who is in.</summary>
    public static void Close(ContractContext context, MaskedAttempt masked)
    {
        switch (masked.Round.Phase)
        {
            case Phase.AdvertiseKeys: CloseKeys(context, masked); break;
            case Phase.ShareKeys: CloseShares(context, masked); break;
            case Phase.AcknowledgeShares: CloseAcknowledgements(context, masked); break;
            case Phase.Input: CloseInputs(context, masked); break;
            case Phase.ConsistencyCheck: CloseConfirms(context, masked); break;
            case Phase.Unmask: CloseReveals(context, masked); break;
            case Phase.RevealSilent: CloseSilent(context, masked); break;
            default: throw new InvalidOperationException($"A masked attempt has nothing to close in {masked.Round.Phase}.");
        }
    }

    /// <summary>Ends the attempt, and the run with it if too many of its participants have a sum about its base model ordered with them: no other attempt could follow.</summary>
    public static void Fail(ContractContext context, MaskedAttempt masked, RoundFailure reason)
    {
        // With an order, whoever is in it has spent its part.
        if (masked.Order is null) BudgetContract.Settle(context, masked.Terms.Agreement, default);
        RoundContract.Fail(context, masked.Round, reason, isLast: !masked.CanSucceed);
    }

    /// <summary>The positions whose blobs of a kind count.</summary>
    public static PositionSet Held(ContractContext context, MaskedAttempt masked, MaskBlobKind kind) =>
        masked.Held(kind, context.Validators.Count, kind is MaskBlobKind.Input ? context.Validators.Quorum : context.Validators.MaxFaulty + 1);

    private static bool IsCohort(MaskedAttempt masked, int size) => masked.Masking.CheckCohort(masked.Terms.Agreement, size) is MaskFault.None;

    private static bool IsComplete(ContractContext context, MaskedAttempt masked) => masked.Round.Phase switch
    {
        Phase.AdvertiseKeys => masked.Everybody.All(position => masked.Has(MaskAdvertRecord.Prefix, position) || masked.IsConsumed(position)),
        Phase.ShareKeys => masked.IsEnough(MaskBlobKind.Shares, Held(context, masked, MaskBlobKind.Shares)),
        Phase.AcknowledgeShares => masked.Fixed.Dealers.Positions.All(position => masked.Has(MaskAcknowledgementRecord.Prefix, position)),
        Phase.Input => masked.IsEnough(MaskBlobKind.Input, Held(context, masked, MaskBlobKind.Input)),
        Phase.ConsistencyCheck => masked.Confirms.Count >= masked.ConfirmThreshold,
        Phase.Unmask => masked.IsEnough(MaskBlobKind.Openings, Held(context, masked, MaskBlobKind.Openings)),
        Phase.RevealSilent => masked.IsEnough(MaskBlobKind.SilentOpenings, Held(context, masked, MaskBlobKind.SilentOpenings)),
        _ => false,
    };

    private static void CloseKeys(ContractContext context, MaskedAttempt masked)
    {
        var adverts = masked.Adverts;
        if (!IsCohort(masked, adverts.Count))
        {
            Fail(context, masked, RoundFailure.TooFewKeys);
            return;
        }

        var members = PositionSet.Of(adverts.Select(advert => (int)advert.Position));
        var cohort = CohortContext.Derive(masked.Attempt, members.Members, masked.Beacon);
        Go(context, masked, Phase.ShareKeys, masked.Masking.ShareWindowMs, masked.Fixed with { Members = members, Cohort = cohort.Digest }, "KeysFixed");
    }

    private static void CloseShares(ContractContext context, MaskedAttempt masked)
    {
        var dealers = Held(context, masked, MaskBlobKind.Shares).And(masked.Fixed.Members);
        if (dealers.Count < masked.MinParticipants) Fail(context, masked, RoundFailure.TooFewShares);
        else Go(context, masked, Phase.AcknowledgeShares, masked.Masking.AcknowledgeWindowMs, masked.Fixed with { Dealers = dealers }, "SharesFixed");
    }

    private static void CloseAcknowledgements(ContractContext context, MaskedAttempt masked)
    {
        var masks = masked.Masks;
        if (masks.Members.Length < masked.MinParticipants)
        {
            Fail(context, masked, RoundFailure.TooFewShares);
            return;
        }

        var maskers = PositionSet.Of(masks.Members.ToArray().Select(member => (int)member));
        var about = MaskContext.Derive(masked.Cohort, masks);
        Go(context, masked, Phase.Input, masked.Terms.Agreement.InputWindowMs, masked.Fixed with { Maskers = maskers, Masks = about.Digest }, "MasksFixed");
    }

    private static void CloseInputs(ContractContext context, MaskedAttempt masked)
    {
        var survivors = Held(context, masked, MaskBlobKind.Input).And(masked.Fixed.Maskers);
        CommittedInput[] inputs = [.. survivors.Positions.Select(position => new CommittedInput((ushort)position, masked.RootOf(MaskBlobKind.Input, position)!.Value))];
        var record = new UnmaskOrderRecord(masked.Context.Digest, inputs, masked.Fixed.Maskers.Without(survivors));
        RoundFailure? failure = record.Order.Check(masked.Context, masked.Masks, inputs, masked.MinParticipants) switch
        {
            MaskFault.None => survivors.Positions.Any(masked.IsConsumed) ? RoundFailure.ModelConsumed : null,
            MaskFault.CohortTooSmall => RoundFailure.TooFewInputs,
            MaskFault.DegreeTooSmall => RoundFailure.TooManyDropped,
            _ => RoundFailure.SurvivorsApart,
        };
        if (failure is { } reason)
        {
            Fail(context, masked, reason);
            return;
        }

        var order = record.Order.ComputeDigest();
        foreach (var position in survivors.Positions) context.Put(ConsumptionRecord.Key(masked.Round.BaseModel, masked.Terms.Agreement.Datasets[position].Participant), new ConsumptionRecord(order));
        BudgetContract.Settle(context, masked.Terms.Agreement, survivors);
        context.Put(masked.Key(UnmaskOrderRecord.Prefix), record, "UnmaskOrdered");
        Go(context, masked, Phase.ConsistencyCheck, masked.Masking.ConfirmWindowMs, masked.Fixed, null);
    }

    private static void CloseConfirms(ContractContext context, MaskedAttempt masked)
    {
        if (masked.Confirms.Count < masked.ConfirmThreshold) Fail(context, masked, RoundFailure.ConfirmsMissing);
        else Go(context, masked, Phase.Unmask, masked.Masking.RevealWindowMs, masked.Fixed, "OrderConfirmed");
    }

    private static void CloseReveals(ContractContext context, MaskedAttempt masked)
    {
        var revealed = Held(context, masked, MaskBlobKind.Openings).And(masked.Survivors);
        var silent = masked.Survivors.Without(revealed);
        // Seeds of who dropped out are opened now or never, and only who opened now opens b of the silent: both must be enough already.
        if (!masked.HaveEnough(masked.Order!.Dropped, revealed) || !masked.HaveEnough(silent, revealed)) Fail(context, masked, RoundFailure.RevealsMissing);
        else if (silent.Count == 0) FixReveals(context, masked, masked.Fixed with { Revealed = revealed });
        else Go(context, masked, Phase.RevealSilent, masked.Masking.SilentWindowMs, masked.Fixed with { Revealed = revealed }, "SilentFixed");
    }

    private static void CloseSilent(ContractContext context, MaskedAttempt masked)
    {
        var revealed = Held(context, masked, MaskBlobKind.SilentOpenings).And(masked.Fixed.Revealed);
        if (!masked.HaveEnough(masked.Silent, revealed)) Fail(context, masked, RoundFailure.RevealsMissing);
        else FixReveals(context, masked, masked.Fixed with { SilentRevealed = revealed });
    }

    // From here on nobody's secret is needed: what the sum is follows from the ledger.
    private static void FixReveals(ContractContext context, MaskedAttempt masked, MaskedRoundRecord record)
    {
        context.Put(masked.Key(MaskedRoundRecord.Prefix), record);
        var deadline = context.TimeMs + masked.Terms.Agreement.AggregateWindowMs;
        context.SetDeadline(masked.Round.StateKey, masked.Round.DeadlineMs, deadline);
        context.Put(masked.Round.StateKey, masked.Round with { Phase = Phase.Aggregate, DeadlineMs = deadline, InputsDigest = masked.DigestInputs() }, "RevealsFixed");
    }

    private static void Go(ContractContext context, MaskedAttempt masked, Phase phase, long windowMs, MaskedRoundRecord record, string? eventType)
    {
        var round = masked.Round;
        var deadline = context.TimeMs + windowMs;
        context.Put(masked.Key(MaskedRoundRecord.Prefix), record, eventType);
        context.SetDeadline(round.StateKey, round.DeadlineMs, deadline);
        context.Put(round.StateKey, round with { Phase = phase, DeadlineMs = deadline });
    }
}
