using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>Opens the next round of a run, or the next attempt at a failed one: [agreement, round, base model]. The first valid one wins.</summary>
public sealed record RoundOpen(Digest Agreement, int Number, Digest BaseModel) : ContractCall
{
    /// <inheritdoc/>
    public override string Contract => "round";

    /// <inheritdoc/>
    public override string Method => "Open";

    /// <inheritdoc/>
    public override void WriteArguments(CborWriter writer)
    {
        writer.WriteStartArray(3);
        writer.Write(Agreement);
        writer.WriteInt32(Number);
        writer.Write(BaseModel);
        writer.WriteEndArray();
    }

    internal static RoundOpen Read(CborReader reader)
    {
        reader.ReadArrayHead(3);
        var call = new RoundOpen(reader.ReadDigest(), reader.ReadNumber(Limits.Rounds), reader.ReadDigest());
        reader.ReadEndArray();
        return call;
    }

    internal override Rejection Apply(ContractContext context)
    {
        if (context.Find<AgreementRecord>(AgreementRecord.Key(Agreement)) is not { } terms) return Rejection.NotFound;
        if (!RoundContract.MayDrive(context, terms)) return Rejection.NotInAgreement;
        if (!terms.IsActive) return Rejection.AgreementNotActive;
        if (!terms.IsReady) return Rejection.GroupsNotDrawn;
        var run = context.Find<RunRecord>(RunRecord.Key(Agreement))!;
        if (run.Failure is not null || run.PublishedRounds >= terms.Agreement.Rounds) return Rejection.RunEnded;
        if (Number != run.PublishedRounds + 1) return Rejection.WrongRound;
        var attempt = run.Attempts + 1;
        if (context.Find<RoundRecord>(RoundRecord.Key(Agreement, Number, attempt)) is not null) return Rejection.RoundInProgress;
        if (BaseModel != run.Model) return Rejection.WrongBaseModel;
        if (!terms.Effective!.Allows(terms.Agreement, context.TimeMs)) return Rejection.PolicyViolated;
        // A round's seats are numbered in one era: none begins while an era waits for the open ones.
        if (EraContract.Plan(context) is not null) return Rejection.EraEnding;

        if (terms.Agreement.Masks) return MaskedRoundContract.Open(context, terms, Number, attempt, BaseModel);

        var deadline = context.TimeMs + terms.Agreement.InputWindowMs;
        var round = new RoundRecord(Agreement, Number, attempt, BaseModel, Phase.Input, deadline, new RoundInput[terms.Agreement.Datasets.Count], null, [], null);
        context.SetDeadline(round.StateKey, null, deadline);
        context.Put(round.StateKey, round, "RoundOpened");
        return Rejection.None;
    }
}

/// <summary>A participant's commitment to its update: [agreement, round, attempt, base model, root of the update's chunks].</summary>
public sealed record InputCommit(Digest Agreement, int Number, int Attempt, Digest BaseModel, Digest Root) : ContractCall
{
    /// <inheritdoc/>
    public override string Contract => "round";

    /// <inheritdoc/>
    public override string Method => "InputCommit";

    /// <inheritdoc/>
    public override void WriteArguments(CborWriter writer)
    {
        writer.WriteStartArray(5);
        writer.Write(Agreement);
        writer.WriteInt32(Number);
        writer.WriteInt32(Attempt);
        writer.Write(BaseModel);
        writer.Write(Root);
        writer.WriteEndArray();
    }

    internal static InputCommit Read(CborReader reader)
    {
        reader.ReadArrayHead(5);
        var call = new InputCommit(reader.ReadDigest(), reader.ReadNumber(Limits.Rounds), reader.ReadNumber(RunRecord.MaxAttempts), reader.ReadDigest(), reader.ReadDigest());
        Wire.Require(call.Root != Digest.Zero);
        reader.ReadEndArray();
        return call;
    }

    internal override Rejection Apply(ContractContext context)
    {
        var rejection = RoundContract.Find(context, Agreement, Number, Attempt, out var terms, out var round);
        if (rejection is not Rejection.None) return rejection;
        var position = terms!.Agreement.PositionOf(context.Actor);
        if (position < 0) return Rejection.NotInAgreement;
        if (terms.Agreement.Masks) return Rejection.WrongMasking;
        if ((context.Find<ParticipantRecord>(ParticipantRecord.Key(context.Actor))!.Roles & Roles.Trainer) == 0) return Rejection.MissingRole;
        if (round!.Phase is not Phase.Input) return Rejection.WrongPhase;
        if (round.InputsDigest is not null) return Rejection.Late;
        if (BaseModel != round.BaseModel) return Rejection.WrongBaseModel;
        if (round.Inputs[position].Root != Digest.Zero) return Rejection.AlreadyExists;

        var inputs = round.Inputs.ToArray();
        inputs[position] = new RoundInput(Root, 0);
        context.Put(round.StateKey, round with { Inputs = inputs }, "InputCommitted");
        return Rejection.None;
    }
}

