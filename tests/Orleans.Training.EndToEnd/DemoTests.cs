using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.RegularExpressions;
using Orleans.Training.Cli;
using Orleans.Training.Client;
using Orleans.Training.EndToEnd.Drills;
using Orleans.Training.Gateway;
using Orleans.Training.Grains;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Cluster;
using Orleans.Training.Tests.Foreign;
using Xunit.Abstractions;

namespace Orleans.Training.EndToEnd;

/// <summary>The demonstration as a newcomer runs it, and what came of it in other people's hands.</summary>
public sealed partial class DemoTests(ITestOutputHelper output)
{
    private const int Rounds = 20;

    [Fact]
    public async Task Demo_EndsVerified_AndItsLedgerStandsBeforeOtherPeoplesPrograms()
    {
        using var folder = new TemporaryFolder();
        var (root, policy) = (folder["demo"], folder["demo/federation.policy"]);
        var (lines, early) = await RunDemo(root);
        Assert.Equal(Enumerable.Range(1, Rounds), lines.Where(line => line.TryGetProperty("round", out _)).Select(line => line.GetProperty("round").GetInt32()));
        string[] models = ["cleveland alone", "hungarian alone", "switzerland alone", "va alone", "federated", "federated without ledger", "pooled"];
        Assert.Equal(models, lines.Where(line => line.TryGetProperty("accuracy", out _) && line.TryGetProperty("auc", out _) && !line.TryGetProperty("round", out _)).Select(line => line.GetProperty("model").GetString()));
        Assert.True(lines[^1].GetProperty("verified").GetBoolean());
        // Pulled, normalised and masked on the ledger, it is the training that it is beside it.
        double Accuracy(string model) => lines.First(line => line.TryGetProperty("model", out var name) && name.GetString() == model).GetProperty("accuracy").GetDouble();
        Assert.InRange(Accuracy("federated") - Accuracy("federated without ledger"), -0.02, 0.02);
        Assert.True(Accuracy("federated") > Accuracy("va alone"));

        await VerifyWithoutOrleans(folder["alone"], Path.Combine(root, "export"), policy);
        VerifyByPython(root, Rounds);
        Assert.True(TrustPolicy.TryParse(await File.ReadAllTextAsync(policy), out var trust, out var problem), problem);
        var receipts = Directory.GetFiles(Path.Combine(root, "export", "receipts")).Order(StringComparer.Ordinal).Select(File.ReadAllText).ToArray();
        CheckReceipts(folder["receipts"], receipts, policy, trust!);
        CheckConsistency(folder["trees"], receipts, early, trust!);
        await CheckStatements(folder["statements"], Path.Combine(root, "export"));
    }

    [Fact]
    public async Task DemoWithControlVariates_CheckedByImages_IsTheTrainingThatItIsBesideTheLedger()
    {
        using var folder = new TemporaryFolder();
        using var demo = Start(DrillSilo.Executable, "demo", "heart", "--scaffold", "--projected", "--hybrid", "--rounds", "4", "--json", "--no-reference", "--data", folder["demo"]);
        var problems = demo.StandardError.ReadToEndAsync();
        var lines = (await demo.StandardOutput.ReadToEndAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement).ToArray();
        await demo.WaitForExitAsync();
        Assert.True(demo.ExitCode == 0, await problems);
        double Accuracy(string model) => lines.First(line => line.TryGetProperty("model", out var name) && name.GetString() == model).GetProperty("accuracy").GetDouble();
        Assert.InRange(Accuracy("federated") - Accuracy("federated without ledger"), -0.02, 0.02);
        VerifyByPython(folder["demo"], 4);
        Assert.True(lines[^1].GetProperty("verified").GetBoolean());
        // With masks and, to compare, without: each participant has kept the variate that counts, and that of the last round.
        string[] variates = [.. Directory.GetFiles(folder["demo"], "00000*-1", SearchOption.AllDirectories).Where(path => path.Contains("variates", StringComparison.Ordinal)).Select(Path.GetFileName).Order(StringComparer.Ordinal)!];
        Assert.Equal([.. Enumerable.Repeat("000003-1", 8), .. Enumerable.Repeat("000004-1", 8)], variates);
    }

