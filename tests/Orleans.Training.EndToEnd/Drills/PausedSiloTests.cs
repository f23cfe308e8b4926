using Orleans.Training.Tests.Cluster;
using Xunit.Abstractions;

namespace Orleans.Training.EndToEnd.Drills;

/// <summary>
/// One of two silos stands still until the other has taken over all its validators, and then goes on as if nothing had been: for a while validators are there twice, with the same keys and the same journals.
/// </summary>
[Collection(Drills.Name)]
public sealed class PausedSiloTests(DrillTemplate template, PostgresFixture postgres, ITestOutputHelper output) : IClassFixture<PostgresFixture>
{
    [Fact]
    public async Task ValidatorsThatAreThereTwice_ContradictThemselvesNever()
    {
        await using var drill = await Drill.Start(template, "paused-postgres", postgres: await postgres.CreateDatabase());
        var victim = drill.Silos[1].Validators > 0 ? drill.Silos[1] : drill.Silos[0];
        var other = drill.Silos.Single(silo => silo != victim);
        var (taken, before) = (victim.Validators, other.Validators);
        var facts = await drill.Finish(
            async () =>
            {
                await drill.FirstRound.Task.WaitAsync(drill.Limit);
                victim.Signal("STOP");
                using var glance = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
                while (other.Validators < before + taken) await glance.WaitForNextTickAsync(drill.Limit);
                // The others of its votes are being asked for by now.
                victim.Signal("CONT");
                while (!victim.HasSaid("OT-4003") && !victim.HasExited) await glance.WaitForNextTickAsync(drill.Limit);
            },
            attachedTo: Array.IndexOf(drill.Silos, other));
        output.WriteLine($"{taken} validators were there twice; the paused silo {(victim.HasSaid("OT-4003") ? "was refused its journals (OT-4003)" : "has ended")}; {drill.Summary}");
        Assert.True(taken > 0);
        // Validators remember each other's votes of 128 views: of two that contradict each other they would have kept the proof.
        Assert.Empty(drill.Evidence);
        Assert.Equal(template.Expected, facts.Report.Model);
    }
}
