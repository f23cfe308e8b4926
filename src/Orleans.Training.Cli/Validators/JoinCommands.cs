using System.CommandLine;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Grains.Links;
using Orleans.Training.Protocol;

namespace Orleans.Training.Cli.Validators;

/// <summary>The way in (docs/spec/links.md §9): one who is there invites; the newcomer makes its keys where they stay and asks; then the others decide (<see cref="ChangeCommands"/>).</summary>
internal static class JoinCommands
{
    /// <summary><c>otrain validator invite</c></summary>
    public static Command Invite()
    {
        var (data, name, address) = (ValidatorCommand.Data(), ValidatorCommand.Name(), ValidatorCommand.Address());
        var open = ValidatorCommand.HttpAddress("--public", "Where the newcomer reaches this validator, for example https://validator.example:7443; leave it out if it cannot.", required: false);
        var peers = new Option<string>("--peers") { Description = "The file of peers of this validator: the newcomer gets their addresses too.", Required = true };
        var days = new Option<int>("--days") { Description = "Days for which the invitation is of use, 1 to 90.", DefaultValueFactory = _ => 7 };
        days.Validators.Add(result => { if (result.GetValue(days) is < 1 or > 90) result.AddError("--days must be 1 to 90."); });
        var output = new Option<string>("--output") { Description = "The invitation.", Required = true };
        var command = new Command("invite", "Writes an invitation: genesis, addresses, expiry. It holds no secret and gives no right.") { data, name, address, open, peers, days, output };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var own = ValidatorCommand.OrganisationOf(parsed.GetValue(name));
            using var client = new SeatClient(parsed.GetValue(data)!, own, parsed.GetValue(address)!);
            var keys = (await client.Governance(cancellationToken)).Present.Seats.GroupBy(seat => seat.Organisation).ToDictionary(seats => seats.Key, seats => seats.First().TransactionKey.Id);
            var known = LinkPeers.Load(parsed.GetValue(peers)!);
            var ways = known.Seats.Append(new(own, parsed.GetValue(open))).Where(way => way.Value is not null && keys.ContainsKey(way.Key)).DistinctBy(way => way.Key).Select(way => $"seat {way.Key} {way.Value!.AbsoluteUri} {keys[way.Key]}");
            var silent = keys.Keys.Where(seat => known.Seats.GetValueOrDefault(seat) is null && !(seat == own && parsed.GetValue(open) is not null)).Select(seat => $"seat {seat}");
            var relays = known.Relays.Select(relay => $"relay {relay.Organisation} {relay.Address.AbsoluteUri}");
            var until = TimeProvider.System.GetUtcNow().AddDays(parsed.GetValue(days));
            var invitation = new Invitation(client.Genesis, until, [.. ways, .. silent, .. relays]);
            await File.WriteAllLinesAsync(parsed.GetValue(output)!, invitation.Lines, cancellationToken);
            _ = Invitation.Load(parsed.GetValue(output)!, TimeProvider.System.GetUtcNow());
            Console.WriteLine($"wrote {parsed.GetValue(output)}: good for {parsed.GetValue(days)} days. Read the newcomer the chain over another channel: {client.Genesis.Chain}");
            return ExitCode.Ok;
        });
        return command;
    }

    /// <summary><c>otrain validator request</c></summary>
    public static Command Request()
    {
        var (data, name) = (ValidatorCommand.Data(), ValidatorCommand.Name());
        var invitation = new Option<string>("--invitation") { Description = "The file that somebody who is there has written with 'validator invite'.", Required = true };
        var output = new Option<string>("--output") { Description = "The file for the public half of the keys, to be given to those who decide.", Required = true };
        var command = new Command("request", "Prepares this machine to come in: keeps genesis and addresses, makes the keys of a seat. The keys stay here.") { data, name, invitation, output };
        command.SetAction(parsed =>
        {
            var root = Path.GetFullPath(parsed.GetValue(data)!);
            var own = ValidatorCommand.OrganisationOf(parsed.GetValue(name));
            var given = Invitation.Load(parsed.GetValue(invitation)!, TimeProvider.System.GetUtcNow());
            var files = new ShardFiles(root);
            var genesis = files.Keep(given.Genesis);
            var peers = Path.Combine(Path.GetDirectoryName(files.GenesisFile(genesis.Shard))!, "peers");
            File.WriteAllLines(peers, given.Peers);
            var seat = SeatFiles.MakeSeat(new KeyFolder(files.KeyRoot, own));
            File.WriteAllBytes(parsed.GetValue(output)!, seat.Encode());
            Console.WriteLine($"chain {genesis.Chain}: compare it over another channel with one who is there");
            Console.WriteLine($"{own}: fingerprint {SeatFiles.Fingerprint(seat)}");
            Console.WriteLine($"wrote {parsed.GetValue(output)}: give it to those who are there, and read them the fingerprint. Then, or now already:");
            Console.WriteLine($"otrain validator run --data {root} --name {own} --genesis {files.GenesisFile(genesis.Shard)} --peers {peers} --listen ADDRESS:PORT");
            return ExitCode.Ok;
        });
        return command;
    }
}
