using System.Text.Json;
using Orleans.Training.Cli.Demo;
using Orleans.Training.Client;
using Orleans.Training.EndToEnd.Drills;
using Orleans.Training.Gateway;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.EndToEnd.Validators;

/// <summary>
/// An operator with a silo, a gateway and one seat; three hospitals with validators of their own. The operator stops, comes back, and at last loses everything but its keys:
/// the hospitals go on, and nothing that was ever sealed is lost.
/// </summary>
[Collection(Drills.Drills.Name)]
public sealed class MixedSetTests(DrillTemplate template)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    [Fact]
    public async Task TheHospitals_TrainWithTheOperator_AndGoOnWithoutIt()
    {
        using var limit = new CancellationTokenSource(Patience);
        await using var mixed = Mixed.Create(template);
        await Task.WhenAll(mixed.Hospitals.Select((hospital, i) => hospital.Start(mixed.PeersOf(i))));
        await mixed.Operator.Start();

        // A whole run: trainers beside the operator's seat, updates fetched over links by the validators elsewhere, and the model is the one that one silo computes.
        using var client = mixed.NewClient();
        await new Tenant(client, mixed.Setup, mixed.Root).SetUp(template.Agreement, limit.Token);
        var (model, index) = await LastModel(client, limit.Token);
        Assert.Equal(template.Expected, model);
        var receipt = await WaitForReceipt(client, index, limit.Token);
        Assert.Equal(ReceiptCheck.Good, receipt.Verify(mixed.Policy));
        await SameBlocks(mixed.Hospitals, index + 1, limit.Token);

        // The operator is gone: q = 3 of 4 are left.
        await mixed.Operator.Kill();
        var (rejection, without) = await mixed.Hospitals[0].Submit(await mixed.Hospitals[0].Write(new Admit(Somebody(1), "Somebody", Roles.Trainer, mixed.Setup.Genesis.Validators.Seats[0].LogKey)), limit.Token);
        Assert.Equal(Rejection.None, rejection);
        Assert.Equal(ReceiptCheck.Good, without!.Verify(mixed.Policy));
        Assert.True(without.Index > index);
        // Each hospital still says the same about the model, each with its own key.
        var said = await Task.WhenAll(mixed.Hospitals.Select(hospital => hospital.Get($"statements/{template.Agreement.ComputeDigest()}/{template.Agreement.Rounds}", limit.Token)));
        Assert.Equal(mixed.Hospitals.Select(hospital => mixed.Setup.Genesis.Validators.Seats.Single(seat => seat.Organisation == hospital.Organisation).TransactionKey.Id.ToString()), said.Select(KeyOf));
        var payload = Assert.Single(said.Select(PayloadOf).Distinct());
        Assert.Contains(model.ToString(), System.Text.Encoding.UTF8.GetString(Convert.FromBase64String(payload)), StringComparison.Ordinal);
        Assert.Null(await mixed.Hospitals[0].Get($"statements/{template.Agreement.ComputeDigest()}/{template.Agreement.Rounds + 1}", limit.Token));

        // It comes back and has it.
        await mixed.Operator.Start();
        Assert.Equal(without.Leaf.ToArray(), (await WaitForReceipt(client, without.Index, limit.Token)).Leaf.ToArray());

        // It loses all but keys, genesis and addresses. Its seat may not vote again, but the service stands as it was: rebuilt from the hospitals' copies.
        await mixed.Operator.Kill();
        mixed.LoseEverything();
        await mixed.Operator.Start();
        var again = await WaitForReceipt(client, index, limit.Token);
        Assert.Equal(receipt.Leaf.ToArray(), again.Leaf.ToArray());
        Assert.Equal(ReceiptCheck.Good, again.Verify(mixed.Policy));
        Assert.Equal(ReceiptCheck.Good, receipt.Verify(mixed.Policy));
        await mixed.Hospitals[1].Submit(await mixed.Hospitals[1].Write(new Admit(Somebody(2), "Somebody", Roles.Trainer, mixed.Setup.Genesis.Validators.Seats[0].LogKey)), limit.Token);
        // The seat learns from its peers that its key has voted before, and destroys it.
        using var glance = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        while (new KeyFolder(new ShardFiles(mixed.Root).KeyRoot, mixed.Setup.Genesis.Validators.Seats[0].Organisation).Names.Contains("vote")) await glance.WaitForNextTickAsync(limit.Token);
    }

    private static string KeyOf(byte[]? bundle) => JsonDocument.Parse(bundle!).RootElement.GetProperty("verificationMaterial").GetProperty("publicKey").GetProperty("hint").GetString()!;

    private static string PayloadOf(byte[]? bundle) => JsonDocument.Parse(bundle!).RootElement.GetProperty("dsseEnvelope").GetProperty("payload").GetString()!;

    private static ParticipantId Somebody(int number) => ParticipantId.TryParse($"somebody-{number}", out var somebody) ? somebody : default;

    private async Task<(Digest Model, long Index)> LastModel(LedgerClient client, CancellationToken cancellationToken)
    {
        await foreach (var item in client.Events(null, cancellationToken))
        {
            if (item.Type is "RoundFailed") Assert.Fail($"A round failed: {item.Key}");
            if (item.Type is "ModelPublished" && StateRecord.TryParse(item.Key, item.Record, out var record) && record is ModelRecord model && model.Round == template.Agreement.Rounds) return (model.Model, item.Index);
        }

        throw new InvalidOperationException("The events ended.");
    }

    private static async Task<Receipt> WaitForReceipt(LedgerClient client, long index, CancellationToken cancellationToken)
    {
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        while (true)
        {
            if (await client.Receipt(index, cancellationToken) is { } receipt) return receipt;
            await pause.WaitForNextTickAsync(cancellationToken);
        }
    }

    private static async Task SameBlocks(SeatProcess[] seats, long size, CancellationToken cancellationToken)
    {
        var first = await seats[0].Blocks(size, cancellationToken);
        foreach (var seat in seats.Skip(1)) Assert.Equal(first, await seat.Blocks(size, cancellationToken));
    }

    /// <summary>The operator's machine and three others.</summary>
    private sealed class Mixed : IAsyncDisposable
    {
        private static readonly string[] SeatKeys = ["vote.key", "cosign.key", "log.key"];
        private readonly string _apiKey;

        private Mixed(string root, FederationSetup setup, string apiKey, DrillSilo silo, SeatProcess[] hospitals)
        {
            (Root, Setup, _apiKey, Operator, Hospitals) = (root, setup, apiKey, silo, hospitals);
            Policy = TrustPolicy.Of(setup.Genesis.Origin, setup.Genesis.Validators);
        }

        public string Root { get; }

        public FederationSetup Setup { get; }

        public DrillSilo Operator { get; }

        public SeatProcess[] Hospitals { get; }

        public TrustPolicy Policy { get; }

        /// <summary>Seat 0 stays on the operator's machine. The keys of the others' seats move to their own machines; as trainers, they have chosen the operator's silo.</summary>
        public static Mixed Create(DrillTemplate template)
        {
            var (root, setup) = template.Copy("mixed");
            var files = new ShardFiles(root);
            var genesis = setup.Genesis;
            var ports = SiloProcess.FreePorts(2 + genesis.Validators.Count);
            var hospitals = genesis.Validators.Seats.Skip(1).Select((seat, i) =>
            {
                var own = root + "-" + seat.Organisation;
                var keys = Path.Combine(new ShardFiles(own).KeyRoot, seat.Organisation.Name);
                Directory.CreateDirectory(own);
                _ = new KeyFolder(new ShardFiles(own).KeyRoot, seat.Organisation);
                foreach (var file in Directory.EnumerateFiles(Path.Combine(files.KeyRoot, seat.Organisation.Name))) File.Copy(file, Path.Combine(keys, Path.GetFileName(file)));
                foreach (var name in SeatKeys) File.Delete(Path.Combine(files.KeyRoot, seat.Organisation.Name, name));
                File.Copy(Path.Combine(root, "api-keys.json"), Path.Combine(own, "api-keys.json"));
                return new SeatProcess(own, genesis, files.GenesisFile(genesis.Shard), seat.Organisation, ports[3 + i]);
            }).ToArray();
            var shard = Path.GetDirectoryName(files.GenesisFile(genesis.Shard))!;
            File.WriteAllLines(Path.Combine(shard, "peers"), hospitals.Select(hospital => $"seat {hospital.Organisation} {hospital.Address}"));
            File.WriteAllText(Path.Combine(shard, "reading.key"), template.ApiKey);
            return new Mixed(root, setup, template.ApiKey, new DrillSilo("operator", root, ports[..3], [.. template.Plan.Participants.Select(participant => participant.Name)], null, silos: 1), hospitals);
        }

        /// <summary>The silo dials the others, so they know no address of its seat.</summary>
        public IEnumerable<string> PeersOf(int hospital) =>
            Hospitals.Where((_, i) => i != hospital).Select(other => $"seat {other.Organisation} {other.Address}").Prepend($"seat {Setup.Genesis.Validators.Seats[0].Organisation}");

        public LedgerClient NewClient() => new([Operator.Gateway], _apiKey, GatewayExtensions.FederationId(Setup.Genesis.Shard));

        public void LoseEverything()
        {
            var keep = new HashSet<string>(StringComparer.Ordinal) { "keys", "shards", "api-keys.json", "operator.log" };
            foreach (var folder in Directory.EnumerateDirectories(Root).Where(path => !keep.Contains(Path.GetFileName(path)))) Directory.Delete(folder, recursive: true);
            foreach (var file in Directory.EnumerateFiles(Root).Where(path => !keep.Contains(Path.GetFileName(path)))) File.Delete(file);
            Directory.Delete(Path.GetDirectoryName(new ShardFiles(Root).JournalFolder(Setup.Genesis.Shard, Setup.Genesis.Validators.Seats[0].Organisation))!, recursive: true);
        }

        public async ValueTask DisposeAsync()
        {
            await Operator.DisposeAsync();
            foreach (var hospital in Hospitals) await hospital.DisposeAsync();
        }
    }
}
