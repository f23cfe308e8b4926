using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Ledger;
using Xunit.Abstractions;

namespace Orleans.Training.Tests.Rounds;

/// <summary>What the contract of masked rounds takes and refuses, rule by rule, and how an attempt ends.</summary>
public sealed class MaskedRoundTests(ITestOutputHelper output)
{
    private static readonly Digest Nothing = Digest.Of("nothing"u8);

    [Fact]
    public void Attempt_RunsThroughAllPhases_AndItsModelIsPublished_WithTheWeightOfTheSurvivors()
    {
        var ledger = new MaskedLedger(7);
        Assert.Equal(Rejection.None, ledger.Open());
        var seen = new List<Phase>();
        foreach (var phase in MaskedLedger.Flow.Where(phase => phase is not Phase.RevealSilent))
        {
            ledger.Bring(phase, ledger.Everybody);
            Assert.Equal(phase, ledger.Round.Phase);
            seen.Add(ledger.Round.Phase);
        }

        // Nobody waited for a deadline: everybody was in.
        Assert.True(ledger.TimeMs < TestShard.StartMs + MaskedLedger.Window);
        Assert.Equal(ledger.PlainSum(ledger.Everybody), ledger.Sum(out _));
        Publish(ledger);
        Assert.Equal(ledger.Masked.Terms.Weights.Sum(weight => (long)weight), ledger.Shard.State.Find<ModelRecord>(ModelRecord.Key(ledger.Agreement.ComputeDigest(), 1))!.SumWeight);
        Assert.Equal([ExpiryRecord.Prefix], ledger.Shard.State.Deadlines.Select(deadline => deadline.Key[..ExpiryRecord.Prefix.Length]));
        foreach (var i in ledger.Everybody) Assert.Equal(MaskPhase.Done, Ended(ledger, i));
    }

    [Fact]
    public void Dropouts_BeforeTheInput_AreUnmaskedBySeed_AndSilentSurvivorsByTheirNeighbours()
    {
        var ledger = Silenced();
        Assert.Equal([0], ledger.Masked.Order!.Dropped.Positions);
        Assert.Equal([4], ledger.Masked.Silent.Positions);
        Assert.Equal(Rejection.Late, ledger.Send("p004", new RevealMasks(ledger.Agreement.ComputeDigest(), 1, 1, Nothing, new byte[32], Nothing)));
        ledger.Act(ledger.Masked.Fixed.Revealed.Positions.Take(8));
        Assert.Equal(Rejection.NotInCohort, ledger.Send("p004", new RevealSilentMasks(ledger.Agreement.ComputeDigest(), 1, 1, Nothing, Nothing)));
        // Eight of the nine that it takes.
        ledger.HoldAll();
        Assert.Equal(Phase.RevealSilent, ledger.Round.Phase);
        ledger.Act([10]);
        ledger.HoldAll();
        Assert.Equal(Phase.Aggregate, ledger.Round.Phase);
        Assert.Equal(ledger.PlainSum(ledger.Masked.Survivors.Positions), ledger.Sum(out _));
    }

    [Fact]
    public void EveryCall_IsRefused_ByEachRuleOfMembership_PhaseContextAndRepetition()
    {
        var ledger = new MaskedLedger(5);
        ledger.Shard.Commit(10, [.. TestShard.Hospitals.Take(3).Select(seat => ledger.Shard.Sign(seat, new Admit(ParticipantId.Parse("outsider"), "o", Roles.Trainer, TestShard.Key("outsider").Public)))]);
        ledger.Open();
        var first = new Dictionary<Phase, ContractCall>();
        foreach (var phase in MaskedLedger.Flow.Take(6))
        {
            ledger.Bring(phase, ledger.Everybody);
            foreach (var early in CallsOf(ledger).Where(item => After(item.Phase, phase))) Assert.Equal(Rejection.WrongPhase, ledger.Send("p000", early.Call));
            var call = MaskedParticipation.CallOf(ledger.Masked, ledger.Step(0)!);
            Assert.Equal(Rejection.NotInAgreement, ledger.Send("outsider", call));
            Assert.Equal(Rejection.NotFound, ledger.Send("p000", Renamed(call, 2)));
            Assert.Equal(phase is Phase.ConsistencyCheck or Phase.Unmask ? Rejection.WrongOrder : Rejection.WrongContext, ledger.Send("p000", Foreign(call)));
            Assert.Equal(Rejection.None, ledger.Send("p000", call));
            Assert.Equal(Rejection.AlreadyExists, ledger.Send("p000", call));
            first[phase] = call;
            if (phase is not Phase.AdvertiseKeys) ledger.Hold(0);
            foreach (var i in ledger.Everybody.Skip(1))
            {
                while (ledger.Round.Phase == phase && ledger.Act(i) is not null) { }
            }

            ledger.HoldAll();
            // Confirms are taken until everything is revealed.
            if (phase is not Phase.ConsistencyCheck) Assert.Equal(Rejection.Late, ledger.Send("p000", call));
        }

        Assert.Equal(Phase.Aggregate, ledger.Round.Phase);
        Publish(ledger);
        foreach (var call in first.Values) Assert.Equal(Rejection.WrongPhase, ledger.Send("p000", call));
    }

