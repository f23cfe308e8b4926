using System.ComponentModel;
using GraphQL;
using Orleans.Training.Gateway.Reading;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;

namespace Orleans.Training.Gateway.Graph;

[Implements(typeof(INode)), Description("The consortium: one ledger shard, its participants, its agreements.")]
internal sealed class Federation(FederationReader reader) : INode
{
    [GraphQL.Id]
    public string Id => GlobalId.Of(GlobalId.Federation, reader.Shard);

    [Description("The origin of its ledger.")]
    public string Name => reader.Genesis.Origin;

    [Description("The identifier of its ledger shard, as transactions name it: 32 hexadecimal characters.")]
    public string Shard => reader.Shard.ToString();

    public Ledger Ledger => new(reader);

    public Task<Connection<Participant>> Participants(int first = GatewayLimits.DefaultPage, string? after = null) =>
        reader.List<ParticipantRecord, Participant>(ParticipantRecord.Prefix, first, after, record => new Participant(reader, record.Id, record));

    public Task<Connection<Dataset>> Datasets(int first = GatewayLimits.DefaultPage, string? after = null) =>
        reader.List<DatasetRecord, Dataset>(DatasetRecord.Prefix, first, after, record => new Dataset(reader, record));

    public Task<Connection<TrainingAgreement>> Agreements(int first = GatewayLimits.DefaultPage, string? after = null) =>
        reader.List<AgreementRecord, TrainingAgreement>(AgreementRecord.Prefix, first, after, record => new TrainingAgreement(reader, record));

    public Task<Connection<Run>> Runs(int first = GatewayLimits.DefaultPage, string? after = null) =>
        reader.List<RunRecord, Run>(RunRecord.Prefix, first, after, record => new Run(reader, record));
}

[Description("What a participant may do.")]
internal enum ParticipantRole
{
    Trainer = Roles.Trainer,
    Validator = Roles.Validator,
    Auditor = Roles.Auditor,
    DataOwner = Roles.DataOwner,
}

[Implements(typeof(INode)), Description("An organisation of the federation, known by its registered keys.")]
internal sealed class Participant(FederationReader reader, ParticipantId id, ParticipantRecord? known = null) : INode
{
    private ParticipantRecord? _record = known;

    [GraphQL.Id]
    public string Id => GlobalId.Of(GlobalId.Participant, reader.Shard, id.Name);

    [Description("Its name on the ledger.")]
    public string Name => id.Name;

    [Description("Its name for people.")]
    public async Task<string> DisplayName() => (await Record())?.DisplayName ?? id.Name;

    public async Task<IEnumerable<ParticipantRole>> Roles() => await Record() is { } record ? Enum.GetValues<ParticipantRole>().Where(role => ((int)record.Roles & (int)role) != 0) : [];

    private async ValueTask<ParticipantRecord?> Record() => _record ??= await reader.Find<ParticipantRecord>(ParticipantRecord.Key(id));
}

[Implements(typeof(INode)), Description("A commitment: the data stay where they are.")]
internal sealed class Dataset(FederationReader reader, DatasetRecord record) : INode
{
    [GraphQL.Id]
    public string Id => GlobalId.Of(GlobalId.Dataset, reader.Shard, $"{record.Owner}/{record.Name}");

    public Participant Owner => new(reader, record.Owner);

    public string Name => record.Name;

    [Description("The names of its columns, as its owner registered them.")]
    public string Schema => record.Schema;

    public long Records => record.Records;

    public Digest Commitment => record.Commitment;

    [Description("What its owner allows it to lose by sums with noise, and what it has lost; null without a budget.")]
    public async Task<DataBudget?> Budget() => await reader.Find<BudgetRecord>(BudgetRecord.Key(record.Owner, record.Name)) is { Budget: { } budget } found ? new DataBudget(budget, found) : null;
}

[Description("Machine-checked rules; the effective policy of an agreement is the strictest of all that its participants attached.")]
internal sealed class Policy(Protocol.Contracts.Policy policy)
{
    public int MinParticipants => policy.MinParticipants;

    public int MaxRounds => policy.MaxRounds;

    public int MaxLocalEpochs => policy.MaxLocalEpochs;

    [Description("When training must end; null for never.")]
    public DateTimeOffset? NotAfter => policy.NotAfterMs <= DateTimeOffset.MaxValue.ToUnixTimeMilliseconds() ? DateTimeOffset.FromUnixTimeMilliseconds(policy.NotAfterMs) : null;

    public bool RequireMasks => policy.RequireMasks;
}

[Implements(typeof(INode)), Description("What is trained, by whom, on which committed data, under which policy.")]
internal sealed class TrainingAgreement(FederationReader reader, AgreementRecord record) : INode
{
    [GraphQL.Id]
    public string Id => GlobalId.Of(GlobalId.Agreement, reader.Shard, record.Digest);

    public Digest Digest => record.Digest;

    public string Name => record.Agreement.Name;

    [Description("SHA-256 of the encoded model specification.")]
    public Digest ModelSpec => Digest.Of(record.Agreement.ModelSpec.Span);

    public string Strategy => record.Agreement.Strategy.Name;

    public int Rounds => record.Agreement.Rounds;

    [Description("Updates that a sum needs; with groups, each group's.")]
    public int MinParticipants => record.Agreement.MinParticipants;

    [Description("How updates are hidden; null where validators see them.")]
    public Masking? Masking => record.Agreement.Masking is { } terms ? new Masking(reader, record, terms) : null;

    [Description("How long a round takes updates.")]
    public double InputWindowSeconds => record.Agreement.InputWindowMs / 1000.0;

    [Description("How long a round waits for its model once its inputs are fixed.")]
    public double AggregateWindowSeconds => record.Agreement.AggregateWindowMs / 1000.0;

    [Description("How long single updates are kept after their round, so that everybody can compute its sum again.")]
    public double ChallengeWindowSeconds => record.Agreement.ChallengeWindowMs / 1000.0;

    [Description("Who takes part.")]
    public IEnumerable<Participant> Participants => record.Agreement.Datasets.Select(agreed => new Participant(reader, agreed.Participant));

    [Description("Who has accepted so far.")]
    public IEnumerable<Participant> AcceptedBy => record.Acceptances.Select(acceptance => new Participant(reader, acceptance.Participant));

    [Description("The policy that holds; null until everybody has accepted.")]
    public Policy? Policy => record.Effective is { } effective ? new Policy(effective) : null;

    [Description("The agreement's bytes, whose SHA-256 is its digest.")]
    public ReadOnlyMemory<byte> Encoded => record.Agreement.Encode();

    [Description("Its execution; null until everybody has accepted.")]
    public async Task<Run?> Run() => await reader.Find<RunRecord>(RunRecord.Key(record.Digest)) is { } run ? new Run(reader, run) : null;
}
