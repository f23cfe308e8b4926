namespace Orleans.Training.Protocol.Aggregation;

/// <summary>The last steps of a participant, after which secrets are public: one order, seen to be confirmed by enough others, and one kind of share about each peer.</summary>
internal static class Unmasking
{
    public static MaskStep Confirm(MaskState state, InputsClosed closed)
    {
        if (state.Phase is not (MaskPhase.Masked or MaskPhase.Confirmed or MaskPhase.Revealed)) return MaskParticipant.Refuse(state, MaskFault.OutOfPhase);
        if (state.Order is { } confirmed && state.Rules.ConfirmOnce)
        {
            // R2. The same order again, after a restart, is answered with the same bytes.
            return confirmed.ComputeDigest() != closed.Order.ComputeDigest() ? MaskParticipant.Refuse(state, MaskFault.AlreadySealed) : new(state, MaskFault.None, [], ConfirmOf(state));
        }

        var fault = closed.Order.Check(state.Context, state.Masks!, closed.Inputs, state.Setup.MinParticipants, state.Rules);
        if (fault is not MaskFault.None) return MaskParticipant.Refuse(state, fault);
        if (closed.BlockTimeMs > closed.DeadlineMs) return MaskParticipant.Refuse(state, MaskFault.Late);
        // Who dropped out says nothing more, now or ever: its b is what still hides an update that somebody may hold.
        if (!closed.Order.Survivors.Contains(state.Position)) return MaskParticipant.End(state, MaskFault.NotTakingPart);
        if (state.Rules.CheckOwnInput && !closed.Inputs.Contains(state.Input)) return MaskParticipant.Refuse(state, MaskFault.NotOwn);
        if (state.Rules.ConsumeParents && closed.ConsumedParents.Contains(state.Setup.Parent)) return MaskParticipant.Refuse(state, MaskFault.ParentConsumed);
        return MaskParticipant.Go(
            state with { Phase = MaskPhase.Confirmed, Order = closed.Order, Inputs = closed.Inputs },
            new MaskRecord.ConsumedContent(state.Setup.Parent), new MaskRecord.ConfirmedContent(closed.Inputs));
    }

    public static MaskStep Open(MaskState state, ConfirmsSeen seen)
    {
        if (state.Phase is MaskPhase.Revealed) return new(state, MaskFault.None, [], RevealOf(state));
        if (state.Phase is not MaskPhase.Confirmed) return MaskParticipant.Refuse(state, MaskFault.OutOfPhase);
        var order = state.Order!.ComputeDigest();
        var count = seen.Confirms.Where(confirm => confirm.Order == order && state.Order.Survivors.Contains(confirm.Position)).Select(confirm => confirm.Position).Distinct().Count();
        var needed = state.Setup.ConfirmThreshold(state.Rules.CountOnCohort ? state.Adverts.Count : state.Masks!.Members.Length);
        if (state.Rules.AwaitConfirms && count < needed) return MaskParticipant.Refuse(state, MaskFault.ConfirmsMissing);
        if (seen.BlockTimeMs > seen.DeadlineMs) return MaskParticipant.Refuse(state, MaskFault.Late);
        return MaskParticipant.Go(state with { Phase = MaskPhase.Revealed }, new MaskRecord.RevealedContent());
    }

    public static MaskStep OpenSilent(MaskState state, SilentClosed closed)
    {
        if (state.Phase is not MaskPhase.Revealed) return MaskParticipant.Refuse(state, MaskFault.OutOfPhase);
        if (closed.Order != state.Order!.ComputeDigest()) return MaskParticipant.Refuse(state, MaskFault.OrderConflict);
        if (state.Rules.OneKind && closed.Silent.Any(state.Order.Dropped.Contains)) return MaskParticipant.Refuse(state, MaskFault.BothKinds);
        if (state.Rules.OneKind && !closed.Silent.All(state.Order.Survivors.Contains)) return MaskParticipant.Refuse(state, MaskFault.OrderConflict);
        if (state.Silent is { } before) return before.SequenceEqual(closed.Silent) ? new(state, MaskFault.None, [], RevealSilentOf(state)) : MaskParticipant.Refuse(state, MaskFault.AlreadyRevealed);
        if (closed.BlockTimeMs > closed.DeadlineMs) return MaskParticipant.Refuse(state, MaskFault.Late);
        return MaskParticipant.Go(state with { Silent = closed.Silent }, new MaskRecord.SilentContent(closed.Silent));
    }

