using System.Globalization;
using Orleans.Training.Cli.Validators;
using Orleans.Training.Grains;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Cli;

/// <summary><c>otrain verify FILE</c>: whether a file proves that validators broke a rule, and by which keys.</summary>
internal static class EvidenceReport
{
    private const int MaximumBytes = 16 * 1024;

    /// <summary>What a file says: the fault and where it was, once checked, who is named, and who that is by a genesis (null: nobody of it).</summary>
    private sealed record Charge(Func<FaultKind> Check, IReadOnlyList<string> About, ulong Era, ulong View, IReadOnlyList<PublicKey> Keys, Func<Genesis, PublicKey, Validator?> SeatOf);

    public static int Run(string file, string? genesisFile, bool json)
    {
        if (new FileInfo(file).Length > MaximumBytes || Read(File.ReadAllBytes(file)) is not { } charge) return VerifyCommand.Fail(json, "OT-3201", $"{file} is no evidence", ExitCode.CheckFailed);
        var seats = new string[charge.Keys.Count];
        Array.Fill(seats, "");
        var few = "";
        if (genesisFile is not null)
        {
            try
            {
                var genesis = SeatFiles.Load(genesisFile);
                for (var i = 0; i < seats.Length; i++)
                {
                    if (charge.SeatOf(genesis, charge.Keys[i]) is not { } seat) return VerifyCommand.Fail(json, "OT-3203", $"the chain, the shard or the key {charge.Keys[i].Id} is none of {genesisFile}: in a later era the key stands in that era's validator set", ExitCode.CheckFailed);
                    seats[i] = seat.Organisation.Name;
                }

                few = $" of {genesis.Validators.Count}, of which {genesis.Validators.MaxFaulty} may lie";
            }
            catch (OperationalException exception)
            {
                return VerifyCommand.Fail(json, null, exception.Message, ExitCode.Usage);
            }
        }

        var fault = charge.Check();
        if (fault is FaultKind.None) return VerifyCommand.Fail(json, "OT-3202", $"{file} proves nothing: what was signed does not contradict itself, or a signature is not good", ExitCode.CheckFailed);
        if (json) Console.WriteLine(Json(charge, fault, seats));
        else Print(charge, fault, seats, few);
        return ExitCode.Ok;
    }

    private static Charge? Read(byte[] bytes)
    {
        if (Evidence.TryParse(bytes, out var votes) && votes is { } evidence) return new Charge(evidence.Check, [$"chain {evidence.Chain}, shard {evidence.Shard}"], evidence.First.Vote.Era, evidence.First.Vote.View, [evidence.Key], (genesis, key) => Seat(genesis, evidence.Chain, evidence.Shard, evidence.First.Seat, key));
        if (ForkProof.TryParse(bytes, out var proof) && proof is { } fork) return new Charge(fork.Check, [$"chain {fork.Chain}, shard {fork.Shard}", $"votes: {fork.First.Kind} {fork.First.Digest}", $"       {fork.Second.Kind} {fork.Second.Digest}"], fork.First.Era, fork.First.View, [.. fork.Signers.Select(signer => signer.Key)], (genesis, key) => Seat(genesis, fork.Chain, fork.Shard, fork.Signers.First(signer => signer.Key == key).Seat, key));
        if (SplitView.TryParse(bytes, out var split) && split is { } view) return new Charge(view.Check, [$"log {view.Origin}", .. Lines(view.First), .. Lines(view.Second)], 0, 0, [view.Key.Key], (genesis, key) => genesis.Origin == view.Origin ? genesis.Validators.Seats.FirstOrDefault(seat => (view.Key.Kind is NoteKeyKind.Log ? seat.LogKey : seat.CosignKey) == key) : null);
        return null;
    }

    private static Validator? Seat(Genesis genesis, Digest chain, Identifier shard, int seat, PublicKey key) =>
        genesis.Chain == chain && genesis.Shard == shard && seat < genesis.Validators.Count && genesis.Validators.Seats[seat].VoteKey == key ? genesis.Validators.Seats[seat] : null;

    private static IEnumerable<string> Lines(SignedNote note) => Checkpoint.TryParse(note.Text, out var checkpoint) ? [string.Create(CultureInfo.InvariantCulture, $"{checkpoint!.Size} leaves, root {checkpoint.Root}")] : [];

    private static string Json(Charge charge, FaultKind fault, string[] seats)
    {
        var keys = charge.Keys.Select(Hex).ToArray();
        return keys.Length == 1
            ? JsonLine.Of(("proven", true), ("fault", fault.ToString()), ("key", keys[0]), ("seat", seats[0]), ("era", charge.Era), ("view", charge.View))
            : JsonLine.Of(("proven", true), ("fault", fault.ToString()), ("keys", keys), ("seats", seats), ("era", charge.Era), ("view", charge.View));
    }

    private static void Print(Charge charge, FaultKind fault, string[] seats, string few)
    {
        var where = charge.View > 0 ? string.Create(CultureInfo.InvariantCulture, $" in view {charge.View} of era {charge.Era}") : "";
        Console.WriteLine($"  {Text(fault)}{where}");
        foreach (var line in charge.About) Console.WriteLine($"  {line}");
        if (charge.Keys.Count > 1) Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  both signed by {charge.Keys.Count} keys{few}"));
        for (var i = 0; i < seats.Length; i++) Console.WriteLine($"  {(seats.Length == 1 ? "both signed by the key" : "  the key")} {Hex(charge.Keys[i])}{(seats[i].Length > 0 ? $" of {seats[i]}" : "")}");
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
