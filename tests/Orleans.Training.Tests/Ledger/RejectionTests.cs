using System.Formats.Cbor;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Contracts;
using Orleans.Training.Tests.Rounds;

namespace Orleans.Training.Tests.Ledger;

/// <summary>For every number that a transaction can be refused with, one way to be refused with it.</summary>
public sealed class RejectionTests
{
    private static readonly Digest Nothing = Digest.Of("nothing"u8);
    private readonly TestShard _shard = new();
    private readonly ContractCall _call = new AddKey(TestShard.Key("another").Public);
    private readonly TrainingAgreement _agreement = AgreementTests.Plan();

    private Digest Agreement => _agreement.ComputeDigest();

    private Dictionary<Rejection, Func<Rejection>> Ways => new()
    {
        // A transaction that nothing stands against.
        [Rejection.None] = () => _shard.Send("va", _call),

        // The bytes.
        [Rejection.Malformed] = () => Transaction.TryParse(_shard.Sign("va", _call).Encoded[1..], out _),
        [Rejection.TooLarge] = () => Transaction.TryParse(new byte[Limits.TransactionBytes + 1], out _),

        // Admission.
        [Rejection.WrongChain] = () => Check(_shard.Sign("va", _call, chain: Nothing)),
        [Rejection.WrongShard] = () => Check(_shard.Sign("va", _call, shard: default(Identifier))),
        [Rejection.Expired] = () => Check(_shard.Sign("va", _call, notAfterMs: TestShard.StartMs)),
        [Rejection.ExpiryTooFar] = () => Check(_shard.Sign("va", _call, notAfterMs: TestShard.StartMs + Limits.ExpiryWindowMs + 100)),
        [Rejection.UnknownKey] = () => Check(_shard.Sign("stranger", _call)),
        [Rejection.BadSignature] = () => Check(Forged()),
        [Rejection.Duplicate] = () => Again(_shard.Sign("va", _call)),
        [Rejection.TransactionIdReused] = () => Again(_shard.Sign("va", _call), other: true),
        [Rejection.PoolFull] = () => Pool(1).Add(_shard.Sign("cleveland", _call)),

        // Contracts in general, and the federation.
        [Rejection.UnknownMethod] = () => _shard.Send("va", new Raw("federation", "Dissolve", 0x80)),
        [Rejection.BadArguments] = () => _shard.Send("va", new Raw("federation", "AddKey", 0x80)),
        [Rejection.MissingRole] = () => _shard.Send("va", AgreementTests.Dataset("va")),
        [Rejection.AlreadyExists] = () => Prepared(5, () => _shard.Send("va", AgreementTests.Dataset("va"))),
        [Rejection.NotFound] = () => _shard.Send("va", new RevokeKey(default)),
        [Rejection.LimitReached] = () => LastOf([.. Enumerable.Range(0, Limits.KeysPerParticipant).Select(i => _shard.Send("va", new AddKey(TestShard.Key($"va-{i}").Public)))]),
        [Rejection.KeyInUse] = () => _shard.Send("va", new AddKey(TestShard.Key("cleveland").Public)),
        [Rejection.LastKey] = () => _shard.Send("va", new RevokeKey(TestShard.Key("va").Public.Id)),

        // Agreements.
        [Rejection.NotInAgreement] = () => Prepared(2, () => _shard.Send("outsider", new AcceptAgreement(Agreement, Policy.Open))),
        [Rejection.AgreementNotActive] = () => Prepared(2, () => Open()),
        [Rejection.PolicyViolated] = () => Prepared(2, () => _shard.Send("va", new AcceptAgreement(Agreement, Policy.Open with { RequireMasks = true }))),
        [Rejection.DatasetUnknown] = () => Prepared(0, () => _shard.Send("va", new ProposeAgreement(_agreement))),

        // Rounds.
        [Rejection.WrongPhase] = () => Prepared(4, () => _shard.Send("va", new AggregateProposal(Agreement, 1, 1, Nothing, Nothing, Nothing, Nothing))),
        [Rejection.RoundInProgress] = () => Prepared(4, () => Open()),
        [Rejection.WrongRound] = () => Prepared(3, () => Open(number: 2)),
        [Rejection.WrongBaseModel] = () => Prepared(3, () => Open(model: Nothing)),
        [Rejection.Late] = () => Prepared(5, () => _shard.Send("va", new Held(Agreement, 1, 1, [0]))),
        [Rejection.RunEnded] = () => Prepared(3, FailThreeTimes),
        [Rejection.WrongInputs] = () => Prepared(5, () => _shard.Send("va", new AggregateProposal(Agreement, 1, 1, Nothing, Nothing, Nothing, Nothing))),

        // Rounds with masks; each rule of each call is in MaskedRoundTests.
        [Rejection.MaskCohortTooSmall] = () => Masked(3, ledger => ledger.Send("p000", new ProposeAgreement(ledger.Plan("small", corrupt: 1)))),
        [Rejection.BudgetExceeded] = () => Prepared(1, () => LastOf([_shard.Send("va", new SetBudget("heart", new(1_000_000, 6))), _shard.Send("va", new ProposeAgreement(_agreement))])),
        [Rejection.DatasetExposed] = () => Prepared(3, () => _shard.Send("va", new SetBudget("heart", new(1_000_000, 6)))),
        [Rejection.WrongMasking] = () => Prepared(4, () => _shard.Send("va", new ConfirmUnmasking(Agreement, 1, 1, Nothing))),
        [Rejection.WrongContext] = () => Masked(3, ledger => Brought(ledger, Phase.ShareKeys, () => new CommitMaskShares(ledger.Agreement.ComputeDigest(), 1, 1, Nothing, Nothing, Nothing))),
        [Rejection.MaskKeyWeak] = () => Masked(3, ledger => Brought(ledger, Phase.AdvertiseKeys, () => new AdvertiseMaskKeys(ledger.Agreement.ComputeDigest(), 1, 1, ledger.Masked.Fixed.Attempt, new byte[32], new byte[32], Nothing))),
        [Rejection.NotInCohort] = () => Masked(4, ledger => Brought(ledger, Phase.ShareKeys, () => new CommitMaskShares(ledger.Agreement.ComputeDigest(), 1, 1, Nothing, Nothing, Nothing), without: 0)),
        [Rejection.BadAcknowledgement] = () => Masked(3, ledger => Brought(ledger, Phase.AcknowledgeShares, () => new AcknowledgeMaskShares(ledger.Agreement.ComputeDigest(), 1, 1, ledger.Masked.Fixed.Cohort!.Value, new byte[2]))),
        [Rejection.WrongOrder] = () => Masked(3, ledger => Brought(ledger, Phase.ConsistencyCheck, () => new ConfirmUnmasking(ledger.Agreement.ComputeDigest(), 1, 1, Nothing))),
        [Rejection.NotConfirmed] = () => Masked(3, ledger => Brought(ledger, Phase.Unmask, () => new RevealMasks(ledger.Agreement.ComputeDigest(), 1, 1, ledger.Masked.Order!.Order.ComputeDigest(), new byte[32], Nothing), actor: 2)),
        [Rejection.WrongSecret] = () => Masked(3, ledger => Brought(ledger, Phase.Unmask, () => new RevealMasks(ledger.Agreement.ComputeDigest(), 1, 1, ledger.Masked.Order!.Order.ComputeDigest(), new byte[32], Nothing))),
        [Rejection.ModelConsumed] = () => Masked(3, Consume),
        [Rejection.GroupsNotDrawn] = DrawMissing,

        [Rejection.AlreadyAttested] = () => Prepared(5, () => Verdicts("va", "va")),
        [Rejection.NotProjected] = () => Rounds.ProjectedRoundTests.SendEarly(),
        [Rejection.WrongCheck] = () => Masked(3, ledger => Challenge(ledger)),
        [Rejection.ProposalRefused] = () => Prepared(5, () => Verdicts("va", "cleveland", "hungarian")),
    };

