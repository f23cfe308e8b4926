using System.Data;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Npgsql;
using NpgsqlTypes;
using Orleans.Training.Grains.Schema;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>A journal in PostgreSQL, for validators that may move between machines; the owner number is the fence (docs/spec/store.md §1.4).</summary>
public sealed class PostgresValidatorStore : IValidatorStore
{
    private sealed record Claim(long Owner, byte[] Salt, long Number, Digest Chain);

    private readonly PostgresValidatorStoreOptions _options;
    private readonly NpgsqlDataSource _source;
    private readonly NpgsqlConnection _writing;
    private readonly Claim _claim;
    private readonly JournalFormat _format;
    private readonly SemaphoreSlim _reading = new(1);
    private NpgsqlCommand? _append;
    private GroupCommit? _commit;

    private PostgresValidatorStore(PostgresValidatorStoreOptions options, NpgsqlDataSource source, NpgsqlConnection writing, Claim claim)
    {
        _options = options;
        _source = source;
        _writing = writing;
        _claim = claim;
        _format = new JournalFormat(options.Validator, claim.Salt);
    }

    /// <summary>Opens or creates the journal and becomes its owner: whoever had it open cannot append any more.</summary>
    /// <exception cref="OperationalException">OT-4004: the database would lose commits. OT-4005: it is not the database that was opened before.</exception>
    public static async Task<PostgresValidatorStore> Open(PostgresValidatorStoreOptions options, CancellationToken cancellationToken)
    {
        var source = NpgsqlDataSource.Create(options.ConnectionString);
        try
        {
            var connection = await source.OpenConnectionAsync(cancellationToken);
            await RequireDurability(connection, cancellationToken);
            await Migrations.Apply(connection, ["validator-store"], cancellationToken);
            return new PostgresValidatorStore(options, source, connection, await TakeOwnership(connection, options, cancellationToken));
        }
        catch
        {
            await source.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<IReadOnlyList<JournalRecord>> Read([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await _reading.WaitAsync(cancellationToken);
        try
        {
            var last = _commit?.LastNumber ?? long.MaxValue;
            var (number, chain) = (0L, _format.Seed);
            await using var connection = await _source.OpenConnectionAsync(cancellationToken);
            await using var select = new NpgsqlCommand("SELECT number, content, chain FROM validator_frame WHERE validator = $1 AND number <= $2 ORDER BY number", connection);
            select.Parameters.Add(new() { Value = _options.Validator });
            select.Parameters.Add(new() { Value = last });
            await using var rows = await select.ExecuteReaderAsync(CommandBehavior.SequentialAccess, cancellationToken);
            while (await rows.ReadAsync(cancellationToken))
            {
                number++;
                var found = rows.GetInt64(0);
                var content = rows.GetFieldValue<byte[]>(1);
                var named = Digest.From(rows.GetFieldValue<byte[]>(2));
                chain = _format.Chain(number, chain, content);
                if (found != number || named != chain || !JournalFormat.TryReadRecords(content, out var records)) throw Damaged(number, "does not verify");
                yield return records;
            }

            if (_commit is not null) yield break;
            if (number != _claim.Number || chain != _claim.Chain) throw Damaged(Math.Max(number, _claim.Number), $"is not where the journal ends, at {Math.Min(number, _claim.Number)}");
            await StartWriting(cancellationToken);
        }
        finally
        {
            _reading.Release();
        }
    }

    /// <inheritdoc/>
    public ValueTask Append(IReadOnlyList<JournalRecord> records, CancellationToken cancellationToken) =>
        (_commit ?? throw new InvalidOperationException("The journal must be read to its end before the first append.")).Append(records, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_commit is not null) await _commit.DisposeAsync();
        if (_append is not null) await _append.DisposeAsync();
        await _writing.DisposeAsync();
        await _source.DisposeAsync();
    }

    private static async Task RequireDurability(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var show = new NpgsqlCommand("SELECT current_setting('synchronous_commit'), current_setting('fsync'), current_setting('full_page_writes')", connection);
        await using var row = await show.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        var (commit, sync, pages) = (row.GetString(0), row.GetString(1), row.GetString(2));
        if (commit is "on" or "remote_apply" && sync == "on" && pages == "on") return;
        throw new OperationalException("OT-4004", $"The database may lose what it has committed: synchronous_commit = {commit}, fsync = {sync}, full_page_writes = {pages}.");
    }

    private static async Task<Claim> TakeOwnership(NpgsqlConnection connection, PostgresValidatorStoreOptions options, CancellationToken cancellationToken)
    {
        const string Sql = """
            INSERT INTO validator_owner AS mine (validator, owner, salt, number, chain, system_identifier, timeline)
            SELECT $1, 1, $2, 0, $3, system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint FROM pg_control_system()
            ON CONFLICT (validator) DO UPDATE SET owner = mine.owner + 1, system_identifier = excluded.system_identifier, timeline = excluded.timeline
            WHERE $4 OR (mine.system_identifier, mine.timeline) = (excluded.system_identifier, excluded.timeline)
            RETURNING owner, salt, number, chain
            """;
        var salt = RandomNumberGenerator.GetBytes(JournalFormat.SaltBytes);
        await using var claim = new NpgsqlCommand(Sql, connection);
        claim.Parameters.Add(new() { Value = options.Validator });
        claim.Parameters.Add(new() { Value = salt });
        claim.Parameters.Add(new() { Value = new JournalFormat(options.Validator, salt).Seed.ToArray() });
        claim.Parameters.Add(new() { Value = options.AcceptChangedDatabase });
        await using var row = await claim.ExecuteReaderAsync(cancellationToken);
        if (!await row.ReadAsync(cancellationToken))
        {
            throw new OperationalException("OT-4005", $"The journal of {options.Validator} was written in another database or timeline: this one was restored, copied or failed over.");
        }

        return new Claim(row.GetInt64(0), row.GetFieldValue<byte[]>(1), row.GetInt64(2), Digest.From(row.GetFieldValue<byte[]>(3)));
    }

    private async Task StartWriting(CancellationToken cancellationToken)
    {
        const string Sql = """
            WITH moved AS (
                UPDATE validator_owner SET number = $3, chain = $5
                WHERE validator = $1 AND owner = $2 AND number = $3 - 1 AND chain = $4
                RETURNING validator)
            INSERT INTO validator_frame (validator, number, chain, content) SELECT validator, $3, $5, $6 FROM moved
            """;
        _append = new NpgsqlCommand(Sql, _writing);
        _append.Parameters.Add(new NpgsqlParameter<string> { TypedValue = _options.Validator });
        _append.Parameters.Add(new NpgsqlParameter<long> { TypedValue = _claim.Owner });
        _append.Parameters.Add(new NpgsqlParameter<long>());
        _append.Parameters.Add(new NpgsqlParameter<byte[]> { NpgsqlDbType = NpgsqlDbType.Bytea });
        _append.Parameters.Add(new NpgsqlParameter<byte[]> { NpgsqlDbType = NpgsqlDbType.Bytea });
        _append.Parameters.Add(new NpgsqlParameter<ReadOnlyMemory<byte>> { NpgsqlDbType = NpgsqlDbType.Bytea });
        await _append.PrepareAsync(cancellationToken);
        _commit = new GroupCommit(_format, _claim.Number, _claim.Chain, _options.Disk(WriteFrame));
    }

    private async ValueTask WriteFrame(long number, Digest previous, ReadOnlyMemory<byte> frame)
    {
        ((NpgsqlParameter<long>)_append!.Parameters[2]).TypedValue = number;
        ((NpgsqlParameter<byte[]>)_append.Parameters[3]).TypedValue = previous.ToArray();
        ((NpgsqlParameter<byte[]>)_append.Parameters[4]).TypedValue = JournalFormat.Chain(frame.Span).ToArray();
        ((NpgsqlParameter<ReadOnlyMemory<byte>>)_append.Parameters[5]).TypedValue = JournalFormat.Content(frame);
        if (await _append.ExecuteNonQueryAsync() != 1) throw await Fenced(number);
    }

    private async Task<OperationalException> Fenced(long number)
    {
        await using var find = new NpgsqlCommand("SELECT owner FROM validator_owner WHERE validator = $1", _writing);
        find.Parameters.Add(new() { Value = _options.Validator });
        return await find.ExecuteScalarAsync() is long owner && owner != _claim.Owner
            ? new OperationalException("OT-4003", $"The journal of {_options.Validator} was opened elsewhere (owner {owner}, here {_claim.Owner}).")
            : Damaged(number, "does not follow the journal's end");
    }

    private LedgerCorruptException Damaged(long number, string how) =>
        new("OT-4010", $"The journal is damaged: frame {number} of {_options.Validator} {how}.");
}
