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
}
