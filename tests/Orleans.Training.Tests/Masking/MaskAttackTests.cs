using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using static Orleans.Training.Tests.Masking.MaskParticipantTests;

namespace Orleans.Training.Tests.Masking;

/// <summary>Attacks on whoever holds secrets, each shown to succeed with its defence switched off and to be refused, by name, with it. The numbers are those of docs/spec/fedmask.md §12.</summary>
public sealed class MaskAttackTests
{
    private static MaskRules Off(Func<MaskRules, MaskRules> off) => off(MaskRules.Correct);

    [Fact]
    public void A1_OmittingACommittedParticipant_IsSeen()
    {
        foreach (var rules in new[] { MaskRules.Correct, Off(rules => rules with { RecomputeOrder = false }) })
        {
            var world = Masked(7, out _, rules);
            var order = world.Order with { Survivors = [1, 2, 3, 4, 5, 6], Dropped = [0] };
            var step = world.Step(1, world.Closing with { Order = order });
            Assert.Equal(rules.RecomputeOrder ? MaskFault.OrderConflict : MaskFault.None, step.Fault);
        }
    }

    [Fact]
    public void A2_TwoOrders_TheSecondIsRefused()
    {
        foreach (var rules in new[] { MaskRules.Correct, Off(rules => rules with { ConfirmOnce = false }) })
        {
            var world = Masked(7, out var everybody, rules);
            world.Confirm(everybody);
            world.Reveal(everybody);
            var inputs = world.Committed.Where(input => input.Position != 0).ToArray();
            var second = new InputsClosed(UnmaskOrder.Of(world.Any.Context, world.Any.Masks!, inputs), inputs, 10, 20, MaskWorld.Fresh);
            foreach (var i in everybody[1..])
            {
                // With the defence off every neighbour opens its share of 0's seed too, whose b is public: its update is bare.
                var step = world.Step(i, second);
                Assert.Equal(rules.ConfirmOnce ? MaskFault.AlreadySealed : MaskFault.None, step.Fault);
                if (rules.ConfirmOnce) continue;
                var confirms = everybody[1..].Select(other => new SignedConfirm(other, second.Order.ComputeDigest())).ToArray();
                Assert.Equal(0, ((Reveal)world.Step(i, new ConfirmsSeen(confirms, 10, 20)).Message!).Openings.Entries.Single().Dealer);
            }
        }
    }

    [Fact]
    public void A3_OneParticipantInBothSets_IsRefused()
    {
        foreach (var rules in new[] { MaskRules.Correct, Off(rules => rules with { OneKind = false, RecomputeOrder = false }) })
        {
            var world = Masked(7, out _, rules);
            var step = world.Step(1, world.Closing with { Order = world.Order with { Dropped = [0] } });
            Assert.Equal(rules.OneKind ? MaskFault.BothKinds : MaskFault.None, step.Fault);
        }
    }

    [Fact]
    public void A4_AnotherOrderAfterACrashBeforeSending_IsRefused()
    {
        foreach (var rules in new[] { MaskRules.Correct, Off(rules => rules with { ConfirmOnce = false }) })
        {
            var world = Masked(7, out var everybody, rules);
            world.Confirm(everybody);
            world.Reveal(everybody);
            var inputs = world.Committed.Where(input => input.Position != 0).ToArray();
            var second = new InputsClosed(UnmaskOrder.Of(world.Any.Context, world.Any.Masks!, inputs), inputs, 10, 20, MaskWorld.Fresh);
            world.Crash(1);
            Assert.Equal(rules.ConfirmOnce ? MaskFault.AlreadySealed : MaskFault.None, world.Step(1, second).Fault);
        }
    }

    [Fact]
    public void A5_AnOrderOfAnotherAttempt_IsRefused()
    {
        var earlier = Masked(7, out _).Order;
        foreach (var rules in new[] { MaskRules.Correct, Off(rules => rules with { CheckContext = false }) })
        {
            var world = new MaskWorld(7, rules: rules, attempt: 2);
            ushort[] everybody = [.. world.Everybody];
            world.Open(everybody);
            world.Share(everybody);
            world.Acknowledge(everybody);
            world.Mask(everybody);
            Assert.Equal(rules.CheckContext ? MaskFault.ContextMismatch : MaskFault.None, world.Step(1, world.Closing with { Order = earlier }).Fault);
        }
    }

