using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Orleans.Training.Protocol.Ledger;
using Xunit.Abstractions;

namespace Orleans.Training.EndToEnd.Validators;

/// <summary>Validators of four organisations on machines that fail: disks that are full, clocks that are wrong, cables that are pulled. Clients of all four hand in transactions all the while, and what they were told is held against all ledgers.</summary>
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
        foreach (var pages in Enumerable.Range(0, 8))
        {
            await clients.Progress(20);
            disk.Fill(pages);
            await RequireEnd(federation, victim);
            await clients.Progress(20);
            // There is still no space: it starts and ends, or does not start, and says why in either case.
            await RequireRefusal(federation, victim);
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
        using var disk = new SmallDisk(isJournal ? victim.JournalFolder : victim.HistoryFolder, 64);
        await federation.Start();
        await using var clients = new SubmittingClients(federation);
        var said = await RequireEnd(federation, victim);
        Assert.Equal(isJournal ? "OT-4002" : "OT-4007", said);
        if (!isJournal) Assert.True(victim.HasSaid("OT-4015 No snapshot of the state at height"));
        Assert.Equal(said, await RequireRefusal(federation, victim));
        disk.Grow(16 * 1024);
        await victim.Start(federation.AllPeers(victim));
        await federation.RequireSameBlocks(federation.Seats, await federation.Commit(victim));
        await clients.RequireGoodHistory();
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
            // One more than may fail, at least; then nobody writes any more.
            await federation.Until(() => federation.Seats.Count(seat => seat.HasEnded) >= 2);
            foreach (var seat in federation.Seats.Where(seat => seat.HasEnded)) output.WriteLine($"{seat.Organisation}: {await RequireEnd(federation, seat)}");
            for (var i = 0; i < disks.Length; i++)
            {
                disks[i].Grow(16 * 1024);
                if (federation.Seats[i].HasEnded) await federation.Seats[i].Start(federation.AllPeers(federation.Seats[i]));
            }

            await clients.Progress(20);
            var submissions = await clients.RequireGoodHistory();
            output.WriteLine($"{submissions.Count} submissions");
        }
        finally
        {
            foreach (var disk in disks) disk.Dispose();
        }
    }

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
