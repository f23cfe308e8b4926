using System.CommandLine;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Cli.Validators;

/// <summary>What organisations exchange before there is a ledger: each makes its keys where they stay, hands out the public half, and all make the same genesis of the halves.</summary>
internal static class SeatFiles
{
    private const int MaximumBytes = 64 * 1024;
    private const string LastKey = "log";

    /// <summary><c>otrain validator keys</c></summary>
    public static Command Keys()
    {
        var (data, name) = (ValidatorCommand.Data(), ValidatorCommand.Name());
        var output = new Option<string>("--output") { Description = "The file for the public half, to be given to the others.", Required = true };
        var command = new Command("keys", "Makes the keys of a seat. They stay here; their public half is for the other organisations.") { data, name, output };
        command.SetAction(parsed =>
        {
            var organisation = ValidatorCommand.OrganisationOf(parsed.GetValue(name));
            var seat = MakeSeat(new KeyFolder(new ShardFiles(parsed.GetValue(data)!).KeyRoot, organisation));
            File.WriteAllBytes(parsed.GetValue(output)!, seat.Encode());
            Console.WriteLine($"{organisation}: fingerprint {Fingerprint(seat)}");
            Console.WriteLine($"wrote {parsed.GetValue(output)}: give it to the other organisations, and read them the fingerprint over another channel");
            return ExitCode.Ok;
        });
        return command;
    }

    /// <summary><c>otrain validator genesis</c></summary>
    public static Command Genesis()
    {
        var origin = new Option<string>("--origin") { Description = "The ledger's name in checkpoints, for example fed-7.example.org.", Required = true };
        var seats = new Argument<string[]>("seats") { Description = "The files that 'validator keys' wrote, in the order of the seats: the same at every organisation.", Arity = ArgumentArity.OneOrMore };
        var at = new Option<DateTimeOffset>("--at") { Description = "The time of the genesis, for example 2026-11-23T00:00:00Z: the same at every organisation.", Required = true };
        var output = new Option<string>("--output") { Description = "The genesis file.", Required = true };
        var command = new Command("genesis", "Makes the genesis of a shard from the seats' public halves. Whoever has the same files makes the same bytes.") { seats, origin, at, output };
        command.SetAction(parsed =>
        {
            var validators = parsed.GetValue(seats)!.Select(LoadSeat).ToArray();
            var (name, time) = (parsed.GetValue(origin)!, parsed.GetValue(at).ToUnixTimeMilliseconds());
            var made = new Genesis(name, Identifier.Of(System.Text.Encoding.UTF8.GetBytes($"{name}/{time}")), time, new ValidatorSet(1, validators));
            // What cannot be read back is no genesis: too many seats, a key twice, a name that checkpoints cannot have.
            if (!Protocol.Ledger.Genesis.TryParse(made.Encode(), out _)) throw new OperationalException("OT-7045", $"These {validators.Length} seats and the origin '{name}' make no genesis: there may be {Limits.Validators} seats, no key may stand twice, and an origin has neither spaces nor '+'.");
            File.WriteAllBytes(parsed.GetValue(output)!, made.Encode());
            foreach (var seat in validators) Console.WriteLine($"{seat.Organisation}: fingerprint {Fingerprint(seat)}");
            Console.WriteLine($"chain {made.Chain}");
            Console.WriteLine($"wrote {parsed.GetValue(output)}: shard {made.Shard}, {validators.Length} seats, quorum {made.Validators.Quorum}. Every organisation must have this chain.");
            return ExitCode.Ok;
        });
        return command;
    }

    /// <summary>Reads a genesis file.</summary>
    /// <exception cref="OperationalException">OT-7045: it is none.</exception>
    public static Genesis Load(string path) =>
        Protocol.Ledger.Genesis.TryParse(ReadAll(path), out var genesis) ? genesis! : throw new OperationalException("OT-7045", $"{path} is no genesis: copy it again from any organisation and compare the chain.");

    /// <summary>Reads a seat file.</summary>
    /// <exception cref="OperationalException">OT-7045: it is none.</exception>
    public static Validator LoadSeat(string path) =>
        Validator.TryParse(ReadAll(path), out var seat) ? seat! : throw new OperationalException("OT-7045", $"{path} is no seat: it must be the file that 'otrain validator keys' or 'otrain validator request' wrote.");

    /// <summary>Makes the four keys of a seat. What an interrupted call has made is taken.</summary>
    /// <exception cref="OperationalException">OT-4033: there are all keys already.</exception>
    public static Validator MakeSeat(KeyFolder folder) => new(folder.Participant, Make(folder, KeyFolder.IdentityKey), Make(folder, VoteKeys.FirstName), Make(folder, "cosign"), Make(folder, LastKey));

    /// <summary>What people read to each other: eight groups of four digits of a seat's digest.</summary>
    public static string Fingerprint(Validator seat) => string.Join(' ', Digest.Of(seat.Encode()).ToString()[..32].Chunk(4).Select(group => new string(group)));

    private static byte[] ReadAll(string path) =>
        !File.Exists(path) ? throw new OperationalException("OT-7045", $"There is no file {path}.")
        : new FileInfo(path).Length > MaximumBytes ? throw new OperationalException("OT-7045", $"{path} has more than {MaximumBytes} bytes.")
        : File.ReadAllBytes(path);

    private static PublicKey Make(KeyFolder folder, string name)
    {
        var names = folder.Names;
        var signer = names.Contains(name) && !names.Contains(LastKey) ? folder.Open(name) : folder.Create(name, SignatureAlgorithm.Ed25519);
        (signer as IDisposable)?.Dispose();
        return signer.PublicKey;
    }
}
