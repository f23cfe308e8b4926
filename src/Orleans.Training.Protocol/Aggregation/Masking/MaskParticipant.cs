using System.Security.Cryptography;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// A participant of FedMask/1 as a pure function: state and event to records, message and next state (docs/spec/fedmask.md §10). The host makes the records durable
/// before it sends the message; after a crash <see cref="Restore(MaskSetup, IEnumerable{MaskRecord})"/> gives a state that says the same bytes again, or nothing.
/// </summary>
public static class MaskParticipant
{
    /// <summary>A participant that has done nothing yet.</summary>
    public static MaskState Begin(MaskSetup setup) => Begin(setup, MaskRules.Correct);

    internal static MaskState Begin(MaskSetup setup, MaskRules rules) => new(setup, rules);

    /// <summary>Takes one event.</summary>
    public static MaskStep Step(MaskState state, MaskEvent happened) => happened switch
    {
        _ when state.Phase >= MaskPhase.Done => Refuse(state, MaskFault.OutOfPhase),
        AttemptOpened opened => Open(state, opened),
        KeysClosed closed => CloseKeys(state, closed),
        SharesClosed closed => CloseShares(state, closed),
        AcksClosed closed => CloseAcks(state, closed),
        UpdateReady ready => Mask(state, ready),
        InputsClosed closed => Unmasking.Confirm(state, closed),
        ConfirmsSeen seen => Unmasking.Open(state, seen),
        SilentClosed closed => Unmasking.OpenSilent(state, closed),
        OwnMessageSeen seen => state.Rules.DetectRollback && seen.Phase > state.Phase ? End(state, MaskFault.JournalRolledBack) : new(state, MaskFault.None, [], null),
        AttemptClosed => End(state, MaskFault.None),
        _ => Refuse(state, MaskFault.OutOfPhase),
    };

    /// <summary>The state that a journal's records lead to. Of an empty journal, and of one that was cut, it is an early one: <see cref="OwnMessageSeen"/> finds that out.</summary>
    /// <exception cref="InvalidOperationException">The records are another attempt's, or not in the order in which they were written.</exception>
    public static MaskState Restore(MaskSetup setup, IEnumerable<MaskRecord> records) => Restore(setup, records, MaskRules.Correct);

    internal static MaskState Restore(MaskSetup setup, IEnumerable<MaskRecord> records, MaskRules rules)
    {
        var state = Begin(setup, rules);
        foreach (var record in records) state = MaskReplay.Apply(state, record.Decode());
        return state;
    }

    /// <summary>What the state said last, byte for byte, to send again after a restart; null where there is nothing to say.</summary>
    public static MaskMessage? LastMessage(MaskState state) => state.Phase switch
    {
        MaskPhase.Keyed => new AdvertiseKeys(state.Position, state.Setup.Attempt.Digest, state.Secrets!.Advert(state.Position, state.Setup.Exchange)),
        MaskPhase.Shared => new CommitShares(state.Position, state.Cohort.Digest, state.Commit!, state.Blob!.Bytes),
        MaskPhase.Acked => new AcknowledgeShares(state.Position, state.Cohort.Digest, state.OwnBits()),
        MaskPhase.Masked => new CommitInput(state.Position, state.Context.Digest, state.Input.Root, state.Setup.Layout.Bytes, null),
        MaskPhase.Confirmed => new ConfirmOrder(state.Position, state.Context.Digest, state.Order!.ComputeDigest()),
        MaskPhase.Revealed => state.Silent is null ? Unmasking.RevealOf(state) : Unmasking.RevealSilentOf(state),
        _ => null,
    };

    internal static MaskStep Refuse(MaskState state, MaskFault fault) => new(state, fault, [], null);

    internal static MaskStep Go(MaskState state, params IReadOnlyList<MaskRecord.Content> records) =>
        new(state, MaskFault.None, [.. records.Select(MaskRecord.Write)], LastMessage(state));

    internal static MaskStep End(MaskState state, MaskFault fault)
    {
        state.Secrets?.Dispose();
        return new(Ended(state, fault), fault, [MaskRecord.Write(new MaskRecord.EndedContent(fault))], null);
    }

