using System.Data.Common;
using System.Globalization;
using Npgsql;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Schema;

/// <summary>
/// Applies SQL scripts that are part of this assembly, each once and in one transaction. A script that was applied must never change: its
/// digest is kept beside its name.
/// </summary>
internal static class Migrations
{
    private const long AdvisoryLock = 0x4F545241494E; // "OTRAIN"

    /// <summary>Applies the scripts, named without their ending, in the given order, unless they are there already.</summary>
    public static async Task Apply(DbConnection connection, IEnumerable<string> scripts, CancellationToken cancellationToken)
    {
        var dialect = connection is NpgsqlConnection ? "postgresql" : "sqlite";
        foreach (var script in scripts)
        {
            var text = await ReadScript($"{script}.{dialect}.sql");
            await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
            if (connection is NpgsqlConnection) await Execute(connection, transaction, $"SELECT pg_advisory_xact_lock({AdvisoryLock.ToString(CultureInfo.InvariantCulture)})", cancellationToken);
            await Execute(connection, transaction, "CREATE TABLE IF NOT EXISTS schema_migration (name TEXT PRIMARY KEY, digest TEXT NOT NULL)", cancellationToken);
            await ApplyOnce(connection, transaction, script, text, cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }
    }

    private static async Task ApplyOnce(DbConnection connection, DbTransaction transaction, string script, string text, CancellationToken cancellationToken)
    {
        var digest = Digest.Of(System.Text.Encoding.UTF8.GetBytes(text)).ToString();
        await using var find = Command(connection, transaction, "SELECT digest FROM schema_migration WHERE name = @name", ("name", script));
        switch (await find.ExecuteScalarAsync(cancellationToken))
        {
            case null:
                await Execute(connection, transaction, text, cancellationToken);
                await using (var note = Command(connection, transaction, "INSERT INTO schema_migration (name, digest) VALUES (@name, @digest)", ("name", script), ("digest", digest)))
                {
                    await note.ExecuteNonQueryAsync(cancellationToken);
                }

                break;
            case string applied when applied == digest:
                break;
            default:
                throw new OperationalException("OT-7010", $"The database was set up with another version of the script '{script}'.");
        }
    }

    private static async Task Execute(DbConnection connection, DbTransaction transaction, string sql, CancellationToken cancellationToken)
    {
        await using var command = Command(connection, transaction, sql);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private static DbCommand Command(DbConnection connection, DbTransaction transaction, string sql, params (string Name, string Value)[] parameters)
    {
        var command = connection.CreateCommand();
        command.Transaction = transaction;
#pragma warning disable CA2100 // The texts are constants and resources of this assembly.
        command.CommandText = sql;
#pragma warning restore CA2100
        foreach (var (name, value) in parameters)
        {
            var parameter = command.CreateParameter();
            (parameter.ParameterName, parameter.Value) = (name, value);
            command.Parameters.Add(parameter);
        }

        return command;
    }

    private static async Task<string> ReadScript(string name)
    {
        await using var stream = typeof(Migrations).Assembly.GetManifestResourceStream(name) ?? throw new InvalidOperationException($"There is no script {name}.");
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync();
    }
}
