using System.Net;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Foreign;
using Xunit.Abstractions;

namespace Orleans.Training.EndToEnd.Validators;

/// <summary>Validators of four organisations without a silo: real processes that are killed, stopped, cut off and lied to.</summary>
[Collection(Drills.Drills.Name)]
public sealed class ValidatorProcessTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Transactions_AreFinalEverywhere_WhoeverTakesThem()
    {
        await using var federation = await SeatFederation.Create();
        await federation.Start();
        var sizes = await Task.WhenAll(federation.Seats.Select(federation.Commit));
        await federation.RequireSameBlocks(federation.Seats, sizes.Max());

        // Anybody may hand in what he has signed; the same bytes give the first receipt, and other people's signatures give nothing.
        var transaction = await federation.Something(federation.Seats[0]);
        var first = await federation.Seats[1].Submit(transaction, federation.Limit);
        var again = await federation.Seats[2].Submit(transaction, federation.Limit);
        Assert.Equal(first.Receipt!.Index, again.Receipt!.Index);
        var unsent = await federation.Something(federation.Seats[0]);
        var forged = unsent.Encoded.ToArray();
        forged[^1] ^= 1;
        Assert.Equal(Rejection.None, Transaction.TryParse(forged, out var parsed));
        Assert.Equal(Rejection.BadSignature, (await federation.Seats[3].Submit(parsed!, federation.Limit)).Rejection);
    }

    [Fact]
    public async Task Reading_NeedsAKey()
    {
        await using var federation = await SeatFederation.Create();
        await federation.Start();
        await federation.Commit(federation.Seats[0]);
        using var http = new HttpClient();
        foreach (var path in new[] { "checkpoint", "genesis", "policy", "tile/0/000.p/1", "tile/entries/000.p/1", "receipts/0", "blocks/1", "governance", "evidence" })
        {
            var address = new Uri(federation.Seats[0].Address, $"shards/{federation.Genesis.Shard}/{path}");
            Assert.Equal(HttpStatusCode.Unauthorized, (await http.GetAsync(address)).StatusCode);
            using var wrong = new HttpRequestMessage(HttpMethod.Get, address);
            // A good key of another validator.
            wrong.Headers.Authorization = new("Bearer", federation.Seats[1].ApiKey);
            Assert.Equal(HttpStatusCode.Unauthorized, (await http.SendAsync(wrong)).StatusCode);
            Assert.NotNull(await federation.Seats[0].Get(path, federation.Limit));
        }

        using var blob = await http.PutAsync(new Uri(federation.Seats[0].Address, $"blobs/{Digest.Of([1])}"), new ByteArrayContent([1]));
        Assert.Equal(HttpStatusCode.Unauthorized, blob.StatusCode);
    }

    // golang.org/x/mod/sumdb/tlog reads the whole log from a validator: checkpoint, tiles of both levels, every entry.
    [Fact]
    public async Task TheLog_IsReadByGo()
    {
        await using var federation = await SeatFederation.Create();
        await federation.Start();
        // More than one tile is wide.
        for (var sent = 0; sent < 4; sent++) await Task.WhenAll(Enumerable.Range(0, 80).Select(number => federation.Commit(federation.Seats[number % 4])));
        foreach (var seat in federation.Seats.Take(2))
        {
            var checkpoint = await seat.Reach(257, federation.Limit);
            var said = ForeignTool.GoProgram("tiles.go", federation.Policy.Logs[seat == federation.Seats[0] ? 0 : 1].ToString(), new Uri(seat.Address, $"shards/{federation.Genesis.Shard}").AbsoluteUri, seat.ApiKey);
            output.WriteLine(said);
            Assert.StartsWith("read ", said, StringComparison.Ordinal);
            Assert.True(int.Parse(said.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture) >= checkpoint.Size);
        }
    }

    [Fact]
    public async Task AnyOneOfFour_MayDie_AndComesBackToTheSameLedger()
    {
        await using var federation = await SeatFederation.Create();
        await federation.Start();
        await using var clients = new SubmittingClients(federation);
        foreach (var victim in federation.Seats)
        {
            await victim.Kill();
            var others = federation.Seats.Where(seat => seat != victim).ToArray();
            var size = (await Task.WhenAll(others.Select(federation.Commit))).Max();
            await victim.Start(federation.AllPeers(victim));
            await federation.RequireSameBlocks(federation.Seats, size);
        }

        await clients.RequireGoodHistory();
    }

    // A snapshot that was not finished counts for nothing; the next one is what a later start begins at.
    [Fact]
    public async Task AKillWhileASnapshotIsWritten_LosesNothing_AndTheNextStartBeginsAtOne()
    {
        await using var federation = await SeatFederation.Create();
        var victim = federation.Seats[1];
        await Task.WhenAll(federation.Seats.Select(seat => seat.Start(federation.AllPeers(seat), crashAt: seat == victim ? "snapshot-before-rename" : null)));
        for (var number = 0; number < 40; number++) await federation.Commit(federation.Seats[0]);
        Assert.Equal(137, await victim.Exit(federation.Limit));
        Assert.Equal(0, (await victim.Start(federation.AllPeers(victim))).GetProperty("snapshot").GetInt64());
        var size = 0L;
        for (var number = 0; number < 40; number++) size = await federation.Commit(federation.Seats[0]);
        await federation.RequireSameBlocks(federation.Seats, size);
        await victim.Kill();
        var said = await victim.Start(federation.AllPeers(victim));
        output.WriteLine($"height {said.GetProperty("height")}, snapshot {said.GetProperty("snapshot")}");
        Assert.True(said.GetProperty("snapshot").GetInt64() > 0);
        await federation.RequireSameBlocks(federation.Seats, await federation.Commit(victim));
    }

    [Fact]
    public async Task AStoppedValidator_GoesOnWithTheOthers_WhenItIsWoken()
    {
        await using var federation = await SeatFederation.Create();
        await federation.Start();
        await federation.Commit(federation.Seats[0]);
        var stopped = federation.Seats[1];
        await using var clients = new SubmittingClients(federation);
        stopped.Signal("STOP");
        var begun = DateTime.UtcNow;
        var size = 0L;
        // Longer than a link lives without a sign of life, so that the others have given it up.
        while (DateTime.UtcNow - begun < TimeSpan.FromSeconds(30)) size = await federation.Commit(federation.Seats[2]);
        stopped.Signal("CONT");
        await federation.RequireSameBlocks(federation.Seats, size);
        size = await federation.Commit(stopped);
        await federation.RequireSameBlocks(federation.Seats, size);
        Assert.False(stopped.HasSaid("has stopped"));
        await clients.RequireGoodHistory();
        output.WriteLine($"{size} leaves, {clients.Acknowledged} receipts of clients");
    }

    [Fact]
    public async Task BehindFirewalls_SeatsMeetAtRelays_AndOneRelayMayGo()
    {
        await using var federation = await SeatFederation.Create();
        var (alpha, beta, gamma, delta) = (federation.Seats[0], federation.Seats[1], federation.Seats[2], federation.Seats[3]);
        // Nobody knows an address of alpha or beta: they dial gamma and delta, and find each other there.
        string[] relays = [$"relay gamma {gamma.Address}", $"relay delta {delta.Address}"];
        string[] reachable = [$"seat gamma {gamma.Address}", $"seat delta {delta.Address}"];
        await Task.WhenAll(
            alpha.Start(["seat beta", .. reachable, .. relays]),
            beta.Start(["seat alpha", .. reachable, .. relays]),
            gamma.Start(["seat alpha", "seat beta", reachable[1]]),
            delta.Start(["seat alpha", "seat beta", reachable[0]]));
        await federation.RequireSameBlocks(federation.Seats, await federation.Commit(alpha));

        // Three of four are needed, so from now on alpha and beta must hear each other through delta.
        await gamma.Kill();
        var size = (await Task.WhenAll(new[] { alpha, beta, delta }.Select(federation.Commit))).Max();
        await federation.RequireSameBlocks([alpha, beta, delta], size);
        Assert.True(alpha.HasSaid("alpha has a link to beta"));
        Assert.False(alpha.HasSaid("only through relays of fewer"));
    }

    [Theory]
    [InlineData(NetworkFault.Slow)]
    [InlineData(NetworkFault.ByteByByte)]
    [InlineData(NetworkFault.Resets)]
    [InlineData(NetworkFault.WrongBits)]
    public async Task ABadNetwork_CostsTime_AndNothingElse(NetworkFault fault)
    {
        await using var federation = await SeatFederation.Create();
        // Whatever goes between any two goes through one of these.
        await using var network = new FaultyNetwork(fault, federation.Seats.Select(seat => seat.Address));
        await Task.WhenAll(federation.Seats.Select(seat => seat.Start(federation.Seats.Where(other => other != seat).Select(other => $"seat {other.Organisation} {network.To(other.Address)}"))));
        await using var clients = new SubmittingClients(federation);
        var size = (await Task.WhenAll(federation.Seats.Select(federation.Commit))).Max();
        for (var number = 0; number < 8 || network.Faults == 0; number++) size = Math.Max(size, await federation.Commit(federation.Seats[number % 4]));
        await federation.RequireSameBlocks(federation.Seats, size);
        await clients.RequireGoodHistory();
        output.WriteLine($"{fault}: {network.Connections} connections, {network.Faults} faults, {clients.Acknowledged} receipts of clients");
        Assert.True(network.Faults > 0);
    }
}
