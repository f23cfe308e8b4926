using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Orleans.Training.Client;
using Orleans.Training.Gateway;
using Orleans.Training.Grains;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Cli.Demo;

/// <summary><c>otrain up</c>: the demonstration's silos, validators and gateway, kept running for development. State and key stay in the data folder.</summary>
internal static class UpCommand
{
    private const int Silos = 2;

    public static Command Create()
    {
        var name = new Argument<string>("plan") { Description = "heart or mnist.", DefaultValueFactory = _ => "heart" };
        var data = new Option<string?>("--data") { Description = "The folder of the state; ~/.otrain/dev by default." };
        var http = new Option<int>("--http") { Description = "Port of the first gateway on loopback.", DefaultValueFactory = _ => 5080 };
        var command = new Command("up", "Keeps two silos, four validators and the gateway running for development, and prints addresses and key.") { name, data, http };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            if (DemoPlan.Find(parsed.GetValue(name)!) is not { } plan)
            {
                await Console.Error.WriteLineAsync($"OT-7002 there is no plan '{parsed.GetValue(name)}': use heart or mnist");
                return ExitCode.Usage;
            }

            var root = Path.GetFullPath(parsed.GetValue(data) ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".otrain", "dev"));
            return await Run(plan, root, parsed.GetValue(http), cancellationToken);
        });
        return command;
    }

    private static async Task<int> Run(DemoPlan plan, string root, int http, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        Directory.CreateDirectory(root);
        var files = new ShardFiles(root);
        var setup = files.Shards.Count == 0 ? FederationSetup.Create(plan, root, TimeProvider.System) : FederationSetup.Open(plan, root, files.Genesis(files.Shards[0]));
        var key = Key(root, setup.Genesis);
        await using var silos = await SiloGroup.Start(root, plan, Silos, cancellationToken, http);
        var federation = GatewayExtensions.FederationId(setup.Genesis.Shard);
        using var client = new LedgerClient(silos.Gateways, key, federation);
        // The same transactions again change nothing: a set-up that was cut short is completed.
        await new DemoRun(plan, setup, client, root, masks: true).SetUp(cancellationToken);
        var policy = Path.Combine(root, "federation.policy");
        await File.WriteAllTextAsync(policy, setup.PolicyText, cancellationToken);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"""
              Orleans.Training   development mode: keys on disk, no TLS. Not for production.
              silos        {Silos} running
              validators   {setup.Genesis.Validators.Count} running, quorum {setup.Genesis.Validators.Quorum}: {string.Join(' ', setup.Genesis.Validators.Seats.Select(seat => seat.Organisation))}
              gateways     {string.Join("   ", silos.Gateways.Select(gateway => new Uri(gateway, "graphql")))}
              federation   {federation}
              API key      {key}
              trust policy {policy}
              state        {root}
              ready in {watch.Elapsed.TotalSeconds:F1} s; stop with Ctrl+C
            """));
        try
        {
            await Task.Delay(Timeout.Infinite, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // Ctrl+C is how it ends.
        }

        return ExitCode.Ok;
    }

    // A development key is kept readable for its owner, so that the next start has it too.
    private static string Key(string root, Genesis genesis)
    {
        var file = Path.Combine(root, "dev.key");
        if (File.Exists(file)) return File.ReadAllText(file).Trim();
        var key = GatewaySetup.CreateKey(root, genesis);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using var writer = new StreamWriter(new FileStream(file, options));
        writer.WriteLine(key);
        return key;
    }
}
