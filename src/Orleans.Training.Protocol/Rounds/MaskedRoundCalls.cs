using System.Formats.Cbor;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>A call about a masked attempt: [agreement, round, attempt, …].</summary>
public abstract record MaskedRoundCall(Digest Agreement, int Number, int Attempt) : ContractCall
{
    /// <inheritdoc/>
    public sealed override string Contract => "round";

    /// <summary>How many arguments there are in all.</summary>
    protected abstract int Arguments { get; }

    /// <summary>Writes those behind the first three.</summary>
    protected abstract void WriteOthers(CborWriter writer);

    /// <inheritdoc/>
    public sealed override void WriteArguments(CborWriter writer)
    {
        writer.WriteStartArray(Arguments);
        writer.Write(Agreement);
        writer.WriteInt32(Number);
        writer.WriteInt32(Attempt);
        WriteOthers(writer);
        writer.WriteEndArray();
    }

    /// <summary>Checks and applies the call to the attempt that it names.</summary>
    internal abstract Rejection Apply(ContractContext context, MaskedAttempt attempt);

    internal sealed override Rejection Apply(ContractContext context)
    {
        var rejection = RoundContract.Find(context, Agreement, Number, Attempt, out var terms, out var round);
        if (rejection is not Rejection.None) return rejection;
        return terms!.Agreement.Masks ? Apply(context, new MaskedAttempt(context.Find<StateRecord>, terms, round!)) : Rejection.WrongMasking;
    }

    /// <summary>What one participant says once: refuses who does not take part, another phase or a group that is left out, who is not in the set, another context and a second time, in this order.</summary>
    internal static Rejection Check(
        ContractContext context, MaskedAttempt attempt, Phase phase, Func<MaskedGroup, PositionSet>? members, Func<MaskedGroup, bool>? isContext, string prefix, out MaskedGroup masked, out int position)
    {
        position = attempt.Terms.Agreement.PositionOf(context.Actor);
        masked = attempt.FindGroup(position) ?? attempt.Groups[0];
        if (position < 0) return Rejection.NotInAgreement;
        if (position == attempt.Trusted) return Rejection.NotInCohort;
        if (CheckPhase(attempt, phase) is var wrong and not Rejection.None) return wrong;
        if (masked.Fixed.Failure is not null) return Rejection.WrongPhase;
        if (members is not null && !members(masked).Contains(position)) return Rejection.NotInCohort;
        if (isContext?.Invoke(masked) is false) return Rejection.WrongContext;
        return masked.Has(prefix, position) ? Rejection.AlreadyExists : Rejection.None;
    }

    /// <summary><see cref="Rejection.Late"/> once the phase is over, <see cref="Rejection.WrongPhase"/> before it and after the attempt.</summary>
    internal static Rejection CheckPhase(MaskedAttempt attempt, Phase phase)
    {
        var now = attempt.Round.Phase;
        // Who is slow may still confirm while others reveal: without its own word it could not.
        if (now == phase || (phase is Phase.ConsistencyCheck && now is Phase.Unmask)) return Rejection.None;
        return Array.IndexOf(Flow, phase) < Array.IndexOf(Flow, now) ? Rejection.Late : Rejection.WrongPhase;
    }

    /// <summary>Says what the participant said, and ends the phase if nobody is left to wait for.</summary>
    internal static Rejection Accept(ContractContext context, MaskedAttempt attempt, string prefix, int position, StateRecord record, string eventType)
    {
        context.Put(attempt.Key(prefix, position), record, eventType);
        MaskedRoundContract.Advance(context, attempt);
        return Rejection.None;
    }

    internal static (Digest Agreement, int Number, int Attempt) ReadHead(CborReader reader, int arguments)
    {
        reader.ReadArrayHead(arguments);
        return (reader.ReadDigest(), reader.ReadNumber(Limits.Rounds), reader.ReadNumber(RunRecord.MaxAttempts));
    }

    internal static T End<T>(CborReader reader, T call)
    {
        reader.ReadEndArray();
        return call;
    }

    private static readonly Phase[] Flow = [Phase.AdvertiseKeys, Phase.DrawGraph, Phase.ShareKeys, Phase.AcknowledgeShares, Phase.Input, Phase.ConsistencyCheck, Phase.Unmask, Phase.RevealSilent, Phase.Aggregate];
}

