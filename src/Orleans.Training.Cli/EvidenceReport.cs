using System.Globalization;
using Orleans.Training.Cli.Validators;
using Orleans.Training.Grains;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Cli;

/// <summary><c>otrain verify FILE</c>: whether a file proves that validators broke a rule, and by which keys.</summary>
internal static class EvidenceReport
{
    public static int Run(string file, string? genesisFile, bool json)
    {
        if (Find(file) is not { } proof) return VerifyCommand.Fail(json, "OT-3201", $"{file} is no evidence", ExitCode.CheckFailed);
        var seats = new string[proof.Keys.Count];
        Array.Fill(seats, "");
        var few = "";
        if (genesisFile is not null)
        {
            try
            {
                var genesis = SeatFiles.Load(genesisFile);
                for (var i = 0; i < seats.Length; i++)
                {
                    if (!proof.IsOf(genesis) || proof.SeatOf(genesis.Validators, proof.Keys[i]) is not { } seat) return VerifyCommand.Fail(json, "OT-3203", $"the chain, the shard or the key {proof.Keys[i].Id} is none of {genesisFile}: in a later era the key stands in that era's validator set", ExitCode.CheckFailed);
                    seats[i] = seat.Organisation.Name;
                }

                few = $" of {genesis.Validators.Count}, of which {genesis.Validators.MaxFaulty} may lie";
            }
            catch (OperationalException exception)
            {
                return VerifyCommand.Fail(json, null, exception.Message, ExitCode.Usage);
            }
        }

        var fault = proof.Check();
        if (fault is FaultKind.None) return VerifyCommand.Fail(json, "OT-3202", $"{file} proves nothing: what was signed does not contradict itself, or a signature is not good", ExitCode.CheckFailed);
        if (json) Console.WriteLine(Json(proof, fault, seats));
        else Print(proof, fault, seats, few);
        return ExitCode.Ok;
    }

    /// <summary>Reads a file of evidence; proves nothing yet.</summary>
    /// <exception cref="OperationalException">OT-3201: it is none.</exception>
    public static FaultProof Load(string file) => Find(file) ?? throw new OperationalException("OT-3201", $"{file} is no evidence.");

    private static FaultProof? Find(string file) =>
        new FileInfo(file) is { Exists: true, Length: <= FaultProof.MaximumBytes } && FaultProof.TryParse(File.ReadAllBytes(file), out var proof) ? proof : null;

    private static IEnumerable<string> About(FaultProof proof) => proof switch
    {
        Evidence evidence => [$"chain {evidence.Chain}, shard {evidence.Shard}"],
        ForkProof fork => [$"chain {fork.Chain}, shard {fork.Shard}", $"votes: {fork.First.Kind} {fork.First.Digest}", $"       {fork.Second.Kind} {fork.Second.Digest}"],
        SplitView view => [$"log {view.Origin}", .. Lines(view.First), .. Lines(view.Second)],
        _ => [],
    };

    private static IEnumerable<string> Lines(SignedNote note) => Checkpoint.TryParse(note.Text, out var checkpoint) ? [string.Create(CultureInfo.InvariantCulture, $"{checkpoint!.Size} leaves, root {checkpoint.Root}")] : [];

    private static string Json(FaultProof proof, FaultKind fault, string[] seats)
    {
        var keys = proof.Keys.Select(Hex).ToArray();
        return keys.Length == 1
            ? JsonLine.Of(("proven", true), ("fault", fault.ToString()), ("key", keys[0]), ("seat", seats[0]), ("era", proof.Era ?? 0), ("view", proof.View))
            : JsonLine.Of(("proven", true), ("fault", fault.ToString()), ("keys", keys), ("seats", seats), ("era", proof.Era ?? 0), ("view", proof.View));
    }

    private static void Print(FaultProof proof, FaultKind fault, string[] seats, string few)
    {
        var where = proof.View > 0 ? string.Create(CultureInfo.InvariantCulture, $" in view {proof.View} of era {proof.Era}") : "";
        Console.WriteLine($"  {Text(fault)}{where}");
        foreach (var line in About(proof)) Console.WriteLine($"  {line}");
        if (proof.Keys.Count > 1) Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  both signed by {proof.Keys.Count} keys{few}"));
        for (var i = 0; i < seats.Length; i++) Console.WriteLine($"  {(seats.Length == 1 ? "both signed by the key" : "  the key")} {Hex(proof.Keys[i])}{(seats[i].Length > 0 ? $" of {seats[i]}" : "")}");
        Console.WriteLine("PROVEN");
    }

    private static string Hex(PublicKey key) => Convert.ToHexStringLower(key.Bytes.Span);

    private static string Text(FaultKind fault) => fault switch
    {
        FaultKind.TwoNotarizations => "two notarize votes for different blocks",
        FaultKind.TwoFinalizations => "two finalize votes for different blocks",
        FaultKind.TwoTrees => "two checkpoints that no one tree can have",
        _ => "a nullify and a finalize vote",
    };
}