    [Fact]
    public async Task DemoWithNoiseOnRows_ChargesEveryOwnersAccount()
    {
        using var folder = new TemporaryFolder();
        using var demo = Start(DrillSilo.Executable, "demo", "heart", "--row-noise", "2", "--rounds", "3", "--json", "--no-reference", "--data", folder["demo"]);
        var problems = demo.StandardError.ReadToEndAsync();
        var lines = (await demo.StandardOutput.ReadToEndAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement).ToArray();
        await demo.WaitForExitAsync();
        Assert.True(demo.ExitCode == 0, await problems);
        Assert.Contains(lines, line => line.TryGetProperty("say", out var said) && Regex.IsMatch(said.GetString()!, @"^ε at δ = 10⁻⁵ .*: cleveland \d+\.\d\d, hungarian \d+\.\d\d, switzerland \d+\.\d\d, va \d+\.\d\d$"));
        Assert.True(lines[^1].GetProperty("verified").GetBoolean());
        VerifyByPython(folder["demo"], 3);
        // With masks, and the same without: six trainings, each charged once.
        string[] accounts = [.. Directory.GetFiles(folder["demo"], "heart.json", SearchOption.AllDirectories).Where(path => path.Contains("records", StringComparison.Ordinal)).Select(File.ReadAllText)];
        Assert.Equal([6, 6, 6, 6], accounts.Select(account => JsonDocument.Parse(account).RootElement.EnumerateArray().Select(charge => charge.GetProperty("training").GetString()).Distinct().Count()));
    }

    [Fact]
    public async Task DemoWithABudget_SpendsIt_AndIsRefusedOneRoundMore()
    {
        using var folder = new TemporaryFolder();
        using var demo = Start(DrillSilo.Executable, "demo", "heart", "--epsilon", "2", "--rounds", "3", "--json", "--no-reference", "--data", folder["demo"]);
        var problems = demo.StandardError.ReadToEndAsync();
        var lines = (await demo.StandardOutput.ReadToEndAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement).ToArray();
        await demo.WaitForExitAsync();
        Assert.True(demo.ExitCode == 0, await problems);
        var spent = lines.Where(line => line.TryGetProperty("round", out _)).Select(line => line.GetProperty("epsilon").GetDouble()).ToArray();
        Assert.Equal(spent.Order(), spent);
        Assert.InRange(spent[^1], 1.99, 2);
        Assert.Contains(lines, line => line.TryGetProperty("say", out var said) && Regex.IsMatch(said.GetString()!, $@"^one round more would come to ε = 2\.\d+ of 2: refused, OT-{(int)Rejection.BudgetExceeded} BudgetExceeded$"));
        Assert.True(lines[^1].GetProperty("verified").GetBoolean());
        VerifyByPython(folder["demo"], 3);
    }

