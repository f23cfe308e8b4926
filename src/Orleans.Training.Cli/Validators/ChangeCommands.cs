using System.CommandLine;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Cli.Validators;

/// <summary>How those who are there decide who is (docs/spec/links.md §9). Each command is one transaction of the own seat; nobody's process is restarted for it.</summary>
internal static class ChangeCommands
{
    /// <summary><c>otrain validator propose add | remove | replace</c></summary>
    public static Command Propose()
    {
        var file = new Argument<string>("seat-file") { Description = "The file that the newcomer's 'validator request' wrote." };
        var seat = new Argument<string>("organisation") { Description = "The organisation whose seat it is." };
        return new Command("propose", "Proposes a change of the validator set, and votes for it. The others vote with 'validator vote'.")
        {
            Build("add", "Gives an organisation a seat.", null, file, (present, entry) => SeatChange.Add(entry!)),
            Build("remove", "Takes an organisation's seat away.", seat, null, (present, _) => SeatChange.Remove(present!.TransactionKey.Id)),
            Build("replace", "Gives a seat other keys, or to another organisation.", seat, file, (present, entry) => SeatChange.Replace(present!.TransactionKey.Id, entry!)),
        };

        static Command Build(string verb, string description, Argument<string>? seat, Argument<string>? file, Func<Validator?, Validator?, SeatChange> change)
        {
            var (data, name, address, fingerprint) = (ValidatorCommand.Data(), ValidatorCommand.Name(), ValidatorCommand.Address(), FingerprintOption());
            var command = new Command(verb, description) { data, name, address };
            if (seat is not null) command.Add(seat);
            if (file is not null)
            {
                command.Add(file);
                command.Add(fingerprint);
            }

            command.SetAction(async (parsed, cancellationToken) =>
            {
                using var client = new SeatClient(parsed.GetValue(data)!, ValidatorCommand.OrganisationOf(parsed.GetValue(name)), parsed.GetValue(address)!);
                var entry = file is null ? null : SeatFiles.LoadSeat(parsed.GetValue(file)!);
                if (entry is not null) RequireFingerprint(entry, parsed.GetValue(fingerprint));
                var present = seat is null ? null : SeatOf((await client.Governance(cancellationToken)).Present, parsed.GetValue(seat)!);
                var made = change(present, entry);
                await client.Commit(new ProposeChange(made), cancellationToken);
                Console.WriteLine($"proposed {made.ComputeDigest()}: {Describe(made, null)}");
                Console.WriteLine($"the others: otrain validator vote {made.ComputeDigest()}{(entry is null ? "" : " --fingerprint …")}");
                return ExitCode.Ok;
            });
            return command;
        }
    }

