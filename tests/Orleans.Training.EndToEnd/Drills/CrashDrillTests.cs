using Orleans.Training.Protocol.Contracts;
using Xunit.Abstractions;

namespace Orleans.Training.EndToEnd.Drills;

/// <summary>Crash equivalence (docs/spec/drills.md): whoever dies wherever, the model is the same, nothing is done twice and nothing acknowledged is lost.</summary>
[Collection(Drills.Name)]
public sealed class CrashDrillTests(DrillTemplate template, ITestOutputHelper output)
{
    // The point, how often a process comes there before it dies, and whether it is started again or the other silo must take everything over.
    [Theory]
    [InlineData("journal-before-append", 60, true)]
    [InlineData("journal-appended-before-sync", 60, true)]
    [InlineData("journal-synced-before-acknowledged", 60, false)]
    [InlineData("journal-synced-before-sign", 70, true)]
    [InlineData("signed-before-send", 60, true)]
    [InlineData("final-before-read-model", 40, false)]
    [InlineData("final-before-shard-read-model", 20, true)]
    [InlineData("cosigned-before-broadcast", 40, true)]
    [InlineData("accepted-before-answer", 20, false)]
    [InlineData("accepted-before-shard-answer", 25, true)]
    [InlineData("round-open-before-training", 2, false)]
    [InlineData("blob-written-before-rename", 3, true)]
    [InlineData("blob-stored-before-commit", 3, false)]
    [InlineData("commit-submitted", 3, true)]
    [InlineData("held-before-submit", 3, true)]
    [InlineData("aggregate-stored-before-propose", 1, true)]
    [InlineData("summed-before-attest", 2, false)]
    [InlineData("attest-submitted", 2, true)]
    public async Task Run_EndsWithTheSameModel_WhenASiloDiesAt(string point, int visit, bool restart)
    {
        await using var drill = await Drill.Start(template, point, $"{point}:{visit}");
        output.WriteLine($"validators: {drill.Silos[0].Validators} and {drill.Silos[1].Validators}");
        var facts = await drill.Finish(async () =>
        {
            var dead = await drill.Crash(point);
            output.WriteLine($"{point}:{visit} reached after {drill.Watch.Elapsed.TotalSeconds:F1} s");
            if (restart) await dead.Start();
        });
        output.WriteLine($"{point}:{visit}, {(restart ? "started again" : "left dead")}: {drill.Summary}");
        Assert.Equal(template.Expected, facts.Report.Model);
        facts.RequireOneAttemptPerRound(template.Agreement);
    }

    // Each silo hosts two or more participants, and each of them comes to these points six times in a round.
    [Theory]
    [InlineData("mask-journal-before-write", 5, true)]
    [InlineData("mask-journal-before-sync", 9, false)]
    [InlineData("mask-journal-after-sync", 14, true)]
    [InlineData("mask-journaled-before-say", 7, false)]
    [InlineData("mask-journaled-before-say", 8, true)]
    [InlineData("mask-blob-stored-before-say", 20, true)]
    [InlineData("mask-said", 16, true)]
    [InlineData("held-before-submit", 5, false)]
    [InlineData("summed-before-attest", 2, true)]
    public async Task MaskedRun_EndsWithTheSameModel_InTheSameAttempts_WhenASiloDiesAt(string point, int visit, bool restart)
    {
        await using var drill = await Drill.Start(template, $"masked-{point}-{visit}", $"{point}:{visit}", masks: true);
        var facts = await drill.Finish(async () =>
        {
            var dead = await drill.Crash(point);
            output.WriteLine($"{point}:{visit} reached after {drill.Watch.Elapsed.TotalSeconds:F1} s");
            if (restart) await dead.Start();
        });
        output.WriteLine($"masked, {point}:{visit}, {(restart ? "started again" : "left dead")}: {drill.Summary}");
        Assert.Equal(template.ExpectedMasked, facts.Report.Model);
        facts.RequireOneAttemptPerRound(drill.Agreement);
    }

    [Fact]
    public async Task UpdatesExpire_WhenASiloDiesWhileItDeletes()
    {
        const string point = "expired-before-delete";
        await using var drill = await Drill.Start(template, point, $"{point}:3", masks: true, challengeMs: 1);
        var facts = await drill.Finish(async () => await (await drill.Crash(point)).Start());
        output.WriteLine($"{point}, {facts.Report.Expired} of {facts.Report.Rounds} rounds expired: {drill.Summary}");
        facts.RequireOneAttemptPerRound(drill.Agreement);
        Assert.InRange(facts.Report.Expired, 2, facts.Report.Rounds);
        var names = ExpiryContract.Expired(facts.State, RoundRecord.Key(drill.Agreement.ComputeDigest(), 1, 1));
        // The update and the shares of each; nobody dropped out, so all opened the same nothing.
        Assert.Equal((2 * drill.Agreement.Datasets.Count) + 1, names.Count);
        foreach (var name in names) Assert.Null(await drill.Blobs.Find(name, default));
    }
}
