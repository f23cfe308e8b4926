using System.Globalization;
using Orleans.Training.Cli.Validators;
using Orleans.Training.Grains;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Cli;

/// <summary><c>otrain verify FILE</c>: whether a file proves that a validator broke a rule, and by which key.</summary>
internal static class EvidenceReport
{
    private const int MaximumBytes = 4096;

    public static int Run(string file, string? genesisFile, bool json)
    {
        if (new FileInfo(file).Length > MaximumBytes || !Evidence.TryParse(File.ReadAllBytes(file), out var evidence)) return VerifyCommand.Fail(json, "OT-3201", $"{file} is no evidence", ExitCode.CheckFailed);
        var seat = "";
        if (genesisFile is not null)
        {
            try
            {
                if (SeatOf(SeatFiles.Load(genesisFile), evidence!) is not { } found) return VerifyCommand.Fail(json, "OT-3203", $"the chain, the shard or the key {evidence!.Key.Id} is none of {genesisFile}: in a later era the key stands in that era's validator set", ExitCode.CheckFailed);
                seat = found;
            }
            catch (OperationalException exception)
            {
                return VerifyCommand.Fail(json, null, exception.Message, ExitCode.Usage);
            }
        }

        var fault = evidence!.Check();
        if (fault is FaultKind.None) return VerifyCommand.Fail(json, "OT-3202", $"{file} proves nothing: its two votes do not contradict each other, or a signature is not good", ExitCode.CheckFailed);
        if (json)
        {
            Console.WriteLine(JsonLine.Of(("proven", true), ("fault", fault.ToString()), ("key", Convert.ToHexStringLower(evidence.Key.Bytes.Span)), ("seat", seat), ("era", evidence.First.Vote.Era), ("view", evidence.First.Vote.View)));
            return ExitCode.Ok;
        }

        Console.WriteLine($"  {Text(fault)} in view {evidence.First.Vote.View.ToString(CultureInfo.InvariantCulture)} of era {evidence.First.Vote.Era.ToString(CultureInfo.InvariantCulture)}");
        Console.WriteLine($"  chain {evidence.Chain}, shard {evidence.Shard}");
        Console.WriteLine($"  both signed by the vote key {Convert.ToHexStringLower(evidence.Key.Bytes.Span)}{(seat.Length > 0 ? $" of {seat}" : "")}");
        Console.WriteLine("PROVEN");
        return ExitCode.Ok;
    }

    private static string? SeatOf(Genesis genesis, Evidence evidence) =>
        genesis.Chain == evidence.Chain && genesis.Shard == evidence.Shard && evidence.First.Seat < genesis.Validators.Count && genesis.Validators.Seats[evidence.First.Seat] is { } seat && seat.VoteKey == evidence.Key ? seat.Organisation.Name : null;

    private static string Text(FaultKind fault) => fault switch
    {
        FaultKind.TwoNotarizations => "two notarize votes for different blocks",
        FaultKind.TwoFinalizations => "two finalize votes for different blocks",
        _ => "a nullify and a finalize vote",
    };
}
