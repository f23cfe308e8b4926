using System.Formats.Cbor;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>One participant's consent and its policy.</summary>
public sealed record Acceptance(ParticipantId Participant, Policy Policy);

/// <summary>
/// An agreement, who has accepted it, and, once all have, the weights (2⁻²⁰ fixed point, in order of participants: records of each data set over the
/// largest) and the meet of all policies, and what its groups were drawn by, if it has any. [agreement, [[participant, policy]…], [weight…], policy | null, draw | null].
/// </summary>
public sealed record AgreementRecord(TrainingAgreement Agreement, Digest Digest, IReadOnlyList<Acceptance> Acceptances, IReadOnlyList<int> Weights, Policy? Effective, Digest? Draw = null) : StateRecord
{
    /// <summary>Whether all participants have accepted.</summary>
    public bool IsActive => Effective is not null;

    /// <summary>Σα of all participants, in units of 2⁻²⁰; 0 before all have accepted.</summary>
    public long TotalWeight => Weights.Sum(weight => (long)weight);

    /// <summary>Whether rounds may be opened: it is active, and if it has groups, they are drawn.</summary>
    public bool IsReady => IsActive && (Agreement.Groups is null || Draw is not null);

    /// <summary>The participants whose updates have one sum: all, or each group by itself.</summary>
    public IReadOnlyList<PositionSet> Groups() => Agreement.Groups is not { } groups
        ? [PositionSet.Of(Enumerable.Range(0, Agreement.Datasets.Count))]
        : groups.Divide(Agreement.Datasets.Count, Draw ?? throw new InvalidOperationException("The agreement's groups are not drawn yet."));

    /// <summary>The state key.</summary>
    public static string Key(Digest agreement) => Prefix + agreement;

    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "agreements/";

    internal static AgreementRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(5);
        var agreement = TrainingAgreement.Read(reader);
        var acceptances = reader.ReadArray(Limits.Participants, ReadAcceptance);
        var weights = reader.ReadArray(Limits.Participants, item => item.ReadNumber(FixedPoint.WeightOne));
        Policy? effective = null;
        if (reader.PeekState() is CborReaderState.Null) reader.ReadNull(); else effective = Policy.Read(reader);
        var draw = reader.ReadOptional(Wire.ReadDigest);
        Wire.Require(draw is null || agreement.Groups is not null);
        reader.ReadEndArray();
        return new AgreementRecord(agreement, agreement.ComputeDigest(), acceptances, weights, effective, draw);
    }

    private static Acceptance ReadAcceptance(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var acceptance = new Acceptance(reader.ReadParticipant(), Policy.Read(reader));
        reader.ReadEndArray();
        return acceptance;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(5);
        Agreement.Write(writer);
        writer.WriteStartArray(Acceptances.Count);
        foreach (var acceptance in Acceptances)
        {
            writer.WriteStartArray(2);
            writer.Write(acceptance.Participant);
            acceptance.Policy.Write(writer);
            writer.WriteEndArray();
        }

        writer.WriteEndArray();
        writer.WriteStartArray(Weights.Count);
        foreach (var weight in Weights) writer.WriteInt32(weight);
        writer.WriteEndArray();
        if (Effective is null) writer.WriteNull(); else Effective.Write(writer);
        if (Draw is { } draw) writer.Write(draw); else writer.WriteNull();
        writer.WriteEndArray();
    }
}

/// <summary>Puts an agreement before its participants: [agreement bytes].</summary>
public sealed record ProposeAgreement(TrainingAgreement Agreement) : ContractCall
{
    /// <inheritdoc/>
    public override string Contract => "agreement";

    /// <inheritdoc/>
    public override string Method => "Propose";

    /// <inheritdoc/>
    public override void WriteArguments(CborWriter writer)
    {
        writer.WriteStartArray(1);
        Agreement.Write(writer);
        writer.WriteEndArray();
    }

    internal static ProposeAgreement Read(CborReader reader)
    {
        reader.ReadArrayHead(1);
        var call = new ProposeAgreement(TrainingAgreement.Read(reader));
        reader.ReadEndArray();
        return call;
    }