/// <summary>P1, a participant's keys: [agreement, round, attempt, ctx, pkMask, pkEnc, nonce].</summary>
public sealed record AdvertiseMaskKeys(Digest Agreement, int Number, int Attempt, Digest Context, ReadOnlyMemory<byte> MaskKey, ReadOnlyMemory<byte> EnvelopeKey, Digest Nonce) : MaskedRoundCall(Agreement, Number, Attempt)
{
    /// <inheritdoc/>
    public override string Method => "KeyAdvert";

    /// <inheritdoc/>
    protected override int Arguments => 7;

    /// <inheritdoc/>
    protected override void WriteOthers(CborWriter writer)
    {
        writer.Write(Context);
        writer.WriteByteString(MaskKey.Span);
        writer.WriteByteString(EnvelopeKey.Span);
        writer.Write(Nonce);
    }

    internal static AdvertiseMaskKeys Read(CborReader reader)
    {
        var (agreement, number, attempt) = ReadHead(reader, 7);
        var (context, (maskKey, envelopeKey)) = (reader.ReadDigest(), reader.ReadKeyPair());
        return End(reader, new AdvertiseMaskKeys(agreement, number, attempt, context, maskKey, envelopeKey, reader.ReadDigest()));
    }

    internal override Rejection Apply(ContractContext context, MaskedAttempt attempt)
    {
        var rejection = Check(context, attempt, Phase.AdvertiseKeys, null, group => Context == group.Fixed.Attempt, MaskAdvertRecord.Prefix, out var masked, out var position);
        if (rejection is not Rejection.None) return rejection;
        if (!masked.MayTrain(position)) return Rejection.MissingRole;
        if (masked.IsConsumed(position)) return Rejection.ModelConsumed;
        var fault = KeyAdvert.Check([KeyAdvert.Create((ushort)position, MaskKey.Span, EnvelopeKey.Span, Nonce)], attempt.Masking.Exchange);
        if (fault is MaskFault.WeakKey or MaskFault.WrongLength) return Rejection.MaskKeyWeak;
        // Those of the others were found sound before.
        if (fault is not MaskFault.None || attempt.Everybody.Any(other => attempt.Find<MaskAdvertRecord>(MaskAdvertRecord.Prefix, other) is { } record && (record.Has(MaskKey.Span) || record.Has(EnvelopeKey.Span)))) return Rejection.KeyInUse;
        return Accept(context, attempt, MaskAdvertRecord.Prefix, position, new MaskAdvertRecord(MaskKey, EnvelopeKey, Nonce), "KeysAdvertised");
    }
}

/// <summary>P2, a dealer's commitment to its shares: [agreement, round, attempt, ctx1, hB, name of the blob].</summary>
public sealed record CommitMaskShares(Digest Agreement, int Number, int Attempt, Digest Context, Digest SelfCommitment, Digest BlobRoot) : MaskedRoundCall(Agreement, Number, Attempt)
{
    /// <inheritdoc/>
    public override string Method => "ShareCommit";

    /// <inheritdoc/>
    protected override int Arguments => 6;

    /// <inheritdoc/>
    protected override void WriteOthers(CborWriter writer)
    {
        writer.Write(Context);
        writer.Write(SelfCommitment);
        writer.Write(BlobRoot);
    }

    internal static CommitMaskShares Read(CborReader reader)
    {
        var (agreement, number, attempt) = ReadHead(reader, 6);
        return End(reader, new CommitMaskShares(agreement, number, attempt, reader.ReadDigest(), reader.ReadDigest(), reader.ReadDigest()));
    }

    internal override Rejection Apply(ContractContext context, MaskedAttempt attempt)
    {
        var rejection = Check(context, attempt, Phase.ShareKeys, group => group.Fixed.Members, group => Context == group.Fixed.Cohort, MaskSharesRecord.Prefix, out var masked, out var position);
        return rejection is Rejection.None ? Accept(context, attempt, MaskSharesRecord.Prefix, position, new MaskSharesRecord(SelfCommitment, BlobRoot), "SharesCommitted") : rejection;
    }
}

