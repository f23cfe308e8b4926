using System.Security.Cryptography;
using Orleans.Training.Client.Exports;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Cluster;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.Exports;

/// <summary>What a <see cref="TestExport"/> is made of, and which lies its makers agree on.</summary>
internal sealed record TestExportPlan
{
    public int Rounds { get; init; } = 2;
    public int Trainers { get; init; } = 3;

    /// <summary>Other keys under the same names for everybody.</summary>
    public string Keys { get; init; } = "";

    /// <summary>The seats attest an agreement whose initial model is not its seed's.</summary>
    public bool OtherInitialModel { get; init; }

    /// <summary>The seats attest a sum to which one is added.</summary>
    public bool WrongSum { get; init; }

    /// <summary>So many seats attest without having the sum.</summary>
    public int FalseWork { get; init; }

    /// <summary>One trainer agrees with itself on an initial model that is not its seed's, and no round comes of it.</summary>
    public bool LoneAgreement { get; init; }

    /// <summary>Attempts at the first round that fail after one seat's verdict.</summary>
    public int FailedAttempts { get; init; }

    /// <summary>The first so many rounds are past their challenge window when the export is made.</summary>
    public int Expired { get; init; }

    /// <summary>How sums become models.</summary>
    public ServerStrategy Strategy { get; init; } = ServerStrategy.FedAvg;

    /// <summary>The seats attest models whose strategy forgot what it had.</summary>
    public bool ForgetsState { get; init; }

    /// <summary>Runs, one after the other.</summary>
    public int Runs { get; init; } = 1;
}

/// <summary>A complete export of a small run: made without consensus and without training, with every signature that a real one has.</summary>
internal sealed class TestExport : IExportFiles
{
    public const ulong CosignedAt = 1_700_000_100;
    private readonly TestExportPlan _plan;
    private readonly Dictionary<Digest, byte[]> _blobs = [];
    private readonly ModelSpec _spec = ModelSpec.Logistic(5);
    private byte[] _model = [];

    public TestExport(TestExportPlan? plan = null)
    {
        _plan = plan ?? new TestExportPlan();
        Shard = new TestShard(_plan.Keys);
        Policy = TrustPolicy.Of(Shard.Genesis.Origin, Shard.Genesis.Validators);
        Admit();
        for (var run = 0; run < _plan.Runs; run++) Train(run);
        if (_plan.LoneAgreement) AgreeAlone();
        Write();
    }

    /// <summary>An export of a shard on which somebody else has trained.</summary>
    public TestExport(TestShard shard, IReadOnlyDictionary<Digest, byte[]> blobs, ModelSpec spec, byte[] model)
    {
        (_plan, Shard, _spec, _model) = (new TestExportPlan(), shard, spec, model);
        Policy = TrustPolicy.Of(Shard.Genesis.Origin, Shard.Genesis.Validators);
        foreach (var blob in blobs.Values) Keep(blob);
        Write();
    }

    public TestShard Shard { get; }

    public TrustPolicy Policy { get; }

    /// <summary>The files, to be changed at will.</summary>
    public SortedDictionary<string, byte[]> Files { get; private set; } = new(StringComparer.Ordinal);

    /// <summary>The same, with files of its own.</summary>
    public TestExport Copy()
    {
        var copy = (TestExport)MemberwiseClone();
        copy.Files = new(Files, StringComparer.Ordinal);
        return copy;
    }

    public IEnumerable<string> Names => Files.Keys;

    /// <summary>The newest block's file.</summary>
    public string Newest => ExportLayout.Block(Shard.Blocks.Count - 1);

    private IEnumerable<string> Trainers => TestShard.Hospitals.Take(_plan.Trainers);

    private IEnumerable<string> Quorum => TestShard.Hospitals.Take(Shard.Genesis.Validators.Quorum);

    public long Length(string file) => Files[file].Length;

    public byte[] Read(string file) => Files[file];

    public ExportReport Verify(TrustPolicy? policy = null, SignatureCheck? signatures = null) => ExportVerifier.Verify(this, policy ?? Policy, signatures ?? Signatures.Verify);

    /// <summary>The seat whose statement is in the export.</summary>
    public const string Stating = "switzerland";

