using System.CommandLine;
using System.Globalization;
using System.Text;
using Orleans.Training.Client.Logs;
using Orleans.Training.Grains;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Cli.Logs;

/// <summary>
/// <c>otrain anchor stamp</c>: a time stamp of RFC 3161 on a ledger's newest checkpoint, mostly on the ledger that keeps the others' (docs/spec/contracts.md, Anchors). Two files that anybody checks with
/// <c>openssl ts -verify</c>: everything below the checkpoint existed at that time, whatever becomes of the ledger's keys.
/// </summary>
internal static class StampCommand
{
    public static Command Create()
    {
        var log = MonitorCommand.Log();
        var trust = MonitorCommand.Trust();
        var key = MonitorCommand.KeyFile();
        var authority = Validators.ValidatorCommand.HttpAddress("--authority", "Where a time stamping authority listens (RFC 3161 over HTTP).", required: true);
        var output = new Option<string>("--output") { Description = "The folder for the checkpoints and their stamps.", Required = true };
        var every = Repetition.Every();
        var command = new Command("stamp", "Has the newest checkpoint of a ledger stamped by a time stamping authority.") { log, trust, authority, output, key, every };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var policy = MonitorCommand.PolicyIn(parsed.GetValue(trust)!);
            using var reader = new LogReader(MonitorCommand.PrefixOf(parsed.GetValue(log)!)!, parsed.GetValue(key) is { } file ? MonitorCommand.Read(file).Trim() : null);
            using var asked = new HttpTimestampAuthority(parsed.GetValue(authority)!);
            Directory.CreateDirectory(parsed.GetValue(output)!);
            return await Repetition.Run(TimeSpan.FromSeconds(parsed.GetValue(every)), () => Stamp(reader, policy, asked, parsed.GetValue(output)!, cancellationToken), cancellationToken);
        });
        return command;
    }

    [System.Diagnostics.CodeAnalysis.SuppressMessage("Performance", "CA1859", Justification = "Whoever stamps otherwise than over HTTP implements the interface.")]
    private static async Task<int> Stamp(LogReader reader, TrustPolicy policy, ITimestampAuthority authority, string folder, CancellationToken cancellationToken)
    {
        var (note, checkpoint) = await reader.Newest(cancellationToken);
        if (policy.Accepts(note) is not ReceiptCheck.Good and var check) throw new LogException(string.Create(CultureInfo.InvariantCulture, $"OT-{(int)check:D4} the policy does not accept the checkpoint at {reader.Prefix}: {check}. Give the policy of the ledger's present validators."));
        var path = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{Digest.Of(Encoding.UTF8.GetBytes(checkpoint.Origin)).ToString()[..16]}-{checkpoint.Size:D12}.checkpoint"));
        if (File.Exists(path + ".tsr"))
        {
            Console.WriteLine($"{path} is stamped already");
            return ExitCode.Ok;
        }

        var content = Encoding.UTF8.GetBytes(note.ToString());
        var (answer, time) = await authority.Stamp(content, cancellationToken);
        await File.WriteAllBytesAsync(path, content, cancellationToken);
        await File.WriteAllBytesAsync(path + ".new", answer, cancellationToken);
        File.Move(path + ".new", path + ".tsr");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{checkpoint.Origin}: {checkpoint.Size} leaves existed on {time:yyyy-MM-dd HH:mm:ss'Z'}: openssl ts -verify -data {path} -in {path}.tsr -CAfile AUTHORITY.pem"));
        return ExitCode.Ok;
    }
}
