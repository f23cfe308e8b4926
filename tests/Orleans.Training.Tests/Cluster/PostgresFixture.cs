using System.Diagnostics;
using Npgsql;

namespace Orleans.Training.Tests.Cluster;

/// <summary>A private PostgreSQL for the tests of one run: own folder, Unix socket only, real fsync. Needs PostgreSQL's binaries, no rights.</summary>
public sealed class PostgresFixture : IAsyncLifetime
{
    public const string Collection = "postgresql";

    private readonly string _folder = Directory.CreateTempSubdirectory("otrain-pg-").FullName;
    private int _databases;

    public async Task InitializeAsync()
    {
        if (Environment.IsPrivilegedProcess) await Run("chown", [AsUser, _folder]);
        await RunTool("initdb", "-D", Data, "-U", "otrain", "--auth=trust", "-E", "UTF8", "--no-sync");
        await RunTool("pg_ctl", "-D", Data, "-l", Path.Combine(_folder, "log"), "-o", $"-c listen_addresses= -k {_folder} -c max_connections=200", "-w", "start");
    }

    public async Task DisposeAsync()
    {
        await RunTool("pg_ctl", "-D", Data, "-m", "immediate", "-w", "stop");
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>The connection string of a new, empty database.</summary>
    public async Task<string> CreateDatabase()
    {
        var name = $"test{Interlocked.Increment(ref _databases)}";
        await Execute(ConnectionString("postgres"), $"CREATE DATABASE {name}");
        return ConnectionString(name);
    }

    public static async Task Execute(string connectionString, string sql)
    {
        await using var source = NpgsqlDataSource.Create(connectionString);
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    private string Data => Path.Combine(_folder, "data");

    // PostgreSQL refuses to run as root; a root test run borrows the user that its package created.
    private static string AsUser => "postgres";

    private string ConnectionString(string database) => $"Host={_folder};Username=otrain;Database={database}";

    private static Task RunTool(string tool, params string[] arguments) => Environment.IsPrivilegedProcess
        ? Run("runuser", ["-u", AsUser, "--", Find(tool), .. arguments])
        : Run(Find(tool), arguments);

    private static string Find(string tool)
    {
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .Concat(Directory.Exists("/usr/lib/postgresql") ? Directory.GetDirectories("/usr/lib/postgresql").OrderDescending().Select(version => Path.Combine(version, "bin")) : []);
        return folders.Select(folder => Path.Combine(folder, tool)).FirstOrDefault(File.Exists)
            ?? throw new InvalidOperationException($"{tool} was not found: install PostgreSQL 15 or newer (Debian: apt-get install postgresql).");
    }

    private static async Task Run(string program, string[] arguments)
    {
        var start = new ProcessStartInfo("/bin/sh") { WorkingDirectory = Path.GetTempPath() };
        // Output goes to a file: the server would keep a pipe open for as long as it lives.
        var output = Path.GetTempFileName();
        foreach (var argument in (string[])["-c", "out=$1; shift; exec \"$@\" >\"$out\" 2>&1 </dev/null", "sh", output, program, .. arguments]) start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        await process.WaitForExitAsync();
        var said = await File.ReadAllTextAsync(output);
        File.Delete(output);
        if (process.ExitCode != 0) throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}: {said}");
    }
}

[CollectionDefinition(PostgresFixture.Collection)]
public sealed class PostgresCollection : ICollectionFixture<PostgresFixture>;