    /// <summary>What a seat says about the last model, or about another file; signed with its key, or with another's.</summary>
    public byte[] Statement(string seat, Digest? file = null, string? signedBy = null)
    {
        var (block, position, model) = Shard.Blocks.SelectMany(block => LedgerState.Of(block).Events.SelectMany((events, position) => events.Select(item => (block, position, item.Record as ModelRecord)))).Last(item => item.Item3 is not null);
        Assert.True(ModelBlob.TryRead(_spec, _model, out var parameters));
        var statement = ModelStatement.Write(Shard.Genesis, Shard.State, model!, LedgerState.Of(block).FirstIndex + position, file ?? Digest.Of(ModelFile.Write(_spec, parameters)));
        return StatementBundle.Write(statement, Shard.KeyOf(seat).Public, Shard.KeyOf(signedBy ?? seat).Sign(StatementBundle.Preimage(statement)));
    }

    /// <summary>A block's finalization by these seats.</summary>
    public Certificate Finalization(Block block, params int[] seats)
    {
        var vote = Vote.Finalize(1, block.Header.Height + 7, block.Digest);
        var preimage = vote.Preimage(Shard.Genesis.Chain, Shard.Genesis.Shard);
        return Certificate.Join([.. seats.Select(seat => new SignedVote(vote, seat, Shard.KeyOf(TestShard.Hospitals[seat], "/vote").Sign(preimage)))]);
    }

    /// <summary>The checkpoint of a tree's beginning, by one log and the first of the seats.</summary>
    public SignedNote Checkpoint(MerkleTree tree, long size, int cosigners = 3, string logger = "va", string? origin = null)
    {
        var checkpoint = new Checkpoint(origin ?? Shard.Genesis.Origin, size, tree.Root(size));
        var log = new NoteKey(checkpoint.Origin, NoteKeyKind.Log, Shard.KeyOf(logger, "/log").Public);
        return new SignedNote(checkpoint.Text,
        [
            new NoteSignature(log.Name, log.Id, Shard.KeyOf(logger, "/log").Sign(SignedNote.LogMessage(checkpoint.Text))),
            .. Shard.Genesis.Validators.Seats.Take(cosigners).Select(seat => SignedNote.Cosignature(
                TrustPolicy.CosignKey(seat), CosignedAt, Shard.KeyOf(seat.Organisation.Name, "/cosign").Sign(SignedNote.CosignatureMessage(checkpoint.Text, CosignedAt)))),
        ]);
    }

    private void Admit()
    {
        var calls = Trainers.Select(name => new Admit(ParticipantId.Parse(name), name, Roles.Trainer | Roles.DataOwner, Shard.KeyOf(name).Public));
        Commit([.. from call in calls from seat in Quorum select Shard.Sign(seat, call)]);
        Commit([.. Trainers.Select(name => Shard.Sign(name, new RegisterDataset("heart", Digest.Of(System.Text.Encoding.UTF8.GetBytes(name)), name.Length * 10, "age,sex,num")))]);
    }

    private void Train(int run)
    {
        var agreement = new TrainingAgreement
        {
            Name = $"heart-{run}",
            ModelSpec = ModelSpec.Logistic(5).Encoded,
            Seed = Digest.Of([(byte)run]),
            InitialModel = Digest.Zero,
            Strategy = _plan.Strategy,
            FixedPoint = FixedPoint.Create(1.0, _plan.Trainers),
            Training = new TrainingTerms(50_000, 8, 1),
            Rounds = _plan.Rounds,
            MinParticipants = _plan.Trainers,
            InputWindowMs = 60_000,
            AggregateWindowMs = 30_000,
            Datasets = [.. Trainers.Select(name => new AgreedDataset(ParticipantId.Parse(name), "heart"))],
            Masks = false,
        };
        _model = RoundAggregate.InitialModelOf(_plan.OtherInitialModel ? agreement with { Seed = Digest.Of("another seed"u8) } : agreement);
        agreement = agreement with { InitialModel = Digest.Of(_model) };
        var digest = agreement.ComputeDigest();
        Commit([Shard.Sign("va", new ProposeAgreement(agreement)), .. Trainers.Select(name => Shard.Sign(name, new AcceptAgreement(digest, Policy: Protocol.Contracts.Policy.Open)))]);
        for (var number = 1; number <= _plan.Rounds; number++)
        {
            var failed = number == 1 ? _plan.FailedAttempts : 0;
            for (var attempt = 1; attempt <= failed; attempt++) Attempt(digest, number, attempt, fails: true);
            Attempt(digest, number, failed + 1, fails: false);
            if (number == _plan.Expired) Shard.Commit(agreement.ChallengeWindowMs);
        }
    }