    [Fact]
    public void MaskedAndPlainCalls_AreNotTakenForEachOther()
    {
        var ledger = new MaskedLedger(4);
        var plain = ledger.Plan("plain") with { Masks = false, Masking = null };
        ledger.Activate(plain);
        ledger.Send("p000", new RoundOpen(plain.ComputeDigest(), 1, plain.InitialModel));
        ledger.Open();
        Assert.Equal(Rejection.WrongMasking, ledger.Send("p000", new AdvertiseMaskKeys(plain.ComputeDigest(), 1, 1, Nothing, new byte[32], new byte[32], Nothing)));
        Assert.Equal(Rejection.WrongMasking, ledger.Send("va", new HoldMaskBlobs(plain.ComputeDigest(), 1, 1, MaskBlobKind.Input, PositionSet.Of([0]))));
        ledger.Bring(Phase.Input, ledger.Everybody);
        Assert.Equal(Rejection.WrongMasking, ledger.Send("p000", new InputCommit(ledger.Agreement.ComputeDigest(), 1, 1, plain.InitialModel, Nothing)));
        Assert.Equal(Rejection.WrongMasking, ledger.Send("va", new Held(ledger.Agreement.ComputeDigest(), 1, 1, [0])));
        Assert.Equal(Rejection.WrongPhase, ledger.Send("va", new AggregateProposal(ledger.Agreement.ComputeDigest(), 1, 1, Nothing, Nothing, Nothing, Nothing)));
    }

    [Fact]
    public void Keys_OfSmallOrder_AndOthersKeys_AreRefused()
    {
        var ledger = new MaskedLedger(4);
        ledger.Open();
        var good = (AdvertiseMaskKeys)MaskedParticipation.CallOf(ledger.Masked, ledger.Step(0)!);
        Assert.Equal(Rejection.MaskKeyWeak, ledger.Send("p000", good with { MaskKey = new byte[32] }));
        Assert.Equal(Rejection.MaskKeyWeak, ledger.Send("p000", good with { EnvelopeKey = new byte[32] }));
        Assert.Equal(Rejection.KeyInUse, ledger.Send("p000", good with { EnvelopeKey = good.MaskKey }));
        Assert.Equal(Rejection.None, ledger.Send("p000", good));
        Assert.Equal(Rejection.KeyInUse, ledger.Send("p001", good));
        Assert.Equal(Rejection.KeyInUse, ledger.Send("p001", good with { MaskKey = good.EnvelopeKey, EnvelopeKey = good.MaskKey }));
        Assert.Equal(Rejection.BadArguments, ledger.Send("p001", good with { MaskKey = new byte[31] }));
    }

    [Fact]
    public void Acknowledgements_OfWhoDealtNothing_AndOfAnotherLength_AreRefused()
    {
        var ledger = new MaskedLedger(5);
        ledger.Open();
        ledger.Bring(Phase.ShareKeys, ledger.Everybody);
        ledger.Bring(Phase.AcknowledgeShares, ledger.Everybody.Take(4));
        Assert.Equal([0, 1, 2, 3], ledger.Masked.Fixed.Dealers.Positions);
        var good = (AcknowledgeMaskShares)MaskedParticipation.CallOf(ledger.Masked, ledger.Step(0)!);
        Assert.Equal(Rejection.BadAcknowledgement, ledger.Send("p000", good with { Bits = new byte[] { 0b1111 } }));
        Assert.Equal(Rejection.BadAcknowledgement, ledger.Send("p000", good with { Bits = new byte[] { 0b1_0111 } }));
        Assert.Equal(Rejection.BadAcknowledgement, ledger.Send("p000", good with { Bits = Array.Empty<byte>() }));
        Assert.Equal(Rejection.NotInCohort, ledger.Send("p004", good));
        Assert.Equal(new byte[] { 0b0111 }, good.Bits.ToArray());
        Assert.Equal(Rejection.None, ledger.Send("p000", good));
    }

