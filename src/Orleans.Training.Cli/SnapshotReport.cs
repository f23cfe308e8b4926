using System.Globalization;
using Orleans.Training.Cli.Validators;
using Orleans.Training.Grains;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Cli;

/// <summary><c>otrain verify FILE --genesis GENESIS --snapshot SNAPSHOT</c>: whether a quorum of a ledger's validators stands for a state, and whether bytes are that state (docs/spec/snapshot.md §4).</summary>
internal static class SnapshotReport
{
    private const long MaximumBytes = int.MaxValue;

    /// <summary>The offer in a file; null when there is none in it.</summary>
    public static SnapshotOffer? Find(string file) =>
        new FileInfo(file) is { Exists: true, Length: <= Limits.MessageBytes } && ConsensusMessage.TryParse(File.ReadAllBytes(file), out var message) ? message as SnapshotOffer : null;

    public static int Run(string file, SnapshotOffer offer, string? genesisFile, string? snapshotFile, bool json)
    {
        if (genesisFile is null) return VerifyCommand.Fail(json, "OT-7002", "--genesis is missing: what is proven is proven to whoever believes in the validators of a genesis", ExitCode.Usage);
        Genesis genesis;
        try
        {
            genesis = SeatFiles.Load(genesisFile);
        }
        catch (OperationalException exception)
        {
            return VerifyCommand.Fail(json, null, exception.Message, ExitCode.Usage);
        }

        if (offer.Verify(genesis, genesis.Validators) is not var (snapshot, leaf)) return VerifyCommand.Fail(json, "OT-3204", $"{file} does not lead from the validators of {genesisFile} to a quorum's word for a snapshot", ExitCode.CheckFailed);
        var records = -1;
        if (snapshotFile is not null)
        {
            if (new FileInfo(snapshotFile) is not { Exists: true, Length: <= MaximumBytes }) return VerifyCommand.Fail(json, "OT-7002", $"there is no file {snapshotFile} of at most {MaximumBytes} bytes", ExitCode.Usage);
            var bytes = File.ReadAllBytes(snapshotFile);
            if (ChunkedBlob.Root(bytes) != snapshot.Name || !Snapshot.TryRead(bytes, out var executed) || executed!.Block.Digest != snapshot.Block) return VerifyCommand.Fail(json, "OT-3205", $"{snapshotFile} is not the snapshot {snapshot.Name}", ExitCode.CheckFailed);
            records = LedgerState.Of(executed).Contracts.Records.Count;
        }

        if (json) Console.WriteLine(JsonLine.Of(("verified", true), ("height", snapshot.Height), ("block", snapshot.Block.ToString()), ("snapshot", snapshot.Name.ToString()), ("leaf", leaf), ("eras", offer.Links.Count), ("records", records)));
        else Print(snapshot, leaf, offer, records);
        return ExitCode.Ok;
    }

    private static void Print(Protocol.Contracts.SnapshotRecord snapshot, long leaf, SnapshotOffer offer, int records)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {offer.Links.Count} eras sealed since genesis, each by a quorum of the one before"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  entry {leaf} of the log, under a checkpoint that a quorum of the present validators has cosigned:"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  a quorum has attested the state after block {snapshot.Height}, {snapshot.Block}, as {snapshot.Name}"));
        if (records >= 0) Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  the file is that state: {records} records"));
        Console.WriteLine("VERIFIED");
    }
}