    private static Rejection Challenge(MaskedLedger ledger)
    {
        Assert.Equal(Rejection.None, ledger.Open());
        return ledger.Send("va", new ChallengeSum(ledger.AgreementName, 1, 1, Nothing, Nothing));
    }

    private static Rejection DrawMissing()
    {
        var ledger = new MaskedLedger(9, activate: false, groups: new GroupTerms(3, 3, new Protocol.Aggregation.CoordinateMedian()));
        ledger.Activate(ledger.Agreement);
        return ledger.Open();
    }

    // Governance.
    private Dictionary<Rejection, Func<Rejection>> WaysOfGovernance => new()
    {
        [Rejection.WrongEra] = () => Governance.Ready(Governance.Seat("va"), era: 3),
        [Rejection.ChangeImpossible] = () => _shard.Send("va", new ProposeChange(SeatChange.Remove(_shard.KeyOf("va").Public.Id))),
        [Rejection.AlreadyVoted] = () => Proposed(change => _shard.Send("va", new VoteOnChange(change, true))),
        [Rejection.ChangeDecided] = () => Proposed(change => LastOf([.. TestShard.Hospitals.Select(seat => _shard.Send(seat, new VoteOnChange(change, true)))])),
        [Rejection.BadProof] = () => Governance.Ready(Governance.Seat("va"), _shard.KeyOf("cleveland", "/vote")),
        [Rejection.TooSoon] = () => LastOf([Governance.Redelegate("va", "va2"), Governance.Redelegate("va", "va3")]),
        [Rejection.EraEnding] = () => Prepared(4, () => LastOf([Governance.Redelegate("va", "va2"), OpenAnother()])),
        [Rejection.NotProven] = () => _shard.Send("va", Contracts.ConvictionTests.Guilty(new TestShard("other"), "va")),
        [Rejection.Convicted] = () => LastOf([_shard.Send("va", Contracts.ConvictionTests.Guilty(_shard, "va")), Governance.Redelegate("va", "va2")]),
        [Rejection.CheckpointNotTrusted] = () => new Contracts.AnchorTests().SendUntrusted(),
        [Rejection.NotConsistent] = () => new Contracts.AnchorTests().SendAfterFirst(Contracts.AnchorTests.Carry(9, 4)),
        [Rejection.OldCheckpoint] = () => new Contracts.AnchorTests().SendAfterFirst(Contracts.AnchorTests.Carry(3, 0)),
        [Rejection.AnchoredJustNow] = () => new Contracts.AnchorTests().SendAfterFirst(Contracts.AnchorTests.Carry(9, 5), waits: false),
    };