    public static ConfirmOrder ConfirmOf(MaskState state) => new(state.Position, state.Context.Digest, state.Order!.ComputeDigest());

    public static Reveal RevealOf(MaskState state) =>
        new(state.Position, state.Context.Digest, state.Order!.ComputeDigest(), state.Secrets!.Self.ToArray(), Openings(state, ShareKind.Seed, state.Order.Dropped));

    public static RevealSilent RevealSilentOf(MaskState state) =>
        new(state.Position, state.Context.Digest, state.Order!.ComputeDigest(), Openings(state, ShareKind.Self, state.Silent!));

    // The shares of these dealers that are here and belong to edges of the graph of masks.
    private static ShareOpenings Openings(MaskState state, ShareKind kind, IReadOnlyList<ushort> dealers)
    {
        var entries = new List<ShareOpening>();
        foreach (var neighbour in state.Masks!.Neighbours(state.Position))
        {
            if (dealers.Contains(neighbour) && state.Secrets!.Received.TryGetValue(neighbour, out var envelope)) entries.Add(new(neighbour, envelope.Half(kind)));
        }

        return ShareOpenings.Create(kind, entries);
    }
}

/// <summary>From records to the state that wrote them.</summary>
internal static class MaskReplay
{
    public static MaskState Apply(MaskState state, MaskRecord.Content content) => content switch
    {
        MaskRecord.KeyedContent keyed when state.Phase is MaskPhase.Idle && keyed.Attempt == state.Setup.Attempt.Digest => state with { Phase = MaskPhase.Keyed, Secrets = new(keyed.Secrets.Span) },
        MaskRecord.SharedContent shared when state.Phase is MaskPhase.Keyed => MaskParticipant.WithCohort(state, shared.Adverts, MaskBeacon.Restore(shared.Beacon)),
        MaskRecord.AckedContent acked when state.Phase is MaskPhase.Shared => Keep(state, acked),
        MaskRecord.MaskedContent masked when state.Phase is MaskPhase.Acked => MaskParticipant.WithMasks(state, masked.Acknowledgements) with { Phase = MaskPhase.Masked, Input = new(state.Position, masked.Root) },
        MaskRecord.ConfirmedContent confirmed when state.Phase is MaskPhase.Masked => state with { Phase = MaskPhase.Confirmed, Inputs = confirmed.Inputs, Order = UnmaskOrder.Of(state.Context, state.Masks!, confirmed.Inputs) },
        MaskRecord.RevealedContent when state.Phase is MaskPhase.Confirmed => state with { Phase = MaskPhase.Revealed },
        MaskRecord.SilentContent silent when state.Phase is MaskPhase.Revealed => state with { Silent = silent.Silent },
        MaskRecord.EndedContent ended when state.Phase < MaskPhase.Done => End(state, ended),
        MaskRecord.ConsumedContent => state,
        _ => throw new InvalidOperationException($"A record {content.Kind} does not follow on {state.Phase}: the journal is another attempt's, or was changed."),
    };

    private static MaskState Keep(MaskState state, MaskRecord.AckedContent acked)
    {
        foreach (var (dealer, plain) in acked.Envelopes) state.Secrets!.Keep(dealer, new(plain.Span[..ShareEnvelope.PlainBytes]), plain.Span[ShareEnvelope.PlainBytes..]);
        return state with { Phase = MaskPhase.Acked };
    }

    private static MaskState End(MaskState state, MaskRecord.EndedContent ended)
    {
        state.Secrets?.Dispose();
        return MaskParticipant.Ended(state, ended.Fault);
    }
}