    [Fact]
    public async Task DemoWithGroups_IsComparedWithAnOrganisationThatAllTrust_AndVerified()
    {
        using var folder = new TemporaryFolder();
        using var demo = Start(DrillSilo.Executable, "demo", "mnist", "--groups", "3", "--rule", "fltrust", "--epsilon", "1000", "--rounds", "2", "--json", "--no-reference", "--data", folder["demo"]);
        var problems = demo.StandardError.ReadToEndAsync();
        var lines = (await demo.StandardOutput.ReadToEndAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement).ToArray();
        await demo.WaitForExitAsync();
        Assert.True(demo.ExitCode == 0, await problems);
        // One of the ten is in no group, and adds no noise to what all see of it.
        Assert.Equal([9, 9], lines.Where(line => line.TryGetProperty("round", out _)).Select(line => line.GetProperty("updates").GetInt32()));
        Assert.Contains(lines, line => line.TryGetProperty("say", out var said) && said.GetString()!.Contains("3 groups of 3 or more, drawn by the validators; fltrust over their means, compared with the update of org-0", StringComparison.Ordinal));
        Assert.Equal((true, 2), (lines[^1].GetProperty("verified").GetBoolean(), lines[^1].GetProperty("rounds").GetInt32()));
        VerifyByPython(folder["demo"], 2);
        // One bit of one group's published sum, and it is no longer the sum.
        var files = new ShardFiles(folder["demo"]);
        var genesis = files.Genesis(Assert.Single(files.Shards));
        var facts = ExportFacts.Read(folder["demo/export"], genesis);
        var model = facts.Of<ModelRecord>("ModelPublished").First();
        var sum = Assert.Single(Directory.GetFiles(folder["demo/export"], model.SumRoot.ToString() + "*", SearchOption.AllDirectories));
        var bytes = await File.ReadAllBytesAsync(sum);
        Assert.Equal([0, 1, 2], GroupSumsBlob.GroupsOf(bytes));
        bytes[100] ^= 1;
        await File.WriteAllBytesAsync(sum, bytes);
        using var verify = Start(DrillSilo.Executable, "verify", folder["demo/export"], "--trust", folder["demo/federation.policy"]);
        var said = await verify.StandardOutput.ReadToEndAsync() + await verify.StandardError.ReadToEndAsync();
        await verify.WaitForExitAsync();
        Assert.NotEqual(0, verify.ExitCode);
        Assert.Contains(Path.GetFileName(sum), said, StringComparison.Ordinal);
        Assert.EndsWith($"NOT VERIFIED\n  BadBlob blobs/{Path.GetFileName(sum)}\n", ForeignTool.PythonProgram(1, "verify.py", folder["demo/export"], "--trust", folder["demo/federation.policy"]), StringComparison.Ordinal);
    }

    // Another program, in another language, adds up the same rounds.
    private void VerifyByPython(string root, int rounds)
    {
        var said = ForeignTool.PythonProgram(0, "verify.py", Path.Combine(root, "export"), "--trust", Path.Combine(root, "federation.policy"));
        output.WriteLine(said);
        Assert.Equal(rounds, said.Split('\n').Count(line => line.EndsWith(" as on the ledger", StringComparison.Ordinal)));
        Assert.Contains("\nVERIFIED in ", said, StringComparison.Ordinal);
    }

    // Each validator's own word about the model, and the same with another key, another payload, another file.
    private static async Task CheckStatements(string folder, string export)
    {
        Directory.CreateDirectory(folder);
        Assert.True(Genesis.TryParse(await File.ReadAllBytesAsync(Path.Combine(export, "genesis.cbor")), out var genesis));
        var model = Path.Combine(export, "model.safetensors");
        var arguments = new List<string> { "statement.mjs" };
        foreach (var seat in genesis!.Validators.Seats)
        {
            var pem = Path.Combine(folder, $"{seat.Organisation}.pem");
            await File.WriteAllTextAsync(pem, StatementBundle.Pem(seat.TransactionKey));
            arguments.AddRange([Path.Combine(export, "statements", $"{seat.Organisation}.sigstore.json"), pem, model]);
        }

        var (bundle, key, other, changed) = (arguments[1], arguments[2], arguments[5], Path.Combine(folder, "changed.json"));
        var text = await File.ReadAllTextAsync(bundle);
        await File.WriteAllTextAsync(changed, text.Replace("\"payload\":\"eyJf", "\"payload\":\"eyJg", StringComparison.Ordinal));
        arguments.AddRange([bundle, other, model, changed, key, model, bundle, key, bundle]);
        await using var node = await NodeProgram.Start([.. arguments]);
        var answers = (await node.All()).Select(answer => answer.ToString()).ToArray();
        var good = "{\"good\":true,\"type\":\"https://in-toto.io/Statement/v1\",\"predicateType\":\"https://slsa.dev/provenance/v1\",\"file\":\"model.safetensors\",\"round\":" + Rounds + "}";
        Assert.Equal([.. genesis.Validators.Seats.Select(_ => good), "{\"good\":false,\"problem\":\"SIGNATURE_ERROR signature verification failed\"}", "{\"good\":false,\"problem\":\"SIGNATURE_ERROR signature verification failed\"}", good.Replace("\"model.safetensors\"", "null", StringComparison.Ordinal)], answers);
    }

