namespace Orleans.Training.Grains.Validators;

/// <summary>Where a validator keeps its journal in PostgreSQL.</summary>
public sealed class PostgresValidatorStoreOptions
{
    public required string ConnectionString { get; init; }

    /// <summary>The validator's name: its rows in the tables.</summary>
    public required string Validator { get; init; }

    /// <summary>
    /// Open although the database is no longer the one that was opened before. Only with a new vote key: acknowledged votes of the old one may be missing.
    /// Default false.
    /// </summary>
    public bool AcceptChangedDatabase { get; init; }

    /// <summary>Stands between the writer and the database; the tests put failing ones here.</summary>
    internal Func<WriteFrame, WriteFrame> Disk { get; init; } = static write => write;
}