    private TestGovernance Governance => new(_shard);

    private Rejection Proposed(Func<Digest, Rejection> act)
    {
        var change = SeatChange.Add(Governance.Newcomer("newcomer"));
        Assert.Equal(Rejection.None, _shard.Send("va", new ProposeChange(change)));
        return act(change.ComputeDigest());
    }

    private Rejection OpenAnother()
    {
        var other = _agreement with { Name = "another" };
        Assert.Equal(Rejection.None, _shard.Send("va", new ProposeAgreement(other)));
        _shard.Commit(10, [.. TestShard.Hospitals.Select(hospital => _shard.Sign(hospital, new AcceptAgreement(other.ComputeDigest(), Policy.Open)))]);
        return _shard.Send("va", new RoundOpen(other.ComputeDigest(), 1, other.InitialModel));
    }

    public static TheoryData<Rejection> Values => [.. Enum.GetValues<Rejection>()];

    [Theory]
    [MemberData(nameof(Values))]
    public void Rejection_Occurs(Rejection rejection)
    {
        Assert.True(Ways.TryGetValue(rejection, out var provoke) || WaysOfGovernance.TryGetValue(rejection, out provoke), $"nobody knows how to provoke {rejection}");
        Assert.Equal(rejection, provoke());
    }

    private Rejection Check(Transaction transaction) => _shard.Machine.Check(_shard.Head, transaction, _shard.Head.Block.Header.TimeMs + 10);

    private Transaction Forged()
    {
        var forged = _shard.Sign("va", _call).Encoded.ToArray();
        forged[^1] ^= 1;
        Assert.Equal(Rejection.None, Transaction.TryParse(forged, out var transaction));
        return transaction!;
    }

    private Rejection Again(Transaction transaction, bool other = false)
    {
        _shard.Commit(10, transaction);
        return Check(other ? _shard.Sign("va", new RevokeKey(default), id: transaction.Payload.Id) : transaction);
    }

