using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Simulation;
using Xunit.Abstractions;

namespace Orleans.Training.Tests.Rounds;

/// <summary>Participants' hosts over contracts, journals and blobs on disk: they come to the sum, whoever dies when, and none ever says two different things.</summary>
public sealed class MaskedParticipantTests(ITestOutputHelper output)
{
    private static readonly string[] AllCalls = [nameof(AdvertiseMaskKeys), nameof(CommitMaskShares), nameof(AcknowledgeMaskShares), nameof(CommitMaskedInput), nameof(ConfirmUnmasking), nameof(RevealMasks)];

    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public async Task Attempt_EndsInTheSum_AndLeavesNothingButTheConsumedModel(int count)
    {
        using var hosts = new MaskedHosts(count);
        hosts.Start(hosts.Ledger.Everybody);
        await AssertSum(hosts, hosts.Ledger.Everybody);
        await Publish(hosts);
        foreach (var i in hosts.Ledger.Everybody)
        {
            Assert.Equal((MaskPhase.Done, MaskFault.None), hosts.Ends[i]);
            Assert.Equal(AllCalls, hosts.CallsOf(i));
            Assert.Equal(["consumed"], Directory.EnumerateFileSystemEntries(hosts.FolderOf(i)).Select(Path.GetFileName));
            Assert.Equal([MaskedLedger.Weights], hosts.ConsumedOf(i).Besides(null));
        }
    }

    [Fact]
    public async Task Attempt_GoesOn_WithoutOneThatNeverComes()
    {
        using var hosts = new MaskedHosts(5);
        hosts.Start(hosts.Ledger.Everybody.Skip(1));
        await AssertSum(hosts, hosts.Ledger.Everybody.Skip(1));
        // It comes when the keys are closed, and says nothing.
        hosts.Start(0);
        await Publish(hosts);
        Assert.Empty(hosts.CallsOf(0));
    }

    [Fact]
    public async Task Attempt_GoesOn_WithOneThatDiesAfterItsInput_AndItsUpdateIsInTheSum()
    {
        using var hosts = new MaskedHosts(5) { Reach = (who, place, _) => { if (who == 2 && place == "submitted " + nameof(CommitMaskedInput)) throw new HostKilledException(forGood: true); } };
        hosts.Start(hosts.Ledger.Everybody);
        await AssertSum(hosts, hosts.Ledger.Everybody);
        Assert.Equal([2], hosts.Ledger.Masked.Silent.Positions);
        Assert.All(hosts.Ledger.Everybody.Where(i => i != 2), i => Assert.Contains(nameof(RevealSilentMasks), hosts.CallsOf(i)));
    }

