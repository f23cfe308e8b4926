using System.Globalization;
using Npgsql;
using Orleans.Training.Tests.Cluster;
using Xunit.Abstractions;

namespace Orleans.Training.EndToEnd.Drills;

/// <summary>One of two silo processes is killed at a random moment of a run and never comes back.</summary>
[Collection(Drills.Name)]
public sealed class FailoverTests(DrillTemplate template, ITestOutputHelper output)
{
    [Fact]
    public Task Run_EndsOnTheSurvivor_WhenASiloIsKilled() => KillOne(template, output, "failover", null);

    /// <summary>Kills a silo to whose gateway a subscriber is attached, at a moment that follows from a printed seed (given by OTRAIN_SEED, or drawn).</summary>
    internal static async Task KillOne(DrillTemplate template, ITestOutputHelper output, string name, string? postgres)
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("OTRAIN_SEED"), CultureInfo.InvariantCulture, out var given) ? given : Random.Shared.Next();
        var random = new Random(seed);
        var (drawn, moment) = (random.Next(2), TimeSpan.FromMilliseconds(random.Next(1, 1000)));
        await using var drill = await Drill.Start(template, name, postgres: postgres);
        // A silo without validators would be no loss.
        var victim = drill.Silos[drawn].Validators > 0 ? drawn : 1 - drawn;
        output.WriteLine($"{name}, seed {seed}: silo {victim + 1} with {drill.Silos[victim].Validators} of 4 validators dies {moment.TotalMilliseconds:F0} ms after the first round is opened, or when the last begins");
        var published = -1;
        var facts = await drill.Finish(
            async () =>
            {
                await drill.FirstRound.Task.WaitAsync(drill.Limit);
                // On a fast machine the run would end before a late moment.
                using var timer = new PeriodicTimer(moment);
                await Task.WhenAny(timer.WaitForNextTickAsync(drill.Limit).AsTask(), drill.LastRound.Task);
                await drill.Silos[victim].Kill();
                published = drill.Published;
                Assert.Equal(DrillSilo.Killed, await drill.Silos[victim].Exit(drill.Limit));
            },
            attachedTo: victim);
        output.WriteLine($"{name}: {published} of {template.Agreement.Rounds} rounds were published when it died; {drill.Summary}");
        Assert.InRange(published, 0, template.Agreement.Rounds - 1);
        Assert.Equal(template.Expected, facts.Report.Model);
        facts.RequireOneAttemptPerRound(template.Agreement);
        if (postgres is not null) await RequireJournals(drill, postgres);
    }

    // Every seat has written to the database, and none to a folder.
    private static async Task RequireJournals(Drill drill, string postgres)
    {
        await using var source = NpgsqlDataSource.Create(postgres);
        await using var select = source.CreateCommand("SELECT DISTINCT validator FROM validator_frame");
        await using var rows = await select.ExecuteReaderAsync();
        var journals = new List<string>();
        while (await rows.ReadAsync()) journals.Add(rows.GetString(0));
        Assert.Equal(drill.Seats.Order(StringComparer.Ordinal), journals.Order(StringComparer.Ordinal));
        Assert.False(Directory.Exists(drill.JournalFolders));
    }
}

/// <summary>The same with PostgreSQL as the database of the cluster and of the journals.</summary>
[Collection(Drills.Name)]
public sealed class PostgresFailoverTests(DrillTemplate template, PostgresFixture postgres, ITestOutputHelper output) : IClassFixture<PostgresFixture>
{
    [Fact]
    public async Task Run_EndsOnTheSurvivor_WhenASiloIsKilled() => await FailoverTests.KillOne(template, output, "failover-postgres", await postgres.CreateDatabase());
}
