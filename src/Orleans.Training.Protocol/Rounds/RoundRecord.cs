using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>The stages of a round. A round without masks goes from Input to Published or Failed; the other stages belong to masked rounds.</summary>
public enum Phase
{
    /// <summary>Participants advertise the keys of their masks.</summary>
    AdvertiseKeys = 1,
    /// <summary>Participants deal shares of the secrets that undo masks.</summary>
    ShareKeys = 2,
    /// <summary>Participants commit updates, until the deadline or until all are held; then the aggregate is proposed.</summary>
    Input = 3,
    /// <summary>Survivors confirm the order to unmask.</summary>
    ConsistencyCheck = 4,
    /// <summary>Survivors reveal what undoes the masks: their own, and those of who dropped out.</summary>
    Unmask = 5,
    /// <summary>A quorum of validators attested the model.</summary>
    Published = 6,
    /// <summary>The round ended without a model.</summary>
    Failed = 7,
    /// <summary>Participants say whose shares they hold.</summary>
    AcknowledgeShares = 8,
    /// <summary>Who revealed before also reveals what undoes the masks of survivors that did not.</summary>
    RevealSilent = 9,
    /// <summary>All that undoes the masks is on the ledger; the aggregate is proposed.</summary>
    Aggregate = 10,
    /// <summary>Validators draw who shares with whom, in a cohort that is too large for all to share with all.</summary>
    DrawGraph = 11,
}

/// <summary>Why a round ended without a model.</summary>
public enum RoundFailure
{
    /// <summary>Fewer updates were held by a quorum at the deadline than the agreement asks for.</summary>
    TooFewInputs = 1,
    /// <summary>No proposal was attested by a quorum before the deadline.</summary>
    AggregateLate = 2,
    /// <summary>Too few participants advertised keys.</summary>
    TooFewKeys = 3,
    /// <summary>Too few participants share with each other.</summary>
    TooFewShares = 4,
    /// <summary>A participant has fewer surviving neighbours than shares give its secrets back.</summary>
    TooManyDropped = 5,
    /// <summary>The survivors do not hang together.</summary>
    SurvivorsApart = 6,
    /// <summary>A sum about the same base model with one of the survivors was ordered meanwhile.</summary>
    ModelConsumed = 7,
    /// <summary>Too few survivors confirmed the order to unmask.</summary>
    ConfirmsMissing = 8,
    /// <summary>Too few shares were revealed.</summary>
    RevealsMissing = 9,
    /// <summary>A quorum holds no update of the participant that the groups are compared with.</summary>
    ReferenceMissing = 10,
    /// <summary>Too few validators showed the numbers by which the graph is drawn.</summary>
    GraphNotDrawn = 11,
    /// <summary>One of the participants dealt what gives other secrets than it committed to; it may train no more.</summary>
    SumSpoilt = 12,
}

/// <summary>One committed update: root of its chunks (zero while there is none) and the seats that hold it, as a bit set.</summary>
public readonly record struct RoundInput(Digest Root, uint Holders);

/// <summary>A proposed aggregate and the verdicts on it.</summary>
public sealed record Proposal(Digest Digest, ParticipantId Proposer, Digest SumRoot, Digest Model, Digest ModelRoot, uint Ok, uint Wrong);

