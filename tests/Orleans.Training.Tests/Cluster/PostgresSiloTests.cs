using Orleans.Training.Grains.Silos;

namespace Orleans.Training.Tests.Cluster;

[Collection(PostgresFixture.Collection)]
public sealed class PostgresSiloTests(PostgresFixture postgres) : SiloContractTests, IAsyncLifetime
{
    private string _database = "";

    public async Task InitializeAsync() => _database = await postgres.CreateDatabase();

    public Task DisposeAsync() => Task.CompletedTask;

    private protected override void Configure(TrainingSiloOptions options) => options.PostgresConnectionString = _database;

    private protected override Task PretendPowerCut() =>
        PostgresFixture.Execute(_database, "UPDATE silo_member SET status = 3, alive_time = now() - interval '20 seconds'");
}
