using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;

namespace Orleans.Training.EndToEnd;

/// <summary>
/// One running federation for all tests that do not kill anything: set up through the gateway, as a tenant would, up to a finished run of two rounds.
/// </summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "Disposed of in DisposeAsync.")]
public sealed class HeartFixture : IAsyncLifetime
{
    private readonly TestFederation _federation = new("fed-heart");
    private GatewayHost? _host;
    private GraphClient? _client;

    internal TestFederation Federation => _federation;

    internal GatewayHost Host => _host!;

    internal GraphClient Client => _client!;

    internal string Key { get; private set; } = "";

    internal TrainingAgreement Plan { get; } = TestFederation.Plan("heart", rounds: 2);

    internal string RunId { get; private set; } = "";

    public async Task InitializeAsync()
    {
        _host = await GatewayHost.Start(_federation.Folder, _federation.Shard, "one", TestFederation.Hospitals, options => options.ConnectionInitTimeout = TimeSpan.FromSeconds(3));
        await _host.Shard.Start();
        Key = _host.CreateKey();
        _client = new GraphClient(_host.Url, Key);
        await SetUp(_client, _federation);
        await Client.Commit(_federation, "va", new ProposeAgreement(Plan));
        foreach (var hospital in TestFederation.Hospitals) await Client.Commit(_federation, hospital, new AcceptAgreement(Plan.ComputeDigest(), Policy.Open));
        RunId = (await Client.Query("query($id: ID!) { federation(id: $id) { runs { nodes { id } } } }", new { id = _federation.Id })).GetProperty("federation").GetProperty("runs").GetProperty("nodes")[0].GetProperty("id").GetString()!;
        for (var round = 1; round <= Plan.Rounds; round++) await Train(round);
    }

    /// <summary>Gives every hospital its roles and registers its data set.</summary>
    internal static async Task SetUp(GraphClient client, TestFederation federation)
    {
        foreach (var hospital in TestFederation.Hospitals)
        {
            var admit = new Admit(ParticipantId.Parse(hospital), hospital, Roles.Trainer | Roles.DataOwner, federation.Key(hospital, "transaction"));
            foreach (var seat in TestFederation.Hospitals.Take(3)) await client.Commit(federation, seat, admit);
            await client.Commit(federation, hospital, TestFederation.Dataset("heart"));
        }
    }

    // Updates that change nothing: what matters here is that the round goes through all its stages.
    private async Task Train(int round)
    {
        const string Document = "query($id: ID!) { run(id: $id) { state rounds { nodes { number phase } } } }";
        await Client.Until(Document, new { id = RunId }, data => data.GetProperty("run").GetProperty("rounds").GetProperty("nodes").GetArrayLength() == round);
        var model = (await Client.Query("query($id: ID!) { run(id: $id) { model { digest } } }", new { id = RunId })).GetProperty("run").GetProperty("model");
        var digest = model.ValueKind is System.Text.Json.JsonValueKind.Null ? Plan.InitialModel : Digest.TryParse(model.GetProperty("digest").GetString(), out var parsed) ? parsed : default;
        foreach (var hospital in TestFederation.Hospitals)
        {
            var update = UpdateBlob.Write(new int[TestFederation.Spec.ParameterCount]);
            var blob = await Host.Blobs.Put(new MemoryStream(update), null, CancellationToken.None);
            await Client.Commit(_federation, hospital, new InputCommit(Plan.ComputeDigest(), round, 1, digest, blob.Name));
        }

        await Client.Until(Document, new { id = RunId }, data => data.GetProperty("run").GetProperty("rounds").GetProperty("nodes")[round - 1].GetProperty("phase").GetString() == "PUBLISHED");
    }

    public async Task DisposeAsync()
    {
        _client?.Dispose();
        if (_host is not null) await _host.DisposeAsync();
        _federation.Dispose();
    }
}

/// <summary>Everything in this project runs one after the other: each test may be a whole cluster.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Heart : ICollectionFixture<HeartFixture>
{
    public const string Name = "heart";
}