    // The demonstration's lines, and a checkpoint that its gateway gave in the midst of it to somebody else.
    private static async Task<(List<JsonElement> Lines, SignedNote Early)> RunDemo(string root)
    {
        var lines = new List<JsonElement>();
        SignedNote? early = null;
        using var demo = Start(DrillSilo.Executable, "demo", "heart", "--json", "--no-reference", "--proximal", "0.01", "--normalised", "--data", root);
        var problems = demo.StandardError.ReadToEndAsync();
        while (await demo.StandardOutput.ReadLineAsync() is { } line)
        {
            lines.Add(JsonDocument.Parse(line).RootElement.Clone());
            if (!lines[^1].TryGetProperty("round", out var round) || round.GetInt32() != 2) continue;
            var files = new ShardFiles(root);
            var genesis = files.Genesis(Assert.Single(files.Shards));
            var gateway = Gateway().Match(string.Concat(lines.Select(said => said.GetRawText()))).Value;
            using var client = new LedgerClient([new Uri(gateway)], GatewaySetup.CreateKey(root, genesis), GatewayExtensions.FederationId(genesis.Shard));
            early = await client.Checkpoint(CancellationToken.None);
        }

        await demo.WaitForExitAsync();
        Assert.True(demo.ExitCode == 0, await problems);
        Assert.NotNull(early);
        return (lines, early);
    }

    // Where no assembly of Orleans is, nothing can be loaded from one.
    private static async Task VerifyWithoutOrleans(string alone, string export, string policy)
    {
        Directory.CreateDirectory(alone);
        var source = Path.GetDirectoryName(DrillSilo.Executable)!;
        var sodium = Path.Combine(source, "runtimes", $"linux-{RuntimeInformation.OSArchitecture.ToString().ToLowerInvariant()}", "native", "libsodium.so");
        foreach (var file in Directory.GetFiles(source, "*.dll").Where(IsNeeded).Append(Path.Combine(source, "otrain.runtimeconfig.json")).Append(sodium)) File.Copy(file, Path.Combine(alone, Path.GetFileName(file)));
        Assert.DoesNotContain(Directory.GetFiles(alone), file => Path.GetFileName(file).StartsWith("Orleans.Core", StringComparison.Ordinal));

        using var verify = Start(Path.Combine(alone, "otrain.dll"), "verify", export, "--trust", policy);
        var (said, problems) = (await verify.StandardOutput.ReadToEndAsync(), await verify.StandardError.ReadToEndAsync());
        await verify.WaitForExitAsync();
        Assert.True(verify.ExitCode == 0, said + problems);
        Assert.EndsWith("VERIFIED\n", said, StringComparison.Ordinal);

        static bool IsNeeded(string path) => Path.GetFileName(path) is var name && (!name.StartsWith("Orleans.", StringComparison.Ordinal) || name.StartsWith("Orleans.Training.", StringComparison.Ordinal));
    }

    private void CheckReceipts(string folder, string[] receipts, string policyFile, TrustPolicy trust)
    {
        Directory.CreateDirectory(folder);
        Assert.True(receipts.Length > 400);
        var policy = File.ReadAllText(policyFile);
        for (var i = 0; i < receipts.Length; i++) Put($"receipt-{i}", receipts[i]);
        var tampered = Tampered(receipts[receipts.Length / 2]).ToArray();
        foreach (var (name, text) in tampered) Put(name, text);

        var (go, python) = (ForeignTool.Go(LogsOf(trust), folder), ForeignTool.Python(folder));
        for (var i = 0; i < receipts.Length; i++) Assert.Equal(("accepted", "accepted"), (go[$"receipt-{i}"], python[$"receipt-{i}"]));
        foreach (var (name, _) in tampered)
        {
            output.WriteLine($"{name}: Go {go[name]}, Python {python[name]}");
            Assert.StartsWith("refused", go[name], StringComparison.Ordinal);
            Assert.StartsWith("refused", python[name], StringComparison.Ordinal);
        }

        Assert.True(tampered.Length >= 10);

        void Put(string name, string text)
        {
            File.WriteAllText(Path.Combine(folder, name + ".proof"), text);
            File.WriteAllText(Path.Combine(folder, name + ".policy"), policy);
        }
    }

