using System.Formats.Cbor;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Privacy;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// How each participant trains: learning rate in millionths, batch size, passes over its data, and μ in millionths, by which its loss grows with the distance from the round's model:
/// (μ ÷ 2) ‖w − x‖² (FedProx: Li et al. 2020, eq. 2); 0 for none, and at most 1 ÷ learning rate, since a step that is pulled further goes beyond x; and whether updates are normalised by their steps (<see cref="NormalisedUpdate"/>). And how single rows are hidden, null if they are not. Three items on the wire, or five when one of the next two is used, or six with the last.
/// </summary>
public sealed record TrainingTerms(long LearningRateMicro, int BatchSize, int LocalEpochs, int ProximalMicro = 0, bool IsNormalised = false, RecordNoise? RecordNoise = null)
{
    private const long Million = 1_000_000;

    internal void Write(CborWriter writer)
    {
        var isPlain = ProximalMicro == 0 && !IsNormalised;
        writer.WriteStartArray(RecordNoise is not null ? 6 : isPlain ? 3 : 5);
        writer.WriteInt64(LearningRateMicro);
        writer.WriteInt32(BatchSize);
        writer.WriteInt32(LocalEpochs);
        if (!isPlain || RecordNoise is not null)
        {
            writer.WriteInt32(ProximalMicro);
            writer.WriteBoolean(IsNormalised);
        }

        RecordNoise?.Write(writer);
        writer.WriteEndArray();
    }

    internal static TrainingTerms Read(CborReader reader)
    {
        var items = reader.ReadStartArray();
        Wire.Require(items is 3 or 5 or 6);
        var terms = new TrainingTerms(reader.ReadNumber(int.MaxValue), reader.ReadNumber(1 << 20), reader.ReadNumber(10_000));
        if (items > 3) terms = terms with { ProximalMicro = reader.ReadNumber(1_000_000_000), IsNormalised = reader.ReadBoolean() };
        if (items == 6) terms = terms with { RecordNoise = RecordNoise.Read(reader) };
        Wire.Require(items != 5 || terms.ProximalMicro > 0 || terms.IsNormalised);
        Wire.Require(terms.LearningRateMicro * terms.ProximalMicro <= Million * Million);
        reader.ReadEndArray();
        return terms;
    }
}

/// <summary>
/// How each participant hides single rows while it trains (DP-SGD: Abadi et al. 2016): the Euclidean norm that one row's gradient is cut to, and the noise on their sum in such norms, both in millionths and above 0
/// (docs/spec/privacy.md §8).
/// </summary>
public sealed record RecordNoise(long ClipMicro, long MultiplierMicro)
{
    internal void Write(CborWriter writer)
    {
        writer.WriteStartArray(2);
        writer.WriteInt64(ClipMicro);
        writer.WriteInt64(MultiplierMicro);
        writer.WriteEndArray();
    }

    internal static RecordNoise Read(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var noise = new RecordNoise(reader.ReadNumber(int.MaxValue), reader.ReadNumber(int.MaxValue));
        Wire.Require(noise is { ClipMicro: > 0, MultiplierMicro: > 0 });
        reader.ReadEndArray();
        return noise;
    }
}

/// <summary>One participant of an agreement and the data set it trains on.</summary>
public readonly record struct AgreedDataset(ParticipantId Participant, string Dataset);

