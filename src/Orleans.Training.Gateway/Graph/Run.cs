using System.ComponentModel;
using System.Numerics;
using GraphQL;
using Orleans.Training.Gateway.Reading;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;

namespace Orleans.Training.Gateway.Graph;

internal enum RunState
{
    Running,
    Succeeded,
    Failed,
}

[Implements(typeof(INode)), Description("One execution of an agreement: its rounds until the last model, or the reason why not.")]
internal sealed class Run(FederationReader reader, RunRecord record) : INode
{
    private AgreementRecord? _agreement;

    [GraphQL.Id]
    public string Id => GlobalId.Of(GlobalId.Run, reader.Shard, record.Agreement);

    public async Task<RunState> State() => record.Failure is not null ? RunState.Failed : record.PublishedRounds >= await TotalRounds() ? RunState.Succeeded : RunState.Running;

    public async Task<TrainingAgreement> Agreement() => new(reader, await Terms());

    [Description("The round that is open or comes next; the last one when the run is over.")]
    public async Task<int> CurrentRound() => Math.Min(record.PublishedRounds + 1, await TotalRounds());

    public async Task<int> TotalRounds() => (await Terms()).Agreement.Rounds;

    [Description("Every attempt at every round, in order.")]
    public Task<Connection<Round>> Rounds(int first = GatewayLimits.DefaultPage, string? after = null) =>
        reader.List<RoundRecord, Round>($"{RoundRecord.Prefix}{record.Agreement}/", first, after, round => new Round(reader, round));

    [Description("The newest published model; null before the first.")]
    public Task<ModelVersion?> Model() => ModelVersion.Find(reader, record.Agreement, record.PublishedRounds);

    [Description("Every published model, in order.")]
    public Task<Connection<ModelVersion>> Models(int first = GatewayLimits.DefaultPage, string? after = null) =>
        reader.List<ModelRecord, ModelVersion>($"{ModelRecord.Prefix}{record.Agreement}/", first, after, model => new ModelVersion(reader, model));

    [Description("Why the run could not go on.")]
    public RoundFailure? Failure => record.Failure;

    // A run exists only where its agreement does.
    private async ValueTask<AgreementRecord> Terms() => _agreement ??= (await reader.Find<AgreementRecord>(AgreementRecord.Key(record.Agreement)))!;
}

[Implements(typeof(INode)), Description("One attempt at a training round.")]
internal sealed class Round(FederationReader reader, RoundRecord record) : INode
{
    [GraphQL.Id]
    public string Id => GlobalId.Of(GlobalId.Round, reader.Shard, record.Agreement, record.Number, record.Attempt);

    public async Task<Run> Run() => new(reader, (await reader.Find<RunRecord>(RunRecord.Key(record.Agreement)))!);

    public int Number => record.Number;

    public int Attempt => record.Attempt;

    public Phase Phase => record.Phase;

    [Description("When the phase ends, in block time; null when the round is over.")]
    public DateTimeOffset? Deadline => record.Phase is Phase.Published or Phase.Failed ? null : DateTimeOffset.FromUnixTimeMilliseconds(record.DeadlineMs);

    [Description("When the updates are deleted, in block time; null until the round is over.")]
    public async Task<DateTimeOffset?> UpdatesExpire() => await reader.Find<ExpiryRecord>(ExpiryRecord.Key(record.StateKey)) is { } expiry ? DateTimeOffset.FromUnixTimeMilliseconds(expiry.TimeMs) : null;

    [Description("What became of each participant's update, in the agreement's order.")]
    public async Task<IEnumerable<Contribution>> Contributions()
    {
        var terms = (await reader.Find<AgreementRecord>(AgreementRecord.Key(record.Agreement)))!;
        if (terms.Agreement.Masks) return await MaskedContributions(terms);
        var counted = record.Survivors(reader.Genesis.Validators.Quorum).ToHashSet();
        var over = record.InputsDigest is not null || record.Phase is Phase.Published or Phase.Failed;
        return record.Inputs.Select((input, position) => Of(terms, position, input.Root == Digest.Zero ? null : input.Root, counted.Contains(position), over));
    }

