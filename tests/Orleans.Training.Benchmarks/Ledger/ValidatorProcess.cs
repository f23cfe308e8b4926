using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Orleans.Training.Cli;
using Orleans.Training.Cli.Validators;
using Orleans.Training.Gateway.Keys;
using Orleans.Training.Grains;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Benchmarks;

/// <summary>What a validator says when it is ready, and what it took.</summary>
/// <param name="Height">Final blocks that it has.</param>
/// <param name="Snapshot">How many of them it did not execute again.</param>
/// <param name="Seconds">From the start of the process.</param>
/// <param name="ProcessorSeconds">Of the process until then.</param>
internal readonly record struct Readiness(long Height, long Snapshot, double Seconds, double ProcessorSeconds);

/// <summary>One organisation's validator: <c>otrain validator run</c> in a process and a folder of its own, with the defaults of production.</summary>
internal sealed class ValidatorProcess(string root, Genesis genesis, string genesisFile, ParticipantId organisation, int port) : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);
    private static readonly HttpClient Http = new() { Timeout = TimeSpan.FromSeconds(30) };
    private readonly string _apiKey = ApiKeys.Create(GatewaySetup.KeyFile(root), "bench", [genesis.Shard], Scopes.All, TimeProvider.System);
    private Process? _process;
    private double _before;

    public ParticipantId Organisation => organisation;

    /// <summary>Where it listens.</summary>
    public Uri Address { get; } = new($"http://127.0.0.1:{port.ToString(CultureInfo.InvariantCulture)}/");

    /// <summary>Where transactions are handed in.</summary>
    public string SubmitPath { get; } = $"/shards/{genesis.Shard}/transactions";

    public int Id => _process!.Id;

    /// <summary>Processor time of all its processes so far.</summary>
    public double ProcessorSeconds => _before + (_process is { HasExited: false } ? ProcessorClock.Of(Id) : 0);

    private string Log => Path.Combine(root, "validator.log");

    /// <summary>Starts it and waits until it is ready; fails when it ends before.</summary>
    public async Task<Readiness> Start(IEnumerable<string> peers, IReadOnlyDictionary<string, string>? environment = null)
    {
        var file = Path.Combine(root, "peers");
        await File.WriteAllLinesAsync(file, peers);
        _process?.Dispose();
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        string[] arguments = [typeof(ValidatorCommand).Assembly.Location, "validator", "run", "--data", root, "--name", organisation.Name, "--genesis", genesisFile, "--peers", file, "--listen", Address.Authority];
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        var watch = Stopwatch.StartNew();
        _process = Process.Start(start) ?? throw new InvalidOperationException("The validator's process did not start.");
        var log = TextWriter.Synchronized(new StreamWriter(new FileStream(Log, FileMode.Append, FileAccess.Write, FileShare.ReadWrite)) { AutoFlush = true });
        _process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is not null) log.WriteLine(line.Data);
            else log.Dispose();
        };
        _process.BeginErrorReadLine();
        using var patience = new CancellationTokenSource(Patience);
        var said = await _process.StandardOutput.ReadLineAsync(patience.Token) ?? throw new InvalidOperationException($"{organisation} ended before it was ready: {await File.ReadAllTextAsync(Log, patience.Token)}");
        var ready = JsonDocument.Parse(said).RootElement;
        return new Readiness(ready.GetProperty("height").GetInt64(), ready.GetProperty("snapshot").GetInt64(), watch.Elapsed.TotalSeconds, ProcessorClock.Of(Id));
    }

    /// <summary>Sends a signal by its name.</summary>
    public void Signal(string name)
    {
        using var kill = Process.Start("kill", [$"-{name}", Id.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    /// <summary>kill -9.</summary>
    public async Task Kill()
    {
        if (_process is not { HasExited: false }) return;
        var used = ProcessorClock.Of(Id);
        _process.Kill();
        await _process.WaitForExitAsync();
        _before += used;
    }

    /// <summary>Waits until it has ended by itself.</summary>
    public async Task Ended()
    {
        using var patience = new CancellationTokenSource(Patience);
        await _process!.WaitForExitAsync(patience.Token);
    }

    /// <summary>Takes its disk away: journal, blocks, snapshots. The keys stay.</summary>
    public void LoseDisk()
    {
        var files = new ShardFiles(root);
        Directory.Delete(files.JournalFolder(genesis.Shard, organisation), recursive: true);
        Directory.Delete(files.HistoryFolder(genesis.Shard, organisation), recursive: true);
    }

    /// <summary>The final blocks from a height on as this validator serves them, for ever.</summary>
    public async IAsyncEnumerable<Block> Follow(long height, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var glance = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (true)
        {
            var bytes = await Get(string.Create(CultureInfo.InvariantCulture, $"blocks/{height}"), cancellationToken);
            if (bytes is not { Length: > 0 })
            {
                // It waits itself when there are none yet; not when they lie in a past that it is still fetching.
                if (bytes is null) await glance.WaitForNextTickAsync(cancellationToken);
                continue;
            }

            if (!ConsensusMessage.TryParse(bytes, out var message)) throw new InvalidOperationException($"{organisation} serves something that is no message.");
            foreach (var block in ((BlocksMessage)message!).Blocks)
            {
                yield return block;
                height++;
            }
        }
    }

    /// <summary>Whether it has joined at a snapshot, as its log says.</summary>
    public bool HasJoined
    {
        get
        {
            using var log = new StreamReader(new FileStream(Log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
            return log.ReadToEnd().Contains("goes on from the snapshot of block", StringComparison.Ordinal);
        }
    }

    /// <summary>Reads with the key; null for 404, and for 503: not now.</summary>
    public async Task<byte[]?> Get(string path, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Address, $"shards/{genesis.Shard}/{path}"));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _apiKey);
        using var response = await Http.SendAsync(request, cancellationToken);
        if (response.StatusCode is System.Net.HttpStatusCode.NotFound or System.Net.HttpStatusCode.ServiceUnavailable) return null;
        return await response.EnsureSuccessStatusCode().Content.ReadAsByteArrayAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await Kill();
        _process?.Dispose();
    }
}
