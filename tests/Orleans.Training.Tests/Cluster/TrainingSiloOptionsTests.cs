using System.Net;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Options;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Schema;
using Orleans.Training.Grains.Silos;

namespace Orleans.Training.Tests.Cluster;

public sealed class TrainingSiloOptionsTests
{
    public static TheoryData<string, Action<TrainingSiloOptions>> Bad => new()
    {
        { "DataFolder", options => options.DataFolder = null },
        { "ClusterId", options => options.ClusterId = "" },
        { "ServiceId", options => options.ServiceId = "" },
        { "SiloPort", options => options.SiloPort = 0 },
        { "GatewayPort", options => options.GatewayPort = options.SiloPort },
        { "Address", options => options.Address = IPAddress.Parse("192.0.2.1") },
        { "MissedProbes", options => options.MissedProbes = 0 },
        { "MaximumMessageBytes", options => options.MaximumMessageBytes = (8 * 1024 * 1024) - 1 },
        { "AuthorityFile", options => options.Tls = new SiloTlsOptions { CertificateFile = "x", KeyFile = "y" } },
        { "HandshakeTimeout", options => options.Tls = new SiloTlsOptions { CertificateFile = "x", KeyFile = "y", AuthorityFile = "z", HandshakeTimeout = TimeSpan.Zero } },
        { "AllowedNames", options => options.Tls = new SiloTlsOptions { CertificateFile = "x", KeyFile = "y", AuthorityFile = "z", AllowedNames = { "10.0.0.1" } } },
        { "ResponseTimeout", options => options.ResponseTimeout = options.ProbeTimeout * options.MissedProbes },
    };

    [Fact]
    public void Defaults_WithADataFolder_AreValid() => new TrainingSiloOptions { DataFolder = "data" }.Validate();

    [Theory, MemberData(nameof(Bad))]
    public void Options_ThatDoNotFit_AreRefusedByName(string name, Action<TrainingSiloOptions> spoil)
    {
        var options = new TrainingSiloOptions { DataFolder = "data" };
        spoil(options);
        Assert.Contains(Assert.Throws<OptionsValidationException>(options.Validate).Failures, failure => failure.StartsWith("OT-7011", StringComparison.Ordinal) && failure.Contains(name, StringComparison.Ordinal));
    }

    [Fact]
    public async Task ChangedScript_IsRefused()
    {
        await using var connection = new SqliteConnection("Data Source=:memory:");
        await connection.OpenAsync();
        await Migrations.Apply(connection, ["cluster"], default);
        await Migrations.Apply(connection, ["cluster"], default);
        await using (var change = connection.CreateCommand())
        {
            change.CommandText = "UPDATE schema_migration SET digest = 'other'";
            await change.ExecuteNonQueryAsync();
        }

        Assert.Equal("OT-7010", (await Assert.ThrowsAsync<OperationalException>(() => Migrations.Apply(connection, ["cluster"], default))).Code);
    }
}
