using System.Globalization;
using Xunit.Abstractions;

namespace Orleans.Training.EndToEnd.Drills;

/// <summary>One of two silo processes is killed at a random moment of a run and never comes back.</summary>
[Collection(Drills.Name)]
public sealed class FailoverTests(DrillTemplate template, ITestOutputHelper output)
{
    [Fact]
    public async Task Run_EndsOnTheSurvivor_WhenASiloIsKilled()
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("OTRAIN_SEED"), CultureInfo.InvariantCulture, out var given) ? given : Random.Shared.Next();
        var random = new Random(seed);
        var (victim, moment) = (random.Next(2), TimeSpan.FromMilliseconds(random.Next(1, 2500)));
        output.WriteLine($"seed {seed}: silo {victim + 1} dies {moment.TotalMilliseconds:F0} ms after the first round is opened");
        await using var drill = await Drill.Start(template, "failover");
        var facts = await drill.Finish(
            async () =>
            {
                await drill.FirstRound.Task.WaitAsync(drill.Limit);
                using var timer = new PeriodicTimer(moment);
                await timer.WaitForNextTickAsync(drill.Limit);
                await drill.Silos[victim].Kill();
                Assert.Equal(DrillSilo.Killed, await drill.Silos[victim].Exit(drill.Limit));
                Assert.DoesNotContain(drill.Seen.ToArray(), item => item.Type is "ModelPublished" && item.Key.EndsWith($"{template.Agreement.Rounds:D6}", StringComparison.Ordinal));
            },
            attachedTo: victim);
        output.WriteLine(drill.Summary);
        Assert.Equal(template.Expected, facts.Report.Model);
        facts.RequireOneAttemptPerRound(template.Agreement.Rounds);
    }
}