    internal override Rejection Apply(ContractContext context)
    {
        var digest = Agreement.ComputeDigest();
        var key = AgreementRecord.Key(digest);
        if (context.Find<AgreementRecord>(key) is not null) return Rejection.AlreadyExists;
        foreach (var (participant, dataset) in Agreement.Datasets)
        {
            if (context.Find<ParticipantRecord>(ParticipantRecord.Key(participant)) is not { } record) return Rejection.NotFound;
            if ((record.Roles & Roles.Trainer) == 0) return Rejection.MissingRole;
            if (context.Find<DatasetRecord>(DatasetRecord.Key(participant, dataset)) is null) return Rejection.DatasetUnknown;
        }

        if (Agreement.Masking is { } masking)
        {
            if (masking.CheckCohort(Agreement, masking.Groups?.SmallestOf(Agreement.Datasets.Count) ?? Agreement.Datasets.Count) is not Aggregation.MaskFault.None) return Rejection.MaskCohortTooSmall;
        }

        if (BudgetContract.Check(context, Agreement) is var spent and not Rejection.None) return spent;
        if (!context.TryCount(CountRecord.Agreements(context.Actor), Limits.AgreementsPerParticipant)) return Rejection.LimitReached;
        context.Put(key, new AgreementRecord(Agreement, digest, [], [], null), "AgreementProposed");
        return Rejection.None;
    }
}

/// <summary>A participant's consent, under its own policy: [agreement digest, policy]. The last one makes the agreement active.</summary>
public sealed record AcceptAgreement(Digest Agreement, Policy Policy) : ContractCall
{
    /// <inheritdoc/>
    public override string Contract => "agreement";

    /// <inheritdoc/>
    public override string Method => "Accept";

    /// <inheritdoc/>
    public override void WriteArguments(CborWriter writer)
    {
        writer.WriteStartArray(2);
        writer.Write(Agreement);
        Policy.Write(writer);
        writer.WriteEndArray();
    }

    internal static AcceptAgreement Read(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var call = new AcceptAgreement(reader.ReadDigest(), Policy.Read(reader));
        reader.ReadEndArray();
        return call;
    }

    internal override Rejection Apply(ContractContext context)
    {
        var key = AgreementRecord.Key(Agreement);
        if (context.Find<AgreementRecord>(key) is not { } record) return Rejection.NotFound;
        if (record.Agreement.PositionOf(context.Actor) < 0) return Rejection.NotInAgreement;
        if (record.Acceptances.Any(acceptance => acceptance.Participant == context.Actor)) return Rejection.AlreadyExists;
        if (!Policy.Allows(record.Agreement, context.TimeMs)) return Rejection.PolicyViolated;
        if (BudgetContract.Check(context, record.Agreement) is var spent and not Rejection.None) return spent;

        record = record with { Acceptances = [.. record.Acceptances, new Acceptance(context.Actor, Policy)] };
        if (record.Acceptances.Count < record.Agreement.Datasets.Count)
        {
            context.Put(key, record, "AgreementAccepted");
            return Rejection.None;
        }

        var records = record.Agreement.Datasets.Select(agreed => context.Find<DatasetRecord>(DatasetRecord.Key(agreed.Participant, agreed.Dataset))!.Records).ToArray();
        var most = records.Max();
        record = record with
        {
            // Noise hides updates of one size only, and groups are compared by their means: with either all count alike.
            Weights = [.. records.Select(count => record.Agreement.NoiseVariance > 0 || record.Agreement.Groups is not null ? FixedPoint.WeightOne : FixedPoint.WeightOf((int)count, (int)most))],
            Effective = record.Acceptances.Select(acceptance => acceptance.Policy).Aggregate((left, right) => left.Meet(right)),
        };
        context.Put(key, record, "AgreementActivated");
        BudgetContract.Expose(context, record.Agreement);
        if (record.Agreement.Groups is not null) context.Put(DrawRecord.Key(Agreement), new DrawRecord(1, [], null));
        context.Put(RunRecord.Key(Agreement), new RunRecord(Agreement, 0, record.Agreement.InitialModel, 0, null), null);
        return Rejection.None;
    }
}
