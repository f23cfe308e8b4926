using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// Between the ledger and a participant's state machine: what a final state has to tell it, and the call that carries what it says. The host adds what neither
/// knows: fresh secrets when an attempt opens, and the update.
/// </summary>
public static class MaskedParticipation
{
    /// <summary>The next thing that a state tells a participant, or null while there is nothing new. Secrets and update come from elsewhere.</summary>
    /// <param name="masked">The participant's group in a final state.</param>
    /// <param name="state">Where the participant stands.</param>
    /// <param name="read">Blobs by name, checked against it.</param>
    /// <param name="blockTimeMs">Time of that state's block.</param>
    /// <param name="consumedParents">As in <see cref="AttemptOpened"/>, as of now.</param>
    public static MaskEvent? Next(MaskedGroup masked, MaskState state, BlobReader read, long blockTimeMs, IReadOnlySet<Digest> consumedParents)
    {
        if (state.Phase >= MaskPhase.Done) return null;
        // What the ledger has of this participant and its journal lacks comes before anything else.
        if (OwnMessage(masked, state.Setup.Position) is { } own && own > state.Phase) return new OwnMessageSeen(own);
        return (masked.Round.Phase, state.Phase) switch
        {
            (Phase.Failed or Phase.Published, _) => new AttemptClosed(),
            _ when masked.Fixed.Failure is not null => new AttemptClosed(),
            (Phase.ShareKeys, MaskPhase.Keyed) => new KeysClosed(masked.Adverts, masked.Beacon),
            (Phase.AcknowledgeShares, MaskPhase.Shared) => new SharesClosed([.. masked.Fixed.Dealers.Positions.Select(dealer => Dealt(masked, dealer, read))]),
            (Phase.Input, MaskPhase.Acked) when state.Masks is null => new AcksClosed(masked.Acknowledgements),
            (Phase.ConsistencyCheck or Phase.Unmask, MaskPhase.Masked) => new InputsClosed(masked.Order!.Order, masked.Order.Inputs, blockTimeMs, masked.Round.DeadlineMs, consumedParents),
            // The ledger takes no Reveal before the own Confirm, which may come behind those of the others.
            (Phase.Unmask, MaskPhase.Confirmed) when masked.Has(MaskConfirmRecord.Prefix, state.Setup.Position) => new ConfirmsSeen(masked.Confirms, blockTimeMs, masked.Round.DeadlineMs),
            (Phase.RevealSilent, MaskPhase.Revealed) when state.Silent is null && masked.Silent.Count > 0 => new SilentClosed(masked.Order!.Order.ComputeDigest(), masked.Silent.Members, blockTimeMs, masked.Round.DeadlineMs),
            _ => null,
        };
    }

    /// <summary>The call that says it on the ledger.</summary>
    public static ContractCall CallOf(MaskedGroup masked, MaskMessage message)
    {
        var (agreement, number, attempt) = (masked.Round.Agreement, masked.Round.Number, masked.Round.Attempt);
        return message switch
        {
            AdvertiseKeys keys => new AdvertiseMaskKeys(agreement, number, attempt, keys.Context, keys.Advert.MaskKey, keys.Advert.EnvelopeKey, keys.Advert.Nonce),
            CommitShares shares => new CommitMaskShares(agreement, number, attempt, shares.Context, shares.Commit.SelfCommitment, shares.Commit.BlobRoot),
            AcknowledgeShares acks => new AcknowledgeMaskShares(agreement, number, attempt, acks.Context, acks.Bits),
            CommitInput input => new CommitMaskedInput(agreement, number, attempt, input.Context, input.Root),
            ConfirmOrder confirm => new ConfirmUnmasking(agreement, number, attempt, confirm.Order),
            Reveal reveal => new RevealMasks(agreement, number, attempt, reveal.Order, reveal.Self, ChunkedBlob.Root(reveal.Openings.Bytes.Span)),
            RevealSilent silent => new RevealSilentMasks(agreement, number, attempt, silent.Order, ChunkedBlob.Root(silent.Openings.Bytes.Span)),
            _ => throw new ArgumentException($"Nothing carries a {message.GetType().Name}.", nameof(message)),
        };
    }

    /// <summary>The blob that the call names and that must be stored before it is sent; null where there is none, or where its bytes were stored before a restart.</summary>
    public static ReadOnlyMemory<byte>? BlobOf(MaskMessage message) => message switch
    {
        CommitShares shares => shares.Blob,
        CommitInput input => input.Bytes,
        Reveal reveal => reveal.Openings.Bytes,
        RevealSilent silent => silent.Openings.Bytes,
        _ => null,
    };

    /// <summary>The stage that a participant must have reached to have said what the ledger has of it; null where it has nothing.</summary>
    public static MaskPhase? OwnMessage(MaskedGroup masked, int position)
    {
        if (masked.Has(SilentRevealRecord.Prefix, position) || masked.Has(MaskRevealRecord.Prefix, position)) return MaskPhase.Revealed;
        if (masked.Has(MaskConfirmRecord.Prefix, position)) return MaskPhase.Confirmed;
        if (masked.Has(MaskedInputRecord.Prefix, position)) return MaskPhase.Masked;
        if (masked.Has(MaskAcknowledgementRecord.Prefix, position)) return MaskPhase.Acked;
        if (masked.Has(MaskSharesRecord.Prefix, position)) return MaskPhase.Shared;
        return masked.Has(MaskAdvertRecord.Prefix, position) ? MaskPhase.Keyed : null;
    }

    private static DealtShares Dealt(MaskedGroup masked, int dealer, BlobReader read)
    {
        var commit = masked.Commit(dealer)!;
        return new(commit, read(commit.BlobRoot));
    }
}
