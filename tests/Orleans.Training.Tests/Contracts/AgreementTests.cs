using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.Contracts;

public class AgreementTests
{
    private readonly TestShard _shard = new();

    internal static void Admit(TestShard shard, string name, Roles roles)
    {
        var call = new Admit(ParticipantId.Parse(name), name, roles, TestShard.Key(name).Public);
        foreach (var seat in TestShard.Hospitals.Take(3)) Assert.Equal(Rejection.None, shard.Send(seat, call));
    }

    internal static RegisterDataset Dataset(string owner) => new("heart", Digest.Of(System.Text.Encoding.UTF8.GetBytes(owner)), owner.Length * 10, "age,sex,num");

    internal static TrainingAgreement Plan(int minParticipants = 3) => new()
    {
        Name = "heart",
        ModelSpec = ModelSpec.Logistic(10).Encoded,
        Seed = Digest.Of("seed"u8),
        InitialModel = Digest.Of("initial"u8),
        Strategy = ServerStrategy.FedAvg,
        FixedPoint = FixedPoint.Create(10, 4),
        Training = new TrainingTerms(50_000, 8, 3),
        Rounds = 3,
        MinParticipants = minParticipants,
        InputWindowMs = 60_000,
        AggregateWindowMs = 30_000,
        Datasets = [.. TestShard.Hospitals.Select(name => new AgreedDataset(ParticipantId.Parse(name), "heart"))],
        Masks = false,
    };

    private void AdmitAll()
    {
        foreach (var hospital in TestShard.Hospitals)
        {
            Admit(_shard, hospital, Roles.Trainer | Roles.DataOwner);
            Assert.Equal(Rejection.None, _shard.Send(hospital, Dataset(hospital)));
        }
    }

    [Fact]
    public void DataSetsAndAgreements_OfOneParticipant_AreLimited()
    {
        AdmitAll();
        var sets = _shard.Commit(10, [.. Enumerable.Range(0, Limits.DatasetsPerParticipant).Select(i => _shard.Sign("va", Dataset("va") with { Name = $"set-{i}" }))]);
        Assert.All(sets.SkipLast(1), entry => Assert.Equal(Rejection.None, entry.Result));
        Assert.Equal(Rejection.LimitReached, sets[^1].Result);
        Assert.Equal(Rejection.None, _shard.Send("cleveland", Dataset("cleveland") with { Name = "another" }));

        var plans = _shard.Commit(10, [.. Enumerable.Range(0, Limits.AgreementsPerParticipant + 1).Select(i => _shard.Sign("va", new ProposeAgreement(Plan() with { Name = $"plan-{i}" })))]);
        Assert.All(plans.SkipLast(1), entry => Assert.Equal(Rejection.None, entry.Result));
        Assert.Equal(Rejection.LimitReached, plans[^1].Result);
        Assert.Equal(Rejection.None, _shard.Send("cleveland", new ProposeAgreement(Plan())));
    }

    [Fact]
    public void Agreement_RoundTripsAndKeepsItsDigest()
    {
        var plan = Plan();
        Assert.True(TrainingAgreement.TryParse(plan.Encode(), out var parsed));
        Assert.Equal(plan.ComputeDigest(), parsed!.ComputeDigest());
        var proximal = plan with { Training = plan.Training with { ProximalMicro = 100_000 } };
        Assert.True(TrainingAgreement.TryParse(proximal.Encode(), out parsed));
        Assert.Equal(proximal.Training, parsed!.Training);
        Assert.NotEqual(plan.ComputeDigest(), proximal.ComputeDigest());
        // η = 0.05: a pull of 20 goes back in one step, and further is none.
        Assert.True(TrainingAgreement.TryParse((plan with { Training = plan.Training with { ProximalMicro = 20_000_000 } }).Encode(), out _));
        var normalised = plan with { Training = plan.Training with { IsNormalised = true } };
        Assert.True(TrainingAgreement.TryParse(normalised.Encode(), out parsed));
        Assert.Equal(normalised.Training, parsed!.Training);
        var controlled = plan with { Strategy = new(ServerRule.Scaffold, 500_000) };
        Assert.True(TrainingAgreement.TryParse(controlled.Encode(), out parsed));
        Assert.Equal((controlled.Strategy, 2 * plan.UpdateLength), (parsed!.Strategy, parsed.UpdateLength));
        var hidden = plan with { Training = plan.Training with { RecordNoise = new(1_000_000, 1_100_000) } };
        Assert.True(TrainingAgreement.TryParse(hidden.Encode(), out parsed));
        Assert.Equal(hidden.Training, parsed!.Training);
        Assert.NotEqual(plan.ComputeDigest(), hidden.ComputeDigest());
        Assert.True(hidden.Encode().AsSpan().IndexOf((ReadOnlySpan<byte>)[0x86, 0x19, 0xc3, 0x50, 0x08, 0x03, 0x00, 0xf4, 0x82, 0x1a, 0x00, 0x0f, 0x42, 0x40, 0x1a, 0x00, 0x10, 0xc8, 0xe0]) > 0);
        // Neither has one form, the short one.
        var (with, at) = (proximal.Encode(), 0);
        while (!with.AsSpan(at).StartsWith((ReadOnlySpan<byte>)[0x85, 0x19, 0xc3, 0x50, 0x08, 0x03, 0x1a])) at++;
        Assert.False(TrainingAgreement.TryParse((byte[])[.. with[..(at + 6)], 0x00, .. with[(at + 11)..]], out _));
        Assert.True(TrainingAgreement.TryParse((byte[])[.. with[..(at + 6)], 0x01, .. with[(at + 11)..]], out _));
    }

