using Orleans.Training.Cli;
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
        // Whoever cannot read says so, and that is no all-clear.
        await File.WriteAllTextAsync(key, "none", fed.Limit);
        (code, said, _) = await SeatFederation.Try(monitor);
        Assert.Equal(ExitCode.NotReachable, code);
        Assert.Contains("OT-3301", said, StringComparison.Ordinal);
    }
}