/// <summary>P2b, whose shares a participant holds: [agreement, round, attempt, ctx1, a bit for each neighbour].</summary>
public sealed record AcknowledgeMaskShares(Digest Agreement, int Number, int Attempt, Digest Context, ReadOnlyMemory<byte> Bits) : MaskedRoundCall(Agreement, Number, Attempt)
{
    /// <inheritdoc/>
    public override string Method => "ShareAck";

    /// <inheritdoc/>
    protected override int Arguments => 5;

    /// <inheritdoc/>
    protected override void WriteOthers(CborWriter writer)
    {
        writer.Write(Context);
        writer.WriteByteString(Bits.Span);
    }

    internal static AcknowledgeMaskShares Read(CborReader reader)
    {
        var (agreement, number, attempt) = ReadHead(reader, 5);
        return End(reader, new AcknowledgeMaskShares(agreement, number, attempt, reader.ReadDigest(), reader.ReadBytes(MaskAcknowledgementRecord.MaximumBytes)));
    }

    internal override Rejection Apply(ContractContext context, MaskedAttempt attempt)
    {
        var rejection = Check(context, attempt, Phase.AcknowledgeShares, group => group.Fixed.Dealers, group => Context == group.Fixed.Cohort, MaskAcknowledgementRecord.Prefix, out var masked, out var position);
        if (rejection is not Rejection.None) return rejection;
        return IsSound(masked, position) ? Accept(context, attempt, MaskAcknowledgementRecord.Prefix, position, new MaskAcknowledgementRecord(Bits), "SharesAcknowledged") : Rejection.BadAcknowledgement;
    }

    // A bit for a neighbour that dealt nothing would make an edge for which nobody has shares.
    private bool IsSound(MaskedGroup masked, int position)
    {
        var neighbours = masked.NeighboursOf(position);
        if (Bits.Length != (neighbours.Length + 7) / 8) return false;
        for (var i = 0; i < 8 * Bits.Length; i++)
        {
            if ((Bits.Span[i / 8] >> (i % 8) & 1) != 0 && (i >= neighbours.Length || !masked.Fixed.Dealers.Contains(neighbours[i]))) return false;
        }

        return true;
    }
}

/// <summary>
/// A seat's word that it holds blobs of one kind: [agreement, round, attempt, kind, positions]. Of openings it has also checked that each matches its dealer's leaf. The kind stands
/// in the call, so that a word that comes late is not taken for one about the next phase.
/// </summary>
public sealed record HoldMaskBlobs(Digest Agreement, int Number, int Attempt, MaskBlobKind Kind, PositionSet Positions) : MaskedRoundCall(Agreement, Number, Attempt)
{
    /// <inheritdoc/>
    public override string Method => "HeldMasked";

    /// <inheritdoc/>
    protected override int Arguments => 5;

    /// <inheritdoc/>
    protected override void WriteOthers(CborWriter writer)
    {
        writer.WriteInt32((int)Kind);
        Positions.Write(writer);
    }

    internal static HoldMaskBlobs Read(CborReader reader)
    {
        var (agreement, number, attempt) = ReadHead(reader, 5);
        var call = new HoldMaskBlobs(agreement, number, attempt, (MaskBlobKind)reader.ReadNumber((int)MaskBlobKind.Reference), PositionSet.Read(reader));
        Wire.Require(call.Kind >= MaskBlobKind.Shares && call.Positions.Count > 0);
        return End(reader, call);
    }

    internal override Rejection Apply(ContractContext context, MaskedAttempt attempt)
    {
        var seat = context.Seat;
        if (seat < 0) return Rejection.MissingRole;
        var refused = Kind switch
        {
            MaskBlobKind.Shares => CheckPhase(attempt, Phase.ShareKeys),
            MaskBlobKind.Input => CheckPhase(attempt, Phase.Input),
            MaskBlobKind.Openings => CheckPhase(attempt, Phase.Unmask),
            MaskBlobKind.SilentOpenings => CheckPhase(attempt, Phase.RevealSilent),
            _ => CommitReference.CheckPhase(attempt),
        };
        if (refused is not Rejection.None) return refused;
        if (Positions.Positions.Any(position => attempt.RootOf(Kind, position) is null)) return Rejection.NotFound;
        context.Put(attempt.HoldingKey(seat, Kind), new MaskHoldingRecord(attempt.HeldBy(seat, Kind).Or(Positions)));
        MaskedRoundContract.Advance(context, attempt);
        return Rejection.None;
    }
}