    [Fact]
    public void Reveal_IsRefused_BeforeTheOwnConfirm_AndWithAnotherSecret()
    {
        // n = 9, c = 2: τ = 6 of 9.
        var ledger = new MaskedLedger(9, corrupt: 2, minimum: 5);
        ledger.Open();
        ledger.Bring(Phase.ConsistencyCheck, ledger.Everybody);
        ledger.Act(ledger.Everybody.Take(5));
        Assert.Equal((Phase.ConsistencyCheck, 6), (ledger.Round.Phase, ledger.Masked.ConfirmThreshold));
        ledger.Act([5]);
        Assert.Equal(Phase.Unmask, ledger.Round.Phase);
        // The one that is late has confirmed in its journal, but not on the ledger.
        Assert.IsType<ConfirmOrder>(ledger.Step(8));
        Assert.Null(ledger.Step(8));
        var late = MaskedParticipation.CallOf(ledger.Masked, MaskParticipant.Step(ledger.States[8], new ConfirmsSeen(ledger.Masked.Confirms, ledger.TimeMs, ledger.Round.DeadlineMs)).Message!);
        Assert.Equal(Rejection.NotConfirmed, ledger.Send("p008", late));
        ledger.Send("p008", new ConfirmUnmasking(ledger.Agreement.ComputeDigest(), 1, 1, ledger.Masked.Order!.Order.ComputeDigest()));
        Assert.Equal(Rejection.WrongSecret, ledger.Send("p008", (RevealMasks)late with { Self = new byte[32] }));
        Assert.Equal(Rejection.None, ledger.Send("p008", late));
    }

    [Fact]
    public void Held_IsForSeats_ForWhatIsCommitted_AndForItsOwnPhaseOnly()
    {
        var ledger = new MaskedLedger(4);
        ledger.Open();
        HoldMaskBlobs Word(MaskBlobKind kind, int bits) => new(ledger.Agreement.ComputeDigest(), 1, 1, kind, MaskedLedger.SetOf((ulong)bits));
        ledger.Bring(Phase.ShareKeys, ledger.Everybody);
        ledger.Act([0]);
        Assert.Equal(Rejection.MissingRole, ledger.Send("p000", Word(MaskBlobKind.Shares, 1)));
        Assert.Equal(Rejection.NotFound, ledger.Send("va", Word(MaskBlobKind.Shares, 2)));
        Assert.Equal(Rejection.NotFound, ledger.Send("va", Word(MaskBlobKind.Shares, 16)));
        Assert.Equal(Rejection.WrongPhase, ledger.Send("va", Word(MaskBlobKind.Input, 1)));
        Assert.Equal(Rejection.BadArguments, ledger.Send("va", Word((MaskBlobKind)6, 1)));
        Assert.Equal(Rejection.BadArguments, ledger.Send("va", Word(MaskBlobKind.Shares, 0)));
        Assert.Equal(Rejection.None, ledger.Send("va", Word(MaskBlobKind.Shares, 1)));
        ledger.Bring(Phase.Input, ledger.Everybody);
        // A word about shares that comes late is none about inputs.
        Assert.Equal(Rejection.Late, ledger.Send("va", Word(MaskBlobKind.Shares, 1)));
        ledger.Act(ledger.Everybody);
        ledger.Hold(0);
        ledger.Hold(1);
        Assert.Equal(Phase.Input, ledger.Round.Phase);
        ledger.Hold(2);
        Assert.Equal(Phase.ConsistencyCheck, ledger.Round.Phase);
    }

