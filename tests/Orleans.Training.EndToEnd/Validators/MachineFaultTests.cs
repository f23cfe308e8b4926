using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;
using Xunit.Abstractions;

namespace Orleans.Training.EndToEnd.Validators;

/// <summary>Validators of four organisations on machines that fail: disks that are full, clocks that are wrong, cables that are pulled. Clients of all four hand in transactions all the while, and what they were told is held against all ledgers.</summary>
[Collection(Drills.Drills.Name)]
public sealed partial class MachineFaultTests(ITestOutputHelper output)
{
    private const string NoSpace = "No space left on device";

    // Each level lets another write be the first that fails: the journal's, the archive's, a snapshot's.
    [Fact]
    public async Task AFullDisk_EndsAValidatorThatSaysSo_AndItComesBackWhenThereIsSpace()
    {
        await using var federation = await SeatFederation.Create();
        var victim = federation.Seats[1];
        using var disk = new SmallDisk(victim.Root, 16 * 1024);
        await federation.Start();
        await using var clients = new SubmittingClients(federation);
        foreach (var pages in new[] { 0, 1, 2, 3, 5 })
        {
            await clients.Progress(10);
            disk.Fill(pages);
            await RequireEnd(federation, victim);
            await clients.Progress(10);
            // There is still no space: it starts and ends, or does not start, and says why in either case.
            if (pages == 0) await RequireRefusal(federation, victim);
            disk.Empty();
            await victim.Start(federation.AllPeers(victim));
        }

        await federation.RequireSameBlocks(federation.Seats, await federation.Commit(victim));
        var submissions = await clients.RequireGoodHistory();
        output.WriteLine($"{submissions.Count} submissions");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task OneFullFolder_EndsAValidator(bool isJournal)
    {
        await using var federation = await SeatFederation.Create();
        var victim = federation.Seats[2];
        // Filled by what the validator itself writes.
        using var disk = new SmallDisk(isJournal ? victim.JournalFolder : victim.HistoryFolder, isJournal ? 32 : 64);
        await federation.Start();
        await using var clients = new SubmittingClients(federation);
        var said = await RequireEnd(federation, victim);
        Assert.Equal(isJournal ? "OT-4002" : "OT-4007", said);
        output.WriteLine($"{victim.Said.Split("OT-4017 No snapshot of the state").Length - 1} snapshots had no room");
        Assert.Equal(said, await RequireRefusal(federation, victim));
        disk.Grow(16 * 1024);
        await victim.Start(federation.AllPeers(victim));
        await federation.RequireSameBlocks(federation.Seats, await federation.Commit(victim));
        await clients.RequireGoodHistory();
    }

    // Half a file that a later start would refuse is worse than none.
    [Fact]
    public async Task OnAFullDisk_NoKeyAndNoGenesisIsLeftInHalves()
    {
        await using var federation = await SeatFederation.Create();
        var seat = federation.Seats[3];
        using var disk = new SmallDisk(seat.Root, 16 * 1024);
        var data = Path.Combine(seat.Root, "another");
        string[] keys = ["validator", "keys", "--data", data, "--name", "another", "--output", Path.Combine(federation.Folder, "another.seat")];
        foreach (var pages in new[] { 0, 2 })
        {
            disk.Fill(pages);
            var (code, _, error) = await SeatFederation.Try(keys);
            output.WriteLine(error);
            Assert.Equal(2, code);
            Assert.StartsWith("OT-4007 ", error, StringComparison.Ordinal);
            Assert.All(Directory.EnumerateFiles(data, "*", SearchOption.AllDirectories), file => Assert.NotEqual(0, new FileInfo(file).Length));
            disk.Empty();
        }

        await SeatFederation.Run(keys);
        // Its first start keeps the genesis.
        disk.Fill(0);
        Assert.Equal("OT-4007", await RequireRefusal(federation, seat));
        disk.Empty();
        await seat.Start(federation.AllPeers(seat));
    }

    [Fact]
    public async Task WhenAllDisksAreFull_NothingThatWasAcknowledgedIsLost()
    {
        await using var federation = await SeatFederation.Create();
        var disks = federation.Seats.Select(seat => new SmallDisk(seat.Root, 512)).ToArray();
        try
        {
            await federation.Start();
            await using var clients = new SubmittingClients(federation);
            // One more than may fail: then nobody has a quorum, and the last two write little.
            await federation.Until(() => federation.Seats.Count(seat => seat.HasEnded) >= 2);
            foreach (var disk in disks) disk.Grow(16 * 1024);
            var progress = clients.Progress(20);
            while (!progress.IsCompletedSuccessfully || federation.Seats.Any(IsEnding))
            {
                foreach (var seat in federation.Seats.Where(IsEnding))
                {
                    await RequireEnd(federation, seat);
                    await seat.Start(federation.AllPeers(seat));
                }

                await federation.Until(() => progress.IsCompleted || federation.Seats.Any(IsEnding));
            }

            var submissions = await clients.RequireGoodHistory();
            output.WriteLine($"{submissions.Count} submissions");
        }
        finally
        {
            foreach (var disk in disks) disk.Dispose();
        }
    }

    // Ahead of the others, its proposals are of no time that they would vote for; behind them, it votes for nobody's, and what it proposes is a millisecond later than what it follows.
    [Theory]
    [InlineData(1)]
    [InlineData(-1)]
    public async Task AWrongClock_CostsItsOwnersTurns_AndNothingElse(int hours)
    {
        await using var federation = await SeatFederation.Create();
        var wrong = federation.Seats[0];
        var begun = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        await Task.WhenAll(federation.Seats.Skip(1).Select(seat => seat.Start(federation.AllPeers(seat))));
        await wrong.Start(federation.AllPeers(wrong), "env", [.. FakeClock(hours), "dotnet"]);
        Assert.Equal(hours, await HoursAhead(wrong));
        Assert.Equal(0, await HoursAhead(federation.Seats[1]));
        await using (var clients = new SubmittingClients(federation, hours > 0 ? wrong : null))
        {
            // Each seat has had several turns then.
            await federation.Until(() => federation.Seats.Skip(1).All(seat => wrong.HasSaid($"{wrong.Organisation} has a link to {seat.Organisation}")));
            await clients.Progress(150);
            var ended = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
            await clients.RequireGoodHistory();
            var blocks = (await wrong.Show(1, federation.Limit)).Blocks;
            output.WriteLine($"{blocks.Count} blocks; proposed by seat: {string.Join(", ", blocks.CountBy(block => block.Header.Proposer).OrderBy(count => count.Key).Select(count => $"{count.Key}: {count.Value}"))}");
            var honest = blocks.Where(block => block.Header.Proposer != 0 && block.Header.TimeMs <= ended).ToArray();
            Assert.All(blocks.Take(honest.Length), block => Assert.True(block.Header.TimeMs <= ended + Limits.ClockLeadMs));
            Assert.All(honest, block => Assert.True(block.Header.TimeMs >= begun));
            for (var i = 1; i < blocks.Count; i++)
            {
                if (blocks[i].Header.Proposer == 0) Assert.Equal(blocks[i - 1].Header.TimeMs + 1, blocks[i].Header.TimeMs);
            }

            Assert.True(blocks.Count > 24);
            if (hours > 0) Assert.DoesNotContain(blocks, block => block.Header.Proposer == 0);
            Assert.Equal(hours > 0, clients.Expired > 0);
        }

        await wrong.Kill();
        await wrong.Start(federation.AllPeers(wrong));
        Assert.Equal(0, await HoursAhead(wrong));
        await federation.RequireSameBlocks(federation.Seats, await federation.Commit(wrong));
    }

    [Fact]
    public async Task WhenOneCableIsPulled_TheOthersGoOn_AndWhenTwoAre_NobodyDoes()
    {
        using var network = new SwitchedNetwork(4);
        await using var federation = await SeatFederation.Create(hosts: network.Hosts);
        await Start(federation, network);
        await using var clients = new SubmittingClients(federation);
        await clients.Progress(20);
        network.Pull(3);
        Assert.False(network.Reaches(0, federation.Seats[3].Address));
        Assert.True(network.Reaches(0, federation.Seats[2].Address));
        await clients.Progress(20);

        network.Pull(2);
        Assert.False(network.Reaches(0, federation.Seats[2].Address));
        // What three had signed before may still become final.
        await clients.Unanswered(8);
        var (receipts, sizes) = (clients.Acknowledged, await Sizes(federation.Seats.Take(2)));
        await federation.Until(() => federation.Seats[0].HasSaid("alpha has lost its link to gamma") && federation.Seats[0].HasSaid("alpha has lost its link to delta"));
        await clients.Unanswered(8);
        Assert.Equal(receipts, clients.Acknowledged);
        Assert.Equal(sizes, await Sizes(federation.Seats.Take(2)));

        network.Pull(2, back: true);
        await clients.Progress(20);
        network.Pull(3, back: true);
        var submissions = await clients.RequireGoodHistory();
        await federation.RequireSameBlocks(federation.Seats, await federation.Commit(federation.Seats[3]));
        output.WriteLine($"{submissions.Count} submissions, {receipts} receipts before the second cable was pulled, head at {string.Join(" and ", sizes)} leaves until it was back");
    }

    [Fact]
    public async Task WhenTwoDoNotReachEachOther_AllGoOn()
    {
        using var network = new SwitchedNetwork(4);
        await using var federation = await SeatFederation.Create(hosts: network.Hosts);
        await Start(federation, network);
        await using var clients = new SubmittingClients(federation);
        await clients.Progress(20);
        network.KeepApart(true, 0, 1);
        Assert.False(network.Reaches(0, federation.Seats[1].Address));
        Assert.False(network.Reaches(1, federation.Seats[0].Address));
        foreach (var one in new[] { 0, 1 }) Assert.All(federation.Seats.Skip(2), seat => Assert.True(network.Reaches(one, seat.Address)));
        await clients.Progress(40);
        var size = (await Task.WhenAll(federation.Seats.Select(federation.Commit))).Max();
        await federation.RequireSameBlocks(federation.Seats, size);
        Assert.False(network.Reaches(0, federation.Seats[1].Address));
        await clients.RequireGoodHistory();
    }

    private static async Task Start(SeatFederation federation, SwitchedNetwork network) =>
        await Task.WhenAll(federation.Seats.Select((seat, machine) => seat.Start(federation.AllPeers(seat), "ip", network.On(machine))));

    private static async Task<long[]> Sizes(IEnumerable<SeatProcess> seats) => [.. (await Task.WhenAll(seats.Select(seat => seat.Reach(1, CancellationToken.None)))).Select(checkpoint => checkpoint.Size)];

    // What its own clock says, to the hour: every answer over HTTP has it.
    private static async Task<int> HoursAhead(SeatProcess seat)
    {
        using var http = new HttpClient();
        using var response = await http.GetAsync(new Uri(seat.Address, "healthz"));
        return (int)Math.Round((response.Headers.Date!.Value - DateTimeOffset.UtcNow).TotalHours);
    }

    // Only the clock that says what time it is: timers go on by the other one.
    private static string[] FakeClock(int hours) =>
    [
        $"LD_PRELOAD={MachineTool.Require("faketime", [.. Directory.EnumerateFiles("/usr/lib", "libfaketimeMT.so.1", new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 2 }), "libfaketimeMT.so.1"])}",
        string.Create(CultureInfo.InvariantCulture, $"FAKETIME={hours:+0;-0}h"), "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1",
    ];

    private static bool IsEnding(SeatProcess seat) => seat.Said.Split("has stopped").Length > seat.Starts;

    // It has ended by itself, with an exit code that says so, and its last line has a number and names the cause.
    private async Task<string> RequireEnd(SeatFederation federation, SeatProcess seat)
    {
        var code = await seat.Exit(federation.Limit);
        await federation.Until(() => LastNumber().IsMatch(seat.Said));
        var last = seat.Said.TrimEnd().Split('\n')[^1];
        output.WriteLine($"{seat.Organisation} ends with {code}: {last}");
        Assert.Equal(2, code);
        Assert.Contains(NoSpace, last, StringComparison.Ordinal);
        var number = LastNumber().Match(seat.Said).Groups[1].Value;
        Assert.Contains(number, new[] { "OT-4002", "OT-4007" });
        return number;
    }

    private async Task<string> RequireRefusal(SeatFederation federation, SeatProcess seat)
    {
        try
        {
            await seat.Start(federation.AllPeers(seat));
        }
        catch (InvalidOperationException)
        {
            // It ended before it was ready.
        }

        return await RequireEnd(federation, seat);
    }

    [GeneratedRegex(@"(?:^|\n)(OT-\d{4}) [^\n]*\n$")]
    private static partial Regex LastNumber();
}