    [Fact]
    public void A5_EnvelopesOfAnotherAttempt_OpenForNobody()
    {
        var (earlier, world) = (new MaskWorld(5), new MaskWorld(5, attempt: 2));
        foreach (var each in new[] { earlier, world })
        {
            each.Open(each.Everybody);
            each.Share(each.Everybody);
        }

        // The same secrets in both, so that only the context differs.
        Assert.Equal(earlier.Adverts[0].MaskKey.ToArray(), world.Adverts[0].MaskKey.ToArray());
        var step = world.Step(1, new SharesClosed([.. earlier.Dealt.Values]));
        Assert.Equal([0], ((AcknowledgeShares)step.Message!).Bits.ToArray());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A13_WeakAndDuplicateKeys_EndTheAttempt(bool refuse)
    {
        foreach (var (key, fault) in new[] { (new byte[32], MaskFault.WeakKey), (null, MaskFault.DuplicateKey) })
        {
            var world = new MaskWorld(5, rules: MaskRules.Correct with { RefuseWeakKeys = refuse });
            world.Open(world.Everybody);
            world.Adverts[2] = KeyAdvert.Create(2, key ?? world.Adverts[4].EnvelopeKey.Span, world.Adverts[2].EnvelopeKey.Span, world.Adverts[2].Nonce);
            var step = world.Step(0, new KeysClosed(world.Adverts, world.Beacon));
            Assert.Equal(refuse ? (fault, MaskPhase.Aborted) : (MaskFault.None, MaskPhase.Shared), (step.Fault, step.State.Phase));
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A14_KeysOfAnotherInOnesOwnName_EndTheAttempt(bool check)
    {
        var world = new MaskWorld(5, rules: MaskRules.Correct with { CheckOwnKeys = check });
        world.Open(world.Everybody);
        var stranger = new MaskSecrets([.. Enumerable.Repeat((byte)9, MaskSecrets.RandomBytes)]).Advert(2, KeyExchange.X25519);
        world.Adverts[2] = stranger;
        var step = world.Step(2, new KeysClosed(world.Adverts, world.Beacon));
        Assert.Equal(check ? (MaskFault.NotOwn, true) : (MaskFault.None, false), (step.Fault, step.State.Secrets is null));
    }

    [Fact]
    public void A15_AnotherModel_CutsItsHolderOff()
    {
        var world = new MaskWorld(7, modelOf: i => Digest.Of(i == 3 ? "planted"u8 : "model"u8));
        ushort[] everybody = [.. world.Everybody];
        world.Open(everybody);
        world.Share(everybody);
        world.Acknowledge(everybody);
        Assert.Equal([0], world.Acks[3].ToArray());
        Assert.Equal(MaskFault.DegreeTooSmall, world.Step(3, new AcksClosed(world.AckList)).Fault);
    }

    [Fact]
    public void A15_AnotherGraph_LeavesNoiseThatTheCanariesTell()
    {
        var world = new MaskWorld(7);
        ushort[] everybody = [.. world.Everybody];
        world.Open(everybody);
        world.Share(everybody);
        world.Acknowledge(everybody);
        world.Mask(everybody[1..]);
        // To 0 the ledger's fork shows another graph, of as many members but one edge less.
        var forked = world.AckList.Select((bits, i) => i is 5 or 6 ? (ReadOnlyMemory<byte>?)(byte[])[(byte)(bits!.Value.Span[0] & ~(1 << 5))] : bits).ToArray();
        Assert.Equal(MaskFault.None, world.Step(0, new AcksClosed(forked)).Fault);
        world.Inputs[0] = (CommitInput)world.Step(0, new UpdateReady(world.Lanes[0], MaskTail.Of(1))).Message!;
        Assert.Equal(MaskFault.ContextMismatch, world.Step(0, world.Closing with { Order = UnmaskOrder.Of(world.States[1].Context, world.States[1].Masks!, world.Committed) }).Fault);

        // Whoever adds it up all the same gets noise.
        using var terms = new MaskTerms();
        foreach (var i in everybody) terms.IncludeSelf(world.States[i].Context, i, world.States[i].Secrets!.Self);
        var sum = world.Sum(terms);
        Assert.Equal(MaskFault.CanaryMismatch, sum.TryFinish(7, out _));
        Assert.Equal(MaskFault.None, sum.TryFinish(7, Off(rules => rules with { CheckCanaries = false }), out _));
        Assert.NotEqual(world.PlainSum(everybody), sum.Lanes.ToArray());
    }

    [Fact]
    public void A17_SurvivorsThatDoNotHangTogether_AreNotUnmasked()
    {
        var fixture = new ContextFixture();
        ushort[] members = [0, 1, 2, 3, 4, 5, 6, 7];
        var ring = MaskGraph.Create(members, fixture.Attempt, fixture.Beacon, new GraphParameters(2, 1));
        var first = ring.Neighbours(0)[0];
        var opposite = members.First(member => member != 0 && member != first && ring.PointOf(first, member) == 0 && ring.PointOf(0, member) == 0 && ring.Neighbours(member)[0] != ring.Neighbours(first)[1]);
        var inputs = members.Where(member => member != first && member != opposite).Select(member => new CommittedInput(member, Digest.Zero)).ToArray();
        var context = MaskContext.Derive(fixture.Cohort, ring);
        var order = UnmaskOrder.Of(context, ring, inputs);
        var fault = order.Check(context, ring, inputs, 3);
        Assert.True(fault is MaskFault.GraphDisconnected, $"{fault}");
        Assert.Equal(MaskFault.None, order.Check(context, ring, inputs, 3, Off(rules => rules with { CheckConnected = false })));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A18_AParentThatWasSummedUp_IsNeverAgain(bool consume)
    {
        var rules = MaskRules.Correct with { ConsumeParents = consume };
        var world = Masked(5, out var everybody, rules);
        world.Confirm(everybody);
        // What the journal keeps for good, before the Confirm leaves.
        Assert.Equal([MaskRecordKind.ParentConsumed, MaskRecordKind.Confirmed], world.Journals[0].TakeLast(2).Select(record => record.Kind));
        HashSet<Digest> consumed = [MaskWorld.Parent];

        var retry = new MaskWorld(5, attempt: 2, rules: rules);
        Assert.Equal(consume ? MaskFault.ParentConsumed : MaskFault.None, retry.Step(0, new AttemptOpened(new MaskSecrets(new byte[160]), consumed)).Fault);
        // Or an attempt that ran beside the first one and comes to its order later.
        var beside = Masked(5, out _, rules);
        Assert.Equal(consume ? MaskFault.ParentConsumed : MaskFault.None, beside.Step(0, beside.Closing with { ConsumedParents = consumed }).Fault);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A21_AJournalThatWasRolledBack_StopsItsOwner(bool detect)
    {
        var world = Masked(5, out _, MaskRules.Correct with { DetectRollback = detect });
        world.Journals[0].RemoveAll(record => record.Kind is MaskRecordKind.Masked);
        world.Crash(0);
        var step = world.Step(0, new OwnMessageSeen(MaskPhase.Masked));
        Assert.Equal(detect ? (MaskFault.JournalRolledBack, MaskPhase.Aborted) : (MaskFault.None, MaskPhase.Acked), (step.Fault, step.State.Phase));
        // Without the check it masks another update with the same masks.
        world.Step(0, new AcksClosed(world.AckList));
        var again = world.Step(0, new UpdateReady(new int[17], MaskTail.Of(1)));
        Assert.Equal(detect, again.Message is null);
        // Own messages that the journal does know stop nobody.
        Assert.Equal(MaskPhase.Masked, world.Step(1, new OwnMessageSeen(MaskPhase.Masked)).State.Phase);
        Assert.Equal(detect ? MaskFault.JournalRolledBack : MaskFault.None, world.Step(1, new OwnMessageSeen(MaskPhase.Confirmed)).Fault);
    }

    [Fact]
    public void A26_WhoDroppedOut_StaysHiddenByB_AlthoughItsInputIsInHand()
    {
        var world = Masked(7, out var everybody);
        var kept = world.Inputs[0];
        world.Inputs.Remove(0);
        var gone = world.Step(0, world.Closing);
        Assert.Equal((MaskFault.NotTakingPart, MaskPhase.Aborted), (gone.Fault, gone.State.Phase));
        Assert.Null(gone.State.Secrets);
        world.Confirm(everybody[1..]);
        world.Reveal(everybody[1..]);
        // Shares of b_0 are never sent: not with the rest, and not when the ledger calls 0 silent.
        Assert.All(world.Reveals.Values, reveal => Assert.Equal((ShareKind.Seed, (ushort)0), (reveal.Openings.Kind, reveal.Openings.Entries.Single().Dealer)));
        Assert.Equal(MaskFault.BothKinds, world.Step(1, new SilentClosed(world.Order.ComputeDigest(), [0], 10, 20)).Fault);

        // With its seed every mask that 0 shares with others falls; what is left is not its update.
        var removal = world.Removal(world.States[1]);
        Assert.All(world.Reveals.Values, reveal => Assert.Equal(MaskFault.None, removal.TryAccept(reveal)));
        Assert.Equal(MaskFault.None, removal.TryFinish(out var terms, out _));
        Assert.Equal(world.PlainSum(everybody[1..]), world.Sum(terms).Lanes.ToArray());
        var seed = new byte[32];
        var state = world.States[1];
        var blob = world.BlobOf(0);
        Assert.Equal(MaskFault.None, SecretRecovery.TryRecover(ShareKind.Seed, state.Cohort, state.Graph!, 0, blob, world.Adverts[0], world.Dealt[0].Commit, world.Reveals.Values.Select(reveal => (reveal.Position, reveal.Openings.Entries[0].Share)), seed));
        using var pairs = new MaskTerms();
        pairs.IncludePairs(state.Context, 0, state.Masks!.Neighbours(0), (neighbour, shared) => PairSecrets.TryAgree(seed, 0, world.Adverts[neighbour], [], MaskRules.Correct, shared), inverse: false);
        var sum = new MaskedSum(world.Setups[0].Layout);
        sum.Take(0, [kept.Bytes!.Value], pairs);
        Assert.NotEqual(world.Lanes[0], sum.Lanes.ToArray());
        Assert.Equal(MaskFault.CanaryMismatch, sum.TryFinish(1, out _));
    }

    [Fact]
    public void Reveals_WaitForConfirmsOfThisVeryOrder()
    {
        foreach (var rules in new[] { MaskRules.Correct, Off(rules => rules with { AwaitConfirms = false }) })
        {
            var world = Masked(10, out var everybody, rules, corrupt: 3, minimum: 6);
            world.Confirm(everybody);
            // τ = ⌊(10 + 3) ÷ 2⌋ + 1 = 7, of distinct survivors.
            var seven = world.Confirms.Take(7).ToArray();
            SignedConfirm[][] tooFew = [world.Confirms.Take(6).ToArray(), [.. seven[..6], seven[0]], [.. seven[..6], new SignedConfirm(9, Digest.Zero)], [.. seven[..6], new SignedConfirm(77, seven[0].Order)]];
            foreach (var confirms in tooFew)
            {
                if (!rules.AwaitConfirms) continue;
                Assert.Equal(MaskFault.ConfirmsMissing, world.Step(0, new ConfirmsSeen(confirms, 10, 20)).Fault);
            }

            if (rules.AwaitConfirms) Assert.Equal(MaskFault.Late, world.Step(0, new ConfirmsSeen(seven, 21, 20)).Fault);
            Assert.NotNull(world.Step(0, new ConfirmsSeen(rules.AwaitConfirms ? seven : [], 10, 20)).Message);
        }
    }

    [Fact]
    public void Guards_RefuseWhatIsLateSmallOrNotOwn()
    {
        var world = Masked(7, out _);
        Assert.Equal(MaskFault.Late, world.Step(1, world.Closing with { BlockTimeMs = 21 }).Fault);
        var foreign = world.Committed.Select(input => input.Position == 1 ? input with { Root = Digest.Zero } : input).ToArray();
        Assert.Equal(MaskFault.NotOwn, world.Step(1, world.Closing with { Inputs = foreign }).Fault);
        Assert.Equal(MaskFault.None, Masked(7, out _, Off(rules => rules with { CheckOwnInput = false })).Step(1, world.Closing with { Inputs = foreign }).Fault);
        Assert.Equal(MaskFault.CohortTooSmall, new MaskWorld(5, corrupt: 2).Setups[0].CheckCohort(5));
        Assert.Equal(MaskFault.None, new MaskWorld(7, corrupt: 2).Setups[0].CheckCohort(7));
        Assert.Equal(MaskFault.CohortTooSmall, (new MaskWorld(7).Setups[0] with { CorruptLimit = 1, MinParticipants = 3 }).CheckCohort(7));
        Assert.Equal((MaskFault.None, MaskFault.LaneOutOfRange), (new MaskWorld(7).Setups[0].CheckCohort(7), new MaskWorld(7).Setups[0].CheckCohort(8)));
        var small = new MaskWorld(5, corrupt: 1, minimum: 6);
        small.Open(small.Everybody);
        Assert.Equal((MaskFault.CohortTooSmall, MaskPhase.Aborted), (small.Step(0, new KeysClosed(small.Adverts, small.Beacon)).Fault, small.States[0].Phase));
        Assert.Equal(MaskFault.NotTakingPart, small.Step(1, new KeysClosed([.. small.Adverts.Where(advert => advert.Position != 1)], small.Beacon)).Fault);
        Assert.Equal(MaskFault.OutOfPhase, small.Step(2, new UpdateReady(new int[17], MaskTail.Of(1))).Fault);
    }
}
