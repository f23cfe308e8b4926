using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.Contracts;

public class RoundTests
{
    private static readonly Digest Sum = Digest.Of("sum"u8);
    private static readonly Digest NextModel = Digest.Of("next model"u8);
    private readonly TestShard _shard = new();
    private readonly TrainingAgreement _agreement;

    public RoundTests()
    {
        foreach (var hospital in TestShard.Hospitals) AgreementTests.Admit(_shard, hospital, Roles.Trainer | Roles.DataOwner);
        foreach (var hospital in TestShard.Hospitals) Assert.Equal(Rejection.None, _shard.Send(hospital, AgreementTests.Dataset(hospital)));
        _agreement = AgreementTests.Plan();
        Assert.Equal(Rejection.None, _shard.Send("va", new ProposeAgreement(_agreement)));
        foreach (var hospital in TestShard.Hospitals) Assert.Equal(Rejection.None, _shard.Send(hospital, new AcceptAgreement(Agreement, Policy.Open)));
    }

    private Digest Agreement => _agreement.ComputeDigest();

    private RoundRecord Round(int number = 1, int attempt = 1) => _shard.State.Find<RoundRecord>(RoundRecord.Key(Agreement, number, attempt))!;

    private RunRecord Run => _shard.State.Find<RunRecord>(RunRecord.Key(Agreement))!;

    private static Digest Update(string hospital) => Digest.Of(System.Text.Encoding.UTF8.GetBytes(hospital));

    private Rejection Open(string actor = "va", int number = 1, Digest? model = null) => _shard.Send(actor, new RoundOpen(Agreement, number, model ?? Run.Model));

    private Rejection Commit(string hospital, int attempt = 1, Digest? model = null) => _shard.Send(hospital, new InputCommit(Agreement, 1, attempt, model ?? _agreement.InitialModel, Update(hospital)));

    private Rejection Hold(string seat, params int[] positions) => _shard.Send(seat, new Held(Agreement, 1, 1, positions));

    private AggregateProposal Propose(Digest? model = null) => new(Agreement, 1, 1, Round().InputsDigest ?? Digest.Zero, Sum, model ?? NextModel, Digest.Zero);

    private Rejection Verdict(string seat, bool ok, Digest? proposal = null) => _shard.Send(seat, new Attest(Agreement, 1, 1, proposal ?? Propose().ProposalDigest, ok, Digest.Zero));

    private void FixAll()
    {
        Assert.Equal(Rejection.None, Open());
        foreach (var hospital in TestShard.Hospitals) Assert.Equal(Rejection.None, Commit(hospital));
        foreach (var seat in TestShard.Hospitals.Take(3)) Assert.Equal(Rejection.None, Hold(seat, 0, 1, 2, 3));
        Assert.NotNull(Round().InputsDigest);
    }

    [Fact]
    public void Round_PublishesAtTheQuorumOfAttestations_AndNotBefore()
    {
        FixAll();
        Assert.Equal(Rejection.None, _shard.Send("cleveland", Propose()));
        Assert.Equal(Rejection.None, Verdict("cleveland", ok: true));
        Assert.Equal(Rejection.None, Verdict("va", ok: true));
        Assert.Equal(Phase.Input, Round().Phase);
        Assert.Equal(Rejection.None, Verdict("hungarian", ok: true));
        Assert.Equal(Phase.Published, Round().Phase);
        Assert.Equal((1, NextModel), (Run.PublishedRounds, Run.Model));
        var model = _shard.State.Find<ModelRecord>(ModelRecord.Key(Agreement, 1))!;
        Assert.Equal((_agreement.InitialModel, NextModel, 0b1011u), (model.Parent, model.Model, model.Attesters));
        Assert.DoesNotContain(_shard.State.Deadlines, deadline => deadline.Key.StartsWith(RoundRecord.Prefix, StringComparison.Ordinal));
        Assert.Equal(Rejection.WrongPhase, Verdict("switzerland", ok: true));
        Assert.Equal(Rejection.WrongRound, Open(number: 1));
        Assert.Equal(Rejection.None, Open(number: 2));
        Assert.Equal(NextModel, Round(number: 2).BaseModel);
    }

    [Fact]
    public void Run_EndsAfterItsLastRound()
    {
        var model = _agreement.InitialModel;
        for (var number = 1; number <= _agreement.Rounds; number++)
        {
            Assert.Equal(Rejection.None, Open(number: number));
            foreach (var hospital in TestShard.Hospitals) Assert.Equal(Rejection.None, _shard.Send(hospital, new InputCommit(Agreement, number, 1, model, Update(hospital))));
            foreach (var seat in TestShard.Hospitals.Take(3)) Assert.Equal(Rejection.None, _shard.Send(seat, new Held(Agreement, number, 1, [0, 1, 2, 3])));
            var proposal = new AggregateProposal(Agreement, number, 1, Round(number).InputsDigest!.Value, Sum, Digest.Of([(byte)number]), Digest.Zero);
            Assert.Equal(Rejection.None, _shard.Send("va", proposal));
            foreach (var seat in TestShard.Hospitals.Take(3)) Assert.Equal(Rejection.None, _shard.Send(seat, new Attest(Agreement, number, 1, proposal.ProposalDigest, true, Digest.Zero)));
            model = proposal.Model;
        }

        Assert.Equal(Rejection.RunEnded, Open(number: _agreement.Rounds + 1));
    }