/// <summary>
/// A validator's word that it has fetched and hashed these updates: [agreement, round, attempt, [position…]]. When a quorum holds every
/// participant's update, the inputs are fixed before the deadline.
/// </summary>
public sealed record Held(Digest Agreement, int Number, int Attempt, IReadOnlyList<int> Positions) : ContractCall
{
    /// <inheritdoc/>
    public override string Contract => "round";

    /// <inheritdoc/>
    public override string Method => "Held";

    /// <inheritdoc/>
    public override void WriteArguments(CborWriter writer)
    {
        writer.WriteStartArray(4);
        writer.Write(Agreement);
        writer.WriteInt32(Number);
        writer.WriteInt32(Attempt);
        writer.WriteStartArray(Positions.Count);
        foreach (var position in Positions) writer.WriteInt32(position);
        writer.WriteEndArray();
        writer.WriteEndArray();
    }

    internal static Held Read(CborReader reader)
    {
        reader.ReadArrayHead(4);
        var call = new Held(reader.ReadDigest(), reader.ReadNumber(Limits.Rounds), reader.ReadNumber(RunRecord.MaxAttempts), reader.ReadArray(Limits.Participants, item => item.ReadNumber(Limits.Participants - 1)));
        for (var i = 1; i < call.Positions.Count; i++) Wire.Require(call.Positions[i - 1] < call.Positions[i]);
        Wire.Require(call.Positions.Count > 0);
        reader.ReadEndArray();
        return call;
    }

    internal override Rejection Apply(ContractContext context)
    {
        var rejection = RoundContract.Find(context, Agreement, Number, Attempt, out var terms, out var round);
        if (rejection is not Rejection.None) return rejection;
        var seat = context.Seat;
        if (seat < 0) return Rejection.MissingRole;
        if (terms!.Agreement.Masks) return Rejection.WrongMasking;
        if (round!.Phase is not Phase.Input) return Rejection.WrongPhase;
        if (round.InputsDigest is not null) return Rejection.Late;
        if (Positions.Any(position => position >= round.Inputs.Count || round.Inputs[position].Root == Digest.Zero)) return Rejection.NotFound;

        var inputs = round.Inputs.ToArray();
        foreach (var position in Positions) inputs[position] = inputs[position] with { Holders = inputs[position].Holders | 1u << seat };
        round = round with { Inputs = inputs };
        context.Put(round.StateKey, round);
        if (round.Survivors(context.Validators.Quorum).Count() == inputs.Length) RoundContract.FixInputs(context, terms!, round);
        return Rejection.None;
    }
}

/// <summary>A sum over the fixed inputs and the model that follows from it: [agreement, round, attempt, inputs digest, sum root, model, model root].</summary>
public sealed record AggregateProposal(Digest Agreement, int Number, int Attempt, Digest Inputs, Digest SumRoot, Digest Model, Digest ModelRoot) : ContractCall
{
    /// <inheritdoc/>
    public override string Contract => "round";

    /// <inheritdoc/>
    public override string Method => "AggregateProposal";

    /// <summary>The digest that attestations name.</summary>
    public Digest ProposalDigest => RoundContract.ProposalDigest(Inputs, SumRoot, Model, ModelRoot);

    /// <inheritdoc/>
    public override void WriteArguments(CborWriter writer)
    {
        writer.WriteStartArray(7);
        writer.Write(Agreement);
        writer.WriteInt32(Number);
        writer.WriteInt32(Attempt);
        writer.Write(Inputs);
        writer.Write(SumRoot);
        writer.Write(Model);
        writer.Write(ModelRoot);
        writer.WriteEndArray();
    }

    internal static AggregateProposal Read(CborReader reader)
    {
        reader.ReadArrayHead(7);
        var call = new AggregateProposal(reader.ReadDigest(), reader.ReadNumber(Limits.Rounds), reader.ReadNumber(RunRecord.MaxAttempts), reader.ReadDigest(), reader.ReadDigest(), reader.ReadDigest(), reader.ReadDigest());
        reader.ReadEndArray();
        return call;
    }

