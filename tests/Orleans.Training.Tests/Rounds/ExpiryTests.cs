using Orleans.Training.Client.Exports;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Contracts;
using Orleans.Training.Tests.Exports;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.Rounds;

/// <summary>Single updates are kept for the agreement's challenge window and no longer; what they were called stays.</summary>
public sealed class ExpiryTests
{
    [Fact]
    public void Updates_ExpireWithTheWindow_AfterTheAttemptsEnd_ByBlockTime()
    {
        var (ledger, model) = MaskedExportTests.Attempt();
        Assert.Null(Find(ledger));
        MaskedExportTests.Publish(ledger, MaskedExportTests.Compute(ledger, model));
        var end = ledger.TimeMs + ledger.Agreement.ChallengeWindowMs;
        Assert.Equal(new ExpiryRecord(end, false), Find(ledger));
        ledger.Shard.Commit(ledger.Agreement.ChallengeWindowMs - 1);
        Assert.Equal((end - 1, false), (ledger.TimeMs, Find(ledger)!.IsOver));
        ledger.Shard.Commit(1);
        Assert.True(Find(ledger)!.IsOver);
        Assert.Contains(LedgerState.Of(ledger.Shard.Head).Events.SelectMany(events => events), item => item is { Type: "UpdatesExpired" } && ExpiryRecord.RoundOf(item.Key) == ledger.Round.StateKey);

        // All that the participants stored, whether it was counted or not; and neither the sum nor the model.
        var names = ExpiryContract.Expired(ledger.Shard.State, ledger.Round.StateKey).ToHashSet();
        var record = ledger.Shard.State.Find<ModelRecord>(ModelRecord.Key(ledger.AgreementName, 1))!;
        Assert.All(ledger.Whole.SumBlobs, name => Assert.Contains(name, names));
        Assert.Contains(ledger.Masked.RootOf(MaskBlobKind.Shares, 1)!.Value, names);
        Assert.Empty(names.Intersect([record.SumRoot, record.Root]));
    }

    [Fact]
    public void AFailedAttempt_Expires_ButNotWhatTheNextOneNamesToo()
    {
        var shard = new TestShard();
        var plan = AgreementTests.Plan();
        foreach (var hospital in TestShard.Hospitals) AgreementTests.Admit(shard, hospital, Roles.Trainer | Roles.DataOwner);
        shard.Commit(10, [.. TestShard.Hospitals.Select(hospital => shard.Sign(hospital, AgreementTests.Dataset(hospital)))]);
        shard.Send("va", new ProposeAgreement(plan));
        shard.Commit(10, [.. TestShard.Hospitals.Select(hospital => shard.Sign(hospital, new AcceptAgreement(plan.ComputeDigest(), Policy.Open)))]);
        var (same, other) = (Digest.Of("the same update"u8), Digest.Of("another"u8));
        void Attempt(int attempt)
        {
            Assert.Equal(Rejection.None, shard.Send("va", new RoundOpen(plan.ComputeDigest(), 1, plan.InitialModel)));
            Assert.Equal(Rejection.None, shard.Send("va", new InputCommit(plan.ComputeDigest(), 1, attempt, plan.InitialModel, same)));
            if (attempt == 1) Assert.Equal(Rejection.None, shard.Send("cleveland", new InputCommit(plan.ComputeDigest(), 1, attempt, plan.InitialModel, other)));
            shard.Commit(plan.InputWindowMs + 1);
        }

        Attempt(1);
        shard.Commit(plan.ChallengeWindowMs - 1000);
        Attempt(2);
        var first = RoundRecord.Key(plan.ComputeDigest(), 1, 1);
        Assert.True(shard.State.Find<ExpiryRecord>(ExpiryRecord.Key(first))!.IsOver);
        Assert.Equal([other], ExpiryContract.Expired(shard.State, first));
        shard.Commit(plan.ChallengeWindowMs);
        Assert.Equal([same], ExpiryContract.Expired(shard.State, RoundRecord.Key(plan.ComputeDigest(), 1, 2)));
    }

    [Theory]
    [InlineData(0), InlineData(-1), InlineData(Limits.ChallengeWindowMs + 1)]
    public void AWindow_IsPositive_AndAYearAtMost(long window)
    {
        var plan = AgreementTests.Plan();
        Assert.True(TrainingAgreement.TryParse(plan.Encode(), out _));
        Assert.True(TrainingAgreement.TryParse((plan with { ChallengeWindowMs = Limits.ChallengeWindowMs }).Encode(), out _));
        Assert.False(window >= 0 && TrainingAgreement.TryParse((plan with { ChallengeWindowMs = window }).Encode(), out _));
    }

    /// <summary>An export that was made later has no updates, and says so. One that was made before must have them.</summary>
    [Theory]
    [InlineData("masked"), InlineData("groups"), InlineData("trust"), InlineData("projected")]
    public void AnExport_OfExpiredRounds_IsVerifiedByItsSums_AndSaysSo(string kind)
    {
        var (ledger, fresh, late) = Published(kind);
        Assert.Equal((1, 0), (fresh.Verify().Rounds, fresh.Verify().Expired));
        var report = late.Verify();
        Assert.Equal((1, 1), (report.Rounds, report.Expired));
        var blobs = late.Names.Where(name => name.StartsWith("blobs/", StringComparison.Ordinal)).ToArray();
        Assert.Equal(kind is "trust" ? 3 : 2, blobs.Length);

        // What all were meant to see stays.
        if (ledger.Whole.Reference is { } reference) Assert.DoesNotContain(reference, ExpiryContract.Expired(ledger.Shard.State, ledger.Round.StateKey));

        // An update beside it is nobody's word any more, and a fresh export without one is none.
        Assert.Equal(ExportFault.UnexpectedFile, Assert.Throws<ExportException>(() => WithUpdate(late, ledger).Verify()).Fault);
        fresh.Files.Remove(ExportLayout.Blob(ledger.Whole.SumBlobs.First()));
        Assert.Equal(ExportFault.MissingBlob, Assert.Throws<ExportException>(() => fresh.Verify()).Fault);
    }