    private void AgreeAlone()
    {
        var agreement = Shard.State.All<AgreementRecord>(AgreementRecord.Prefix).First().Agreement;
        agreement = agreement with { Name = "alone", InitialModel = Digest.Of("none"u8), MinParticipants = 1, Datasets = [agreement.Datasets[0]] };
        var actor = agreement.Datasets[0].Participant.Name;
        Commit(Shard.Sign(actor, new ProposeAgreement(agreement)), Shard.Sign(actor, new AcceptAgreement(agreement.ComputeDigest(), Policy: Protocol.Contracts.Policy.Open)), Shard.Sign(actor, new RoundOpen(agreement.ComputeDigest(), 1, agreement.InitialModel)));
    }

    private void Attempt(Digest agreement, int number, int attempt, bool fails)
    {
        var terms = Shard.State.Find<AgreementRecord>(AgreementRecord.Key(agreement))!;
        var parent = Digest.Of(_model);
        var commits = Trainers.Select((name, position) => Shard.Sign(name, new InputCommit(agreement, number, attempt, parent, Keep(Update(terms, position, number * 10 + attempt)))));
        Commit([Shard.Sign("va", new RoundOpen(agreement, number, parent)), .. commits]);
        Commit([.. Quorum.Select(seat => Shard.Sign(seat, new Held(agreement, number, attempt, [.. Enumerable.Range(0, _plan.Trainers)])))]);
        var round = Shard.State.Find<RoundRecord>(RoundRecord.Key(agreement, number, attempt))!;
        var aggregate = RoundAggregate.Compute(terms, round, Shard.Genesis.Validators.Quorum, _model, root => _blobs[root])!;
        if (_plan.ForgetsState) aggregate = Forget(terms, aggregate);
        if (_plan.WrongSum) aggregate = AddOne(terms, aggregate);
        var proposal = new AggregateProposal(agreement, number, attempt, round.InputsDigest!.Value, aggregate.SumRoot, aggregate.Model, aggregate.ModelRoot);
        Commit(Shard.Sign("cleveland", proposal));
        Commit([.. Quorum.Take(fails ? 1 : 3).Select(seat => Shard.Sign(seat, new Attest(agreement, number, attempt, proposal.ProposalDigest, true, Work(seat, aggregate.Sum))))]);
        if (fails)
        {
            Shard.Commit(30_000);
            return;
        }

        Assert.Equal(number, Shard.State.Find<RunRecord>(RunRecord.Key(agreement))!.PublishedRounds);
        Keep(aggregate.Sum);
        Keep(aggregate.ModelBytes);
        _model = aggregate.ModelBytes;
    }

    private static byte[] Update(AgreementRecord terms, int position, int seed)
    {
        var random = new Random(seed * 100 + position);
        float[] delta = [.. Enumerable.Range(0, (int)terms.Agreement.UpdateLength).Select(_ => (float)(random.NextDouble() - 0.5) / 8)];
        Assert.True(terms.Agreement.FixedPoint.TryQuantize(delta, terms.Weights[position], SHA256.HashData([(byte)seed, (byte)position]), out var lanes));
        var update = UpdateBlob.Write(lanes);
        Assert.True(RoundAggregate.NewSum(terms).TryAdd(update, terms.Weights[position]));
        return update;
    }