    [Fact]
    public void Agreement_ThatNoCohortBears_IsRefused()
    {
        var ledger = new MaskedLedger(4);
        Rejection Propose(TrainingAgreement plan) => ledger.Send("p000", new ProposeAgreement(plan));
        Assert.Equal(Rejection.MaskCohortTooSmall, Propose(ledger.Plan("a", corrupt: 1, minimum: 3)));
        Assert.Equal(Rejection.MaskCohortTooSmall, Propose(ledger.Plan("b", corrupt: 0, minimum: 2)));
        Assert.Equal(Rejection.MaskCohortTooSmall, Propose(ledger.Plan("c", corrupt: 2, minimum: 4)));
        Assert.Equal(Rejection.None, Propose(ledger.Plan("d", corrupt: 1, minimum: 4)));
        var plan = ledger.Plan("e");
        Assert.Equal(Rejection.BadArguments, Propose(plan with { Masking = null }));
        Assert.Equal(Rejection.BadArguments, Propose(plan with { Masking = plan.Masking! with { SilentWindowMs = 0 } }));
        Assert.True(TrainingAgreement.TryParse(plan.Encode(), out var read));
        Assert.Equal((plan.ComputeDigest(), plan.Masking), (read!.ComputeDigest(), read.Masking));
        // Policies that ask for masks allow it.
        Assert.True((Policy.Open with { RequireMasks = true }).Allows(plan, 0));
    }

    [Theory]
    [InlineData(Phase.AdvertiseKeys, RoundFailure.TooFewKeys)]
    [InlineData(Phase.ShareKeys, RoundFailure.TooFewShares)]
    [InlineData(Phase.AcknowledgeShares, RoundFailure.TooFewShares)]
    [InlineData(Phase.Input, RoundFailure.TooFewInputs)]
    [InlineData(Phase.ConsistencyCheck, RoundFailure.ConfirmsMissing)]
    [InlineData(Phase.Unmask, RoundFailure.RevealsMissing)]
    [InlineData(Phase.Aggregate, RoundFailure.AggregateLate)]
    public void Attempt_FailsByName_AtTheDeadlineOfEachPhase(Phase phase, RoundFailure failure)
    {
        var ledger = new MaskedLedger(5);
        ledger.Open();
        ledger.Bring(phase, ledger.Everybody);
        Assert.Equal(phase, ledger.Round.Phase);
        if (phase is not Phase.Aggregate) ledger.Act([0, 1]);
        ledger.HoldAll();
        ledger.Shard.Commit(ledger.Round.DeadlineMs - ledger.TimeMs - 1);
        Assert.Equal(phase, ledger.Round.Phase);
        ledger.Expire();
        Assert.Equal((Phase.Failed, failure), (ledger.Round.Phase, ledger.Round.Failure!.Value));
        // What died before its order may be tried again with fresh keys; what died after it, never with the same participants.
        Assert.Equal(phase >= Phase.ConsistencyCheck && phase is not Phase.AcknowledgeShares ? failure : null, ledger.Run.Failure);
        Assert.Equal(ledger.Run.Failure is null ? Rejection.None : Rejection.RunEnded, ledger.Open());
    }

    [Fact]
    public void MoreDropouts_ThanTheThresholdBears_FailTheAttempt_BeforeAnythingIsRevealed()
    {
        // n = 12, t = 9: three may not drop out, since each member needs nine surviving neighbours beside itself.
        var ledger = new MaskedLedger(12);
        ledger.Open();
        ledger.Bring(Phase.Input, ledger.Everybody);
        ledger.Bring(Phase.ConsistencyCheck, ledger.Everybody.Skip(3));
        Assert.Equal((Phase.Failed, RoundFailure.TooManyDropped), (ledger.Round.Phase, ledger.Round.Failure!.Value));
        Assert.Null(ledger.Masked.Order);
        Assert.Null(ledger.Run.Failure);
    }

