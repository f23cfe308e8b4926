using Microsoft.Extensions.DependencyInjection;
using Orleans.Storage;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Silos;

namespace Orleans.Training.Tests.Cluster;

/// <summary>What a cluster does, whichever database it is kept in.</summary>
public abstract class SiloContractTests
{
    private protected abstract void Configure(TrainingSiloOptions options);

    /// <summary>Changes the table of silos so that all of them seem to have died 20 seconds ago, without a word.</summary>
    private protected abstract Task PretendPowerCut();

    [Fact]
    public async Task TwoSilos_FormACluster_AndKeepStateAndRemindersAcrossARestart()
    {
        await using (var one = await SiloProcess.Start("one", Configure))
        await using (var two = await SiloProcess.Start("two", Configure))
        {
            await one.SeesActive(2);
            await two.SeesActive(2);
            for (var i = 0; i < 8; i++) await one.Grains.GetGrain<INoteGrain>($"note {i}").Write($"text {i}");
            var places = new HashSet<string>();
            for (var i = 0; i < 8; i++)
            {
                var note = two.Grains.GetGrain<INoteGrain>($"note {i}");
                Assert.Equal($"text {i}", await note.Read());
                places.Add(await note.Where());
            }

            Assert.Subset(new HashSet<string> { "one", "two" }, places);
            var reminded = one.Grains.GetGrain<INoteGrain>("note 0");
            await reminded.Remind("first");
            await reminded.Remind("second");
            await reminded.Remind("second");
            await reminded.Forget("first");
        }

        await using var again = await SiloProcess.Start("again", Configure);
        for (var i = 0; i < 8; i++) Assert.Equal($"text {i}", await again.Grains.GetGrain<INoteGrain>($"note {i}").Read());
        Assert.Equal(["second"], await again.Grains.GetGrain<INoteGrain>("note 0").Reminders());
    }

    [Fact]
    public async Task GrainState_WrittenWithAStaleETag_IsRefused()
    {
        await using var silo = await SiloProcess.Start("one", Configure);
        var storage = silo.Services.GetRequiredKeyedService<IGrainStorage>(TrainingSiloExtensions.GrainStorage);
        var id = GrainId.Create("test.note", "contested");
        var (mine, theirs) = (new GrainState<Note>(new Note { Text = "mine" }), new GrainState<Note>(new Note { Text = "theirs" }));
        await storage.WriteStateAsync("note", id, mine);
        await Assert.ThrowsAsync<InconsistentStateException>(() => storage.WriteStateAsync("note", id, theirs));

        await storage.ReadStateAsync("note", id, theirs);
        Assert.Equal("mine", theirs.State?.Text);
        theirs.State!.Text = "newer";
        await storage.WriteStateAsync("note", id, theirs);
        await Assert.ThrowsAsync<InconsistentStateException>(() => storage.WriteStateAsync("note", id, mine));
        await Assert.ThrowsAsync<InconsistentStateException>(() => storage.ClearStateAsync("note", id, mine));

        await storage.ClearStateAsync("note", id, theirs);
        var cleared = new GrainState<Note>(new Note());
        await storage.ReadStateAsync("note", id, cleared);
        Assert.False(cleared.RecordExists);
        await storage.WriteStateAsync("note", id, theirs);
    }

    [Fact]
    public async Task LabelledGrain_LandsOnlyOnTheLabelledSilo_AndWithoutOneIsRefusedClearly()
    {
        await using var plain = await SiloProcess.Start("plain", Configure, role: "ledger");
        await using var trainer = await SiloProcess.Start("trainer", Configure, role: "trainer");
        await plain.SeesActive(2);
        await trainer.SeesActive(2);
        await CanPlace(plain, -1);
        await CanPlace(trainer, -2);
        for (var i = 0; i < 20; i++) Assert.Equal("trainer", await (i % 2 == 0 ? plain : trainer).Grains.GetGrain<IWhereGrain>(i).Where());

        var refusal = await Assert.ThrowsAnyAsync<Exception>(() => plain.Grains.GetGrain<INowhereGrain>(0).Where());
        Assert.IsType<OperationalException>(refusal);
        Assert.Contains("OT-7003 No running silo is labelled role = gpu", refusal.Message, StringComparison.Ordinal);

        var places = new List<string>();
        for (var i = 0; i < 6; i++) places.Add(await plain.Grains.GetGrain<ISpreadGrain>(i).Where());
        Assert.Equal((3, 3), (places.Count(place => place == "plain"), places.Count(place => place == "trainer")));
    }

    [Fact]
    public async Task AbruptlyStoppedSilo_IsReplaced_WithinTenSeconds()
    {
        await using var survivor = await SiloProcess.Start("survivor", Configure);
        await using var victim = await SiloProcess.Start("victim", Configure);
        await survivor.SeesActive(2);
        await victim.SeesActive(2);
        await survivor.Grains.GetGrain<INoteGrain>("kept").Write("text");
        var clock = System.Diagnostics.Stopwatch.StartNew();
        await victim.Kill();
        await survivor.SeesActive(1);
        Assert.Equal("text", await survivor.Grains.GetGrain<INoteGrain>("kept").Read());
        Assert.InRange(clock.Elapsed.TotalSeconds, 0, 10);
    }

    [Fact]
    public async Task Cluster_ThatDiedAsAWhole_StartsAgain()
    {
        await using (var before = await SiloProcess.Start("before", Configure)) await before.Grains.GetGrain<INoteGrain>("kept").Write("text");
        await PretendPowerCut();
        await using var after = await SiloProcess.Start("after", Configure);
        Assert.Equal("text", await after.Grains.GetGrain<INoteGrain>("kept").Read());
    }

    // Silos learn each other's grains and labels shortly after they have seen each other; until then the refusal is right.
    private static async Task CanPlace(SiloProcess silo, long grain)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (true)
        {
            try
            {
                await silo.Grains.GetGrain<IWhereGrain>(grain).Where();
                return;
            }
            catch (OperationalException refusal) when (refusal.Code == "OT-7003" && !limit.IsCancellationRequested)
            {
                await Task.Yield();
            }
        }
    }
}
