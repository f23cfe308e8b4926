using Orleans.Training.Grains;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Cluster;

namespace Orleans.Training.Tests.Validators;

[Collection(PostgresFixture.Collection)]
public sealed class PostgresValidatorStoreTests(PostgresFixture postgres) : ValidatorStoreContractTests, IAsyncLifetime
{
    private string _database = "";

    public async Task InitializeAsync() => _database = await postgres.CreateDatabase();

    public Task DisposeAsync() => Task.CompletedTask;

    private protected override async Task<IValidatorStore> Open(Func<WriteFrame, WriteFrame>? disk = null) => await OpenOn(_database, disk);

    [Fact]
    public async Task StaleOwner_CannotAppend()
    {
        await using var stale = await Open();
        await ReadAll(stale);
        await stale.Append([Record(JournalRecordKind.Guard, 1, 96)], default);
        await using var owner = await Open();
        Assert.Single(await ReadAll(owner));
        Assert.Equal("OT-4003", (await Refused(stale, 2)).Code);
        await owner.Append([Record(JournalRecordKind.Guard, 3, 96)], default);
        Assert.Equal(2, (await ReadAll(owner)).Count);
    }

    [Theory]
    [InlineData("synchronous_commit=off")]
    [InlineData("synchronous_commit=local")]
    public async Task Database_ThatMayLoseCommits_IsRefused(string setting)
    {
        var refusal = await Assert.ThrowsAsync<OperationalException>(() => OpenOn($"{_database};Options=-c {setting}"));
        Assert.Equal("OT-4004", refusal.Code);
    }

    [Theory]
    [InlineData("timeline = timeline + 1")]
    [InlineData("system_identifier = system_identifier + 1")]
    public async Task RestoredDatabase_IsRefused_UnlessAccepted(string change)
    {
        await using (var store = await Open()) await ReadAll(store);
        await PostgresFixture.Execute(_database, $"UPDATE validator_owner SET {change}");
        Assert.Equal("OT-4005", (await Assert.ThrowsAsync<OperationalException>(() => OpenOn(_database))).Code);
        await using (var accepted = await PostgresValidatorStore.Open(new() { ConnectionString = _database, Validator = "alpha", AcceptChangedDatabase = true }, default)) await ReadAll(accepted);
        await using var again = await Open();
        Assert.Empty(await ReadAll(again));
    }

    [Theory]
    [InlineData("UPDATE validator_frame SET content = set_byte(content, 20, get_byte(content, 20) # 1) WHERE number = 2", "frame 2 ")]
    [InlineData("UPDATE validator_frame SET chain = set_byte(chain, 20, get_byte(chain, 20) # 1) WHERE number = 3", "frame 3 ")]
    [InlineData("UPDATE validator_frame SET number = 9 WHERE number = 3", "frame 3 ")]
    [InlineData("UPDATE validator_owner SET chain = set_byte(chain, 20, get_byte(chain, 20) # 1)", "frame 3 ")]
    [InlineData("UPDATE validator_owner SET salt = set_byte(salt, 20, get_byte(salt, 20) # 1)", "frame 1 ")]
    [InlineData("DELETE FROM validator_frame WHERE number = 1", "frame 1 ")]
    [InlineData("DELETE FROM validator_frame WHERE number = 2", "frame 2 ")]
    [InlineData("DELETE FROM validator_frame WHERE number = 3", "frame 3 ")]
    public async Task TamperedRow_IsRefused_NamingTheFrame(string tampering, string place)
    {
        await using (var store = await Open())
        {
            await ReadAll(store);
            for (var i = 0; i < 3; i++) await store.Append([Record(JournalRecordKind.Guard, i, 96)], default);
        }

        await PostgresFixture.Execute(_database, tampering);
        await using var tampered = await Open();
        var damage = await Assert.ThrowsAsync<LedgerCorruptException>(() => ReadAll(tampered));
        Assert.Equal("OT-4010", damage.Code);
        Assert.Contains(place, damage.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Validators_ShareADatabase_WithoutSeeingEachOther()
    {
        await using var alpha = await Open();
        await using var beta = await PostgresValidatorStore.Open(new() { ConnectionString = _database, Validator = "beta" }, default);
        await ReadAll(alpha);
        await ReadAll(beta);
        await alpha.Append([Record(JournalRecordKind.Guard, 1, 96)], default);
        await beta.Append([Record(JournalRecordKind.Guard, 2, 96)], default);
        Assert.Equal([Show(Record(JournalRecordKind.Guard, 2, 96))], await ReadAll(beta));
    }

    private static async Task<IValidatorStore> OpenOn(string connectionString, Func<WriteFrame, WriteFrame>? disk = null) =>
        await PostgresValidatorStore.Open(new() { ConnectionString = connectionString, Validator = "alpha", Disk = disk ?? (write => write) }, default);
}