    [Fact]
    public void ASecondSum_AboutOneModel_IsNotOrdered_WithWhoIsInTheFirst_WhateverAgreementItIs()
    {
        var ledger = new MaskedLedger(5);
        var original = ledger.Agreement;
        var clone = ledger.Plan("clone");
        var late = ledger.Plan("late");
        ledger.Activate(clone);
        ledger.Activate(late);
        // Two agreements on one model race up to their orders.
        ledger.Open();
        ledger.Bring(Phase.Input, ledger.Everybody);
        ledger.Act(ledger.Everybody);
        ledger.Follow(clone);
        Assert.Equal(Rejection.None, ledger.Open());
        ledger.Bring(Phase.ConsistencyCheck, ledger.Everybody);
        Assert.Equal(Phase.ConsistencyCheck, ledger.Round.Phase);
        ledger.Follow(original, attempt: 1);
        ledger.HoldAll();
        Assert.Equal((Phase.Failed, RoundFailure.ModelConsumed), (ledger.Round.Phase, ledger.Round.Failure!.Value));
        Assert.Null(ledger.Masked.Order);
        Assert.Equal(Rejection.RunEnded, ledger.Open());
        ledger.Follow(late);
        Assert.Equal(Rejection.ModelConsumed, ledger.Open());
    }

    [Fact]
    public void AfterAnOrder_OnlyWhoIsNotInIt_AdvertisesKeysForTheNextAttempt()
    {
        // n = 12: nine in the first sum, three came too late for it and may have one of their own.
        var ledger = new MaskedLedger(12);
        ledger.Open();
        ledger.Bring(Phase.ConsistencyCheck, ledger.Everybody.Take(9));
        ledger.Expire();
        Assert.Equal(RoundFailure.ConfirmsMissing, ledger.Round.Failure);
        Assert.Null(ledger.Run.Failure);
        Assert.Equal(Rejection.None, ledger.Open());
        var call = new AdvertiseMaskKeys(ledger.Agreement.ComputeDigest(), 1, 2, ledger.Masked.Fixed.Attempt, TestShard.Key("a").Public.Bytes, TestShard.Key("b").Public.Bytes, Nothing);
        Assert.Equal(Rejection.ModelConsumed, ledger.Send("p000", call));
        ledger.Bring(Phase.Aggregate, ledger.Everybody.Skip(9));
        Assert.Equal(Phase.Aggregate, ledger.Round.Phase);
        Assert.Equal([9, 10, 11], ledger.Masked.Survivors.Positions);
        Assert.Equal(ledger.PlainSum([9, 10, 11]), ledger.Sum(out _));
    }

    [Fact]
    public void AJournal_ThatLacksWhatTheLedgerHas_EndsTheParticipant()
    {
        var ledger = new MaskedLedger(5);
        ledger.Open();
        ledger.Bring(Phase.AcknowledgeShares, ledger.Everybody);
        ledger.Act(ledger.Everybody.Take(4));
        ledger.Journals[0].RemoveAt(ledger.Journals[0].Count - 1);
        ledger.Crash(0);
        Assert.Equal(MaskPhase.Shared, ledger.States[0].Phase);
        Assert.Null(ledger.Act(0));
        Assert.Equal((MaskPhase.Aborted, MaskFault.JournalRolledBack), (ledger.States[0].Phase, ledger.States[0].Fault));
    }

    [Theory]
    [InlineData(8)]
    [InlineData(100)]
    public void BytesOnTheLedger_PerParticipantAndRound_AreFew(int count)
    {
        var ledger = new MaskedLedger(count);
        ledger.Open();
        ledger.Bring(Phase.Aggregate, ledger.Everybody);
        Assert.Equal(Phase.Aggregate, ledger.Round.Phase);
        var blocks = ledger.Shard.Blocks.SkipWhile(block => !LedgerState.Of(block).Contracts.Records.ContainsKey(ledger.Round.StateKey)).ToArray();
        var transactions = blocks.SelectMany(block => block.Block.Transactions).Select(bytes => Transaction.TryParse(bytes, out var transaction) is Rejection.None ? transaction! : throw new InvalidDataException("no transaction")).ToArray();
        foreach (var method in transactions.GroupBy(transaction => transaction.Payload.Method)) output.WriteLine($"{method.Key}: {method.Count()} of {method.Average(transaction => transaction.Encoded.Length):F0} bytes, {method.Average(transaction => transaction.Payload.Arguments.Length):F0} of arguments");
        var own = transactions.Where(transaction => transaction.Payload.Actor == ParticipantId.Parse("p000")).ToArray();
        var arguments = own.Sum(transaction => transaction.Payload.Arguments.Length);
        var state = ledger.Shard.State.Records.Where(pair => pair.Key.StartsWith("masks/", StringComparison.Ordinal)).ToArray();
        var largest = blocks.Max(block => LedgerState.Of(block).Events.SelectMany(events => events).Select(item => item.Record.Encode().Length).DefaultIfEmpty().Max());
        output.WriteLine($"n = {count}: {own.Length} transactions of a participant, {own.Sum(transaction => transaction.Encoded.Length)} bytes, {arguments} of them arguments");
        output.WriteLine($"all transactions over n: {transactions.Sum(transaction => transaction.Encoded.Length) / count} bytes; state over n: {state.Sum(pair => pair.Key.Length + pair.Value.Encode().Length) / count} bytes; largest record {largest} bytes");
        Assert.Equal(6, own.Length);
        Assert.InRange(arguments, 1, 1200);
        Assert.InRange(largest, 1, 64 * count + 1024);
    }