    [Fact]
    public void Agreement_IsMalformed_ForEachRuleBroken()
    {
        var plan = Plan();
        TrainingAgreement[] wrong =
        [
            plan with { Strategy = new(ServerRule.FedAvg, 0) }, plan with { Strategy = new(ServerRule.FedAvg, MomentumMicro: 1) }, plan with { Strategy = new(ServerRule.FedAvgM, DecayMicro: 1) },
            plan with { Strategy = new(ServerRule.FedAvgM, MomentumMicro: 1_000_000) }, plan with { Strategy = new(ServerRule.FedAdam) }, plan with { Strategy = new(ServerRule.FedAdagrad, DecayMicro: 1, AdaptivityMicro: 1) },
            plan with { Strategy = new(ServerRule.FedYogi, DecayMicro: 1_000_000, AdaptivityMicro: 1) }, plan with { Strategy = new(ServerRule.FedAdam, 1_000_000_001, AdaptivityMicro: 1) },
            plan with { Strategy = new(ServerRule.Scaffold, MomentumMicro: 1) }, plan with { Strategy = new(ServerRule.Scaffold, AdaptivityMicro: 1) }, plan with { Strategy = new(ServerRule.Scaffold, 0) },
            plan with { Strategy = new(ServerRule.Scaffold), Training = plan.Training with { ProximalMicro = 1 } }, plan with { Strategy = new(ServerRule.Scaffold), Training = plan.Training with { IsNormalised = true } },
            plan with { Strategy = new(ServerRule.Scaffold), Training = plan.Training with { RecordNoise = new(1, 1) } },
            plan with { Rounds = 0 }, plan with { MinParticipants = 5 }, plan with { MinParticipants = 0 }, plan with { Datasets = [] },
            plan with { Datasets = [.. plan.Datasets.Reverse()] }, plan with { Datasets = [plan.Datasets[0], plan.Datasets[0]] }, plan with { Masks = true }, plan with { InputWindowMs = 0 },
            plan with { AggregateWindowMs = 0 }, plan with { Training = plan.Training with { BatchSize = 0 } }, plan with { FixedPoint = FixedPoint.Create(10, 3) },
            plan with { Training = plan.Training with { RecordNoise = new(0, 1) } }, plan with { Training = plan.Training with { RecordNoise = new(1, 0) } },
            plan with { Training = plan.Training with { ProximalMicro = -1 } }, plan with { Training = plan.Training with { ProximalMicro = 20_000_001 } },
            plan with { Rounds = Limits.Rounds + 1 }, plan with { Name = "a/b" }, plan with { ModelSpec = new byte[] { 0x80 } },
        ];
        foreach (var agreement in wrong) Assert.False(TrainingAgreement.TryParse(agreement.Encode(), out _), agreement.ToString());
        Assert.True(TrainingAgreement.TryParse((plan with { Rounds = Limits.Rounds }).Encode(), out _));
        // A model of 360 MB is one, but not with three times that for its strategy.
        var large = plan with { ModelSpec = ModelSpec.Perceptron(9_000, [9_000], 989).Encoded };
        Assert.True(TrainingAgreement.TryParse(large.Encode(), out _));
        Assert.True(TrainingAgreement.TryParse((large with { Strategy = new(ServerRule.FedAvgM) }).Encode(), out _));
        // An update of twice as many lanes is one of more than there may be.
        Assert.False(TrainingAgreement.TryParse((large with { Strategy = new(ServerRule.Scaffold) }).Encode(), out _));
        Assert.False(TrainingAgreement.TryParse((large with { Strategy = new(ServerRule.FedAdam, AdaptivityMicro: 1) }).Encode(), out _));
    }