    [Description("The digest of the round's model, once it is published.")]
    public async Task<Digest?> ModelDigest() => record.Phase is Phase.Published ? (await reader.Find<ModelRecord>(ModelRecord.Key(record.Agreement, record.Number)))?.Model : null;

    [Description("Why the round ended without a model.")]
    public RoundFailure? Failure => record.Failure;

    private async Task<IEnumerable<Contribution>> MaskedContributions(AgreementRecord terms)
    {
        // The order first: what it names is there from then on.
        var name = record.StateKey[RoundRecord.Prefix.Length..];
        var records = new Dictionary<string, StateRecord>(StringComparer.Ordinal);
        foreach (var (key, order) in await reader.All<UnmaskOrderRecord>($"{UnmaskOrderRecord.Prefix}{name}")) records[key] = order;
        foreach (var (key, input) in await reader.All<MaskedInputRecord>($"{MaskedInputRecord.Prefix}{name}/")) records[key] = input;
        foreach (var (key, reference) in await reader.All<MaskReferenceRecord>($"{MaskReferenceRecord.Prefix}{name}/")) records[key] = reference;
        var masked = new MaskedAttempt(records.GetValueOrDefault, terms, record);
        var (survivors, over) = (masked.Survivors, masked.IsOrdered || record.Phase is Phase.Published or Phase.Failed);
        return masked.Everybody.Select(position => position == masked.Trusted
            ? Of(terms, position, masked.Reference, masked.IsOrdered, over)
            : Of(terms, position, masked.RootOf(MaskBlobKind.Input, position), survivors.Contains(position), over));
    }

    private Contribution Of(AgreementRecord terms, int position, Digest? update, bool counts, bool over) => new(
        new Participant(reader, terms.Agreement.Datasets[position].Participant),
        update,
        counts ? ContributionState.Accepted : over ? ContributionState.Dropped : update is null ? ContributionState.Selected : ContributionState.Submitted);
}

[Description("SELECTED: expected. SUBMITTED: committed on the ledger. ACCEPTED: a quorum of validators holds it. DROPPED: it came too late, or never.")]
internal enum ContributionState
{
    Selected,
    Submitted,
    Accepted,
    Dropped,
}

[Description("One participant's update in a round; updateDigest names its bytes.")]
internal sealed record Contribution(Participant Participant, Digest? UpdateDigest, ContributionState State);

[Description("Where to get content, with the same API key; what comes must have this root over its chunks.")]
internal sealed record DownloadLink(string Url, Digest Root);

[Implements(typeof(INode)), Description("A published model: a quorum of validators has recomputed it.")]
internal sealed class ModelVersion(FederationReader reader, ModelRecord record) : INode
{
    [GraphQL.Id]
    public string Id => GlobalId.Of(GlobalId.Model, reader.Shard, record.Agreement, record.Round);

    [Description("SHA-256 of the specification's digest and the parameters.")]
    public Digest Digest => record.Model;

    [Description("The round that made it.")]
    public int Version => record.Round;

    [Description("The model that it was trained from; null for the first, which began with the agreement's initial model.")]
    public Task<ModelVersion?> Parent() => Find(reader, record.Agreement, record.Round - 1);

    [Description("Seats whose validators attested it.")]
    public int Attestations => BitOperations.PopCount(record.Attesters);

    [Description("The model as bytes: the digest of its specification, then its parameters as flat little-endian float32.")]
    public DownloadLink Download => new($"/blobs/{record.Root}?model={Id}", record.Root);

    [Description("What participants have told of their training, each only under masks; null without masks.")]
    public async Task<TrainingMetrics?> Metrics() => await reader.Metrics(record) is var (count, tail) ? new TrainingMetrics(count, tail) : null;

    internal static async Task<ModelVersion?> Find(FederationReader reader, Digest agreement, int round) =>
        round >= 1 && await reader.Find<ModelRecord>(ModelRecord.Key(agreement, round)) is { } model ? new ModelVersion(reader, model) : null;
}