    internal static MaskState Ended(MaskState state, MaskFault fault) =>
        new(state.Setup, state.Rules) { Phase = fault is MaskFault.None ? MaskPhase.Done : MaskPhase.Aborted, Fault = fault };

    private static MaskStep Open(MaskState state, AttemptOpened opened)
    {
        if (state.Phase is not MaskPhase.Idle) return Refuse(state, MaskFault.OutOfPhase);
        if (state.Rules.ConsumeParents && opened.ConsumedParents.Contains(state.Setup.Parent)) return Refuse(state, MaskFault.ParentConsumed);
        return Go(state with { Phase = MaskPhase.Keyed, Secrets = opened.Secrets }, new MaskRecord.KeyedContent(state.Setup.Attempt.Digest, opened.Secrets.Bytes.ToArray()));
    }

    private static MaskStep CloseKeys(MaskState state, KeysClosed closed)
    {
        if (state.Phase is not MaskPhase.Keyed) return Refuse(state, MaskFault.OutOfPhase);
        var own = state.Secrets!.Advert(state.Position, state.Setup.Exchange);
        var seen = closed.Adverts.FirstOrDefault(advert => advert.Position == state.Position);
        if (seen is null) return End(state, MaskFault.NotTakingPart);
        var same = seen.MaskKey.Span.SequenceEqual(own.MaskKey.Span) && seen.EnvelopeKey.Span.SequenceEqual(own.EnvelopeKey.Span) && seen.Nonce == own.Nonce;
        if (state.Rules.CheckOwnKeys && !same) return End(state, MaskFault.NotOwn);
        if (KeyAdvert.Check(closed.Adverts, state.Setup.Exchange, state.Rules) is var fault and not MaskFault.None) return End(state, fault);
        if (state.Rules.CheckCohort && state.Setup.CheckCohort(closed.Adverts.Count) is var small and not MaskFault.None) return End(state, small);
        return Go(WithCohort(state, closed.Adverts, closed.Beacon), new MaskRecord.SharedContent(closed.Beacon.Digest, closed.Adverts));
    }

    /// <summary>Deals shares to the neighbours: the same for the same cohort, whenever it is done.</summary>
    internal static MaskState WithCohort(MaskState state, IReadOnlyList<KeyAdvert> adverts, MaskBeacon beacon)
    {
        ushort[] members = [.. adverts.Select(advert => advert.Position)];
        var cohort = CohortContext.Derive(state.Setup.Attempt, members, beacon);
        var graph = MaskGraph.Create(members, state.Setup.Attempt, beacon, state.Rules.Shape ?? GraphParameters.For(members.Length, state.Setup.Bound));
        var dealt = state with { Phase = MaskPhase.Shared, Adverts = adverts, Beacon = beacon, Cohort = cohort, Graph = graph };
        var neighbours = graph.Neighbours(state.Position);
        var (secrets, position) = (state.Secrets!, state.Position);
        var keys = GC.AllocateArray<byte>(MaskKeys.Size * neighbours.Length, pinned: true);
        var ciphertexts = state.Setup.Exchange is KeyExchange.Hybrid ? new byte[XWing.CiphertextBytes * ShareBlob.CiphertextsOf(neighbours, position)] : [];
        for (var i = 0; i < neighbours.Length; i++) MaskAgreement.SealingKey(dealt, neighbours[i], MaskAgreement.At(ciphertexts, i), keys.AsSpan(MaskKeys.Size * i, MaskKeys.Size));
        var behind = neighbours.Length;
        foreach (var neighbour in neighbours) if (neighbour > position && ciphertexts.Length > 0) MaskAgreement.Encapsulate(dealt, neighbour, MaskAgreement.At(ciphertexts, behind++));
        var blob = ShareBlob.Deal(cohort, graph, position, secrets.Seed, secrets.Self, secrets.DealingKey, keys, ciphertexts, state.Rules);
        CryptographicOperations.ZeroMemory(keys);
        var commit = new ShareCommit(position, MaskKeys.SelfCommitment(cohort, position, secrets.Self), ChunkedBlob.Root(blob.Bytes.Span));
        return dealt with { Blob = blob, Commit = commit };
    }

