using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Tests.Tidy;

/// <summary>The pages that list the code's numbers list those that it has.</summary>
public sealed partial class LimitPageTests
{
    // Every row of docs/spec/limits.md, in its order, from the constants.
    private static readonly (string Name, string Limit, string Value)[] Rows =
    [
        (nameof(Limits.TransactionBytes), "transaction", $"{Limits.TransactionBytes >> 10} KiB"),
        (nameof(Limits.TransactionsPerBlock), "transactions in a block", Number(Limits.TransactionsPerBlock)),
        (nameof(Limits.BlockBytes), "body of a block", $"{Limits.BlockBytes >> 20} MiB"),
        (nameof(Limits.LeafBytes), "leaf of the tree", $"{Number(Limits.LeafBytes)} bytes"),
        (nameof(Limits.ExpiryWindowMs), "expiry of a transaction after the block's time", $"{Limits.ExpiryWindowMs / 3_600_000} h"),
        (nameof(Limits.ClockLeadMs), "block time ahead of a validator's clock", $"{Limits.ClockLeadMs / 1000} s"),
        (nameof(Limits.Validators), "validators of a shard", Number(Limits.Validators)),
        (nameof(Limits.LeastValidators), "validators below which no change brings a shard", Number(Limits.LeastValidators)),
        (nameof(Limits.OpenChanges), "open changes of a validator set", Number(Limits.OpenChanges)),
        (nameof(Limits.ChangeWindowMs), "a change's time to be decided and sealed", $"{Limits.ChangeWindowMs / 86_400_000} days"),
        (nameof(Limits.ReadyWindowMs), "a seat's word that it is ready counts", $"{Limits.ReadyWindowMs / 60_000} min"),
        (nameof(Limits.RedelegationMs), "between two redelegations of a seat", $"{Limits.RedelegationMs / 3_600_000} h"),
        (nameof(Limits.WatchedLedgers), "other ledgers that a ledger watches", Number(Limits.WatchedLedgers)),
        ("", "anchors of a ledger that stay in the state", Number(WatchedRecord.Kept)),
        (nameof(Limits.AnchorEveryMs), "between two anchors of a ledger", $"{Limits.AnchorEveryMs / 60_000} min"),
        (nameof(Limits.OriginLength), "a ledger's origin", $"{Limits.OriginLength} characters"),
        (nameof(Limits.PolicyLength), "a trust policy or a checkpoint in a transaction", $"{Number(Limits.PolicyLength)} characters"),
        (nameof(Limits.Participants), "participants of a federation, of an agreement", Number(Limits.Participants)),
        (nameof(Limits.KeysPerParticipant), "keys of a participant", Number(Limits.KeysPerParticipant)),
        (nameof(Limits.DatasetsPerParticipant), "data sets that a participant registers", Number(Limits.DatasetsPerParticipant)),
        (nameof(Limits.AgreementsPerParticipant), "agreements that a participant proposes", Number(Limits.AgreementsPerParticipant)),
        (nameof(Limits.FutureViews), "views ahead for which messages are kept", Number(Limits.FutureViews)),
        (nameof(Limits.MessageBytes), "consensus message", $"{Limits.MessageBytes >> 20} MiB"),
        (nameof(Limits.NameLength), "name of a contract, method, data set or agreement", $"{Limits.NameLength} characters"),
        (nameof(Limits.ChunkBytes), "chunk of a blob", $"{Limits.ChunkBytes >> 10} KiB"),
        (nameof(Limits.Parameters), "parameters of a model", Number(Limits.Parameters)),
        (nameof(Limits.Rounds), "rounds of an agreement", Number(Limits.Rounds)),
        ("", "attempts at a round", Number(RunRecord.MaxAttempts)),
        ("", "participants of a masked attempt of whom all share with all", Number(GraphParameters.LargestComplete)),
        ("", "neighbours of a participant in a masked attempt", Number(ShareBlob.MaximumNeighbours)),
        ("", "record in a participant's journal of a masked attempt", $"{MaskRecord.MaximumBytes >> 20} MiB"),
        (nameof(Limits.ChallengeWindowMs), "single updates are kept after their attempt", $"{Limits.ChallengeWindowMs / 86_400_000} days"),
        ("", "blobs of which a part has come", $"{PartialBlob.Maximum}, each for {PartialBlob.MaximumAge.TotalHours} h"),
        ("", "images of updates in one transaction", $"{ProjectInputs.MaximumImages}"),
        ("", "proposals of an attempt", $"1 of each seat, and {RoundRecord.ProposalsOfOthers} of others, 1 of each"),
    ];

    [Fact]
    public void EveryConstantOfLimits_HasItsRow() =>
        Assert.Equal(typeof(Limits).GetFields(BindingFlags.Public | BindingFlags.Static).Select(field => field.Name).Order(), Rows.Select(row => row.Name).Where(name => name.Length > 0).Order());

    [Fact]
    public void LimitPage_SaysWhatTheConstantsAre() =>
        Assert.Equal(Rows.Select(row => $"| {row.Limit} | {row.Value} |"), Row().Matches(Repository.Read("docs/spec/limits.md")).Select(match => match.Value).Where(row => !row.StartsWith("| limit |", StringComparison.Ordinal) && !row.StartsWith("|--", StringComparison.Ordinal)));

    [Theory]
    [InlineData("docs/spec/store.md")]
    [InlineData("docs/spec/consensus.md")]
    public void JournalKinds_AreThoseOfTheCode(string page) =>
        Assert.Equal(Enum.GetValues<JournalRecordKind>().Select(kind => $"{(int)kind} {kind.ToString().ToLowerInvariant()}"), Kind().Matches(Repository.Read(page)).Select(match => match.Groups[1].Value).TakeLast(Enum.GetValues<JournalRecordKind>().Length));

    private static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^\|.*\|$", RegexOptions.Multiline)]
    private static partial Regex Row();

    [GeneratedRegex(@"^\| (\d+ [a-z]+) \|", RegexOptions.Multiline)]
    private static partial Regex Kind();
}