    /// <summary><c>otrain validator vote</c></summary>
    public static Command Vote()
    {
        var (data, name, address, fingerprint) = (ValidatorCommand.Data(), ValidatorCommand.Name(), ValidatorCommand.Address(), FingerprintOption());
        var change = new Argument<string?>("change") { Description = "The change, as 'propose' named it. Without it, the pending changes are listed.", Arity = ArgumentArity.ZeroOrOne };
        var against = new Option<bool>("--against") { Description = "Votes against it." };
        var command = new Command("vote", "Lists the pending changes, or votes on one.") { change, data, name, address, against, fingerprint };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = new SeatClient(parsed.GetValue(data)!, ValidatorCommand.OrganisationOf(parsed.GetValue(name)), parsed.GetValue(address)!);
            var state = await client.Governance(cancellationToken);
            if (parsed.GetValue(change) is not { } wanted)
            {
                Console.WriteLine($"era {state.Present.Era}: {string.Join(", ", state.Present.Seats.Select(seat => seat.VoteKey is null ? $"{seat.Organisation} (no vote key)" : seat.Organisation.Name))}; {state.Present.Quorum} votes approve");
                foreach (var pending in state.Changes) Console.WriteLine($"{pending.Change.ComputeDigest()} {pending.State}, {pending.For.Count} for, {pending.Against.Count} against: {Describe(pending.Change, state.Present)}");
                return ExitCode.Ok;
            }

            var record = state.Changes.FirstOrDefault(pending => pending.Change.ComputeDigest().ToString() == wanted) ?? throw new OperationalException("OT-7021", $"There is no pending change {wanted}: 'otrain validator vote' without a change lists them.");
            if (record.Change.Entry is { } entry && !parsed.GetValue(against)) RequireFingerprint(entry, parsed.GetValue(fingerprint));
            await client.Commit(new VoteOnChange(record.Change.ComputeDigest(), !parsed.GetValue(against)), cancellationToken);
            Console.WriteLine($"voted {(parsed.GetValue(against) ? "against" : "for")} {wanted}: {Describe(record.Change, state.Present)}");
            return ExitCode.Ok;
        });
        return command;
    }

    /// <summary><c>otrain validator redelegate</c></summary>
    public static Command Redelegate()
    {
        var (data, name, address) = (ValidatorCommand.Data(), ValidatorCommand.Name(), ValidatorCommand.Address());
        var none = new Option<bool>("--none") { Description = "Takes the vote key away and gives none: the seat is silent until the next redelegation." };
        var command = new Command("redelegate", "Gives the own seat a new vote key from the next era on: after a lost disk (OT-4011), a theft, or from time to time. Nobody has to agree.") { data, name, address, none };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = new SeatClient(parsed.GetValue(data)!, ValidatorCommand.OrganisationOf(parsed.GetValue(name)), parsed.GetValue(address)!);
            var present = (await client.Governance(cancellationToken)).Present;
            var seat = SeatOf(present, client.Keys.Participant.Name);
            if (parsed.GetValue(none))
            {
                await client.Commit(new Protocol.Contracts.Redelegate(null, default), cancellationToken);
                Console.WriteLine($"{seat.Organisation} has no vote key from the next era on");
                return ExitCode.Ok;
            }

            var made = VoteKeys.Create(client.Keys);
            var proof = await made.Sign(EraContract.ReadyStatement(client.Genesis.Chain, client.Genesis.Shard, present.Era + 1, seat with { VoteKey = made.PublicKey }), cancellationToken);
            (made as IDisposable)?.Dispose();
            try
            {
                await client.Commit(new Protocol.Contracts.Redelegate(made.PublicKey, proof), cancellationToken);
            }
            catch (OperationalException exception) when (exception.Code.StartsWith("OT-2", StringComparison.Ordinal))
            {
                // Refused for good, so that nobody will ever want this key.
                new VoteKeys(client.Keys).Destroy(made.PublicKey);
                throw;
            }

            Console.WriteLine($"{seat.Organisation} has the vote key {made.PublicKey.Id} from the next era on; its validator takes it up by itself, and destroys the old one");
            return ExitCode.Ok;
        });
        return command;
    }

    /// <summary><c>otrain validator convict</c></summary>
    public static Command Convict()
    {
        var (data, name, address) = (ValidatorCommand.Data(), ValidatorCommand.Name(), ValidatorCommand.Address());
        var file = new Argument<string>("file") { Description = "Evidence, as a validator keeps it or 'otrain monitor' writes it." };
        var command = new Command("convict", "Shows the ledger a proof that a validator broke a rule: its seat leaves with the next era. Validators do this by themselves with what they find.") { file, data, name, address };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = new SeatClient(parsed.GetValue(data)!, ValidatorCommand.OrganisationOf(parsed.GetValue(name)), parsed.GetValue(address)!);
            var proof = EvidenceReport.Load(parsed.GetValue(file)!);
            if (proof.Check() is FaultKind.None) throw new OperationalException("OT-3202", $"{parsed.GetValue(file)} proves nothing: what was signed does not contradict itself, or a signature is not good.");
            if (!proof.IsOf(client.Genesis)) throw new OperationalException("OT-3203", $"{parsed.GetValue(file)} is about another ledger than {client.Genesis.Origin}.");
            await client.Commit(new Protocol.Contracts.Convict(proof.Encode()), cancellationToken);
            Console.WriteLine($"on the ledger: who has {string.Join(" and ", proof.Keys.Select(key => $"key {key.Id}"))} leaves with the next era");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Option<string?> FingerprintOption() => new("--fingerprint") { Description = "The fingerprint that the newcomer has read out over another channel." };

    private static void RequireFingerprint(Validator entry, string? said)
    {
        var fingerprint = SeatFiles.Fingerprint(entry);
        Console.WriteLine($"{entry.Organisation}: fingerprint {fingerprint}");
        if (said is null) throw new OperationalException("OT-7048", $"Ask {entry.Organisation} over another channel for its fingerprint, and give it with --fingerprint.");
        if (!string.Equals(string.Concat(said.Where(char.IsAsciiHexDigit)), string.Concat(fingerprint.Where(char.IsAsciiHexDigit)), StringComparison.OrdinalIgnoreCase)) throw new OperationalException("OT-7048", $"The fingerprint of these keys is {fingerprint}, not '{said}': somebody may have changed the file on its way. Ask {entry.Organisation} again, and do not approve it.");
    }

    private static Validator SeatOf(ValidatorSet present, string organisation) =>
        present.Seats.FirstOrDefault(seat => seat.Organisation.Name == organisation) ?? throw new OperationalException("OT-7021", $"{organisation} has no seat in era {present.Era}: its seats are {string.Join(", ", present.Seats.Select(seat => seat.Organisation))}.");

    private static string Describe(SeatChange change, ValidatorSet? present)
    {
        var seat = change.Seat is not { } id ? "" : present?.SeatOf(id) is >= 0 and var number ? present.Seats[number].Organisation.Name : $"the seat of key {id}";
        var entry = change.Entry is { } made ? $"{made.Organisation} ({SeatFiles.Fingerprint(made)})" : "";
        return change.Kind switch { SeatChangeKind.Add => $"add {entry}", SeatChangeKind.Remove => $"remove {seat}", _ => $"replace {seat} by {entry}" };
    }
}
