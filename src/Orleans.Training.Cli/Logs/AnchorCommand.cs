using System.CommandLine;
using Orleans.Training.Cli.Validators;
using Orleans.Training.Client.Logs;
using Orleans.Training.Grains;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Cli.Logs;

/// <summary><c>otrain anchor</c>: one ledger keeps the checkpoints of another (docs/spec/contracts.md, Anchors). Each command is one transaction of the own organisation.</summary>
internal static class AnchorCommand
{
    public static Command Create() => new("anchor", "Has one ledger record another's checkpoints, so that nobody can show two histories unnoticed.") { Watch(), Record(), StampCommand.Create() };

    private static Command Watch()
    {
        var (data, name, address) = (ValidatorCommand.Data(), ValidatorCommand.Name(), ValidatorCommand.Address());
        var policy = new Argument<string>("policy") { Description = "The trust policy of the ledger that is to be watched." };
        var command = new Command("watch", "Votes to watch a ledger under this policy. It happens when a quorum of seats has voted with the same file.") { policy, data, name, address };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var (text, trust) = (MonitorCommand.Read(parsed.GetValue(policy)!), MonitorCommand.PolicyIn(parsed.GetValue(policy)!));
            if (trust.Logs.Count == 0) throw new OperationalException("OT-7004", $"{parsed.GetValue(policy)} is no trust policy: it names no log");
            using var client = new SeatClient(parsed.GetValue(data)!, ValidatorCommand.OrganisationOf(parsed.GetValue(name)), parsed.GetValue(address)!);
            await client.Commit(new Watch(trust.Logs[0].Name, text), cancellationToken);
            var watched = await client.Watched(trust.Logs[0].Name, cancellationToken);
            Console.WriteLine(watched?.Policy == text ? $"{trust.Logs[0].Name} is watched" : $"voted to watch {trust.Logs[0].Name}; the others vote with the same file");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Record()
    {
        var (data, name, address) = (ValidatorCommand.Data(), ValidatorCommand.Name(), ValidatorCommand.Address());
        var (log, key, every) = (MonitorCommand.Log(), MonitorCommand.KeyFile(), Repetition.Every());
        var command = new Command("record", "Carries the newest checkpoint of a watched ledger to this one, with the proof that it continues the last.") { log, key, data, name, address, every };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = new SeatClient(parsed.GetValue(data)!, ValidatorCommand.OrganisationOf(parsed.GetValue(name)), parsed.GetValue(address)!);
            using var reader = new LogReader(MonitorCommand.PrefixOf(parsed.GetValue(log)!)!, parsed.GetValue(key) is { } file ? MonitorCommand.Read(file).Trim() : null);
            return await Repetition.Run(TimeSpan.FromSeconds(parsed.GetValue(every)), () => Carry(reader, client, cancellationToken), cancellationToken);
        });
        return command;
    }

    private static async Task<int> Carry(LogReader reader, SeatClient client, CancellationToken cancellationToken)
    {
        var (note, checkpoint) = await reader.Newest(cancellationToken);
        var watched = await client.Watched(checkpoint.Origin, cancellationToken) ?? throw new OperationalException("OT-2105", $"This ledger does not watch {checkpoint.Origin}: have a quorum of its seats vote with 'otrain anchor watch'.");
        var last = watched.Anchors is [.., var newest] ? newest : default;
        var proof = last.Size > 0 && last.Size < checkpoint.Size ? await reader.Prove(last.Size, checkpoint.Size, cancellationToken) : [];
        if (last == new Anchor(checkpoint.Size, checkpoint.Root))
        {
            Console.WriteLine($"{checkpoint.Origin} is anchored at {checkpoint.Size} leaves already");
            return ExitCode.Ok;
        }

        await client.Commit(new RecordCheckpoint(note.ToString(), proof), cancellationToken);
        if (watched.Anchors.Any(anchor => anchor.Size == checkpoint.Size && anchor.Root != checkpoint.Root))
        {
            Console.WriteLine($"{checkpoint.Origin} SHOWS A SECOND HISTORY: {checkpoint.Size} leaves have another root than was anchored. The proof is on the ledger now.");
            return ExitCode.CheckFailed;
        }

        Console.WriteLine($"{checkpoint.Origin} is anchored at {checkpoint.Size} leaves, root {checkpoint.Root}");
        return ExitCode.Ok;
    }
}
