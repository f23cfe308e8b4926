using Orleans.Training.Cli.Demo;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;
using Xunit.Abstractions;

namespace Orleans.Training.EndToEnd.Validators;

/// <summary>Organisations come, go and lose their disks by the command line, while transactions run and no other process is restarted.</summary>
[Collection(Drills.Drills.Name)]
public sealed class MembershipProcessTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(7);

    [Fact]
    public async Task OneComes_OneGoes_OneLosesItsDisk_AndNobodyElseRestarts()
    {
        await using var federation = await SeatFederation.Create(Patience);
        await federation.Start();
        var (alpha, beta, gamma, delta) = (federation.Seats[0], federation.Seats[1], federation.Seats[2], federation.Seats[3]);
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(federation.Limit);
        var traffic = Traffic(federation, beta, enough.Token);

        var epsilon = await Join(federation);
        SeatProcess[] all = [alpha, beta, gamma, delta, epsilon];
        Assert.Equal(["alpha", "beta", "gamma", "delta", "epsilon"], await Learn(federation, 2, all));
        await federation.Commit(epsilon);

        // One goes, by the others' votes; its process is left alone.
        await Change(beta, [gamma, delta, epsilon], ["remove", "alpha"], null);
        SeatProcess[] left = [beta, gamma, delta, epsilon];
        Assert.Equal(["beta", "gamma", "delta", "epsilon"], await Learn(federation, 3, left));
        await federation.Commit(delta);
        // Nobody will ever need its vote key again.
        await federation.Until(() => !alpha.Keys.Contains("vote"));

        // A lost disk: the vote key is locked out and destroyed. Its organisation follows, and gives its seat another one.
        await delta.Kill();
        Directory.Delete(delta.JournalFolder, recursive: true);
        await delta.Start(federation.AllPeers(delta));
        Assert.NotEqual(0, await delta.Exit(federation.Limit));
        Assert.True(delta.HasSaid("OT-4011"));
        Assert.DoesNotContain("vote", delta.Keys);
        await delta.Start(federation.AllPeers(delta));
        await delta.ReachEra(3, federation.Limit);
        await SeatFederation.Run(["validator", "redelegate", .. delta.Command()]);
        await Learn(federation, 4, left);
        await federation.Commit(delta);

        // Another one changes its key without need, and without a pause.
        Assert.Contains("vote", gamma.Keys);
        await SeatFederation.Run(["validator", "redelegate", .. gamma.Command()]);
        await Learn(federation, 5, left);
        var size = await federation.Commit(gamma);
        foreach (var seat in new[] { gamma, delta }) Assert.Equal(["cosign", "log", "transaction"], seat.Keys.Where(name => name is not ("vote" or "vote-2")));
        Assert.Contains("vote-2", gamma.Keys);
        Assert.DoesNotContain("vote", gamma.Keys);
        Assert.Empty(Directory.EnumerateFiles(federation.Folder, "*.destroyed", SearchOption.AllDirectories));
        await federation.Until(() => beta.HasSaid("beta has lost its link to alpha: alpha has no seat any more"));

        await enough.CancelAsync();
        var receipts = await traffic;
        size = Math.Max(size, receipts[^1].Index + 1);
        await federation.RequireSameBlocks(left, size);
        Assert.Equal(ReceiptCheck.Good, receipts[0].Verify(beta.Policies[0]));
        Assert.All(receipts, receipt => Assert.Contains(beta.Policies, policy => receipt.Verify(policy) is ReceiptCheck.Good));
        Assert.Equal(ReceiptCheck.Good, (await federation.Last(beta)).Verify(beta.Policies[^1]));
        foreach (var seat in new[] { alpha, beta, gamma, epsilon }) Assert.Equal(1, seat.Starts);
        output.WriteLine($"{receipts.Count} receipts, {size} leaves, {await Eras(federation, beta, size)} eras");
    }

    // The process dies between the end of its era and the end of its old vote key; started again, it finishes, and votes with the new one.
    [Theory]
    [InlineData("era-ended-before-keys-destroyed")]
    [InlineData("key-unnamed-before-overwritten")]
    public async Task ACrashWhileAVoteKeyIsDestroyed_LeavesNoKey(string point)
    {
        await using var federation = await SeatFederation.Create();
        var (alpha, beta) = (federation.Seats[0], federation.Seats[1]);
        await Task.WhenAll(federation.Seats.Select(seat => seat.Start(federation.AllPeers(seat), crashAt: seat == beta ? point : null)));
        await federation.Commit(beta);
        await SeatFederation.Run(["validator", "redelegate", .. beta.Command(through: alpha)]);
        Assert.Equal(137, await beta.Exit(federation.Limit));
        Assert.Equal(point is "key-unnamed-before-overwritten" ? 1 : 0, Directory.EnumerateFiles(beta.Root, "*.destroyed", SearchOption.AllDirectories).Count());
        await beta.Start(federation.AllPeers(beta));
        await Learn(federation, 2, [.. federation.Seats]);
        Assert.Equal(["cosign", "log", "transaction", "vote-2"], beta.Keys);
        Assert.Empty(Directory.EnumerateFiles(beta.Root, "*.destroyed", SearchOption.AllDirectories));
        // Three of four are needed: the new key votes.
        await alpha.Kill();
        var size = await federation.Commit(beta);
        await federation.RequireSameBlocks([.. federation.Seats.Skip(1)], size);
    }

    // Delta has signed twice, which somebody has the proof of. The process that is to show it dies before it can; its next start does.
    [Fact]
    public async Task WhoHasSignedTwice_LosesItsVote_ByAProofThatAnybodyMayShow()
    {
        await using var federation = await SeatFederation.Create();
        var (alpha, beta, gamma, delta) = (federation.Seats[0], federation.Seats[1], federation.Seats[2], federation.Seats[3]);
        var file = Path.Combine(new ShardFiles(alpha.Root).EvidenceFolder(federation.Genesis.Shard), "found.evidence");
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        await File.WriteAllBytesAsync(file, (await TwoVotes(delta)).Encode());
        await Task.WhenAll(federation.Seats.Select(seat => seat.Start(federation.AllPeers(seat), crashAt: seat == alpha ? "proof-before-submit" : null)));
        Assert.Equal(137, await alpha.Exit(federation.Limit));
        await alpha.Start(federation.AllPeers(alpha));
        await Learn(federation, 2, [.. federation.Seats]);
        Assert.Null((await alpha.ReachEra(2, federation.Limit)).Seats[3].VoteKey);

        Assert.Equal("found\n", System.Text.Encoding.UTF8.GetString((await alpha.Get("evidence", federation.Limit))!));
        Assert.Equal(await File.ReadAllBytesAsync(file), await alpha.Get("evidence/found", federation.Limit));
        Assert.Equal("", System.Text.Encoding.UTF8.GetString((await beta.Get("evidence", federation.Limit))!));
        Assert.Null(await beta.Get("evidence/found", federation.Limit));
        var verified = await SeatFederation.Run("verify", file, "--genesis", federation.GenesisFile);
        Assert.Contains("of delta", verified, StringComparison.Ordinal);

        // Once more, by hand and by another: the ledger knows. The guilty cannot give itself another key, and nothing else convicts.
        var again = await SeatFederation.Try(["validator", "convict", file, .. gamma.Command()]);
        Assert.StartsWith("OT-2104", again.Error, StringComparison.Ordinal);
        Assert.StartsWith("OT-2509", (await SeatFederation.Try(["validator", "redelegate", .. delta.Command()])).Error, StringComparison.Ordinal);
        foreach (var (bytes, number) in new[] { (federation.Genesis.Encode(), "OT-3201"), ((await TwoVotes(beta, lies: false)).Encode(), "OT-3202"), ((await TwoVotes(beta) with { Chain = Digest.Of("elsewhere"u8) }).Encode(), "OT-3202") })
        {
            await File.WriteAllBytesAsync(file + ".other", bytes);
            Assert.StartsWith(number, (await SeatFederation.Try(["validator", "convict", file + ".other", .. gamma.Command()])).Error, StringComparison.Ordinal);
        }

        // Three of three that are left are needed.
        await federation.RequireSameBlocks([alpha, beta, gamma], await federation.Commit(beta));
    }

    private static async Task<Evidence> TwoVotes(SeatProcess liar, bool lies = true)
    {
        var folder = new KeyFolder(new ShardFiles(liar.Root).KeyRoot, liar.Organisation);
        var (key, genesis) = (folder.Open("vote"), liar.Genesis);
        async Task<SignedVote> Sign(string block)
        {
            var vote = Vote.Notarize(1, 30, 29, Digest.Of(System.Text.Encoding.UTF8.GetBytes(block)));
            return new SignedVote(vote, genesis.Validators.Seats.ToList().FindIndex(seat => seat.VoteKey == key.PublicKey), await key.Sign(vote.Preimage(genesis.Chain, genesis.Shard), CancellationToken.None));
        }

        return new Evidence(genesis.Chain, genesis.Shard, key.PublicKey, await Sign("one"), await Sign(lies ? "another" : "one"));
    }

    // Invite, request, run, approve: the fifth follows until its seat is there.
    internal static async Task<SeatProcess> Join(SeatFederation federation, string? crashAt = null)
    {
        var (alpha, beta, gamma) = (federation.Seats[0], federation.Seats[1], federation.Seats[2]);
        var (invitation, seatFile) = (Path.Combine(federation.Folder, "epsilon.invitation"), Path.Combine(federation.Folder, "epsilon.seat"));
        await SeatFederation.Run(["validator", "invite", .. alpha.Command(), "--public", alpha.Address.AbsoluteUri, "--peers", alpha.PeersFile, "--output", invitation]);
        var root = Path.Combine(federation.Folder, "epsilon");
        var said = await SeatFederation.Run("validator", "request", "--invitation", invitation, "--data", root, "--name", "epsilon", "--output", seatFile);
        var fingerprint = said.Split('\n').Single(line => line.StartsWith("epsilon: fingerprint ", StringComparison.Ordinal))["epsilon: fingerprint ".Length..].Trim();
        var wrong = (fingerprint[0] == '0' ? "1" : "0") + fingerprint[1..];
        foreach (var refused in new[] { await SeatFederation.Try(["validator", "propose", "add", seatFile, .. alpha.Command(), "--fingerprint", wrong]), await SeatFederation.Try(["validator", "propose", "add", seatFile, .. alpha.Command()]) })
        {
            Assert.StartsWith("OT-7048", refused.Error, StringComparison.Ordinal);
            Assert.NotEqual(0, refused.Code);
        }

        var epsilon = new SeatProcess(root, federation.Genesis, federation.GenesisFile, ParticipantId.Parse("epsilon"), SiloProcess.FreePorts(1)[0]);
        federation.Seats.Add(epsilon);
        var peers = await File.ReadAllLinesAsync(Path.Combine(Path.GetDirectoryName(new ShardFiles(root).GenesisFile(federation.Genesis.Shard))!, "peers"));
        await epsilon.Start(peers, crashAt: crashAt);
        Assert.DoesNotContain(" for, ", await SeatFederation.Run(["validator", "vote", .. beta.Command()]), StringComparison.Ordinal);
        await Change(alpha, [beta, gamma], ["add", seatFile, "--fingerprint", fingerprint], fingerprint);
        return epsilon;
    }

    // A change as people make it: one proposes, the others vote.
    private static async Task Change(SeatProcess first, SeatProcess[] others, string[] what, string? fingerprint)
    {
        var proposed = await SeatFederation.Run(["validator", "propose", .. what, .. first.Command()]);
        var change = proposed.Split('\n').Single(line => line.StartsWith("proposed ", StringComparison.Ordinal)).Split(' ', ':')[1];
        foreach (var other in others) await SeatFederation.Run(["validator", "vote", change, .. other.Command(), .. fingerprint is null ? Array.Empty<string>() : ["--fingerprint", fingerprint]]);
    }

    // Waits for an era at all of them, and from then on believes its policy.
    internal static async Task<IEnumerable<string>> Learn(SeatFederation federation, ulong era, SeatProcess[] seats)
    {
        var sets = await Task.WhenAll(seats.Select(seat => seat.ReachEra(era, federation.Limit)));
        Assert.Single(sets.Select(set => set.Digest).Distinct());
        foreach (var seat in federation.Seats) seat.Policies.Add(TrustPolicy.Of(federation.Genesis.Origin, sets[0]));
        return sets[0].Seats.Select(seat => seat.Organisation.Name);
    }

    private static async Task<List<Receipt>> Traffic(SeatFederation federation, SeatProcess through, CancellationToken enough)
    {
        var receipts = new List<Receipt>();
        while (!enough.IsCancellationRequested) receipts.Add(await federation.Last(through));
        return receipts;
    }

    // Executed from the genesis on by nobody but this test, the blocks lead to the sets that were believed.
    private static async Task<ulong> Eras(SeatFederation federation, SeatProcess seat, long size)
    {
        var machine = new LedgerMachine(federation.Genesis, Signatures.Verify);
        var head = machine.CreateGenesis();
        foreach (var bytes in await seat.Blocks(size, federation.Limit))
        {
            Assert.True(Block.TryParse(bytes, out var block));
            head = machine.Execute(head, block!);
            Assert.NotNull(head);
        }

        var set = LedgerState.Of(head).Validators;
        Assert.Equal((await seat.ReachEra(set.Era, federation.Limit)).Digest, set.Digest);
        return set.Era;
    }
}