    /// <summary>A round as it is exported while its updates are there, and when they have expired.</summary>
    internal static (MaskedLedger Ledger, TestExport Fresh, TestExport Late) Published(string kind)
    {
        var ledger = kind switch { "masked" => MaskedExportTests.Attempt().Ledger, "projected" => ProjectedRoundTests.Example(), "groups" => GroupedRoundTests.Example(), _ => GroupedRoundTests.TrustingExample() };
        var aggregate = MaskedExportTests.Compute(ledger, RoundAggregate.InitialModelOf(ledger.Agreement));
        var fresh = kind is "projected" ? ProjectedRoundTests.Publish(ledger, lazy: 0) : MaskedExportTests.Publish(ledger, aggregate);
        return (ledger, fresh, Late(ledger, aggregate));
    }

    // The export that is made when the challenge window is over.
    internal static TestExport Late(MaskedLedger ledger, RoundAggregate aggregate)
    {
        ledger.Shard.Commit(ledger.Agreement.ChallengeWindowMs + 1);
        return new TestExport(ledger.Shard, ledger.Blobs, ModelSpec.Logistic(10), aggregate.ModelBytes);
    }

    internal static TestExport WithUpdate(TestExport late, MaskedLedger ledger)
    {
        var more = late.Copy();
        more.Files[ExportLayout.Blob(ledger.Whole.SumBlobs.First())] = ledger.Blobs[ledger.Whole.SumBlobs.First()];
        return more;
    }

    /// <summary>A sum that was not that of the updates is published, and has expired: what follows from it is another model than the one that was published with it.</summary>
    internal static TestExport WrongSum()
    {
        var (ledger, model) = MaskedExportTests.Attempt();
        var honest = MaskedExportTests.Compute(ledger, model);
        byte[] sum = [.. honest.Sum];
        sum[8]++;
        MaskedExportTests.Publish(ledger, honest with { Sum = sum, SumRoot = ChunkedBlob.Root(sum) });
        return Late(ledger, honest);
    }

    [Fact]
    public void APlainExport_HasTheUpdatesOfRoundsThatHaveNotExpired()
    {
        var export = new TestExport(new TestExportPlan { Rounds = 3, Expired = 2, FailedAttempts = 1 });
        var report = export.Verify();
        Assert.Equal((3, 2), (report.Rounds, report.Expired));
        // Two of each round for sum and model, and the updates of the last.
        Assert.Equal((3 * 2) + 3, export.Names.Count(name => name.StartsWith("blobs/", StringComparison.Ordinal)));
    }

    [Fact]
    public void ASumThatGivesAnotherModel_IsFound_ThoughItsUpdatesHaveExpired() =>
        Assert.Equal(ExportFault.ModelDiffers, Assert.Throws<ExportException>(() => WrongSum().Verify()).Fault);

    [Fact]
    public async Task Seats_DeleteWhatHasExpired_AndNothingElse()
    {
        await using var seats = new MaskedSeats(4, windowMs: 60_000, rounds: 2, challengeMs: 1);
        var stored = new Dictionary<Digest, ReadOnlyMemory<byte>>();
        seats.Sends = (_, message) =>
        {
            if (seats.Run.PublishedRounds == 0 && MaskedParticipation.BlobOf(message) is { } blob) stored[ChunkedBlob.Root(blob.Span)] = blob;
            return message;
        };
        await seats.Start(0, 1, 2, 3);
        await seats.Until(_ => seats.Run.PublishedRounds == 2 || seats.Run.Attempts > 0);
        Assert.NotEmpty(stored);
        await Gone(seats, stored.Keys);
        // Who dies before all is deleted does the rest when it starts again.
        await seats.Stores[1].Put(new MemoryStream(stored.Values.First().ToArray()), null, default);
        await seats.Restart(1);
        await Gone(seats, stored.Keys);

        for (var number = 1; number <= 2; number++)
        {
            var published = seats.State.Contracts.Find<ModelRecord>(ModelRecord.Key(seats.Agreement.ComputeDigest(), number))!;
            var serving = Enumerable.Range(0, 4).Where(seat => (published.Attesters >> seat & 1) != 0).ToArray();
            foreach (var seat in serving)
            {
                Assert.NotNull(await seats.Stores[seat].Find(published.SumRoot, default));
                Assert.NotNull(await seats.Stores[seat].Find(published.Root, default));
            }
        }
    }

    // Seats look when the ledger grows, and each looks at its own time.
    private static async Task Gone(MaskedSeats seats, IReadOnlyCollection<Digest> names)
    {
        while (await AnyStored(seats, names))
        {
            var size = seats.State.Tree.Size;
            await seats.Send("p000", new RevokeKey(default));
            await seats.Until(state => state.Tree.Size > size);
        }
    }

    private static async Task<bool> AnyStored(MaskedSeats seats, IReadOnlyCollection<Digest> names)
    {
        foreach (var name in names)
        {
            foreach (var store in seats.Stores) if (await store.Find(name, default) is not null) return true;
        }

        return false;
    }

    private static ExpiryRecord? Find(MaskedLedger ledger) => ledger.Shard.State.Find<ExpiryRecord>(ExpiryRecord.Key(ledger.Round.StateKey));
}
