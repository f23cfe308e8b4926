using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Orleans.Training.Client;
using Orleans.Training.Client.Exports;
using Orleans.Training.Gateway;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Trainer;

namespace Orleans.Training.Cli.Demo;

/// <summary><c>otrain demo [heart|mnist]</c>: two silos, four validators and the plan's participants on this machine, from keys to a verified export.</summary>
internal static class DemoCommand
{
    /// <summary>Silos, and trainer threads on both sides of every comparison.</summary>
    public const int Silos = 2;

    private const double RowDelta = 1e-5;

    public static Command Create()
    {
        var name = new Argument<string>("plan") { Description = "heart or mnist.", DefaultValueFactory = _ => "heart" };
        var data = new Option<string?>("--data") { Description = "An empty folder to work in; a new one under the system's temporary folder by default." };
        var json = new Option<bool>("--json") { Description = "One JSON object a line instead of text." };
        var reference = new Option<bool>("--no-reference") { Description = "Leaves the 5-seed reference table out." };
        var plain = new Option<bool>("--no-masks") { Description = "Leaves secure aggregation out: validators see every update." };
        var proximal = new Option<double>("--proximal") { Description = "FedProx: how hard each local step is pulled towards the round's model, for example 0.1." };
        proximal.Validators.Add(result => { if (result.GetValue(proximal) is not (>= 0 and <= 10)) result.AddError("--proximal is a number from 0 to 10."); });
        var normalised = new Option<bool>("--normalised") { Description = "FedNova: who takes more local steps does not draw the model further." };
        var controlled = new Option<bool>("--scaffold") { Description = "SCAFFOLD: each local step is corrected by what all gradients are beyond the participant's own." };
        var skewed = new Option<bool>("--skewed") { Description = "Divides mnist by digits: each organisation has images of two or three." };
        var rowNoise = new Option<double>("--row-noise") { Description = "DP-SGD: cuts each row's gradient to norm 1 and adds noise of so many norms, for example 1." };
        rowNoise.Validators.Add(result => { if (result.GetValue(rowNoise) is not (0 or >= 0.1 and <= 1000)) result.AddError("--row-noise is a number from 0.1 to 1000."); });
        var projected = new Option<bool>("--projected") { Description = "Validators check a sum by images of its updates: each reads few of those." };
        var hybrid = new Option<bool>("--hybrid") { Description = "Masks follow from X25519 and ML-KEM-768 together: updates stay hidden while one of both is unbroken." };
        var groups = new Option<int>("--groups") { Description = "Adds up in so many groups and makes the model of their means by --rule, which bears poisoned ones." };
        groups.Validators.Add(result => { if (result.GetValue(groups) is not (0 or >= 2 and <= 64)) result.AddError("--groups is a number from 2 to 64."); });
        var rule = new Option<string>("--rule") { Description = $"With --groups: {string.Join(", ", DemoGroups.Rules)}.", DefaultValueFactory = _ => DemoGroups.Rules[0] };
        rule.Validators.Add(result => { if (!DemoGroups.Rules.Contains(result.GetValue(rule))) result.AddError($"--rule is one of {string.Join(", ", DemoGroups.Rules)}."); });
        var rounds = new Option<int?>("--rounds") { Description = "As many rounds in place of the plan's." };
        rounds.Validators.Add(result => { if (result.GetValue(rounds) is < 1 or > 1000) result.AddError("--rounds is a number from 1 to 1000."); });
        var epsilon = new Option<double?>("--epsilon") { Description = "Differential privacy: every owner allows its data set this ε at δ = 10⁻⁵, and all rounds together spend it." };
        epsilon.Validators.Add(result => { if (result.GetValue(epsilon) is not (null or >= 0.01 and <= 1000)) result.AddError("--epsilon is a number from 0.01 to 1000."); });
        var command = new Command("demo", "Trains one model of several organisations over the ledger, and verifies all of it.") { name, data, json, reference, plain, proximal, normalised, controlled, skewed, rowNoise, projected, hybrid, groups, rule, rounds, epsilon };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var grouped = parsed.GetValue(groups) == 0 ? null : new DemoGroups(parsed.GetValue(groups), parsed.GetValue(rule)!);
            var asked = new DemoOptions(
                (int)Math.Round(1e6 * parsed.GetValue(proximal)), parsed.GetValue(normalised), parsed.GetValue(controlled), parsed.GetValue(skewed), parsed.GetValue(rowNoise), parsed.GetValue(projected), parsed.GetValue(hybrid), grouped, parsed.GetValue(rounds),
                parsed.GetValue(epsilon) is { } allowed ? new DemoNoise(allowed) : null);
            if (DemoPlan.Find(parsed.GetValue(name)!, asked) is not { } plan)
            {
                await Console.Error.WriteLineAsync($"OT-7002 there is no plan '{parsed.GetValue(name)}': use heart or mnist");
                return ExitCode.Usage;
            }

            if (plan.Problem(isPlain: parsed.GetValue(plain)) is { } problem)
            {
                await Console.Error.WriteLineAsync($"OT-7002 {problem}");
                return ExitCode.Usage;
            }

            var root = parsed.GetValue(data) is { } folder ? Path.GetFullPath(folder) : Directory.CreateTempSubdirectory("otrain-demo-").FullName;
            if (Directory.Exists(root) && Directory.EnumerateFileSystemEntries(root).Any())
            {
                await Console.Error.WriteLineAsync($"OT-7002 {root} is not empty: name a new folder");
                return ExitCode.Usage;
            }

            Directory.CreateDirectory(root);
            return await Run(plan, root, DemoOutput.For(parsed.GetValue(json)), !parsed.GetValue(reference), !parsed.GetValue(plain), cancellationToken);
        });
        return command;
    }

    /// <summary>Runs a plan over the ledger, silently: every step with the silos' processor time at that moment.</summary>
    public static async Task<IReadOnlyList<(DemoStep Step, TimeSpan Processor)>> Measure(DemoPlan plan, string root, bool masks, CancellationToken cancellationToken)
    {
        var setup = FederationSetup.Create(plan, root, TimeProvider.System);
        var key = GatewaySetup.CreateKey(root, setup.Genesis);
        await using var silos = await SiloGroup.Start(root, plan, Silos, cancellationToken);
        using var client = new LedgerClient(silos.Gateways, key, GatewayExtensions.FederationId(setup.Genesis.Shard));
        var run = new DemoRun(plan, setup, client, root, masks);
        await run.SetUp(cancellationToken);
        var steps = new List<(DemoStep, TimeSpan)>();
        await foreach (var step in run.Steps(cancellationToken)) steps.Add((step, silos.ProcessorTime));
        return steps;
    }

    private static async Task<int> Run(DemoPlan plan, string root, DemoOutput output, bool withReference, bool masks, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        output.Say($"{plan.Title}");
        var setup = FederationSetup.Create(plan, root, TimeProvider.System);
        var key = GatewaySetup.CreateKey(root, setup.Genesis);
        await using var silos = await SiloGroup.Start(root, plan, Silos, cancellationToken);
        output.Say($"{Silos} silos, {setup.Genesis.Validators.Count} validators (quorum {setup.Genesis.Validators.Quorum}), {plan.Participants.Count} participants; gateway {silos.Gateways[0]}; ready in {watch.Elapsed.TotalSeconds:F1} s");

        using var client = new LedgerClient(silos.Gateways, key, GatewayExtensions.FederationId(setup.Genesis.Shard));
        var run = new DemoRun(plan, setup, client, root, masks);
        await run.SetUp(cancellationToken);
        if (run.Agreement.Groups is { } groups) output.Say($"{groups.Count} groups of {groups.SmallestOf(plan.Participants.Count)} or more, drawn by the validators; {groups.Rule} over their means{(groups.Trusted is { } trusted ? $", compared with the update of {run.Agreement.Datasets[trusted].Participant}" : "")}");
        if (plan.Noise is { } allowed) output.Say(string.Create(CultureInfo.InvariantCulture, $"every data set may lose ε = {allowed.Epsilon} at δ = 10⁻⁵; each participant adds noise of variance {run.Agreement.NoiseVariance:N0} to updates of norm {run.Agreement.FixedPoint.Clip} in {run.Agreement.FixedPoint.Levels:N0} levels"));
        output.Say($"run {run.Agreement.ComputeDigest()}: all {plan.Participants.Count} participants have signed the agreement; {run.Agreement.Rounds} rounds");
        var before = silos.ProcessorTime;
        await output.Rounds(run.Follow(cancellationToken), run.Agreement.Rounds);
        var processor = silos.ProcessorTime - before;

        var export = Path.Combine(root, "export");
        var policy = Path.Combine(root, "federation.policy");
        await File.WriteAllTextAsync(policy, setup.PolicyText, cancellationToken);
        var checkpoint = await run.FinalCheckpoint(cancellationToken);
        if (plan.Noise is { } noise)
        {
            var (answer, more) = await run.AskForMore(cancellationToken);
            output.Say(string.Create(CultureInfo.InvariantCulture, $"one round more would come to ε = {more:F2} of {noise.Epsilon}: {(answer is Rejection.None ? "opened" : $"refused, OT-{(int)answer} {answer}")}"));
        }

        if (plan.Asked.RowNoise > 0)
        {
            var accounts = plan.Participants.Order().Select(owner => string.Create(CultureInfo.InvariantCulture, $"{owner} {RecordAccount.Of(root, owner, plan.Name).EpsilonAt(RowDelta):F2}"));
            output.Say($"ε at δ = 10⁻⁵ that a single row has lost, by each owner's own account: {string.Join(", ", accounts)}");
        }

        // Without masks there is no noise, and who has a budget takes no part.
        var plain = masks && plan.Noise is null ? await WithoutMasks(output, new DemoRun(plan, setup, client, root, masks: false), silos, cancellationToken) : null;
        await silos.DisposeAsync();
        await LocalExport.Write(root, new ValidatorStores(new ShardFiles(root), null), setup.Genesis, checkpoint, export, cancellationToken);

        var baseline = await Baseline.Run(plan, root, Silos, cancellationToken);
        var report = ExportVerifier.Verify(export, TrustPolicy.Of(setup.Genesis.Origin, setup.Genesis.Validators));
        output.Table(plan, run, baseline, processor, report, plain);
        if (withReference && plan.Reference(new Progress<string>()) is { } reference) output.Say(reference);
        output.Verified(report, export, policy, watch.Elapsed);
        return ExitCode.Ok;
    }

    // The same training once more on the same silos, behind the checkpoint that the export ends at.
    private static async Task<PlainRun?> WithoutMasks(DemoOutput output, DemoRun run, SiloGroup silos, CancellationToken cancellationToken)
    {
        output.Say("the same once more without masks, to compare");
        var before = silos.ProcessorTime;
        await run.Agree(cancellationToken);
        await foreach (var _ in run.Steps(cancellationToken))
        {
            // To its last model.
        }

        return new PlainRun(run.Elapsed, silos.ProcessorTime - before);
    }
}

/// <summary>What a run took whose updates were not masked.</summary>
internal sealed record PlainRun(TimeSpan Wall, TimeSpan Processor);
