using System.Data.Common;
using Microsoft.Data.Sqlite;
using Npgsql;
using Orleans.Training.Grains.Schema;

namespace Orleans.Training.Grains.Silos;

/// <summary>The database of a cluster, set up before anything of Orleans reads it.</summary>
internal sealed class ClusterDatabase : ILifecycleParticipant<ISiloLifecycle>
{
    private readonly string? _folder;

    private ClusterDatabase(string invariant, string connectionString, string? folder)
    {
        Invariant = invariant;
        ConnectionString = connectionString;
        _folder = folder;
    }

    /// <summary>Orleans' name of the driver; for SQLite it loads Microsoft.Data.Sqlite under the name of an older one.</summary>
    public string Invariant { get; }

    public string ConnectionString { get; }

    public static ClusterDatabase From(TrainingSiloOptions options)
    {
        if (!string.IsNullOrEmpty(options.PostgresConnectionString)) return new("Npgsql", options.PostgresConnectionString, null);
        var file = Path.Combine(Path.GetFullPath(options.DataFolder!), "cluster.db");
        return new("System.Data.SQLite", new SqliteConnectionStringBuilder { DataSource = file }.ToString(), options.DataFolder);
    }

    public void Participate(ISiloLifecycle observer) => observer.Subscribe(nameof(ClusterDatabase), ServiceLifecycleStage.First, SetUp);

    public async Task SetUp(CancellationToken cancellationToken)
    {
        if (_folder is not null) DurableFiles.CreateFolder(_folder);
        await using DbConnection connection = _folder is null ? new NpgsqlConnection(ConnectionString) : new SqliteConnection(ConnectionString);
        await connection.OpenAsync(cancellationToken);
        if (_folder is not null)
        {
            await using var journal = connection.CreateCommand();
            journal.CommandText = "PRAGMA journal_mode = WAL";
            await journal.ExecuteNonQueryAsync(cancellationToken);
        }

        await Migrations.Apply(connection, ["cluster"], cancellationToken);
    }
}
