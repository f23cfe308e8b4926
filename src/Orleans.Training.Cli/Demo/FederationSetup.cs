using Orleans.Training.Grains;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Grains.Participants;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Protocol.Privacy;
using Orleans.Training.Trainer;

namespace Orleans.Training.Cli.Demo;

/// <summary>
/// What the organisations of a demonstration prepare before anything runs: each its own keys in its own folder, and together a genesis. Afterwards it signs for them, as their
/// administrators would.
/// </summary>
internal sealed class FederationSetup
{
    private readonly DemoPlan _plan;
    private readonly string _root;
    private readonly Dictionary<ParticipantId, KeyFolder> _folders = [];

    private FederationSetup(DemoPlan plan, string root, Genesis genesis)
    {
        (_plan, _root, Genesis) = (plan, root, genesis);
        foreach (var participant in plan.Participants) _folders[participant] = new KeyFolder(new ShardFiles(root).KeyRoot, participant);
    }

    public Genesis Genesis { get; }

    public string PolicyText => TrustPolicy.Text(Genesis.Origin, Genesis.Validators);

    /// <summary>Makes keys, genesis and data files.</summary>
    public static FederationSetup Create(DemoPlan plan, string root, TimeProvider time)
    {
        var files = new ShardFiles(root);
        foreach (var participant in plan.Participants)
        {
            var folder = new KeyFolder(files.KeyRoot, participant);
            foreach (var name in new[] { "transaction", ParticipantSecrets.KeyName }) (folder.Create(name, SignatureAlgorithm.Ed25519) as IDisposable)?.Dispose();
        }

        var seats = new List<Validator>();
        foreach (var participant in plan.Participants.Take(DemoPlan.Seats))
        {
            var folder = new KeyFolder(files.KeyRoot, participant);
            PublicKey Make(string name)
            {
                var signer = folder.Create(name, SignatureAlgorithm.Ed25519);
                (signer as IDisposable)?.Dispose();
                return signer.PublicKey;
            }

            using var transaction = (Ed25519Signer)folder.Open("transaction");
            seats.Add(new Validator(participant, transaction.PublicKey, Make("vote"), Make("cosign"), Make("log")));
        }

        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        var genesis = new Genesis($"otrain.example/{plan.Name}", Identifier.Of(System.Text.Encoding.UTF8.GetBytes($"{plan.Name}/{now}")), now, new ValidatorSet(1, seats));
        var path = files.GenesisFile(genesis.Shard);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, genesis.Encode());
        plan.WriteData(root);
        return new FederationSetup(plan, root, genesis);
    }

    /// <summary>What an earlier start made.</summary>
    public static FederationSetup Open(DemoPlan plan, string root, Genesis genesis) => new(plan, root, genesis);

    /// <summary>The seats' votes that admit every participant as a trainer with data.</summary>
    public async IAsyncEnumerable<Transaction> Admissions()
    {
        foreach (var participant in _plan.Participants)
        {
            using var own = (Ed25519Signer)_folders[participant].Open("transaction");
            var call = new Admit(participant, participant.Name, Roles.Trainer | Roles.DataOwner, own.PublicKey);
            foreach (var seat in Genesis.Validators.Seats.Take(Genesis.Validators.Quorum)) yield return await Sign(seat.Organisation, call);
        }
    }

    /// <summary>Every participant's commitment to its data.</summary>
    public async IAsyncEnumerable<Transaction> Datasets()
    {
        foreach (var participant in _plan.Participants)
        {
            var rows = LocalDataset.Load(_root, participant, _plan.Name).Train;
            using var derivation = (Ed25519Signer)_folders[participant].Open(ParticipantSecrets.KeyName);
            var secret = await ParticipantSecrets.Derive(derivation, ParticipantSecrets.DatasetContext(_plan.Name), CancellationToken.None);
            yield return await Sign(participant, new RegisterDataset(_plan.Name, rows.Commit(secret), rows.Count, _plan.Title));
        }
    }

    /// <summary>What every participant allows its data set to lose, but for the one that shows its updates.</summary>
    public async IAsyncEnumerable<Transaction> Budgets(PrivacyBudget budget, ParticipantId? trusted)
    {
        foreach (var participant in _plan.Participants.Where(participant => participant != trusted)) yield return await Sign(participant, new SetBudget(_plan.Name, budget));
    }

    /// <summary>A participant's wish for a round.</summary>
    public ValueTask<Transaction> Opening(TrainingAgreement agreement) => Sign(_plan.Participants[0], new RoundOpen(agreement.ComputeDigest(), 1, agreement.InitialModel));

    /// <summary>The proposal of the agreement.</summary>
    public ValueTask<Transaction> Proposal(TrainingAgreement agreement) => Sign(_plan.Participants[0], new ProposeAgreement(agreement));

    /// <summary>Every participant's consent, each under its own policy.</summary>
    public async IAsyncEnumerable<Transaction> Acceptances(TrainingAgreement agreement)
    {
        var digest = agreement.ComputeDigest();
        foreach (var participant in _plan.Participants)
        {
            yield return await Sign(participant, new AcceptAgreement(digest, Policy.Open with { MinParticipants = agreement.MinParticipants, MaxRounds = agreement.Rounds, MaxLocalEpochs = agreement.Training.LocalEpochs }));
        }
    }

    private async ValueTask<Transaction> Sign(ParticipantId actor, ContractCall call)
    {
        using var signer = (Ed25519Signer)_folders[actor].Open("transaction");
        return await new TransactionWriter(Genesis.Chain, Genesis.Shard, actor, signer, TimeProvider.System).Write(call, default, CancellationToken.None);
    }
}