/// <summary>
/// What is trained, by whom, on which committed data and how: the plan that all participants sign (docs/spec/contracts.md). Its digest names the run.
/// </summary>
public sealed record TrainingAgreement
{
    /// <summary>A name for people.</summary>
    public required string Name { get; init; }
    /// <summary>The model's encoded specification (docs/spec/model.md).</summary>
    public required ReadOnlyMemory<byte> ModelSpec { get; init; }
    /// <summary>The seed of the initial model.</summary>
    public required Digest Seed { get; init; }
    /// <summary>Digest of the initial model, which follows from specification and seed.</summary>
    public required Digest InitialModel { get; init; }
    /// <summary>How the sum becomes the next model.</summary>
    public required ServerStrategy Strategy { get; init; }
    /// <summary>How updates become integers.</summary>
    public required FixedPoint FixedPoint { get; init; }
    /// <summary>How each participant trains.</summary>
    public required TrainingTerms Training { get; init; }
    /// <summary>Rounds of the run.</summary>
    public required int Rounds { get; init; }
    /// <summary>Updates that a round needs; with groups, each group's sum.</summary>
    public required int MinParticipants { get; init; }
    /// <summary>How long after its opening a round takes updates, in ms of block time.</summary>
    public required long InputWindowMs { get; init; }
    /// <summary>How long after its inputs are fixed a round waits for its model, in ms of block time.</summary>
    public required long AggregateWindowMs { get; init; }
    /// <summary>How long after an attempt has ended its single updates are kept, so that anybody can compute the sum again, in ms of block time; a day unless it is said otherwise.</summary>
    public long ChallengeWindowMs { get; init; } = 86_400_000;
    /// <summary>Who takes part, in ascending order of participants, with which data.</summary>
    public required IReadOnlyList<AgreedDataset> Datasets { get; init; }
    /// <summary>Whether updates are masked.</summary>
    public required bool Masks { get; init; }
    /// <summary>How, if they are; null if not.</summary>
    public MaskingTerms? Masking { get; init; }

    /// <summary>How participants are divided; null for one sum of all.</summary>
    public GroupTerms? Groups => Masking?.Groups;

    /// <summary>Vectors that stand behind a model's parameters: the strategy's, and what centred clipping goes out from.</summary>
    public int StateVectors => Strategy.StateVectors + (Groups?.Rule.CarriesReference is true ? 1 : 0);

    /// <summary>Lanes of an update; 0 where the specification does not parse.</summary>
    public long UpdateLength => Protocol.Aggregation.ModelSpec.TryParse(ModelSpec, out var spec) ? (long)spec.ParameterCount * Strategy.UpdateVectors : 0;

    /// <summary>The most updates in one sum.</summary>
    public int LargestSum => Groups?.LargestOf(Datasets.Count) ?? Datasets.Count;

    /// <summary>μ of each participant's noise; 0 without.</summary>
    public long NoiseVariance => Masking?.NoiseVariance ?? 0;

    /// <summary>
    /// What a round costs each participant whose update is in its sum; null without noise, when the cost is without bound. The noise that counts is that of the smallest cohort, without the corrupt ones.
    /// </summary>
    public PrivacyCost? RoundCost => NoiseVariance == 0 ? null : Mechanism.Cost();

    private SkellamMechanism Mechanism => new(
        SkellamMechanism.ClipOf(FixedPoint), (int)UpdateLength, NoiseVariance * (MinParticipants - Masking!.CorruptLimit));

    /// <summary>Position of a participant in <see cref="Datasets"/>, or −1.</summary>
    public int PositionOf(ParticipantId participant)
    {
        for (var i = 0; i < Datasets.Count; i++)
        {
            if (Datasets[i].Participant == participant) return i;
        }

        return -1;
    }

    /// <summary>The canonical bytes.</summary>
    public byte[] Encode() => Wire.Encode(Write);

    /// <summary>SHA-256 of <see cref="Encode"/>: the agreement's and the run's name.</summary>
    public Digest ComputeDigest() => Digest.Of(Encode());

    /// <summary>Parses an agreement and checks all that needs no state.</summary>
    public static bool TryParse(ReadOnlyMemory<byte> bytes, out TrainingAgreement? agreement) => Wire.TryDecode(bytes, Limits.TransactionBytes, Read, out agreement!);