    [Theory]
    [InlineData(4, 1)]
    [InlineData(4, 2)]
    [InlineData(5, 3)]
    [InlineData(5, 4)]
    [InlineData(6, 5)]
    [InlineData(6, 6)]
    public async Task Hosts_KilledAtAnyMoment_SayTheSameBytes_AndComeToTheSum(int count, int seed)
    {
        using var hosts = new MaskedHosts(count, (ulong)seed);
        var chances = hosts.Ledger.Everybody.Select(i => new Chance((ulong)((seed * 100) + i))).ToArray();
        hosts.Reach = (who, _, alive) =>
        {
            if (hosts.Lives[who] > 15 || !chances[who].Percent(30)) return;
            // At once, or where it looks next.
            if (chances[who].Percent(50)) throw new HostKilledException();
            alive.Cancel();
        };
        hosts.Start(hosts.Ledger.Everybody);
        await AssertSum(hosts, hosts.Ledger.Everybody);
        await Publish(hosts);
        output.WriteLine($"seed {seed}: {hosts.Lives.Values.Sum()} lives of {count} hosts, {hosts.Submitted.Count} calls");
        Assert.True(hosts.Lives.Values.Sum() > 3 * count, "too few died");
        Assert.All(hosts.Ledger.Everybody, i => Assert.Equal(AllCalls, hosts.CallsOf(i)));
        // Two masked updates of one participant would give their difference away wherever the second one lies.
        Assert.All(hosts.Stored.Distinct().GroupBy(item => item.Who), blobs => Assert.Equal(3, blobs.Count()));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Update_WhoseBytesAreLost_IsMadeAgain_AndAnotherOneIsNot(bool same)
    {
        using var hosts = new MaskedHosts(7);
        var puts = 0;
        hosts.Reach = (who, place, _) => { if (who == 0 && place == "put" && ++puts == 2) throw new HostKilledException(); };
        if (!same) hosts.Train = (who, life) => life == 0 ? hosts.Ledger.Lanes[who] : new int[17];
        hosts.Start(hosts.Ledger.Everybody);
        await AssertSum(hosts, hosts.Ledger.Everybody.Skip(same ? 0 : 1), same ? [] : [(0, Phase.Input)]);
        Assert.Equal(same, hosts.CallsOf(0).Contains(nameof(CommitMaskedInput)));
        Assert.Equal(same ? 3 : 1, hosts.Stored.Where(item => item.Who == 0).Distinct().Count());
    }

    [Theory]
    [InlineData(2, nameof(CommitMaskShares))]
    [InlineData(3, nameof(AcknowledgeMaskShares))]
    [InlineData(4, nameof(CommitMaskedInput))]
    [InlineData(5, nameof(ConfirmUnmasking))]
    [InlineData(6, nameof(RevealMasks))]
    public async Task Journal_FromABackup_EndsTheHost_AndNothingElseIsSaid(int append, string call)
    {
        using var hosts = new MaskedHosts(5);
        var (appends, backup) = (0, hosts.FolderOf(0) + ".backup");
        hosts.Reach = (who, place, _) =>
        {
            if (who != 0) return;
            if (hosts.Lives[0] == 1 && place == "mask-journal-before-write" && ++appends == append) throw new HostKilledException();
            if (hosts.Lives[0] == 2 && place == "submitted " + call) throw new HostKilledException();
        };
        hosts.BeforeLife = (who, life) =>
        {
            if (who == 0 && life == 1) File.Copy(hosts.JournalOf(0), backup);
            if (who == 0 && life == 2) File.Copy(backup, hosts.JournalOf(0), overwrite: true);
        };
        hosts.Start(hosts.Ledger.Everybody);
        await hosts.Drive();
        Assert.Equal((MaskPhase.Aborted, MaskFault.JournalRolledBack), await hosts.EndOf(0));
        Assert.Equal(AllCalls.TakeWhile(name => name != call).Append(call), hosts.CallsOf(0));
        AssertSaysOneThing(hosts);
        Assert.DoesNotContain(Directory.EnumerateFiles(hosts.FolderOf(0)), path => Path.GetFileName(path) != "consumed");
    }

    [Fact]
    public async Task Journal_ThatIsLost_EndsTheHost_AndNoSecondKeysAreDrawn()
    {
        using var hosts = new MaskedHosts(5);
        hosts.Reach = (who, place, _) => { if (who == 0 && place == "submitted " + nameof(AdvertiseMaskKeys)) throw new HostKilledException(); };
        hosts.BeforeLife = (who, life) => { if (who == 0 && life == 1) Directory.Delete(hosts.FolderOf(0), recursive: true); };
        hosts.Start(hosts.Ledger.Everybody);
        await hosts.Drive();
        Assert.Equal((MaskPhase.Aborted, MaskFault.JournalRolledBack), await hosts.EndOf(0));
        Assert.Single(hosts.Submitted, item => item.Who == 0);
    }

    [Fact]
    public async Task Model_ThatIsConsumed_GetsNoKeysOfTheHost()
    {
        using var hosts = new MaskedHosts(5);
        Assert.True(hosts.ConsumedOf(0).TryAdd(MaskedLedger.Weights, Digest.Of("earlier"u8)));
        hosts.Start(hosts.Ledger.Everybody);
        await AssertSum(hosts, hosts.Ledger.Everybody.Skip(1), (0, Phase.AdvertiseKeys));
        await Publish(hosts);
        Assert.Empty(hosts.CallsOf(0));
    }

    [Fact]
    public async Task Model_ThatAnotherAttemptConsumesMeanwhile_IsNotConfirmed()
    {
        using var hosts = new MaskedHosts(5);
        hosts.Reach = (who, place, _) => { if (who == 0 && place == "submitted " + nameof(CommitMaskedInput)) hosts.ConsumedOf(0).TryAdd(MaskedLedger.Weights, Digest.Of("other"u8)); };
        hosts.Start(hosts.Ledger.Everybody);
        await AssertSum(hosts, hosts.Ledger.Everybody, (0, Phase.ConsistencyCheck));
        await Publish(hosts);
        Assert.Equal(AllCalls[..4], hosts.CallsOf(0));
    }

    private static async Task AssertSum(MaskedHosts hosts, IEnumerable<int> who, params (int Who, Phase From)[] mute)
    {
        Assert.Equal(Phase.Aggregate, await hosts.Drive(mute));
        Assert.Equal(hosts.Ledger.PlainSum(who), hosts.Do(ledger => ledger.Sum(out _)));
        Assert.Equal(who, hosts.Ledger.Masked.Survivors.Positions);
        AssertSaysOneThing(hosts);
    }

    private static void AssertSaysOneThing(MaskedHosts hosts) =>
        Assert.All(hosts.Submitted.Distinct().GroupBy(item => (item.Who, item.Call)), said => Assert.Single(said));

    // The attempt is over, and all hosts leave it.
    private static async Task Publish(MaskedHosts hosts)
    {
        hosts.Do(ledger =>
        {
            MaskedRoundTests.Publish(ledger);
            return ledger;
        });
        await hosts.Ended();
        AssertSaysOneThing(hosts);
    }
}