    private RoundAggregate AddOne(AgreementRecord terms, RoundAggregate aggregate)
    {
        var spec = ModelSpec.Logistic(5);
        Assert.True(UpdateBlob.TryRead(aggregate.Sum, spec.ParameterCount, out var lanes));
        Assert.True(ModelBlob.TryRead(spec, _model, out var parent));
        lanes[0] += 1_000_000;
        Assert.True(ModelStep.TryFedAvg(parent, lanes, terms.Weights.Sum(weight => (long)weight), terms.Agreement.FixedPoint, out var next));
        var (sum, model) = (UpdateBlob.Write(lanes), ModelBlob.Write(spec, next));
        return new RoundAggregate(sum, ChunkedBlob.Root(sum), model, Digest.Of(model), ChunkedBlob.Root(model));
    }

    private static RoundAggregate Forget(AgreementRecord terms, RoundAggregate aggregate)
    {
        var spec = ModelSpec.Logistic(5);
        Assert.True(ModelBlob.TryRead(spec, aggregate.ModelBytes, out var parameters));
        var model = ModelBlob.Write(spec, parameters, terms.Agreement.Strategy.InitialState(parameters.Length));
        return aggregate with { ModelBytes = model, Model = Digest.Of(model), ModelRoot = ChunkedBlob.Root(model) };
    }

    private Digest Work(string seat, byte[] sum) => Quorum.TakeLast(_plan.FalseWork).Contains(seat) ? RoundAggregate.WorkOf(ParticipantId.Parse("another"), sum) : RoundAggregate.WorkOf(ParticipantId.Parse(seat), sum);

    private Digest Keep(byte[] content)
    {
        var root = ChunkedBlob.Root(content);
        _blobs[root] = content;
        return root;
    }

    private void Commit(params Transaction[] transactions) => Assert.All(Shard.Commit(10, transactions), entry => Assert.Equal(Rejection.None, entry.Result));

    private void Write()
    {
        using var folder = new TemporaryFolder();
        var writer = new ExportWriter(folder["run"]);
        writer.WriteGenesis(Shard.Genesis);
        foreach (var block in Shard.Blocks.Skip(1).Select(executed => executed.Block))
        {
            var isNewest = block == Shard.Head.Block;
            writer.WriteBlock(block, isNewest || block.Header.Height % 4 == 1 ? Finalization(block, 0, 2, 3) : null);
        }

        var tree = Shard.Tree();
        var note = Checkpoint(tree, tree.Size);
        writer.WriteCheckpoint(note);
        var index = 0L;
        foreach (var leaf in Shard.Blocks.SelectMany(block => LedgerState.Of(block).Leaves))
        {
            writer.WriteReceipt(new Receipt(leaf, index, tree.InclusionProof(index, tree.Size), note));
            index++;
        }

        foreach (var root in NeededBlobs()) writer.WriteBlob(root, _blobs[root]);
        Assert.True(ModelBlob.TryRead(_spec, _model, out var parameters));
        writer.WriteModel(ModelFile.Write(_spec, parameters));
        writer.WriteStatement(ParticipantId.Parse(Stating), Statement(Stating));
        foreach (var file in Directory.EnumerateFiles(folder["run"], "*", SearchOption.AllDirectories)) Files[Path.GetRelativePath(folder["run"], file).Replace('\\', '/')] = File.ReadAllBytes(file);
    }

    private IEnumerable<Digest> NeededBlobs()
    {
        foreach (var round in Shard.State.All<RoundRecord>(RoundRecord.Prefix).Where(round => round.Phase is Phase.Published))
        {
            var terms = Shard.State.Find<AgreementRecord>(AgreementRecord.Key(round.Agreement))!;
            var masked = terms.Agreement.Masks ? new MaskedAttempt(key => Shard.State.Find<StateRecord>(key), terms, round) : null;
            var needed = ExpiryContract.IsOver(Shard.State, round) ? masked?.Reference is { } reference ? [reference] : [] : masked?.SumBlobs ?? round.Inputs.Select(input => input.Root);
            foreach (var root in needed) yield return root;
        }

        foreach (var model in Shard.State.All<ModelRecord>(ModelRecord.Prefix))
        {
            yield return model.SumRoot;
            yield return model.Root;
        }
    }

    /// <summary>Writes the files as they are now into a new folder.</summary>
    public void WriteTo(string folder)
    {
        foreach (var (file, content) in Files)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(folder, file))!);
            File.WriteAllBytes(Path.Combine(folder, file), content);
        }
    }
}
