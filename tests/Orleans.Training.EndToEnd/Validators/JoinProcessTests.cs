using Orleans.Training.Cli;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Ledger;
using Xunit.Abstractions;

namespace Orleans.Training.EndToEnd.Validators;

/// <summary>A fifth organisation comes to a ledger with a past: it begins at a snapshot, wherever its process dies on the way there, and has the whole past in the end.</summary>
[Collection(Drills.Drills.Name)]
public sealed class JoinProcessTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(null), InlineData("snapshot-fetched-before-journal"), InlineData("joined-before-use")]
    public async Task ANewcomer_BeginsAtASnapshot(string? crashAt)
    {
        await using var federation = await SeatFederation.Create();
        await federation.Start();
        var alpha = federation.Seats[0];
        // Three intervals, and an attested snapshot.
        var size = 0L;
        SnapshotOffer? offer = null;
        for (var sent = 0; size < 200 || offer is null; sent += 8)
        {
            size = (await Task.WhenAll(Enumerable.Range(sent, 8).Select(number => federation.Commit(federation.Seats[number % 4])))).Max();
            if (await alpha.Get("snapshot", federation.Limit) is { } file && ConsensusMessage.TryParse(file, out var message)) offer = (SnapshotOffer)message!;
        }

        // What a stranger can check: a quorum's word for a name, and bytes that have it.
        var (snapshot, _) = offer.Verify(federation.Genesis, federation.Genesis.Validators)!.Value;
        var bytes = (await alpha.Get($"../../blobs/{snapshot.Name}", federation.Limit))!;
        Assert.Equal(snapshot.Name, ChunkedBlob.Root(bytes));
        Assert.True(Snapshot.TryRead(bytes, out var executed));
        Assert.Equal((snapshot.Block, snapshot.Height), (executed!.Block.Digest, executed.Block.Header.Height));

        if (crashAt is null) await RequireVerified(federation, offer.Encode().ToArray(), bytes);

        var epsilon = await MembershipProcessTests.Join(federation, crashAt);
        if (crashAt is not null)
        {
            Assert.Equal(137, await epsilon.Exit(federation.Limit));
            var said = await epsilon.Start(federation.AllPeers(epsilon));
            Assert.Equal(crashAt is "joined-before-use", said.GetProperty("snapshot").GetInt64() > 0);
        }

        await MembershipProcessTests.Learn(federation, 2, [.. federation.Seats]);
        size = await federation.Commit(epsilon);
        await federation.Until(() => epsilon.HasSaid("is here, and gives the state that a quorum has attested"));
        await federation.RequireSameBlocks(federation.Seats, size);
        output.WriteLine($"{size} leaves, snapshot of block {snapshot.Height}, {bytes.Length} bytes");

        // From now on it is one of five: it starts as any other does.
        await epsilon.Kill();
        Assert.True((await epsilon.Start(federation.AllPeers(epsilon))).GetProperty("snapshot").GetInt64() >= (long)snapshot.Height);
        await federation.RequireSameBlocks(federation.Seats, await federation.Commit(epsilon));
    }

    // The same by the command line, from files.
    private static async Task RequireVerified(SeatFederation federation, byte[] offer, byte[] snapshot)
    {
        var (proof, state) = (Path.Combine(federation.Folder, "snapshot.proof"), Path.Combine(federation.Folder, "snapshot"));
        await File.WriteAllBytesAsync(proof, offer, federation.Limit);
        await File.WriteAllBytesAsync(state, snapshot, federation.Limit);
        var said = await SeatFederation.Run("verify", proof, "--genesis", federation.GenesisFile, "--snapshot", state);
        Assert.Contains("the file is that state: ", said, StringComparison.Ordinal);
        Assert.EndsWith("VERIFIED\n", said, StringComparison.Ordinal);
        Assert.Contains("\"verified\":true", await SeatFederation.Run("verify", proof, "--genesis", federation.GenesisFile, "--json"), StringComparison.Ordinal);
        Assert.StartsWith("OT-7002 ", (await SeatFederation.Try("verify", proof)).Error, StringComparison.Ordinal);

        snapshot[^1] ^= 1;
        await File.WriteAllBytesAsync(state, snapshot, federation.Limit);
        var (code, refused, _) = await SeatFederation.Try("verify", proof, "--genesis", federation.GenesisFile, "--snapshot", state);
        Assert.Equal(ExitCode.CheckFailed, code);
        Assert.Contains("OT-3205", refused, StringComparison.Ordinal);
        await using var others = await SeatFederation.Create();
        (code, refused, _) = await SeatFederation.Try("verify", proof, "--genesis", others.GenesisFile);
        Assert.Equal(ExitCode.CheckFailed, code);
        Assert.Contains("OT-3204", refused, StringComparison.Ordinal);
    }
}