    /// <summary>Writes the agreement.</summary>
    public void Write(CborWriter writer)
    {
        writer.WriteStartArray(15);
        writer.WriteUInt32(1);
        writer.WriteTextString(Name);
        writer.WriteByteString(ModelSpec.Span);
        writer.Write(Seed);
        writer.Write(InitialModel);
        Strategy.Write(writer);
        FixedPoint.Write(writer);
        Training.Write(writer);
        writer.WriteInt32(Rounds);
        writer.WriteInt32(MinParticipants);
        writer.WriteInt64(InputWindowMs);
        writer.WriteInt64(AggregateWindowMs);
        writer.WriteInt64(ChallengeWindowMs);
        writer.WriteStartArray(Datasets.Count);
        foreach (var (participant, dataset) in Datasets)
        {
            writer.WriteStartArray(2);
            writer.Write(participant);
            writer.WriteTextString(dataset);
            writer.WriteEndArray();
        }

        writer.WriteEndArray();
        if (Masks && Masking is not null) Masking.Write(writer); else writer.WriteBoolean(Masks);
        writer.WriteEndArray();
    }

    internal static TrainingAgreement Read(CborReader reader)
    {
        reader.ReadArrayHead(15);
        reader.ReadVersion(1);
        MaskingTerms? masking = null;
        var agreement = new TrainingAgreement
        {
            Name = reader.ReadName(),
            ModelSpec = reader.ReadBytes(Limits.TransactionBytes),
            Seed = reader.ReadDigest(),
            InitialModel = reader.ReadDigest(),
            Strategy = ServerStrategy.Read(reader),
            FixedPoint = FixedPoint.Read(reader),
            Training = TrainingTerms.Read(reader),
            Rounds = reader.ReadNumber(Limits.Rounds),
            MinParticipants = reader.ReadNumber(Limits.Participants),
            InputWindowMs = reader.ReadNumber(int.MaxValue),
            AggregateWindowMs = reader.ReadNumber(int.MaxValue),
            ChallengeWindowMs = reader.ReadNumber(),
            Datasets = reader.ReadArray(Limits.Participants, ReadDataset),
            Masks = ReadMasks(reader, out masking),
        } with { Masking = masking };
        reader.ReadEndArray();
        Wire.Require(agreement.IsSound());
        return agreement;
    }

    private bool IsSound()
    {
        for (var i = 1; i < Datasets.Count; i++)
        {
            if (Datasets[i - 1].Participant >= Datasets[i].Participant) return false;
        }

        return (Masks ? Masking is { IsSound: true } masking && masking.HasRoom(FixedPoint) && masking.CanCheck(FixedPoint) : Masking is null) && Datasets.Count > 0 && Rounds > 0 && InputWindowMs > 0 && AggregateWindowMs > 0 && ChallengeWindowMs is > 0 and <= Limits.ChallengeWindowMs
            && MinParticipants >= 1 && MinParticipants <= Datasets.Count
            && Protocol.Aggregation.ModelSpec.TryParse(ModelSpec, out var spec) && (long)sizeof(float) * spec.ParameterCount * (1 + StateVectors) <= ModelBlob.MaximumBytes - Digest.Size
            && Training is { LearningRateMicro: > 0, BatchSize: > 0, LocalEpochs: > 0 } && FixedPoint.Participants >= LargestSum
            && Groups?.IsSound(Datasets.Count, MinParticipants) is not false
            && (Strategy.Rule is not ServerRule.Scaffold || (Groups is null && Training is { ProximalMicro: 0, IsNormalised: false, RecordNoise: null } && UpdateLength <= Limits.Parameters));
    }

    private static bool ReadMasks(CborReader reader, out MaskingTerms? masking)
    {
        masking = reader.PeekState() is CborReaderState.StartArray ? MaskingTerms.Read(reader) : null;
        return masking is not null || reader.ReadBoolean();
    }

    private static AgreedDataset ReadDataset(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var dataset = new AgreedDataset(reader.ReadParticipant(), reader.ReadName());
        reader.ReadEndArray();
        return dataset;
    }
}
