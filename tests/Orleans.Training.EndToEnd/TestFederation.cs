using System.Security.Cryptography;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.EndToEnd;

/// <summary>A federation of four hospitals on disk, as its machines would have it: keys, genesis and a folder for journals, blobs and the cluster.</summary>
internal sealed class TestFederation : IDisposable
{
    public static readonly string[] Hospitals = ["cleveland", "hungarian", "switzerland", "va"];
    private readonly Dictionary<string, ISigner> _signers = [];

    public TestFederation(string name)
    {
        Folder = Path.Combine(Path.GetTempPath(), $"otrain-{Guid.NewGuid():N}");
        Files = new ShardFiles(Folder);
        var seats = Hospitals.Select(hospital =>
        {
            var keys = new KeyFolder(Files.KeyRoot, ParticipantId.Parse(hospital));
            foreach (var role in new[] { "transaction", "vote", "cosign", "log", "derivation" }) _signers[$"{hospital}/{role}"] = keys.Create(role, SignatureAlgorithm.Ed25519);
            return new Validator(ParticipantId.Parse(hospital), Key(hospital, "transaction"), Key(hospital, "vote"), Key(hospital, "cosign"), Key(hospital, "log"));
        }).ToArray();
        Genesis = new Genesis($"ledger.example/{name}", Identifier.From(RandomNumberGenerator.GetBytes(Identifier.Size)), TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds(), new ValidatorSet(1, seats));
        Directory.CreateDirectory(Path.GetDirectoryName(Files.GenesisFile(Shard))!);
        File.WriteAllBytes(Files.GenesisFile(Shard), Genesis.Encode());
    }

    public string Folder { get; }

    public ShardFiles Files { get; }

    public Genesis Genesis { get; }

    public Identifier Shard => Genesis.Shard;

    public string Id => Gateway.GatewayExtensions.FederationId(Shard);

    public string KeyFile => Path.Combine(Folder, "api-keys.json");

    public TrustPolicy Policy => TrustPolicy.Of(Genesis.Origin, Genesis.Validators);

    public async Task<Transaction> Sign(string actor, ContractCall call, string salt = "") =>
        await new TransactionWriter(Genesis.Chain, Shard, ParticipantId.Parse(actor), _signers[$"{actor}/transaction"], TimeProvider.System).Write(call, System.Text.Encoding.UTF8.GetBytes(salt), CancellationToken.None);

    public PublicKey Key(string hospital, string role) => _signers[$"{hospital}/{role}"].PublicKey;

    public static RegisterDataset Dataset(string name, long records = 100) => new(name, Digest.Of(System.Text.Encoding.UTF8.GetBytes(name)), records, "age,sex,num");

    public static TrainingAgreement Plan(string name, int rounds)
    {
        var plan = new TrainingAgreement
        {
            Name = name,
            ModelSpec = Spec.Encoded,
            Seed = Digest.Of("seed"u8),
            InitialModel = Digest.Zero,
            Strategy = ServerStrategy.FedAvg,
            FixedPoint = FixedPoint.Create(10, Hospitals.Length),
            Training = new TrainingTerms(50_000, 8, 3),
            Rounds = rounds,
            MinParticipants = 3,
            InputWindowMs = 600_000,
            AggregateWindowMs = 600_000,
            Datasets = [.. Hospitals.Select(hospital => new AgreedDataset(ParticipantId.Parse(hospital), "heart"))],
            Masks = false,
        };
        return plan with { InitialModel = Digest.Of(RoundAggregate.InitialModelOf(plan)) };
    }

    public static ModelSpec Spec { get; } = ModelSpec.Logistic(10);

    public void Dispose()
    {
        foreach (var signer in _signers.Values) (signer as IDisposable)?.Dispose();
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        Directory.Delete(Folder, recursive: true);
    }
}
