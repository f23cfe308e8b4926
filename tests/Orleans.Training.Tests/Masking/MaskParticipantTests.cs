using System.Globalization;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Simulation;
using Xunit.Abstractions;

namespace Orleans.Training.Tests.Masking;

public sealed class MaskParticipantTests(ITestOutputHelper output)
{
    private const ulong Seed = 20_261_124;

    [Fact]
    public void Attempt_WithDropoutsInEveryPhase_GivesTheExactSumOrANamedFault()
    {
        var (sums, aborted) = (0, 0);
        for (var number = 0; number < 120; number++)
        {
            var chance = new Chance(Seed + (ulong)number);
            var count = number < 2 ? 40 : 4 + chance.Below(9);
            var (percent, bits) = (chance.Below(3) * 4, chance.Pick([8, 10, 12, 16, 21, 32]));
            var world = new MaskWorld(count, Seed + (ulong)number, length: chance.Pick([1, 15, 16, 17, 200]), bits: bits);
            IEnumerable<ushort> Staying(IEnumerable<ushort> who) => [.. who.Where(_ => chance.Below(100) >= percent)];
            world.Open(Staying(world.Everybody));
            if (world.Adverts.Count < 4) continue;
            var cohort = world.Adverts.Select(advert => advert.Position).ToArray();
            world.Share(Staying(cohort));
            world.Acknowledge(Staying(world.Dealt.Keys));
            world.Mask(Staying(world.Acks.Keys));
            if (world.States.Values.All(state => state.Masks is null)) continue;
            if (Finish(world, chance, percent) is { } fault)
            {
                Assert.True(fault is MaskFault.DegreeTooSmall or MaskFault.ConfirmsMissing or MaskFault.CohortTooSmall, $"{fault}, case {number}");
                aborted++;
            }
            else
            {
                sums++;
            }
        }

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"seed {Seed}: {sums} sums, {aborted} aborted"));
        Assert.True(sums > 40 && aborted > 5, $"{sums} {aborted}");
    }

    // From the order on. Null, and the sum was exact; or the fault that stopped it.
    private static MaskFault? Finish(MaskWorld world, Chance chance, int percent)
    {
        if (world.Order.Survivors.Count == 0) return MaskFault.CohortTooSmall;
        var checker = world.Order.Check(world.Any.Context, world.Any.Masks!, world.Committed, 3);
        if (checker is not MaskFault.None)
        {
            Assert.All(world.Inputs.Keys.ToArray(), i => Assert.Equal(checker, world.Step(i, world.Closing).Fault));
            return checker;
        }

        ushort[] survivors = [.. world.Order.Survivors];
        world.Confirm(survivors.Where(_ => chance.Below(100) >= percent));
        if (world.Confirms.Count == 0) return MaskFault.ConfirmsMissing;
        world.Reveal(world.Confirms.Select(confirm => confirm.Position).Where(_ => chance.Below(100) >= percent).ToArray());
        if (world.Reveals.Count == 0)
        {
            var step = world.Step(world.Confirms[0].Position, new ConfirmsSeen(world.Confirms, 10, 20));
            return step.Fault is MaskFault.None ? MaskFault.DegreeTooSmall : step.Fault;
        }

        var removal = world.Removal(world.Any);
        foreach (var reveal in world.Reveals.Values) Assert.Equal(MaskFault.None, removal.TryAccept(reveal));
        var silent = removal.Silent;
        foreach (var i in world.Reveals.Keys.ToArray())
        {
            if (silent.Count == 0) break;
            var message = (RevealSilent)world.Step(i, new SilentClosed(world.Order.ComputeDigest(), silent, 10, 20)).Message!;
            Assert.Equal(MaskFault.None, removal.TryAccept(message, silent));
        }

        var fault = removal.TryFinish(out var terms, out _);
        if (fault is not MaskFault.None) return fault;
        var sum = world.Sum(terms);
        Assert.Equal(MaskFault.None, sum.TryFinish(survivors.Length, out var tail));
        Assert.Equal(survivors.Sum(i => i + 1), tail.Weight);
        Assert.Equal(world.PlainSum(survivors), sum.Lanes.ToArray());
        return null;
    }

    [Theory]
    [InlineData(7)]
    [InlineData(10)]
    [InlineData(13)]
    public void C7_AsManyDropoutsAsTheThresholdAllows_AndNotOneMore(int count)
    {
        var spare = count - 1 - GraphParameters.For(count, FaultBound.Corrupt50Dropped50).Threshold;
        foreach (var gone in new[] { spare, spare + 1 })
        {
            var world = Masked(count, out var everybody);
            foreach (var i in everybody.Take(gone)) world.Inputs.Remove(i);
            var last = everybody[^1];
            if (gone > spare)
            {
                Assert.Equal(MaskFault.DegreeTooSmall, world.Step(last, world.Closing).Fault);
                continue;
            }

            var rest = everybody.Skip(gone).ToArray();
            world.Confirm(rest);
            world.Reveal(rest);
            var removal = world.Removal(world.States[last]);
            Assert.All(world.Reveals.Values, reveal => Assert.Equal(MaskFault.None, removal.TryAccept(reveal)));
            Assert.Equal(MaskFault.None, removal.TryFinish(out var terms, out _));
            Assert.Equal(world.PlainSum(rest), world.Sum(terms).Lanes.ToArray());
        }
    }

    [Fact]
    public void A25_Crash_InAnyPhase_SaysTheSameBytesOrNothing()
    {
        var world = new MaskWorld(7);
        ushort[] everybody = [.. world.Everybody];
        void CrashAll(Func<ushort, MaskMessage?> said)
        {
            foreach (var i in everybody)
            {
                var again = world.Crash(i).Message;
                Assert.Equal(Bytes(said(i)), Bytes(again));
            }
        }

        world.Open(everybody);
        CrashAll(i => new AdvertiseKeys(i, world.Setups[i].Attempt.Digest, world.Adverts[i]));
        world.Share(everybody);
        CrashAll(i => new CommitShares(i, world.States[i].Cohort.Digest, world.Dealt[i].Commit, world.Dealt[i].Blob!.Value));
        world.Acknowledge(everybody);
        CrashAll(i => new AcknowledgeShares(i, world.States[i].Cohort.Digest, world.Acks[i]));
        world.Mask(everybody.SkipLast(1));
        foreach (var i in everybody.SkipLast(1)) Assert.Equal(world.Inputs[i].Root, ((CommitInput)world.Crash(i).Message!).Root);

        // After the crash the same update gives the same bytes, and another one is refused; with the defence off it would give the difference away.
        Assert.Equal(world.Inputs[0].Bytes!.Value.ToArray(), ((CommitInput)world.Step(0, new UpdateReady(world.Lanes[0], MaskTail.Of(1))).Message!).Bytes!.Value.ToArray());
        Assert.Equal(MaskFault.AlreadySealed, world.Step(0, new UpdateReady(new int[17], MaskTail.Of(1))).Fault);
        world.Confirm(everybody.SkipLast(1));
        foreach (var i in everybody.SkipLast(1)) Assert.Equal(world.Confirms[i].Order, ((ConfirmOrder)world.Crash(i).Message!).Order);
        world.Reveal(everybody.SkipLast(1));
        foreach (var i in everybody.SkipLast(1)) Assert.Equal(Bytes(world.Reveals[i]), Bytes(world.Crash(i).Message));
        var silent = new SilentClosed(world.Order.ComputeDigest(), [1], 10, 20);
        var opened = world.Step(0, silent).Message;
        Assert.Equal(Bytes(opened), Bytes(world.Crash(0).Message));
        Assert.Equal(Bytes(opened), Bytes(world.Step(0, silent).Message));
        Assert.Equal(MaskFault.AlreadyRevealed, world.Step(0, silent with { Silent = [1, 2] }).Fault);
        Assert.Equal(MaskPhase.Done, world.Step(0, new AttemptClosed()).State.Phase);
        Assert.Null(world.Crash(0).Message);
        Assert.Equal(MaskFault.OutOfPhase, world.Step(0, world.Closing).Fault);
    }

    [Fact]
    public void MaskOnce_Off_GivesTheDifferenceOfTwoUpdatesAway()
    {
        var world = Masked(4, out _, MaskRules.Correct with { MaskOnce = false });
        var second = ((CommitInput)world.Step(0, new UpdateReady(new int[17], MaskTail.Of(1))).Message!).Bytes!.Value.ToArray();
        var first = world.Inputs[0].Bytes!.Value.ToArray();
        LaneAddition.Combine(first, second, LaneWidth.Bits16, subtract: true);
        var difference = new int[17];
        world.Setups[0].Layout.Read(0, first, difference);
        Assert.Equal(world.Lanes[0], difference);
    }

    [Fact]
    public void Records_OfAnotherAttemptOrOrder_AreRefused()
    {
        var (world, other) = (Masked(4, out _), new MaskWorld(4, attempt: 2));
        Assert.Throws<InvalidOperationException>(() => MaskParticipant.Restore(other.Setups[0], world.Journals[0]));
        Assert.Throws<InvalidOperationException>(() => MaskParticipant.Restore(world.Setups[0], world.Journals[0].AsEnumerable().Reverse()));
        Assert.Throws<InvalidOperationException>(() => MaskParticipant.Restore(world.Setups[0], [.. world.Journals[0], world.Journals[0][0]]));
    }

    [Fact]
    public void Secrets_AreZeroedAtTheEnd_AndNeverShown()
    {
        var world = Masked(4, out _);
        var secrets = world.States[0].Secrets!;
        Assert.DoesNotContain(Convert.ToHexString(secrets.Seed), $"{secrets}{world.States[0]}", StringComparison.OrdinalIgnoreCase);
        var envelope = secrets.Received[1];
        world.Step(0, new AttemptClosed());
        Assert.True(secrets.AreZeroed && !secrets.Bytes.ContainsAnyExcept((byte)0) && !envelope.Plain.ContainsAnyExcept((byte)0));
        Assert.Null(world.States[0].Secrets);
        Assert.Throws<ArgumentException>(() => new MaskSecrets(new byte[159]));
    }

    internal static MaskWorld Masked(int count, out ushort[] everybody, MaskRules? rules = null, int corrupt = 0, int minimum = 3)
    {
        var world = new MaskWorld(count, rules: rules, corrupt: corrupt, minimum: minimum);
        everybody = [.. world.Everybody];
        world.Open(everybody);
        world.Share(everybody);
        world.Acknowledge(everybody);
        world.Mask(everybody);
        return world;
    }

    // Everything that a message says, as text.
    internal static string Bytes(MaskMessage? message) => message switch
    {
        AdvertiseKeys m => $"{m.Position} {m.Context} {Hex(m.Advert.MaskKey)} {Hex(m.Advert.EnvelopeKey)} {m.Advert.Nonce}",
        CommitShares m => $"{m.Position} {m.Context} {m.Commit} {Hex(m.Blob)}",
        AcknowledgeShares m => $"{m.Position} {m.Context} {Hex(m.Bits)}",
        Reveal m => $"{m.Position} {m.Context} {m.Order} {Hex(m.Self)} {Hex(m.Openings.Bytes)}",
        RevealSilent m => $"{m.Position} {m.Context} {m.Order} {Hex(m.Openings.Bytes)}",
        _ => "",
    };

    private static string Hex(ReadOnlyMemory<byte> bytes) => Convert.ToHexStringLower(bytes.Span);
}
