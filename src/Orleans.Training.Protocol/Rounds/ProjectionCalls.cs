using System.Formats.Cbor;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>A call about a proposed sum that seats check by images: [agreement, round, attempt, proposal, …].</summary>
public abstract record ProjectionCall(Digest Agreement, int Number, int Attempt, Digest Proposal) : MaskedRoundCall(Agreement, Number, Attempt)
{
    /// <inheritdoc/>
    protected sealed override int Arguments => 5;

    /// <summary>Writes what is behind the proposal.</summary>
    protected abstract void WriteContent(CborWriter writer);

    /// <inheritdoc/>
    protected sealed override void WriteOthers(CborWriter writer)
    {
        writer.Write(Proposal);
        WriteContent(writer);
    }

    /// <summary>Applies a seat's call about a proposal that stands.</summary>
    internal abstract Rejection Apply(ContractContext context, ProjectedSum sum);

    internal sealed override Rejection Apply(ContractContext context, MaskedAttempt attempt)
    {
        if (context.Seat < 0) return Rejection.MissingRole;
        if (attempt.Masking.Check is not SumCheck.Projected) return Rejection.WrongCheck;
        if (attempt.Round.Proposals.FirstOrDefault(candidate => candidate.Digest == Proposal) is not { } proposal) return Rejection.NotFound;
        if (!attempt.Round.IsAggregating) return Rejection.WrongPhase;
        return RoundContract.Count(proposal.Wrong) > context.Validators.Count - context.Validators.Quorum ? Rejection.ProposalRefused : Apply(context, new ProjectedSum(attempt, proposal));
    }
}

/// <summary>A seat's part of the challenge, drawn at random once the proposal is final: [agreement, round, attempt, proposal, value]. The first f + 1 decide the image.</summary>
public sealed record ChallengeSum(Digest Agreement, int Number, int Attempt, Digest Proposal, Digest Value) : ProjectionCall(Agreement, Number, Attempt, Proposal)
{
    /// <inheritdoc/>
    public override string Method => "Challenge";

    /// <inheritdoc/>
    protected override void WriteContent(CborWriter writer) => writer.Write(Value);

    internal static ChallengeSum Read(CborReader reader)
    {
        var (agreement, number, attempt) = ReadHead(reader, 5);
        return End(reader, new ChallengeSum(agreement, number, attempt, reader.ReadDigest(), reader.ReadDigest()));
    }

    internal override Rejection Apply(ContractContext context, ProjectedSum sum)
    {
        if (sum.FindBeacon(context.Validators.MaxFaulty) is not null) return Rejection.Late;
        var values = sum.Challenge?.Values ?? [];
        if (values.Any(item => item.Seat == context.Seat)) return Rejection.AlreadyExists;
        var isLast = values.Count == context.Validators.MaxFaulty;
        context.Put(ChallengeRecord.Key(Proposal), new ChallengeRecord([.. values, (context.Seat, Value)]), isLast ? "SumChallenged" : null);
        return Rejection.None;
    }
}

/// <summary>A seat's images of masked updates that it has: [agreement, round, attempt, proposal, [[position, image]…]], by position. What is agreed about or said already is passed over.</summary>
public sealed record ProjectInputs(Digest Agreement, int Number, int Attempt, Digest Proposal, IReadOnlyList<(int Position, ReadOnlyMemory<byte> Image)> Images) : ProjectionCall(Agreement, Number, Attempt, Proposal)
{
    /// <summary>The most images of one call: fewer than a transaction has room for.</summary>
    public const int MaximumImages = 48;

    /// <inheritdoc/>
    public override string Method => "Project";

    /// <inheritdoc/>
    protected override void WriteContent(CborWriter writer)
    {
        writer.WriteStartArray(Images.Count);
        foreach (var (position, image) in Images)
        {
            writer.WriteStartArray(2);
            writer.WriteInt32(position);
            writer.WriteByteString(image.Span);
            writer.WriteEndArray();
        }

        writer.WriteEndArray();
    }

    internal static ProjectInputs Read(CborReader reader)
    {
        var (agreement, number, attempt) = ReadHead(reader, 5);
        var call = new ProjectInputs(agreement, number, attempt, reader.ReadDigest(), reader.ReadArray(MaximumImages, ReadImage));
        Wire.Require(call.Images.Count > 0);
        for (var i = 1; i < call.Images.Count; i++) Wire.Require(call.Images[i - 1].Position < call.Images[i].Position);
        return End(reader, call);
    }

    private static (int Position, ReadOnlyMemory<byte> Image) ReadImage(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var image = (reader.ReadNumber(Limits.Participants - 1), reader.ReadBytes(SumProjection.MaximumBytes));
        reader.ReadEndArray();
        return image;
    }

    internal override Rejection Apply(ContractContext context, ProjectedSum sum)
    {
        if (sum.FindBeacon(context.Validators.MaxFaulty) is null) return Rejection.WrongPhase;
        if (Images.Any(item => !sum.Survivors.Contains(item.Position))) return Rejection.NotInCohort;
        if (Images.Any(item => item.Image.Length != SumProjection.BytesOf(sum.Layout))) return Rejection.BadArguments;
        if (sum.IsProjected(context.Validators.MaxFaulty)) return Rejection.Late;
        var isNew = false;
        foreach (var (position, image) in Images)
        {
            var record = sum.ImagesOf(position);
            if ((record.Seats >> context.Seat & 1) != 0 || record.Agreed(context.Validators.MaxFaulty) is not null) continue;
            record = record.With(image, context.Seat);
            var isAgreed = record.Agreed(context.Validators.MaxFaulty) is not null;
            context.Put(ImagesRecord.Key(Proposal, position), record, isAgreed ? "InputProjected" : null);
            isNew = true;
        }

        return isNew ? Rejection.None : Rejection.AlreadyExists;
    }
}