    private void CheckConsistency(string folder, string[] receipts, SignedNote early, TrustPolicy trust)
    {
        Directory.CreateDirectory(folder);
        var tree = new MerkleTree();
        foreach (var text in receipts)
        {
            Assert.True(Receipt.TryParse(text, out var receipt));
            Assert.Equal(tree.Size, receipt!.Index);
            tree.Append(MerkleHash.Leaf(receipt.Leaf.Span));
        }

        Assert.True(Receipt.TryParse(receipts[^1], out var last));
        Assert.True(Checkpoint.TryParse(early.Text, out var before));
        Assert.True(Checkpoint.TryParse(last!.Note.Text, out var after));
        Assert.True(before!.Size < after!.Size);
        var proof = tree.ConsistencyProof(before.Size, after.Size);
        output.WriteLine($"{proof.Length} hashes prove that the log of {after.Size} leaves begins with that of {before.Size}");
        Put("good", early, last.Note, proof);
        Put("backwards", last.Note, early, proof);
        Put("short", early, last.Note, proof[..^1]);
        Put("long", early, last.Note, [.. proof, proof[0]]);
        for (var i = 0; i < proof.Length; i++) Put($"hash-{i}", early, last.Note, [.. proof.Select((hash, at) => at == i ? MerkleHash.Leaf([1]) : hash)]);

        foreach (var (name, verdict) in ForeignTool.Go(LogsOf(trust), folder)) Assert.True((name == "good") == (verdict == "accepted"), $"{name}: {verdict}");

        void Put(string name, SignedNote old, SignedNote next, Digest[] hashes)
        {
            File.WriteAllText(Path.Combine(folder, name + ".old"), old.ToString());
            File.WriteAllText(Path.Combine(folder, name + ".new"), next.ToString());
            File.WriteAllText(Path.Combine(folder, name + ".tree"), string.Concat(hashes.Select(hash => Convert.ToBase64String(hash.ToArray()) + "\n")));
        }
    }

    // Lines of a receipt: format, leaf, index, path…, nothing, origin, size, root, nothing, signatures… (docs/spec/receipt.md).
    private static IEnumerable<(string Name, string Text)> Tampered(string receipt)
    {
        var lines = receipt.TrimEnd('\n').Split('\n');
        var gap = Array.IndexOf(lines, "");
        yield return ("other-format", With(0, line => line.Replace("v1", "v2", StringComparison.Ordinal)));
        yield return ("other-leaf", With(1, line => Flip(line, 20)));
        yield return ("next-index", With(2, line => line + "0"));
        yield return ("index-before", With(2, line => $"index {long.Parse(line[6..], System.Globalization.CultureInfo.InvariantCulture) - 1}"));
        yield return ("other-hash", With(3, line => Flip(line, 3)));
        yield return ("hash-missing", string.Join('\n', lines.Where((_, i) => i != gap - 1)) + "\n");
        yield return ("hash-twice", string.Join('\n', [.. lines[..4], lines[3], .. lines[4..]]) + "\n");
        yield return ("other-origin", With(gap + 1, line => line + "x"));
        yield return ("other-size", With(gap + 2, line => line + "1"));
        yield return ("other-root", With(gap + 3, line => Flip(line, 5)));
        yield return ("extension", With(gap + 3, line => line + "\nextension"));
        yield return ("signatures-broken", string.Join('\n', lines.Select((line, i) => i > gap + 4 ? Flip(line, line.Length - 10) : line)) + "\n");
        yield return ("no-signatures", string.Join('\n', lines[..(gap + 5)]) + "\n");

        string With(int at, Func<string, string> change) => string.Join('\n', lines.Select((line, i) => i == at ? change(line) : line)) + "\n";
    }

    private static string Flip(string line, int at) => line[..at] + (line[at] == 'A' ? 'B' : 'A') + line[(at + 1)..];

    private static string LogsOf(TrustPolicy trust) => string.Join(',', trust.Logs);

    private static Process Start(params string[] arguments) =>
        Process.Start(new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;

    [GeneratedRegex(@"http://127\.0\.0\.1:\d+/")]
    private static partial Regex Gateway();
}
