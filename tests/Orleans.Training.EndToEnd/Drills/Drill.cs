using System.Diagnostics;
using Orleans.Training.Cli;
using Orleans.Training.Cli.Demo;
using Orleans.Training.Client;
using Orleans.Training.Gateway;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using LedgerEvent = Orleans.Training.Client.LedgerEvent;

namespace Orleans.Training.EndToEnd.Drills;

/// <summary>One drill: two silo processes on a copy of the template, a run from set-up to the last model, and what its export says afterwards.</summary>
internal sealed class Drill : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);
    private readonly DrillTemplate _template;
    private readonly string _root;
    private readonly FederationSetup _setup;
    private readonly string? _postgres;
    private readonly CancellationTokenSource _limit = new(Patience);
    private readonly LedgerClient _client;
    private readonly Tenant _tenant;
    private int _published;

    private Drill(DrillTemplate template, TrainingAgreement agreement, string root, FederationSetup setup, DrillSilo[] silos, string? postgres)
    {
        (_template, Agreement, _root, _setup, Silos, _postgres) = (template, agreement, root, setup, silos, postgres);
        _client = NewClient(0);
        _tenant = new Tenant(_client, setup, root);
    }

    public DrillSilo[] Silos { get; }

    /// <summary>What is trained.</summary>
    public TrainingAgreement Agreement { get; }

    /// <summary>Where both silos keep blobs.</summary>
    public FileBlobStore Blobs => new(new ShardFiles(_root).BlobFolder);

    /// <summary>The seats of the shard, each by the name of its journal in PostgreSQL.</summary>
    public IEnumerable<string> Seats => _setup.Genesis.Validators.Seats.Select(seat => GrainKeys.Of(_setup.Genesis.Shard, seat.Organisation.Name));

    /// <summary>Where journals are kept without PostgreSQL.</summary>
    public string JournalFolders => Path.GetDirectoryName(new ShardFiles(_root).JournalFolder(_setup.Genesis.Shard, _setup.Genesis.Validators.Seats[0].Organisation))!;

    /// <summary>The proofs of faults that validators have kept.</summary>
    public IEnumerable<string> Evidence => Directory.Exists(new ShardFiles(_root).EvidenceFolder(_setup.Genesis.Shard)) ? Directory.EnumerateFiles(new ShardFiles(_root).EvidenceFolder(_setup.Genesis.Shard)) : [];

    public Stopwatch Watch { get; } = Stopwatch.StartNew();

    /// <summary>Ends when the drill has taken too long.</summary>
    public CancellationToken Limit => _limit.Token;

    /// <summary>Where a crash point says who crashed.</summary>
    private string Marker => Path.Combine(_root, "crashed");

    /// <summary>Every event that the drill's own subscriber has seen; read it when the run has ended.</summary>
    public List<LedgerEvent> Seen { get; } = [];

    /// <summary>Rounds that the subscriber has seen published.</summary>
    public int Published => Volatile.Read(ref _published);

    /// <summary>Completes when the first round has been opened.</summary>
    public TaskCompletionSource FirstRound { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when only the last round has still to be published.</summary>
    public TaskCompletionSource LastRound { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Copies the template and starts both silos; the first of them that comes to the crash point dies there.</summary>
    public static async Task<Drill> Start(DrillTemplate template, string name, string? crashAt = null, string? postgres = null, bool masks = false, long? challengeMs = null)
    {
        var (root, setup) = template.Copy(name);
        var ports = SiloProcess.FreePorts(6);
        string[] participants = [.. template.Plan.Participants.Select(participant => participant.Name)];
        var agreement = masks ? template.Masked : template.Agreement;
        var drill = new Drill(template, agreement with { ChallengeWindowMs = challengeMs ?? agreement.ChallengeWindowMs }, root, setup, [new DrillSilo("silo-1", root, ports[..3], participants, postgres), new DrillSilo("silo-2", root, ports[3..], participants, postgres)], postgres);
        try
        {
            var environment = crashAt is null ? null : new Dictionary<string, string> { ["OTRAIN_CRASH_AT"] = crashAt, ["OTRAIN_CRASH_ONCE"] = drill.Marker };
            await Task.WhenAll(drill.Silos.Select(silo => silo.Start(environment)));
            return drill;
        }
        catch
        {
            await drill.DisposeAsync();
            throw;
        }
    }

    /// <summary>A client that asks one silo's gateway first, and the other when that one is gone.</summary>
    public LedgerClient NewClient(int first) => new([Silos[first].Gateway, Silos[1 - first].Gateway], _template.ApiKey, GatewayExtensions.FederationId(_setup.Genesis.Shard));

    /// <summary>Waits until a silo has died at the crash point, and says which.</summary>
    public async Task<DrillSilo> Crash(string point)
    {
        var exits = Silos.Select(silo => silo.Exit(Limit)).ToArray();
        var first = await Task.WhenAny(exits);
        Assert.Equal(DrillSilo.Killed, await first);
        var dead = Silos[Array.IndexOf(exits, first)];
        Assert.Equal($"{point} {dead.ProcessId}", (await File.ReadAllTextAsync(Marker)).Trim());
        return dead;
    }

    /// <summary>Drives the run to its last model while the given disaster happens, then kills what is left, exports and verifies.</summary>
    public async Task<ExportFacts> Finish(Func<Task>? disaster = null, int attachedTo = 0)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(Limit);
        var happening = disaster?.Invoke() ?? Task.CompletedTask;
        using var subscriber = NewClient(attachedTo);
        var following = Follow(subscriber);
        await _tenant.SetUp(Agreement, Limit);
        var writing = _tenant.KeepWriting(_template.Plan.Participants[0], over.Token);
        await following;
        await happening;
        await over.CancelAsync();
        await writing;
        var checkpoint = await FinalCheckpoint(Seen[^1].Index);
        foreach (var silo in Silos) await silo.Kill();

        var export = Path.Combine(_root, "export");
        await LocalExport.Write(_root, new ValidatorStores(new ShardFiles(_root), _postgres), _setup.Genesis, checkpoint, export, Limit);
        var facts = ExportFacts.Read(export, _setup.Genesis);
        facts.RequireAll(_tenant.Acknowledged);
        // Exactly once and in order: what was seen is how the ledger begins.
        Assert.Equal(facts.Events.Take(Seen.Count), Seen.Select(item => (item.Index, item.Type, item.Key)));
        return facts;
    }

    public string Summary => $"{_tenant.Acknowledged.Count} acknowledged, {Seen.Count} events, {_tenant.Interruptions.Count} interruptions, {Watch.Elapsed.TotalSeconds:F1} s";

    public async ValueTask DisposeAsync()
    {
        foreach (var silo in Silos) await silo.DisposeAsync();
        _client.Dispose();
        _limit.Dispose();
    }

    private async Task Follow(LedgerClient subscriber)
    {
        await foreach (var item in subscriber.Events(null, Limit))
        {
            Seen.Add(item);
            if (item.Type is "RoundOpened") FirstRound.TrySetResult();
            if (item.Type is "ModelPublished" && Interlocked.Increment(ref _published) == Agreement.Rounds - 1) LastRound.TrySetResult();
            if (item.Type is "ModelPublished" && StateRecord.TryParse(item.Key, item.Record, out var record) && record is ModelRecord model && model.Round == Agreement.Rounds) return;
        }
    }

    private async Task<SignedNote> FinalCheckpoint(long index)
    {
        using var glance = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        while (true)
        {
            if (await _client.Checkpoint(Limit) is { } note && Checkpoint.TryParse(note.Text, out var checkpoint) && checkpoint!.Size > index) return note;
            await glance.WaitForNextTickAsync(Limit);
        }
    }
}
