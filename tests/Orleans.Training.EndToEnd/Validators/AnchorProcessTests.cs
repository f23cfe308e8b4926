using Orleans.Training.Cli;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.EndToEnd.Validators;

/// <summary>Two ledgers of four organisations each, in processes: one records the other's checkpoints, by the command line; and somebody who is part of neither watches.</summary>
public sealed class AnchorProcessTests
{
    [Fact]
    public async Task ALedgerKeepsAnothersCheckpoints_AndAStrangerSeesOneHistory()
    {
        await using var root = await SeatFederation.Create();
        await using var fed = await SeatFederation.Create();
        await Task.WhenAll(root.Start(), fed.Start());
        var (policy, key, state) = (Path.Combine(fed.Folder, "fed.policy"), Path.Combine(fed.Folder, "key"), Path.Combine(fed.Folder, "seen"));
        await File.WriteAllTextAsync(policy, TrustPolicy.Text(fed.Genesis.Origin, fed.Genesis.Validators), fed.Limit);
        await File.WriteAllTextAsync(key, fed.Seats[1].ApiKey, fed.Limit);
        var log = new Uri(fed.Seats[1].Address, $"shards/{fed.Genesis.Shard}").AbsoluteUri;
        await fed.Commit(fed.Seats[1]);

        string[] record = ["anchor", "record", log, "--key-file", key, .. root.Seats[0].Command()];
        var (code, _, error) = await SeatFederation.Try(record);
        Assert.Equal(ExitCode.Usage, code);
        Assert.StartsWith("OT-2105 ", error, StringComparison.Ordinal);
        foreach (var seat in root.Seats.Take(2)) Assert.StartsWith("voted to watch ", await SeatFederation.Run(["anchor", "watch", policy, .. seat.Command()]), StringComparison.Ordinal);
        Assert.Equal($"{fed.Genesis.Origin} is watched\n", await SeatFederation.Run(["anchor", "watch", policy, .. root.Seats[2].Command()]));
        var said = await SeatFederation.Run(record);
        var size = (await fed.Seats[1].Reach(1, fed.Limit)).Size;
        Assert.StartsWith($"{fed.Genesis.Origin} is anchored at {size} leaves, root ", said, StringComparison.Ordinal);
        Assert.Equal($"{fed.Genesis.Origin} is anchored at {size} leaves already\n", await SeatFederation.Run(record));

        // Once in a minute; what is carried then continues this.
        await fed.Seats[1].Reach(await fed.Commit(fed.Seats[1]), fed.Limit);
        (code, _, error) = await SeatFederation.Try(record);
        Assert.Equal(ExitCode.Usage, code);
        Assert.StartsWith("OT-2704 ", error, StringComparison.Ordinal);

        await File.WriteAllLinesAsync(key, fed.Seats.Select(seat => seat.ApiKey), fed.Limit);
        string[] monitor = ["monitor", .. fed.Seats.Select(seat => new Uri(seat.Address, $"shards/{fed.Genesis.Shard}").AbsoluteUri), "--trust", policy, "--state", state, "--key-file", key];
        Assert.EndsWith("ONE HISTORY\n", await SeatFederation.Run(monitor), StringComparison.Ordinal);
        var seen = await File.ReadAllTextAsync(state, fed.Limit);
        var grown = await fed.Commit(fed.Seats[2]);
        foreach (var seat in fed.Seats) await seat.Reach(grown, fed.Limit);
        Assert.EndsWith("ONE HISTORY\n", await SeatFederation.Run(monitor), StringComparison.Ordinal);
        Assert.NotEqual(seen, await File.ReadAllTextAsync(state, fed.Limit));
        await RequireAlarm(fed, monitor, state);
        // Whoever cannot read says so, and that is no all-clear.
        await File.WriteAllTextAsync(key, "none", fed.Limit);
        (code, said, _) = await SeatFederation.Try(monitor);
        Assert.Equal(ExitCode.NotReachable, code);
        Assert.Contains("OT-3301", said, StringComparison.Ordinal);
    }

    // A quorum of the seats has signed another tree of the same size for somebody who remembers it: the monitor says so, ends with 1, and leaves proof against each that signed both.
    private static async Task RequireAlarm(SeatFederation fed, string[] monitor, string state)
    {
        Assert.True(SignedNote.TryParse(await File.ReadAllTextAsync(state, fed.Limit), out var note));
        Assert.True(Checkpoint.TryParse(note!.Text, out var honest));
        var other = Path.Combine(fed.Folder, "another");
        await File.WriteAllTextAsync(other, (await Forge(fed, honest!.Size)).ToString(), fed.Limit);
        var (code, said, _) = await SeatFederation.Try([.. monitor.Select(argument => argument == state ? other : argument)]);
        Assert.Equal(ExitCode.CheckFailed, code);
        Assert.Contains("NOT ONE HISTORY\n", said, StringComparison.Ordinal);
        var files = Directory.GetFiles(fed.Folder, "another.*.evidence");
        // Two quorums of four share two seats at least.
        Assert.InRange(files.Length, 2, 4);
        foreach (var file in files) Assert.EndsWith("PROVEN\n", await SeatFederation.Run("verify", file, "--genesis", fed.GenesisFile), StringComparison.Ordinal);
    }

    private static async Task<SignedNote> Forge(SeatFederation fed, long size)
    {
        var text = new Checkpoint(fed.Genesis.Origin, size, Digest.Of("another tree"u8)).Text;
        var lines = new List<NoteSignature>();
        for (var i = 0; i < fed.Genesis.Validators.Quorum; i++)
        {
            var (seat, keys) = (fed.Genesis.Validators.Seats[i], new KeyFolder(new ShardFiles(fed.Seats[i].Root).KeyRoot, fed.Seats[i].Organisation));
            var log = new NoteKey(fed.Genesis.Origin, NoteKeyKind.Log, seat.LogKey);
            if (i == 0) lines.Add(new NoteSignature(log.Name, log.Id, await keys.Open("log").Sign(SignedNote.LogMessage(text), fed.Limit)));
            lines.Add(SignedNote.Cosignature(TrustPolicy.CosignKey(seat), 1_800_000_000, await keys.Open("cosign").Sign(SignedNote.CosignatureMessage(text, 1_800_000_000), fed.Limit)));
        }

        return new SignedNote(text, lines);
    }
}