    [Fact]
    public void Agreement_BecomesActiveWithTheLastAcceptance_UnderTheMeetOfAllPolicies()
    {
        AdmitAll();
        var digest = Plan().ComputeDigest();
        Assert.Equal(Rejection.None, _shard.Send("va", new ProposeAgreement(Plan())));
        Assert.Equal(Rejection.AlreadyExists, _shard.Send("cleveland", new ProposeAgreement(Plan())));
        var policies = new[] { Policy.Open with { MinParticipants = 2 }, Policy.Open with { MaxRounds = 5 }, Policy.Open with { NotAfterMs = 2_000_000_000_000 }, Policy.Open with { MinParticipants = 3, MaxLocalEpochs = 3 } };
        for (var i = 0; i < 4; i++)
        {
            Assert.False(_shard.State.Find<AgreementRecord>(AgreementRecord.Key(digest))!.IsActive);
            Assert.Equal(Rejection.AgreementNotActive, _shard.Send("va", new RoundOpen(digest, 1, Plan().InitialModel)));
            Assert.Equal(Rejection.None, _shard.Send(TestShard.Hospitals[i], new AcceptAgreement(digest, policies[i])));
        }

        var record = _shard.State.Find<AgreementRecord>(AgreementRecord.Key(digest))!;
        Assert.Equal(new Policy(3, 5, 3, 2_000_000_000_000, false), record.Effective);
        Assert.Equal([1 << 20], record.Weights.Where(weight => weight == record.Weights.Max()).Distinct());
        Assert.Equal(FixedPoint.WeightOf(20, 110), record.Weights[3]);
    }

    [Fact]
    public void Accept_IsRefused_WhenTheAgreementBreaksTheParticipantsPolicy()
    {
        AdmitAll();
        var digest = Plan().ComputeDigest();
        Assert.Equal(Rejection.NotFound, _shard.Send("va", new AcceptAgreement(digest, Policy.Open)));
        Assert.Equal(Rejection.None, _shard.Send("va", new ProposeAgreement(Plan())));
        foreach (var policy in new[]
        {
            Policy.Open with { MinParticipants = 4 }, Policy.Open with { MaxRounds = 2 }, Policy.Open with { MaxLocalEpochs = 2 }, Policy.Open with { NotAfterMs = TestShard.StartMs }, Policy.Open with { RequireMasks = true },
        })
        {
            Assert.Equal(Rejection.PolicyViolated, _shard.Send("va", new AcceptAgreement(digest, policy)));
        }

        Assert.Equal(Rejection.None, _shard.Send("va", new AcceptAgreement(digest, Policy.Open)));
        Assert.Equal(Rejection.AlreadyExists, _shard.Send("va", new AcceptAgreement(digest, Policy.Open)));
        Admit(_shard, "outsider", Roles.Trainer);
        Assert.Equal(Rejection.NotInAgreement, _shard.Send("outsider", new AcceptAgreement(digest, Policy.Open)));
    }

    [Fact]
    public void Round_CannotOpen_OnceTheEffectivePolicyHasEnded()
    {
        AdmitAll();
        var digest = Plan().ComputeDigest();
        Assert.Equal(Rejection.None, _shard.Send("va", new ProposeAgreement(Plan())));
        foreach (var hospital in TestShard.Hospitals) Assert.Equal(Rejection.None, _shard.Send(hospital, new AcceptAgreement(digest, Policy.Open with { NotAfterMs = TestShard.StartMs + 60_000 })));
        _shard.Commit(60_000);
        Assert.Equal(Rejection.PolicyViolated, _shard.Send("va", new RoundOpen(digest, 1, Plan().InitialModel)));
    }

    [Fact]
    public void Propose_IsRefused_WhenAPartyItsRoleOrItsDataIsMissing()
    {
        Admit(_shard, "cleveland", Roles.Trainer | Roles.DataOwner);
        Assert.Equal(Rejection.DatasetUnknown, _shard.Send("va", new ProposeAgreement(Plan())));
        Assert.Equal(Rejection.None, _shard.Send("cleveland", Dataset("cleveland")));
        Assert.Equal(Rejection.MissingRole, _shard.Send("va", new ProposeAgreement(Plan())));
        var stranger = Plan() with { Datasets = [new AgreedDataset(ParticipantId.Parse("stranger"), "heart")], MinParticipants = 1 };
        Assert.Equal(Rejection.NotFound, _shard.Send("va", new ProposeAgreement(stranger)));
    }

    [Fact]
    public void Dataset_IsRegisteredOnce_AndByDataOwnersOnly()
    {
        Assert.Equal(Rejection.MissingRole, _shard.Send("va", Dataset("va")));
        Admit(_shard, "va", Roles.DataOwner);
        Assert.Equal(Rejection.None, _shard.Send("va", Dataset("va")));
        Assert.Equal(Rejection.AlreadyExists, _shard.Send("va", Dataset("va")));
    }
}