    internal static void Publish(MaskedLedger ledger)
    {
        var proposal = new AggregateProposal(ledger.Agreement.ComputeDigest(), 1, ledger.Attempt, ledger.Round.InputsDigest!.Value, Nothing, Nothing, Nothing);
        Assert.Equal(Rejection.WrongInputs, ledger.Send("p000", proposal with { Inputs = Nothing }));
        Assert.Equal(Rejection.None, ledger.Send("p000", proposal));
        foreach (var seat in TestShard.Hospitals.Take(3)) Assert.Equal(Rejection.None, ledger.Send(seat, new Attest(ledger.Agreement.ComputeDigest(), 1, ledger.Attempt, proposal.ProposalDigest, true, Nothing)));
        Assert.Equal(Phase.Published, ledger.Round.Phase);
    }

    private static MaskPhase Ended(MaskedLedger ledger, int who)
    {
        ledger.Step(who);
        return ledger.States[who].Phase;
    }

    // n = 12: t = 9, so that 0 may drop out and 4 fall silent.
    internal static MaskedLedger Silenced()
    {
        var ledger = new MaskedLedger(12);
        ledger.Open();
        ledger.Bring(Phase.Input, ledger.Everybody);
        ledger.Bring(Phase.ConsistencyCheck, ledger.Everybody.Skip(1));
        var others = ledger.Everybody.Skip(1).Where(i => i != 4).ToArray();
        foreach (var i in others.Concat(others))
        {
            while (ledger.Act(i) is not null) { }
        }

        ledger.HoldAll();
        Assert.Equal(Phase.Unmask, ledger.Round.Phase);
        ledger.Expire();
        Assert.Equal(Phase.RevealSilent, ledger.Round.Phase);
        return ledger;
    }

    private static bool After(Phase phase, Phase now) => Array.IndexOf(MaskedLedger.Flow, phase) > Array.IndexOf(MaskedLedger.Flow, now) && !(phase is Phase.ConsistencyCheck && now is Phase.Unmask);

    private static IEnumerable<(Phase Phase, ContractCall Call)> CallsOf(MaskedLedger ledger)
    {
        var name = ledger.Agreement.ComputeDigest();
        yield return (Phase.ShareKeys, new CommitMaskShares(name, 1, 1, Nothing, Nothing, Nothing));
        yield return (Phase.AcknowledgeShares, new AcknowledgeMaskShares(name, 1, 1, Nothing, new byte[1]));
        yield return (Phase.Input, new CommitMaskedInput(name, 1, 1, Nothing, Nothing));
        yield return (Phase.ConsistencyCheck, new ConfirmUnmasking(name, 1, 1, Nothing));
        yield return (Phase.Unmask, new RevealMasks(name, 1, 1, Nothing, new byte[32], Nothing));
        yield return (Phase.RevealSilent, new RevealSilentMasks(name, 1, 1, Nothing, Nothing));
    }

    private static ContractCall Renamed(ContractCall call, int attempt) => (MaskedRoundCall)call with { Attempt = attempt };

    private static ContractCall Foreign(ContractCall call) => call switch
    {
        AdvertiseMaskKeys keys => keys with { Context = Nothing },
        CommitMaskShares shares => shares with { Context = Nothing },
        AcknowledgeMaskShares acks => acks with { Context = Nothing },
        CommitMaskedInput input => input with { Context = Nothing },
        ConfirmUnmasking confirm => confirm with { Order = Nothing },
        RevealMasks reveal => reveal with { Order = Nothing },
        _ => throw new ArgumentException("no such call", nameof(call)),
    };
}