    internal override Rejection Apply(ContractContext context)
    {
        var rejection = RoundContract.Find(context, Agreement, Number, Attempt, out var terms, out var round);
        if (rejection is not Rejection.None) return rejection;
        if (!RoundContract.MayDrive(context, terms!)) return Rejection.NotInAgreement;
        if (!round!.IsAggregating) return Rejection.WrongPhase;
        if (Inputs != round.InputsDigest) return Rejection.WrongInputs;
        if (round.Proposals.FirstOrDefault(proposal => proposal.Digest == ProposalDigest) is { } same)
            return RoundContract.Count(same.Wrong) > context.Validators.Count - context.Validators.Quorum ? Rejection.ProposalRefused : Rejection.AlreadyExists;
        if (round.Proposals.Any(proposal => proposal.Proposer == context.Actor)) return Rejection.LimitReached;
        if (!context.HasSeat(context.Actor) && round.Proposals.Count(proposal => !context.HasSeat(proposal.Proposer)) >= RoundRecord.ProposalsOfOthers) return Rejection.LimitReached;

        context.Put(round.StateKey, round with { Proposals = [.. round.Proposals, new Proposal(ProposalDigest, context.Actor, SumRoot, Model, ModelRoot, 0, 0)] }, "AggregateProposed");
        return Rejection.None;
    }
}

/// <summary>
/// A validator's verdict after recomputing a proposal: [agreement, round, attempt, proposal digest, ok, work digest]. The work digest is
/// SHA-256("FLv1-work\0" ‖ organisation ‖ "\0" ‖ sum, or digest of the masks where sums are projected), so that a verdict cannot be copied. q of ok publish; n − q + 1 of wrong refuse.
/// </summary>
public sealed record Attest(Digest Agreement, int Number, int Attempt, Digest Proposal, bool Ok, Digest Work) : ContractCall
{
    /// <inheritdoc/>
    public override string Contract => "round";

    /// <inheritdoc/>
    public override string Method => "Attest";

    /// <inheritdoc/>
    public override void WriteArguments(CborWriter writer)
    {
        writer.WriteStartArray(6);
        writer.Write(Agreement);
        writer.WriteInt32(Number);
        writer.WriteInt32(Attempt);
        writer.Write(Proposal);
        writer.WriteBoolean(Ok);
        writer.Write(Work);
        writer.WriteEndArray();
    }

    internal static Attest Read(CborReader reader)
    {
        reader.ReadArrayHead(6);
        var call = new Attest(reader.ReadDigest(), reader.ReadNumber(Limits.Rounds), reader.ReadNumber(RunRecord.MaxAttempts), reader.ReadDigest(), reader.ReadBoolean(), reader.ReadDigest());
        reader.ReadEndArray();
        return call;
    }

    internal override Rejection Apply(ContractContext context)
    {
        var rejection = RoundContract.Find(context, Agreement, Number, Attempt, out var terms, out var round);
        if (rejection is not Rejection.None) return rejection;
        var seat = context.Seat;
        if (seat < 0) return Rejection.MissingRole;
        var index = round!.Proposals.ToList().FindIndex(candidate => candidate.Digest == Proposal);
        if (index < 0) return Rejection.NotFound;
        if (!round.IsAggregating) return Rejection.WrongPhase;
        var proposal = round.Proposals[index];
        if (((proposal.Ok | proposal.Wrong) & 1u << seat) != 0) return Rejection.AlreadyAttested;
        if (RoundContract.Count(proposal.Wrong) > context.Validators.Count - context.Validators.Quorum) return Rejection.ProposalRefused;
        if (Ok && terms!.Agreement.Masking is { Check: SumCheck.Projected } && !ProjectedSum.Of(context, terms, round, proposal).IsProjected(context.Validators.MaxFaulty)) return Rejection.NotProjected;

        proposal = Ok ? proposal with { Ok = proposal.Ok | 1u << seat } : proposal with { Wrong = proposal.Wrong | 1u << seat };
        var proposals = round.Proposals.ToArray();
        proposals[index] = proposal;
        round = round with { Proposals = proposals };
        var refused = RoundContract.Count(proposal.Wrong) > context.Validators.Count - context.Validators.Quorum;
        context.Put(round.StateKey, round, refused ? "ProposalRefused" : null);
        if (RoundContract.Count(proposal.Ok) >= context.Validators.Quorum) RoundContract.Publish(context, terms!, round, proposal);
        return Rejection.None;
    }
}
