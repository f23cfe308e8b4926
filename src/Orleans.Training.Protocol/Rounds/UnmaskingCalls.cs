using System.Formats.Cbor;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>P3, a participant's masked update: [agreement, round, attempt, ctx2, name of y]. Its length follows from the agreement.</summary>
public sealed record CommitMaskedInput(Digest Agreement, int Number, int Attempt, Digest Context, Digest Root) : MaskedRoundCall(Agreement, Number, Attempt)
{
    /// <inheritdoc/>
    public override string Method => "MaskedInput";

    /// <inheritdoc/>
    protected override int Arguments => 5;

    /// <inheritdoc/>
    protected override void WriteOthers(CborWriter writer)
    {
        writer.Write(Context);
        writer.Write(Root);
    }

    internal static CommitMaskedInput Read(CborReader reader)
    {
        var (agreement, number, attempt) = ReadHead(reader, 5);
        return End(reader, new CommitMaskedInput(agreement, number, attempt, reader.ReadDigest(), reader.ReadDigest()));
    }

    internal override Rejection Apply(ContractContext context, MaskedAttempt attempt)
    {
        var rejection = Check(context, attempt, Phase.Input, group => group.Fixed.Maskers, group => Context == group.Fixed.Masks, MaskedInputRecord.Prefix, out var masked, out var position);
        if (rejection is not Rejection.None) return rejection;
        // Another agreement on the same model may have been faster.
        if (masked.IsConsumed(position)) return Rejection.ModelConsumed;
        return Accept(context, attempt, MaskedInputRecord.Prefix, position, new MaskedInputRecord(Root), "MaskedInputCommitted");
    }
}

/// <summary>P3b, a survivor's word for this order and no other: [agreement, round, attempt, digest of the order].</summary>
public sealed record ConfirmUnmasking(Digest Agreement, int Number, int Attempt, Digest Order) : MaskedRoundCall(Agreement, Number, Attempt)
{
    /// <inheritdoc/>
    public override string Method => "Confirm";

    /// <inheritdoc/>
    protected override int Arguments => 4;

    /// <inheritdoc/>
    protected override void WriteOthers(CborWriter writer) => writer.Write(Order);

    internal static ConfirmUnmasking Read(CborReader reader)
    {
        var (agreement, number, attempt) = ReadHead(reader, 4);
        return End(reader, new ConfirmUnmasking(agreement, number, attempt, reader.ReadDigest()));
    }

    internal override Rejection Apply(ContractContext context, MaskedAttempt attempt)
    {
        var rejection = Check(context, attempt, Phase.ConsistencyCheck, group => group.Survivors, null, MaskConfirmRecord.Prefix, out var masked, out var position);
        if (rejection is not Rejection.None) return rejection;
        if (Order != masked.Order!.Order.ComputeDigest()) return Rejection.WrongOrder;
        return Accept(context, attempt, MaskConfirmRecord.Prefix, position, new MaskConfirmRecord(Order), "OrderConfirmedBy");
    }
}

/// <summary>P4a, what a survivor reveals: [agreement, round, attempt, digest of the order, b, name of its openings of seeds].</summary>
public sealed record RevealMasks(Digest Agreement, int Number, int Attempt, Digest Order, ReadOnlyMemory<byte> Self, Digest Openings) : MaskedRoundCall(Agreement, Number, Attempt)
{
    /// <inheritdoc/>
    public override string Method => "Reveal";

    /// <inheritdoc/>
    protected override int Arguments => 6;

    /// <inheritdoc/>
    protected override void WriteOthers(CborWriter writer)
    {
        writer.Write(Order);
        writer.WriteByteString(Self.Span);
        writer.Write(Openings);
    }

    internal static RevealMasks Read(CborReader reader)
    {
        var (agreement, number, attempt) = ReadHead(reader, 6);
        return End(reader, new RevealMasks(agreement, number, attempt, reader.ReadDigest(), reader.ReadKey(), reader.ReadDigest()));
    }

    internal override Rejection Apply(ContractContext context, MaskedAttempt attempt)
    {
        var rejection = Check(context, attempt, Phase.Unmask, group => group.Survivors, null, MaskRevealRecord.Prefix, out var masked, out var position);
        if (rejection is not Rejection.None) return rejection;
        if (Order != masked.Order!.Order.ComputeDigest()) return Rejection.WrongOrder;
        if (!masked.Has(MaskConfirmRecord.Prefix, position)) return Rejection.NotConfirmed;
        if (MaskKeys.SelfCommitment(masked.Cohort, (ushort)position, Self.Span) != masked.Commit(position)!.SelfCommitment) return Rejection.WrongSecret;
        return Accept(context, attempt, MaskRevealRecord.Prefix, position, new MaskRevealRecord(Self, Openings), "MasksRevealed");
    }
}

/// <summary>P4b, what a survivor reveals about those that fell silent: [agreement, round, attempt, digest of the order, name of its openings of b].</summary>
public sealed record RevealSilentMasks(Digest Agreement, int Number, int Attempt, Digest Order, Digest Openings) : MaskedRoundCall(Agreement, Number, Attempt)
{
    /// <inheritdoc/>
    public override string Method => "RevealSilent";

    /// <inheritdoc/>
    protected override int Arguments => 5;

    /// <inheritdoc/>
    protected override void WriteOthers(CborWriter writer)
    {
        writer.Write(Order);
        writer.Write(Openings);
    }

    internal static RevealSilentMasks Read(CborReader reader)
    {
        var (agreement, number, attempt) = ReadHead(reader, 5);
        return End(reader, new RevealSilentMasks(agreement, number, attempt, reader.ReadDigest(), reader.ReadDigest()));
    }

    internal override Rejection Apply(ContractContext context, MaskedAttempt attempt)
    {
        var rejection = Check(context, attempt, Phase.RevealSilent, group => group.ExpectedOf(MaskBlobKind.SilentOpenings), null, SilentRevealRecord.Prefix, out var masked, out var position);
        if (rejection is not Rejection.None) return rejection;
        if (Order != masked.Order!.Order.ComputeDigest()) return Rejection.WrongOrder;
        return Accept(context, attempt, SilentRevealRecord.Prefix, position, new SilentRevealRecord(Openings), "SilentRevealed");
    }
}
