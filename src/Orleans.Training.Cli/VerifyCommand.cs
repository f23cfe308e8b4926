using System.CommandLine;
using System.Globalization;
using Orleans.Training.Client.Exports;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Trainer;

namespace Orleans.Training.Cli;

/// <summary><c>otrain verify</c>: checks an exported run, evidence, or the proof of a snapshot, offline. Loads neither Orleans nor libtorch.</summary>
internal static class VerifyCommand
{
    private const int MaximumPolicyBytes = 256 * 1024;

    public static Command Create()
    {
        var what = new Argument<string>("what") { Description = "The folder of an exported run, or a file: evidence of a validator's fault, or the proof that a quorum has attested a snapshot." };
        what.Validators.Add(result => { if (result.GetValue(what) is ['-', ..] option) result.AddError($"Unrecognized option '{option}'."); });
        var trust = new Option<string?>("--trust") { Description = "The trust policy (C2SP tlog-policy), from elsewhere than the run; an exported run needs it." };
        var genesis = new Option<string?>("--genesis") { Description = "The genesis of the shard: says whose key the evidence names, and from whom the proof of a snapshot begins." };
        var snapshot = new Option<string?>("--snapshot") { Description = "The snapshot that the proof is about, to be compared with it." };
        var json = new Option<bool>("--json") { Description = "One JSON object instead of text." };
        var command = new Command("verify", "Checks an exported run offline: every signature, certificate, hash, receipt and aggregation. Or the evidence that a validator lied, or the proof of a snapshot.") { what, trust, genesis, snapshot, json };
        command.SetAction(parsed =>
        {
            var path = parsed.GetValue(what)!;
            if (SnapshotReport.Find(path) is { } offer) return SnapshotReport.Run(path, offer, parsed.GetValue(genesis), parsed.GetValue(snapshot), parsed.GetValue(json));
            return File.Exists(path) ? EvidenceReport.Run(path, parsed.GetValue(genesis), parsed.GetValue(json)) : Run(path, parsed.GetValue(trust), parsed.GetValue(json));
        });
        return command;
    }

    public static int Run(string folder, string? trust, bool json)
    {
        if (!Directory.Exists(folder)) return Fail(json, "OT-7002", $"there is no folder {folder}: name an exported run", ExitCode.Usage);
        if (trust is null || !File.Exists(trust) || new FileInfo(trust).Length > MaximumPolicyBytes) return Fail(json, "OT-7002", $"there is no trust policy {trust ?? "(--trust is missing)"} of at most {MaximumPolicyBytes} bytes: ask a validator that you trust for it", ExitCode.Usage);
        if (!TrustPolicy.TryParse(File.ReadAllText(trust), out var policy, out var problem)) return Fail(json, "OT-7004", $"{trust} is no trust policy: {problem}", ExitCode.Usage);
        try
        {
            Print(ExportVerifier.Verify(folder, policy!), json);
            return ExitCode.Ok;
        }
        catch (ExportException exception)
        {
            return Fail(json, null, exception.Message, ExitCode.CheckFailed);
        }
    }

    private static void Print(ExportReport report, bool json)
    {
        if (json)
        {
            Console.WriteLine(JsonLine.Of(("verified", true), ("blocks", report.Blocks), ("entries", report.Entries), ("certificates", report.Certificates), ("receipts", report.Receipts), ("rounds", report.Rounds), ("expired", report.Expired), ("model", report.Model?.ToString()), ("statements", report.Statements), ("warnings", report.FalseWork.Select(item => item.ToString()))));
            return;
        }

        var text = CultureInfo.InvariantCulture;
        Console.WriteLine(string.Create(text, $"  {report.Blocks} blocks executed again, {report.Entries} transactions with good signatures ({report.Refused} refused by a contract, each with its entry)"));
        Console.WriteLine(string.Create(text, $"  {report.Certificates} finalizations signed by a quorum"));
        Console.WriteLine(string.Create(text, $"  checkpoint of {report.Size} leaves accepted by the trust policy, {report.Receipts} receipts verified"));
        Console.WriteLine(string.Create(text, $"  {report.Rounds - report.Expired} rounds added up again from their committed updates, to the bit"));
        if (report.Expired > 0) Console.WriteLine(string.Create(text, $"  {report.Expired} rounds older than their challenge window: updates are deleted, and models follow from sums that a quorum attested"));
        Console.WriteLine(string.Create(text, $"  model {report.Model?.ToString() ?? "none"}{(report.Statements > 0 ? $", vouched for by {report.Statements} validators in in-toto statements" : "")}"));
        foreach (var item in report.FalseWork) Console.WriteLine($"  warning: {item}");
        Console.WriteLine("VERIFIED");
    }

    internal static int Fail(bool json, string? code, string message, int exitCode)
    {
        var text = code is null ? message : $"{code} {message}";
        if (json) Console.WriteLine(JsonLine.Of(("verified", false), ("problem", text)));
        else if (exitCode == ExitCode.CheckFailed) Console.WriteLine($"NOT VERIFIED\n  {text}");
        else Console.Error.WriteLine(text);
        return exitCode;
    }
}