/// <summary>
/// One attempt at a round: [agreement, round, attempt, base model, phase, deadline, [[root, holders]…], inputs digest | null,
/// [[digest, proposer, sum root, model, model root, ok, wrong]…], failure | null]. Inputs stand in the agreement's order of participants;
/// a masked attempt has none here, but records of its own (<see cref="MaskedRoundRecord"/>).
/// </summary>
public sealed record RoundRecord(
    Digest Agreement,
    int Number,
    int Attempt,
    Digest BaseModel,
    Phase Phase,
    long DeadlineMs,
    IReadOnlyList<RoundInput> Inputs,
    Digest? InputsDigest,
    IReadOnlyList<Proposal> Proposals,
    RoundFailure? Failure) : StateRecord
{
    /// <summary>Proposals that one attempt takes from organisations without a seat. Those with one always have a place: nobody can fill it before them.</summary>
    public const int ProposalsOfOthers = 8;

    /// <summary>The state key.</summary>
    public static string Key(Digest agreement, int number, int attempt) => $"{Prefix}{agreement}/{number:D6}/{attempt}";

    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "rounds/";

    /// <summary>Whether all that the aggregate follows from is fixed, and the aggregate not yet.</summary>
    public bool IsAggregating => InputsDigest is not null && Phase is (Phase.Input or Phase.Aggregate);

    internal static RoundRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(10);
        var record = new RoundRecord(
            reader.ReadDigest(),
            reader.ReadNumber(Limits.Rounds),
            reader.ReadNumber(RunRecord.MaxAttempts),
            reader.ReadDigest(),
            (Phase)reader.ReadNumber((int)Phase.DrawGraph),
            reader.ReadNumber(),
            reader.ReadArray(Limits.Participants, ReadInput),
            reader.ReadOptional(Wire.ReadDigest),
            reader.ReadArray(Limits.Validators + ProposalsOfOthers, ReadProposal),
            (RoundFailure?)reader.ReadOptional(item => item.ReadNumber(99)));
        reader.ReadEndArray();
        return record;
    }

    private static RoundInput ReadInput(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var input = new RoundInput(reader.ReadDigest(), reader.ReadUInt32());
        reader.ReadEndArray();
        return input;
    }

    private static Proposal ReadProposal(CborReader reader)
    {
        reader.ReadArrayHead(7);
        var proposal = new Proposal(reader.ReadDigest(), reader.ReadParticipant(), reader.ReadDigest(), reader.ReadDigest(), reader.ReadDigest(), reader.ReadUInt32(), reader.ReadUInt32());
        reader.ReadEndArray();
        return proposal;
    }

    /// <summary>The state key.</summary>
    public string StateKey => Key(Agreement, Number, Attempt);

    /// <summary>
    /// The positions whose updates count: those that a quorum of seats holds, as it stands now. Once the inputs are fixed nobody is left as a holder of the others, so that
    /// the record means the same in every later era.
    /// </summary>
    public IEnumerable<int> Survivors(int quorum) => Enumerable.Range(0, Inputs.Count).Where(i => System.Numerics.BitOperations.PopCount(Inputs[i].Holders) >= (InputsDigest is null ? quorum : 1));

    /// <summary>SHA-256("FLv1-inputs\0" ‖ CBOR [agreement, round, attempt, base model, [[position, root]…]]): what a proposal must name.</summary>
    public Digest DigestInputs(int quorum) => Digest.Of([.. "FLv1-inputs\0"u8, .. Wire.Encode(writer =>
    {
        var survivors = Survivors(quorum).ToArray();
        writer.WriteStartArray(5);
        writer.Write(Agreement);
        writer.WriteInt32(Number);
        writer.WriteInt32(Attempt);
        writer.Write(BaseModel);
        writer.WriteStartArray(survivors.Length);
        foreach (var position in survivors)
        {
            writer.WriteStartArray(2);
            writer.WriteInt32(position);
            writer.Write(Inputs[position].Root);
            writer.WriteEndArray();
        }

        writer.WriteEndArray();
        writer.WriteEndArray();
    })]);

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(10);
        writer.Write(Agreement);
        writer.WriteInt32(Number);
        writer.WriteInt32(Attempt);
        writer.Write(BaseModel);
        writer.WriteInt32((int)Phase);
        writer.WriteInt64(DeadlineMs);
        writer.WriteStartArray(Inputs.Count);
        foreach (var input in Inputs)
        {
            writer.WriteStartArray(2);
            writer.Write(input.Root);
            writer.WriteUInt32(input.Holders);
            writer.WriteEndArray();
        }

        writer.WriteEndArray();
        if (InputsDigest is { } inputs) writer.Write(inputs); else writer.WriteNull();
        writer.WriteStartArray(Proposals.Count);
        foreach (var proposal in Proposals)
        {
            writer.WriteStartArray(7);
            writer.Write(proposal.Digest);
            writer.Write(proposal.Proposer);
            writer.Write(proposal.SumRoot);
            writer.Write(proposal.Model);
            writer.Write(proposal.ModelRoot);
            writer.WriteUInt32(proposal.Ok);
            writer.WriteUInt32(proposal.Wrong);
            writer.WriteEndArray();
        }

        writer.WriteEndArray();
        if (Failure is { } failure) writer.WriteInt32((int)failure); else writer.WriteNull();
        writer.WriteEndArray();
    }
}
