using Orleans.Training.Cli;
using Orleans.Training.Cli.Demo;
using Orleans.Training.Grains;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;

namespace Orleans.Training.EndToEnd.Drills;

/// <summary>
/// One federation of four hospitals on disk, before anything ran: keys, genesis, data. Every drill gets a copy, so that nothing but the crash differs; what the model must be
/// comes from a run of such a copy that nothing disturbs.
/// </summary>
public sealed class DrillTemplate : IAsyncLifetime
{
    private const int Rounds = 3;
    private readonly string _folder = Directory.CreateTempSubdirectory("otrain-drills-").FullName;

    internal DemoPlan Plan { get; } = new HeartPlan();

    internal TrainingAgreement Agreement { get; private set; } = null!;

    /// <summary>The same with masks.</summary>
    internal TrainingAgreement Masked { get; private set; } = null!;

    internal string ApiKey { get; private set; } = "";

    /// <summary>The digest of the last model when nothing crashes.</summary>
    internal Digest Expected { get; private set; }

    /// <summary>The same of the agreement with masks, whose lanes are rounded under other keys.</summary>
    internal Digest ExpectedMasked { get; private set; }

    public async Task InitializeAsync()
    {
        var original = Path.Combine(_folder, "template");
        Directory.CreateDirectory(original);
        Agreement = Plan.Agreement(masks: false) with { Rounds = Rounds };
        ApiKey = GatewaySetup.CreateKey(original, FederationSetup.Create(Plan, original, TimeProvider.System).Genesis);

        Masked = Plan.Agreement(masks: true) with { Rounds = Rounds };
        Expected = await Undisturbed("undisturbed", masks: false);
        ExpectedMasked = await Undisturbed("undisturbed-masked", masks: true);
    }

    private async Task<Digest> Undisturbed(string name, bool masks)
    {
        await using var drill = await Drill.Start(this, name, masks: masks);
        var facts = await drill.Finish();
        facts.RequireOneAttemptPerRound(drill.Agreement);
        return facts.Report.Model!.Value;
    }

    public Task DisposeAsync()
    {
        // What a failed drill left is kept: it is the evidence.
        if (Environment.GetEnvironmentVariable("OTRAIN_KEEP_DRILLS") is null) Directory.Delete(_folder, recursive: true);
        return Task.CompletedTask;
    }

    /// <summary>A copy for one drill.</summary>
    internal (string Root, FederationSetup Setup) Copy(string name)
    {
        var root = Path.Combine(_folder, name);
        CopyFolder(Path.Combine(_folder, "template"), root);
        var files = new ShardFiles(root);
        return (root, FederationSetup.Open(Plan, root, files.Genesis(files.Shards[0])));
    }

    private static void CopyFolder(string from, string to)
    {
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(to);
        else Directory.CreateDirectory(to, File.GetUnixFileMode(from));
        foreach (var file in Directory.EnumerateFiles(from)) File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        foreach (var folder in Directory.EnumerateDirectories(from)) CopyFolder(folder, Path.Combine(to, Path.GetFileName(folder)));
    }
}

/// <summary>Drills run one after the other: each has the machine for itself.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Drills : ICollectionFixture<DrillTemplate>
{
    public const string Name = "drills";
}
