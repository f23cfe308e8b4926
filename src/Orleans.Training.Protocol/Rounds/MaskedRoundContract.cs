using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// How a masked attempt goes from phase to phase: when everybody is in, or at the deadline, each phase fixes a set in every group, and the next begins. A group in which too few are left is left out itself;
/// with too few groups the attempt fails, by the name of what the last of them lacked.
/// </summary>
internal static class MaskedRoundContract
{
    // What the end of a phase leaves of a group.
    private sealed record Closing(MaskedGroup Group, MaskedRoundRecord Fixed, RoundFailure? Failure = null, UnmaskOrderRecord? Order = null);

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
        foreach (var group in masked.Groups) context.Put(group.FixedKey, new MaskedRoundRecord(roster, about.Digest, null, null, default, default, default, default, default));
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
            case Phase.DrawGraph: Fail(context, masked, RoundFailure.GraphNotDrawn); break;
            case Phase.ShareKeys: Go(context, masked, Phase.AcknowledgeShares, masked.Masking.AcknowledgeWindowMs, "SharesFixed", Each(masked, group => CloseShares(group, Held(context, masked, MaskBlobKind.Shares)))); break;
            case Phase.AcknowledgeShares: Go(context, masked, Phase.Input, masked.Terms.Agreement.InputWindowMs, "MasksFixed", Each(masked, CloseAcknowledgements)); break;
            case Phase.Input: CloseInputs(context, masked); break;
            case Phase.ConsistencyCheck: Go(context, masked, Phase.Unmask, masked.Masking.RevealWindowMs, "OrderConfirmed", Each(masked, CloseConfirms)); break;
            case Phase.Unmask: CloseReveals(context, masked); break;
            case Phase.RevealSilent: FixReveals(context, masked, Each(masked, group => CloseSilent(group, Held(context, masked, MaskBlobKind.SilentOpenings)))); break;
            default: throw new InvalidOperationException($"A masked attempt has nothing to close in {masked.Round.Phase}.");
        }
    }

    /// <summary>Goes on when the graph of a large cohort is drawn.</summary>
    public static void OnDrawn(ContractContext context, RoundRecord round)
    {
        var masked = new MaskedAttempt(context.Find<StateRecord>, context.Find<AgreementRecord>(AgreementRecord.Key(round.Agreement))!, round);
        Go(context, masked, Phase.ShareKeys, masked.Masking.ShareWindowMs, "KeysFixed", Each(masked, group => new Closing(group, group.Fixed with { Cohort = group.DeriveCohort(group.Fixed.Members).Digest })));
    }

    /// <summary>Ends the attempt, and the run with it if too many of its participants have a sum about its base model ordered with them: no other attempt could follow.</summary>
    public static void Fail(ContractContext context, MaskedAttempt masked, RoundFailure reason)
    {
        // With an order, whoever is in it has spent its part.
        if (!masked.IsOrdered) BudgetContract.Settle(context, masked.Terms.Agreement, default);
        RoundContract.Fail(context, masked.Round, reason, isLast: !masked.CanSucceed);
    }

    /// <summary>The positions whose blobs of a kind count.</summary>
    public static PositionSet Held(ContractContext context, MaskedAttempt masked, MaskBlobKind kind) =>
        masked.Held(kind, context.Validators.Count, kind switch { MaskBlobKind.Input => masked.Masking.HoldersOf(context.Validators), MaskBlobKind.Reference => context.Validators.Quorum, _ => context.Validators.MaxFaulty + 1 });

    // Whether what FLTrust compares the groups with is here, where that is the rule.
    private static bool HasReference(ContractContext context, MaskedAttempt masked) => masked.IsEnough(MaskBlobKind.Reference, Held(context, masked, MaskBlobKind.Reference));

    private static bool IsComplete(ContractContext context, MaskedAttempt masked) => masked.Round.Phase switch
    {
        Phase.AdvertiseKeys => masked.Groups.SelectMany(group => group.Everybody).All(position => masked.Has(MaskAdvertRecord.Prefix, position) || masked.IsConsumed(position) || !masked.MayTrain(position)),
        Phase.ShareKeys => masked.IsEnough(MaskBlobKind.Shares, Held(context, masked, MaskBlobKind.Shares)),
        Phase.AcknowledgeShares => masked.Standing.All(group => group.Fixed.Dealers.Positions.All(position => group.Has(MaskAcknowledgementRecord.Prefix, position))),
        Phase.Input => masked.IsEnough(MaskBlobKind.Input, Held(context, masked, MaskBlobKind.Input)) && HasReference(context, masked),
        Phase.ConsistencyCheck => masked.Standing.All(group => group.Confirms.Count >= group.ConfirmThreshold),
        Phase.Unmask => masked.IsEnough(MaskBlobKind.Openings, Held(context, masked, MaskBlobKind.Openings)),
        Phase.RevealSilent => masked.IsEnough(MaskBlobKind.SilentOpenings, Held(context, masked, MaskBlobKind.SilentOpenings)),
        _ => false,
    };

    private static Closing[] Each(MaskedAttempt masked, Func<MaskedGroup, Closing> close) => [.. masked.Standing.Select(close)];

    // Where not all share with all, who does is drawn once nobody can choose keys any more: until then nobody knows who its neighbours are.
    private static void CloseKeys(ContractContext context, MaskedAttempt masked)
    {
        var closings = Each(masked, CloseKeys);
        if (closings is not [{ Failure: null, Fixed: { Cohort: null } record }])
        {
            Go(context, masked, Phase.ShareKeys, masked.Masking.ShareWindowMs, "KeysFixed", closings);
            return;
        }

        context.Put(DrawRecord.Key(record.Attempt), new DrawRecord(1, [], null, masked.Round.StateKey));
        Go(context, masked, Phase.DrawGraph, masked.Masking.ShareWindowMs, "CohortFixed", closings);
    }

    private static Closing CloseKeys(MaskedGroup group)
    {
        var adverts = group.Adverts;
        if (group.Masking.CheckCohort(group.Terms.Agreement, adverts.Count) is not MaskFault.None) return new(group, group.Fixed, RoundFailure.TooFewKeys);
        var members = PositionSet.Of(adverts.Select(advert => (int)advert.Position));
        return new(group, group.Fixed with { Members = members, Cohort = members.Count > GraphParameters.LargestComplete ? null : group.DeriveCohort(members).Digest });
    }

    private static Closing CloseShares(MaskedGroup group, PositionSet held)
    {
        var dealers = held.And(group.Fixed.Members);
        return new(group, group.Fixed with { Dealers = dealers }, dealers.Count < group.MinParticipants ? RoundFailure.TooFewShares : null);
    }

    private static Closing CloseAcknowledgements(MaskedGroup group)
    {
        var masks = group.Masks;
        if (masks.Members.Length < group.MinParticipants) return new(group, group.Fixed, RoundFailure.TooFewShares);
        var maskers = PositionSet.Of(masks.Members.ToArray().Select(member => (int)member));
        var about = MaskContext.Derive(group.Cohort, masks);
        return new(group, group.Fixed with { Maskers = maskers, Masks = about.Digest });
    }

    private static void CloseInputs(ContractContext context, MaskedAttempt masked)
    {
        if (!HasReference(context, masked))
        {
            Fail(context, masked, RoundFailure.ReferenceMissing);
            return;
        }

        var held = Held(context, masked, MaskBlobKind.Input);
        var closings = Each(masked, group => Order(group, held));
        if (!CanGoOn(context, masked, closings)) return;

        foreach (var (group, _, _, order) in closings.Where(closing => closing.Failure is null))
        {
            var digest = order!.Order.ComputeDigest();
            foreach (var (position, _) in order.Inputs) context.Put(ConsumptionRecord.Key(masked.Round.BaseModel, masked.Terms.Agreement.Datasets[position].Participant), new ConsumptionRecord(digest));
            context.Put(group.OrderKey, order, "UnmaskOrdered");
        }

        BudgetContract.Settle(context, masked.Terms.Agreement, masked.Survivors);
        Go(context, masked, Phase.ConsistencyCheck, masked.Masking.ConfirmWindowMs, null, closings);
    }

    private static Closing Order(MaskedGroup group, PositionSet held)
    {
        var survivors = held.And(group.Fixed.Maskers);
        CommittedInput[] inputs = [.. survivors.Positions.Select(position => new CommittedInput((ushort)position, group.RootOf(MaskBlobKind.Input, position)!.Value))];
        var record = new UnmaskOrderRecord(group.Context.Digest, inputs, group.Fixed.Maskers.Without(survivors));
        RoundFailure? failure = record.Order.Check(group.Context, group.Masks, inputs, group.MinParticipants) switch
        {
            MaskFault.None => survivors.Positions.Any(group.IsConsumed) ? RoundFailure.ModelConsumed : null,
            MaskFault.CohortTooSmall => RoundFailure.TooFewInputs,
            MaskFault.DegreeTooSmall => RoundFailure.TooManyDropped,
            _ => RoundFailure.SurvivorsApart,
        };
        return new(group, group.Fixed, failure, record);
    }

    private static Closing CloseConfirms(MaskedGroup group) => new(group, group.Fixed, group.Confirms.Count < group.ConfirmThreshold ? RoundFailure.ConfirmsMissing : null);

    private static void CloseReveals(ContractContext context, MaskedAttempt masked)
    {
        var held = Held(context, masked, MaskBlobKind.Openings);
        var closings = Each(masked, group => Reveal(group, held));
        if (closings.Any(closing => closing.Failure is null && closing.Group.Survivors.Without(closing.Fixed.Revealed).Count > 0)) Go(context, masked, Phase.RevealSilent, masked.Masking.SilentWindowMs, "SilentFixed", closings);
        else FixReveals(context, masked, closings);
    }

    private static Closing Reveal(MaskedGroup group, PositionSet held)
    {
        var revealed = held.And(group.Survivors);
        // Seeds of who dropped out are opened now or never, and only who opened now opens b of the silent: both must be enough already.
        var isEnough = group.HaveEnough(group.Order!.Dropped, revealed) && group.HaveEnough(group.Survivors.Without(revealed), revealed);
        return new(group, group.Fixed with { Revealed = revealed }, isEnough ? null : RoundFailure.RevealsMissing);
    }

    private static Closing CloseSilent(MaskedGroup group, PositionSet held)
    {
        var revealed = held.And(group.ExpectedOf(MaskBlobKind.SilentOpenings));
        return new(group, group.Fixed with { SilentRevealed = revealed }, group.HaveEnough(group.Silent, revealed) ? null : RoundFailure.RevealsMissing);
    }

    // From here on nobody's secret is needed: what the sum is follows from the ledger.
    private static void FixReveals(ContractContext context, MaskedAttempt masked, Closing[] closings)
    {
        if (!CanGoOn(context, masked, closings)) return;
        Write(context, closings, null);
        var deadline = context.TimeMs + masked.Terms.Agreement.AggregateWindowMs;
        context.SetDeadline(masked.Round.StateKey, masked.Round.DeadlineMs, deadline);
        context.Put(masked.Round.StateKey, masked.Round with { Phase = Phase.Aggregate, DeadlineMs = deadline, InputsDigest = masked.DigestInputs() }, "RevealsFixed");
    }

    private static void Go(ContractContext context, MaskedAttempt masked, Phase phase, long windowMs, string? eventType, Closing[] closings)
    {
        if (!CanGoOn(context, masked, closings)) return;
        Write(context, closings, eventType);
        var round = masked.Round;
        var deadline = context.TimeMs + windowMs;
        context.SetDeadline(round.StateKey, round.DeadlineMs, deadline);
        context.Put(round.StateKey, round with { Phase = phase, DeadlineMs = deadline });
    }

    // Ends the attempt when too few groups are left.
    private static bool CanGoOn(ContractContext context, MaskedAttempt masked, Closing[] closings)
    {
        if (closings.Count(closing => closing.Failure is null) >= masked.LeastGroups) return true;
        Fail(context, masked, closings.Last(closing => closing.Failure is not null).Failure!.Value);
        return false;
    }

    private static void Write(ContractContext context, Closing[] closings, string? eventType)
    {
        foreach (var (group, record, failure, _) in closings) context.Put(group.FixedKey, record with { Failure = failure }, failure is null ? eventType : "GroupLeftOut");
    }
}