    [Fact]
    public void Open_IsRefused_OutsideTheAgreementOutOfOrderOrOnAnotherModel()
    {
        AgreementTests.Admit(_shard, "outsider", Roles.Trainer);
        Assert.Equal(Rejection.NotInAgreement, Open("outsider"));
        Assert.Equal(Rejection.WrongRound, Open(number: 2));
        Assert.Equal(Rejection.WrongBaseModel, Open(model: NextModel));
        Assert.Equal(Rejection.NotFound, _shard.Send("va", new RoundOpen(Digest.Zero, 1, Digest.Zero)));
        Assert.Equal(Rejection.None, Open());
        Assert.Equal(Rejection.RoundInProgress, Open("cleveland"));
    }

    [Fact]
    public void InputCommit_IsRefused_ForEachRuleBroken()
    {
        AgreementTests.Admit(_shard, "outsider", Roles.Trainer);
        Assert.Equal(Rejection.NotFound, Commit("va"));
        Assert.Equal(Rejection.None, Open());
        Assert.Equal(Rejection.NotInAgreement, Commit("outsider"));
        Assert.Equal(Rejection.NotFound, Commit("va", attempt: 2));
        Assert.Equal(Rejection.WrongBaseModel, Commit("va", model: NextModel));
        Assert.Equal(Rejection.None, Commit("va"));
        Assert.Equal(Rejection.AlreadyExists, Commit("va"));
    }

    [Fact]
    public void InputCommit_IsLate_OnceTheInputsAreFixed_AndInTheWrongPhase_OnceTheRoundIsOver()
    {
        Assert.Equal(Rejection.None, Open());
        foreach (var hospital in TestShard.Hospitals.Skip(1)) Assert.Equal(Rejection.None, Commit(hospital));
        foreach (var seat in TestShard.Hospitals.Take(3)) Assert.Equal(Rejection.None, Hold(seat, 1, 2, 3));
        _shard.Commit(_agreement.InputWindowMs);
        Assert.Equal([1, 2, 3], Round().Survivors(3));
        Assert.NotNull(Round().InputsDigest);
        Assert.Equal(Rejection.Late, Commit("cleveland"));
        Assert.Equal(Rejection.Late, Hold("va", 1));
        _shard.Commit(_agreement.AggregateWindowMs);
        Assert.Equal((Phase.Failed, RoundFailure.AggregateLate), (Round().Phase, Round().Failure!.Value));
        Assert.Equal(Rejection.WrongPhase, Commit("cleveland"));
    }

    [Fact]
    public void Held_IsForSeatsAndForCommittedUpdatesOnly()
    {
        AgreementTests.Admit(_shard, "outsider", Roles.Trainer);
        Assert.Equal(Rejection.None, Open());
        Assert.Equal(Rejection.None, Commit("va"));
        Assert.Equal(Rejection.MissingRole, Hold("outsider", 3));
        Assert.Equal(Rejection.NotFound, Hold("va", 0));
        Assert.Equal(Rejection.NotFound, Hold("va", 4));
        Assert.Equal(Rejection.None, Hold("va", 3));
        Assert.Equal(0b1000u, Round().Inputs[3].Holders);
        Assert.Equal(Rejection.BadArguments, _shard.Send("va", new Held(Agreement, 1, 1, [3, 3])));
    }

    [Fact]
    public void Round_FailsAtItsDeadline_AndItsRunAfterThreeAttempts()
    {
        for (var attempt = 1; attempt <= RunRecord.MaxAttempts; attempt++)
        {
            Assert.Null(Run.Failure);
            Assert.Equal(Rejection.None, Open());
            Assert.Equal(Rejection.None, Commit("va", attempt));
            Assert.Equal(Phase.Input, Round(1, attempt).Phase);
            _shard.Commit(_agreement.InputWindowMs - 11);
            Assert.Equal(Phase.Input, Round(1, attempt).Phase);
            _shard.Commit(1);
            Assert.Equal((Phase.Failed, RoundFailure.TooFewInputs), (Round(1, attempt).Phase, Round(1, attempt).Failure!.Value));
        }

        Assert.Equal(RoundFailure.TooFewInputs, Run.Failure);
        Assert.Equal(Rejection.RunEnded, Open());
    }