    private static MaskStep CloseShares(MaskState state, SharesClosed closed)
    {
        if (state.Phase is not MaskPhase.Shared) return Refuse(state, MaskFault.OutOfPhase);
        Span<byte> pair = stackalloc byte[MaskKeys.Size];
        var kept = new List<(ushort, ReadOnlyMemory<byte>)>();
        state.Secrets!.ForgetReceived();
        foreach (var neighbour in state.Graph!.Neighbours(state.Position))
        {
            // An edge without shares is left out of the acknowledgement, whatever the reason: no proof, no accusation.
            if (closed.Dealt.FirstOrDefault(item => item.Commit.Dealer == neighbour) is not { } dealt) continue;
            var taken = ShareBlob.TryTake(dealt.Commit, dealt.Blob, state.Cohort, state.Graph, state.Position, state.Setup.Exchange, (blob, point, key) => MaskAgreement.OpeningKey(state, neighbour, blob, point, key), state.Rules, out var envelope, out var blob);
            if (taken is not MaskFault.None) continue;
            if (!MaskAgreement.TryReceivePair(state, neighbour, blob!, pair))
            {
                envelope!.Dispose();
                continue;
            }

            var known = state.Setup.Exchange is KeyExchange.Hybrid ? pair : [];
            state.Secrets.Keep(neighbour, envelope!, known);
            kept.Add((neighbour, (byte[])[.. envelope!.Plain, .. known]));
        }

        CryptographicOperations.ZeroMemory(pair);
        return Go(state with { Phase = MaskPhase.Acked }, new MaskRecord.AckedContent(kept));
    }

    private static MaskStep CloseAcks(MaskState state, AcksClosed closed)
    {
        if (state.Phase is not MaskPhase.Acked || state.Masks is not null) return Refuse(state, MaskFault.OutOfPhase);
        if (closed.Acknowledgements.Count != state.Adverts.Count) return Refuse(state, MaskFault.WrongLength);
        var own = closed.Acknowledgements[state.Graph!.Members.IndexOf(state.Position)];
        if (own is { } bits && !bits.Span.SequenceEqual(state.OwnBits())) return End(state, MaskFault.NotOwn);
        var next = WithMasks(state, closed.Acknowledgements);
        return next.Masks!.Contains(state.Position) ? new(next, MaskFault.None, [], null) : End(state, MaskFault.DegreeTooSmall);
    }

    internal static MaskState WithMasks(MaskState state, IReadOnlyList<ReadOnlyMemory<byte>?> acknowledgements)
    {
        var masks = state.Graph!.Acknowledge(acknowledgements);
        return state with { Acknowledgements = acknowledgements, Masks = masks, Context = MaskContext.Derive(state.Cohort, masks) };
    }

    private static MaskStep Mask(MaskState state, UpdateReady ready)
    {
        if (state.Masks is null || state.Phase is not (MaskPhase.Acked or MaskPhase.Masked)) return Refuse(state, MaskFault.OutOfPhase);
        using var terms = MaskTerms.OfInput(state.Context, state.Masks, state.Position, state.Secrets!.Self, (neighbour, shared) => MaskAgreement.TryPair(state, neighbour, shared));
        var fault = MaskedInput.TryCreate(state.Setup.Parameters, state.Setup.Layout, ready.Lanes.Span, ready.Tail, terms, out var bytes, state.Setup.NoiseVariance);
        if (fault is not MaskFault.None) return Refuse(state, fault);
        var root = ChunkedBlob.Root(bytes);
        // Two inputs under one set of masks give their difference away: after a restart it is the same bytes or none.
        if (state.Phase is MaskPhase.Masked && state.Rules.MaskOnce && root != state.Input.Root) return Refuse(state, MaskFault.AlreadySealed);
        var next = state with { Phase = MaskPhase.Masked, Input = new(state.Position, root) };
        var message = (CommitInput)LastMessage(next)! with { Bytes = bytes };
        MaskRecord[] records = state.Phase is MaskPhase.Masked ? [] : [MaskRecord.Write(new MaskRecord.MaskedContent(state.Acknowledgements, root, bytes.Length))];
        return new(next, MaskFault.None, records, message);
    }
}
