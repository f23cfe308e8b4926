using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Trainer;

namespace Orleans.Training.Cli.Demo;

/// <summary>One demonstration: who takes part, with which data, on which model, and what to compare with.</summary>
internal abstract class DemoPlan
{
    /// <summary>The seed of everything that is drawn at random and public.</summary>
    public const ulong Seed = 1;

    public const int Seats = 4;

    private const int LaneBits = 16;
    private const int Corrupt = 1;
    private const int PhaseMs = 60_000;
    private const int Million = 1_000_000;

    public abstract string Name { get; }

    public abstract string Title { get; }

    public abstract IReadOnlyList<ParticipantId> Participants { get; }

    public abstract ModelSpec Spec { get; }

    /// <summary>What was asked for besides the plan.</summary>
    public DemoOptions Asked { get; init; } = new();

    public int Rounds => Asked.Rounds ?? UsualRounds;

    protected abstract int UsualRounds { get; }

    /// <summary>How each participant trains, before anything is asked for besides.</summary>
    protected abstract TrainingTerms Terms { get; }

    public TrainingTerms Training => Terms with { ProximalMicro = Asked.ProximalMicro, IsNormalised = Asked.IsNormalised, RecordNoise = Asked.RowNoise > 0 ? new(Million, (long)Math.Round(Million * Asked.RowNoise)) : null };

    public DemoGroups? Groups => Asked.Groups;

    public DemoNoise? Noise => Asked.Noise;

    /// <summary>C where there is noise, which grows with it.</summary>
    public abstract double NoisyClip { get; }

    public abstract double Clip { get; }

    /// <summary>Beyond this a coordinate of an update is cut; what is not needed for it is left for the resolution.</summary>
    public abstract double Bound { get; }

    /// <summary>Writes every participant's own data below the machine's folder, where only its own process looks.</summary>
    public abstract void WriteData(string root);

    /// <summary>The rows on which all models are compared: what all participants hold out, or the public test set.</summary>
    public abstract LabelledData TestRows(string root);

    /// <summary>What is printed under the table, or null.</summary>
    public virtual string? Reference(IProgress<string> progress) => null;

    public static string DataFolder => Path.Combine(AppContext.BaseDirectory, "data");

    /// <summary>The plan of a name, or null.</summary>
    public static DemoPlan? Find(string name, DemoOptions? asked = null) => name switch
    {
        "heart" => new HeartPlan { Asked = asked ?? new() },
        "mnist" => new MnistPlan { Asked = asked ?? new() },
        _ => null,
    };

    /// <summary>How its groups are formed under masks; null without groups, and where there are too few participants for them.</summary>
    public GroupTerms? GroupTerms => Groups?.TermsOf(Participants.Count, FixedPoint.Create(Clip, Participants.Count, LaneBits, Bound)) is { } terms
        ? Groups.TermsOf(Participants.Count, FixedPoint.Create(Clip, terms.LargestOf(Participants.Count), LaneBits, Bound)) : null;

    /// <summary>Why what was asked for does not go together, and what to leave out; null if it does.</summary>
    /// <param name="isPlain">Whether masks are left out.</param>
    public string? Problem(bool isPlain) => Asked switch
    {
        { IsControlled: true } when Asked is not { RowNoise: 0, Groups: null, ProximalMicro: 0, IsNormalised: false } =>
            "--scaffold corrects steps by itself, and its control variates are means of all: leave --proximal, --normalised, --row-noise and --groups out, or --scaffold",
        { Groups: { } groups } when GroupTerms is null || isPlain =>
            $"{Participants.Count} participants do not form {groups.Count} groups of {DemoGroups.LeastMembers} or more under masks for the rule '{groups.Rule}': choose other --groups, another --rule, or the plan mnist",
        { IsProjected: true } when Groups is not null || isPlain => "images are of one sum under masks: leave --groups and --no-masks out, or --projected",
        { IsHybrid: true } when isPlain => "there are no masks whose secrets could be hybrid: leave --no-masks out, or --hybrid",
        { Noise: not null } when isPlain => "noise is for sums under masks: leave --no-masks out, or --epsilon",
        _ => null,
    };

    /// <summary>The agreement that all participants sign, with masks that bear one corrupt participant (with groups none, since they are small), or without any.</summary>
    public TrainingAgreement Agreement(bool masks)
    {
        var groups = masks ? GroupTerms : null;
        var corrupt = groups is null ? Corrupt : 0;
        var seed = new byte[Digest.Size];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64LittleEndian(seed, Seed);
        var agreement = new TrainingAgreement
        {
            Name = Name,
            ModelSpec = Spec.Encoded,
            Seed = Digest.From(seed),
            InitialModel = Digest.Zero,
            Strategy = Asked.IsControlled ? new(ServerRule.Scaffold) : ServerStrategy.FedAvg,
            FixedPoint = FixedPoint.Create(Clip, groups?.LargestOf(Participants.Count) ?? Participants.Count, LaneBits, Bound),
            Training = Training,
            Rounds = Rounds,
            // With masks that bear c corrupt ones a sum is of c + 3 at least.
            MinParticipants = groups is null ? Math.Max(Participants.Count - 1, masks ? corrupt + 3 : 1) : DemoGroups.LeastMembers,
            InputWindowMs = 120_000,
            AggregateWindowMs = 120_000,
            Datasets = [.. Participants.Order().Select(participant => new AgreedDataset(participant, Name))],
            Masks = masks,
            Masking = masks ? new MaskingTerms(corrupt, PhaseMs, PhaseMs, PhaseMs, PhaseMs, PhaseMs, PhaseMs, Groups: groups, Check: Asked.IsProjected ? SumCheck.Projected : SumCheck.Recomputed, Exchange: Asked.IsHybrid ? KeyExchange.Hybrid : KeyExchange.X25519) : null,
        };
        if (masks && Noise is not null) agreement = Noise.AddTo(agreement, NoisyClip) ?? throw new InvalidOperationException($"OT-7002 no noise is enough for ε = {Noise.Epsilon} in {Rounds} rounds: ask for more, or for fewer rounds.");
        return agreement with { InitialModel = Digest.Of(RoundAggregate.InitialModelOf(agreement)) };
    }

    /// <summary>The settings of local training, before each participant and round derives its seed.</summary>
    public TrainingSettings Settings => new(Training.LocalEpochs, Training.BatchSize, Training.LearningRateMicro / 1e6f, Seed, Proximal: Training.ProximalMicro / 1e6f, IsNormalised: Training.IsNormalised, IsControlled: Asked.IsControlled,
        Private: Training.RecordNoise is { } noise ? new((double)noise.ClipMicro / Million, (double)noise.MultiplierMicro / Million, []) : null);
}