    private TransactionPool Pool(int transactions)
    {
        var pool = new TransactionPool(new ConsensusSetup
        {
            Chain = _shard.Genesis.Chain,
            Shard = _shard.Genesis.Shard,
            Validators = _shard.Genesis.Validators,
            Seat = 0,
            Genesis = _shard.Head,
            Machine = _shard.Machine,
            PoolTransactions = transactions,
        });
        Assert.Equal(Rejection.None, pool.Add(_shard.Sign("va", _call)));
        return pool;
    }

    /// <summary>Brings the shard so far: 0 trainers, 1 data sets, 2 agreement proposed, 3 accepted, 4 round open, 5 inputs fixed.</summary>
    private Rejection Prepared(int stage, Func<Rejection> act)
    {
        foreach (var hospital in TestShard.Hospitals) AgreementTests.Admit(_shard, hospital, Roles.Trainer | Roles.DataOwner);
        AgreementTests.Admit(_shard, "outsider", Roles.Trainer);
        if (stage >= 1) _shard.Commit(10, [.. TestShard.Hospitals.Select(hospital => _shard.Sign(hospital, AgreementTests.Dataset(hospital)))]);
        if (stage >= 2) _shard.Send("va", new ProposeAgreement(_agreement));
        if (stage >= 3) _shard.Commit(10, [.. TestShard.Hospitals.Select(hospital => _shard.Sign(hospital, new AcceptAgreement(Agreement, Policy.Open)))]);
        if (stage >= 4) Open();
        if (stage >= 5)
        {
            _shard.Commit(10, [.. TestShard.Hospitals.Select(hospital => _shard.Sign(hospital, new InputCommit(Agreement, 1, 1, _agreement.InitialModel, Nothing)))]);
            _shard.Commit(10, [.. TestShard.Hospitals.Take(3).Select(hospital => _shard.Sign(hospital, new Held(Agreement, 1, 1, [0, 1, 2, 3])))]);
        }

        return act();
    }

    private Rejection Open(int number = 1, Digest? model = null) => _shard.Send("va", new RoundOpen(Agreement, number, model ?? _agreement.InitialModel));

    private Rejection FailThreeTimes()
    {
        for (var attempt = 1; attempt <= RunRecord.MaxAttempts; attempt++)
        {
            Assert.Equal(Rejection.None, Open());
            _shard.Commit(_agreement.InputWindowMs);
        }

        return Open();
    }

    private Rejection Verdicts(params string[] seats)
    {
        var inputs = _shard.State.Find<RoundRecord>(RoundRecord.Key(Agreement, 1, 1))!.InputsDigest!.Value;
        var proposal = new AggregateProposal(Agreement, 1, 1, inputs, Nothing, Nothing, Nothing);
        Assert.Equal(Rejection.None, _shard.Send("va", proposal));
        return LastOf([.. seats.Select(seat => _shard.Send(seat, new Attest(Agreement, 1, 1, proposal.ProposalDigest, false, Nothing)))]);
    }

    private static Rejection Masked(int count, Func<MaskedLedger, Rejection> act, bool isActive = true) => act(new MaskedLedger(count, activate: isActive));

    // The call is made only when the ledger is there: it names what the ledger has by then.
    private static Rejection Brought(MaskedLedger ledger, Phase phase, Func<ContractCall> call, int actor = 0, int without = -1)
    {
        Assert.Equal(Rejection.None, ledger.Open());
        ledger.Bring(phase, ledger.Everybody.Where(i => i != without));
        Assert.Equal(phase, ledger.Round.Phase);
        return ledger.Send(ledger.Names[actor], call());
    }

    private static Rejection Consume(MaskedLedger ledger)
    {
        var clone = ledger.Plan("clone");
        ledger.Activate(clone);
        ledger.Open();
        ledger.Bring(Phase.ConsistencyCheck, ledger.Everybody);
        ledger.Follow(clone);
        return ledger.Open();
    }

    private static Rejection LastOf(Rejection[] results) => results[^1];

    private sealed record Raw(string Name, string Verb, byte Item) : ContractCall
    {
        public override string Contract => Name;

        public override string Method => Verb;

        public override void WriteArguments(CborWriter writer) => writer.WriteEncodedValue([Item]);

        internal override Rejection Apply(ContractContext context) => throw new InvalidOperationException("No table has this call.");
    }
}
