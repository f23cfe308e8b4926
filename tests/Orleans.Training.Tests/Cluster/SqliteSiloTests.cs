using Microsoft.Data.Sqlite;
using Orleans.Training.Grains.Silos;

namespace Orleans.Training.Tests.Cluster;

public sealed class SqliteSiloTests : SiloContractTests, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        SqliteConnection.ClearAllPools();
        _folder.Dispose();
    }

    private protected override void Configure(TrainingSiloOptions options) => options.DataFolder = _folder.Path;

    private protected override async Task PretendPowerCut()
    {
        await using var connection = new SqliteConnection($"Data Source={_folder["cluster.db"]}");
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = "UPDATE silo_member SET status = 3, alive_time = strftime('%Y-%m-%d %H:%M:%f', 'now', '-20 seconds')";
        Assert.Equal(1, await command.ExecuteNonQueryAsync());
    }
}
