using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Validators;

/// <summary>
/// Where a silo keeps the journals of its validators: in the cluster's PostgreSQL when it has one, so that a validator goes on from whichever machine it is activated on; else in
/// folders of this machine (docs/spec/store.md §1.4).
/// </summary>
/// <param name="files">The folders.</param>
/// <param name="postgresConnectionString">The database, or null for the folders.</param>
public sealed class ValidatorStores(ShardFiles files, string? postgresConnectionString)
{
    /// <summary>Opens or creates the journal of a seat, as the only one who has it open.</summary>
    /// <exception cref="OperationalException">The journal cannot be had: OT-4001, OT-4004 to OT-4006.</exception>
    public async Task<IValidatorStore> Open(Identifier shard, ParticipantId validator, CancellationToken cancellationToken) =>
        string.IsNullOrEmpty(postgresConnectionString)
            ? FileValidatorStore.Open(new FileValidatorStoreOptions { Folder = files.JournalFolder(shard, validator), Validator = validator.Name })
            : await PostgresValidatorStore.Open(new PostgresValidatorStoreOptions { ConnectionString = postgresConnectionString, Validator = GrainKeys.Of(shard, validator.Name) }, cancellationToken);
}