    [Fact]
    public void Proposal_IsRefused_ForEachRuleBroken()
    {
        AgreementTests.Admit(_shard, "outsider", Roles.Trainer);
        Assert.Equal(Rejection.None, Open());
        Assert.Equal(Rejection.WrongPhase, _shard.Send("va", Propose()));
        foreach (var hospital in TestShard.Hospitals) Assert.Equal(Rejection.None, Commit(hospital));
        foreach (var seat in TestShard.Hospitals.Take(3)) Assert.Equal(Rejection.None, Hold(seat, 0, 1, 2, 3));
        Assert.Equal(Rejection.NotInAgreement, _shard.Send("outsider", Propose()));
        Assert.Equal(Rejection.WrongInputs, _shard.Send("va", Propose() with { Inputs = Digest.Zero }));
        Assert.Equal(Rejection.None, _shard.Send("va", Propose()));
        Assert.Equal(Rejection.AlreadyExists, _shard.Send("cleveland", Propose()));
        Assert.Equal(Rejection.LimitReached, _shard.Send("va", Propose(Digest.Zero)));
    }

    [Fact]
    public void OrganisationsWithoutASeat_CannotTakeTheSeatsPlaces()
    {
        string[] others = [.. Enumerable.Range(0, RoundRecord.ProposalsOfOthers + 1).Select(i => $"other-{i}")];
        string[] all = [.. TestShard.Hospitals.Concat(others).Order(StringComparer.Ordinal)];
        foreach (var other in others)
        {
            AgreementTests.Admit(_shard, other, Roles.Trainer | Roles.DataOwner);
            Assert.Equal(Rejection.None, _shard.Send(other, AgreementTests.Dataset(other)));
        }

        var plan = _agreement with { Name = "wide", FixedPoint = FixedPoint.Create(10, all.Length), Datasets = [.. all.Select(name => new AgreedDataset(ParticipantId.Parse(name), "heart"))] };
        var wide = plan.ComputeDigest();
        Assert.Equal(Rejection.None, _shard.Send("va", new ProposeAgreement(plan)));
        foreach (var name in all) Assert.Equal(Rejection.None, _shard.Send(name, new AcceptAgreement(wide, Policy.Open)));
        Assert.Equal(Rejection.None, _shard.Send("va", new RoundOpen(wide, 1, plan.InitialModel)));
        foreach (var name in all) Assert.Equal(Rejection.None, _shard.Send(name, new InputCommit(wide, 1, 1, plan.InitialModel, Update(name))));
        foreach (var seat in TestShard.Hospitals.Take(3)) Assert.Equal(Rejection.None, _shard.Send(seat, new Held(wide, 1, 1, [.. Enumerable.Range(0, all.Length)])));

        var inputs = _shard.State.Find<RoundRecord>(RoundRecord.Key(wide, 1, 1))!.InputsDigest!.Value;
        Rejection Send(string name) => _shard.Send(name, new AggregateProposal(wide, 1, 1, inputs, Sum, Update(name), Digest.Zero));
        foreach (var other in others.SkipLast(1)) Assert.Equal(Rejection.None, Send(other));
        Assert.Equal(Rejection.LimitReached, Send(others[^1]));
        foreach (var seat in TestShard.Hospitals) Assert.Equal(Rejection.None, Send(seat));
    }

    [Fact]
    public void WrongProposal_IsRefusedByTwoOfFour_AndAnotherPublishes()
    {
        FixAll();
        var bad = Propose(Digest.Of("bad"u8));
        Assert.Equal(Rejection.None, _shard.Send("switzerland", bad));
        Assert.Equal(Rejection.None, Verdict("va", ok: false, bad.ProposalDigest));
        Assert.Equal(Rejection.AlreadyAttested, Verdict("va", ok: true, bad.ProposalDigest));
        Assert.Equal(Rejection.None, Verdict("hungarian", ok: false, bad.ProposalDigest));
        Assert.Equal("ProposalRefused", LedgerState.Of(_shard.Head).Events[^1][0].Type);
        Assert.Equal(Rejection.ProposalRefused, Verdict("cleveland", ok: true, bad.ProposalDigest));
        Assert.Equal(Rejection.ProposalRefused, _shard.Send("cleveland", bad));
        Assert.Equal(Rejection.None, _shard.Send("cleveland", Propose()));
        foreach (var seat in TestShard.Hospitals.Take(3)) Assert.Equal(Rejection.None, Verdict(seat, ok: true));
        Assert.Equal(NextModel, Run.Model);
    }

    [Fact]
    public void Attest_IsForSeatsAndForStandingProposalsOnly()
    {
        AgreementTests.Admit(_shard, "outsider", Roles.Trainer);
        FixAll();
        Assert.Equal(Rejection.NotFound, Verdict("va", ok: true));
        Assert.Equal(Rejection.None, _shard.Send("va", Propose()));
        Assert.Equal(Rejection.MissingRole, Verdict("outsider", ok: true));
        Assert.Equal(Rejection.None, Verdict("va", ok: true));
        Assert.Equal(Rejection.AlreadyAttested, Verdict("va", ok: true));
    }
}
