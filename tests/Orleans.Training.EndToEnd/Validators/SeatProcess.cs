using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Orleans.Training.Cli;
using Orleans.Training.EndToEnd.Drills;
using Orleans.Training.Gateway.Keys;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.EndToEnd.Validators;

/// <summary>One organisation's validator: <c>otrain validator run</c> in a process and a folder of its own, on a port that stays the same when it is started again.</summary>
internal sealed class SeatProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly HttpClient Http = new() { Timeout = TimeSpan.FromSeconds(20) };
    private readonly string _root;
    private readonly string _genesisFile;
    private readonly int _port;
    private readonly string _apiKey;
    private readonly IPAddress _host;
    private Process? _process;

    public SeatProcess(string root, Genesis genesis, string genesisFile, ParticipantId organisation, int port, IPAddress? host = null)
    {
        (_root, Genesis, _genesisFile, Organisation, _port, _host) = (root, genesis, genesisFile, organisation, port, host ?? IPAddress.Loopback);
        Policies.Add(TrustPolicy.Of(genesis.Origin, genesis.Validators));
        _apiKey = ApiKeys.Create(GatewaySetup.KeyFile(root), "tests", [genesis.Shard], Scopes.All, TimeProvider.System);
    }

    public Genesis Genesis { get; }

    /// <summary>The policies of the eras that are known so far; a checkpoint is one of theirs.</summary>
    public List<TrustPolicy> Policies { get; } = [];

    /// <summary>The folder of this organisation.</summary>
    public string Root => _root;

    /// <summary>The names of its keys.</summary>
    public IReadOnlyList<string> Keys => new KeyFolder(new ShardFiles(_root).KeyRoot, Organisation).Names;

    public ParticipantId Organisation { get; }

    /// <summary>Where it keeps final blocks and snapshots.</summary>
    public string HistoryFolder => new ShardFiles(_root).HistoryFolder(Genesis.Shard, Organisation);

    /// <summary>Whether the process has ended.</summary>
    public bool HasEnded => _process is { HasExited: true };

    /// <summary>Where it listens.</summary>
    public Uri Address => new($"http://{Listens}/");

    private IPEndPoint Listens => new(_host, _port);

    /// <summary>A key that may read here.</summary>
    public string ApiKey => _apiKey;

    public int ProcessId => _process!.Id;

    /// <summary>How often it was started.</summary>
    public int Starts { get; private set; }

    public string JournalFolder => new ShardFiles(_root).JournalFolder(Genesis.Shard, Organisation);

    // Beside its folder: what the tests write does not take of its disk.
    /// <summary>Its file of peers.</summary>
    public string PeersFile => _root + ".peers";

    private string Log => _root + ".log";

    /// <summary>What it has said on its standard error since it was set up.</summary>
    public string Said
    {
        get
        {
            using var log = new StreamReader(new FileStream(Log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
            return log.ReadToEnd();
        }
    }

    /// <summary>Whether its log says this.</summary>
    public bool HasSaid(string text) => Said.Contains(text, StringComparison.Ordinal);

    /// <summary>Starts it with these peers, and waits until it is ready.</summary>
    /// <param name="peers">The lines of its file of peers.</param>
    /// <param name="program">What is started.</param>
    /// <param name="before">Arguments before the program of ours.</param>
    /// <param name="crashAt">The point at which it kills itself (docs/spec/drills.md).</param>
    /// <param name="witness">The lines of its file of logs to watch and witnesses to ask.</param>
    public async Task<JsonElement> Start(IEnumerable<string> peers, string program = "dotnet", IReadOnlyList<string>? before = null, string? crashAt = null, IReadOnlyList<string>? witness = null)
    {
        await File.WriteAllLinesAsync(PeersFile, peers);
        _process?.Dispose();
        Starts++;
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true };
        string[] arguments = [.. before ?? [], DrillSilo.Executable, "validator", "run", "--data", _root, "--name", Organisation.Name, "--genesis", _genesisFile, "--peers", PeersFile, "--listen", Listens.ToString(), "--snapshot-every", "64"];
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        if (!IPAddress.IsLoopback(_host)) start.ArgumentList.Add("--behind-proxy");
        if (witness is not null)
        {
            start.ArgumentList.Add("--witness");
            start.ArgumentList.Add(Path.Combine(_root, "witnesses"));
            await File.WriteAllLinesAsync(Path.Combine(_root, "witnesses"), witness);
        }

        if (crashAt is not null) start.Environment["OTRAIN_CRASH_AT"] = crashAt;
        var process = Process.Start(start) ?? throw new InvalidOperationException("The validator's process did not start.");
        _process = process;
        var log = TextWriter.Synchronized(new StreamWriter(new FileStream(Log, FileMode.Append, FileAccess.Write, FileShare.ReadWrite)) { AutoFlush = true });
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is not null) log.WriteLine(line.Data);
            else log.Dispose();
        };
        process.BeginErrorReadLine();
        using var patience = new CancellationTokenSource(Patience);
        var ready = await process.StandardOutput.ReadLineAsync(patience.Token) ?? throw new InvalidOperationException($"{Organisation} ended before it was ready: {await File.ReadAllTextAsync(Log, patience.Token)}");
        var said = JsonDocument.Parse(ready).RootElement;
        Assert.True(said.GetProperty("ready").GetBoolean());
        return said;
    }

    /// <summary>The exit code, once it has ended by itself.</summary>
    public async Task<int> Exit(CancellationToken cancellationToken)
    {
        await _process!.WaitForExitAsync(cancellationToken);
        return _process.ExitCode;
    }

    /// <summary>Sends a signal by its name.</summary>
    public void Signal(string name)
    {
        using var kill = Process.Start("kill", [$"-{name}", ProcessId.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
        Assert.Equal(0, kill.ExitCode);
    }

    /// <summary>kill -9.</summary>
    public async Task Kill()
    {
        if (_process is not { HasExited: false }) return;
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>Submits until the transaction is final here and a quorum has cosigned it, and gives the receipt; or gives why it was refused.</summary>
    public async Task<(Rejection Rejection, Receipt? Receipt)> Submit(Transaction transaction, CancellationToken cancellationToken)
    {
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (true)
        {
            using var response = await Http.PostAsync(new Uri(Address, $"shards/{Genesis.Shard}/transactions"), new ByteArrayContent(transaction.Encoded.ToArray()), cancellationToken);
            using var answer = JsonDocument.Parse(await response.Content.ReadAsStringAsync(cancellationToken));
            var root = answer.RootElement;
            var rejection = root.GetProperty("rejection").GetString() is { } text ? (Rejection)int.Parse(text.AsSpan(3), CultureInfo.InvariantCulture) : Rejection.None;
            if (root.GetProperty("index").ValueKind is JsonValueKind.Null && rejection is not Rejection.None) return (rejection, null);
            if (root.GetProperty("receipt").GetString() is { } receipt)
            {
                Assert.True(Receipt.TryParse(receipt, out var parsed));
                return (rejection, parsed);
            }

            await pause.WaitForNextTickAsync(cancellationToken);
        }
    }

    /// <summary>Reads with the key; null for 404. Waits while a past is being fetched.</summary>
    public async Task<byte[]?> Get(string path, CancellationToken cancellationToken)
    {
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        while (true)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Address, $"shards/{Genesis.Shard}/{path}"));
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _apiKey);
            using var response = await Http.SendAsync(request, cancellationToken);
            if (response.StatusCode is HttpStatusCode.NotFound) return null;
            var content = await response.Content.ReadAsByteArrayAsync(cancellationToken);
            // Who has joined a moment ago fetches the past.
            if (response.StatusCode is not HttpStatusCode.ServiceUnavailable || !System.Text.Encoding.UTF8.GetString(content).Contains("OT-7029", StringComparison.Ordinal))
            {
                Assert.Equal(HttpStatusCode.OK, response.StatusCode);
                return content;
            }

            await pause.WaitForNextTickAsync(cancellationToken);
        }
    }

    /// <summary>The newest checkpoint that a quorum cosigned and that covers this many leaves; waits for it.</summary>
    public async Task<Checkpoint> Reach(long size, CancellationToken cancellationToken)
    {
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (true)
        {
            if (await Get("checkpoint", cancellationToken) is { } note)
            {
                Assert.True(SignedNote.TryParse(System.Text.Encoding.UTF8.GetString(note), out var signed));
                Assert.Contains(Policies, policy => policy.Accepts(signed!) is ReceiptCheck.Good);
                Assert.True(Checkpoint.TryParse(signed!.Text, out var checkpoint));
                if (checkpoint!.Size >= size) return checkpoint;
            }

            await pause.WaitForNextTickAsync(cancellationToken);
        }
    }

    /// <summary>The command line's options of this organisation; its commands talk to this validator, or to another that it has a key for.</summary>
    public string[] Command(SeatProcess? through = null)
    {
        File.WriteAllText(Path.Combine(Path.GetDirectoryName(new ShardFiles(_root).GenesisFile(Genesis.Shard))!, "reading.key"), (through ?? this)._apiKey);
        return ["--data", _root, "--name", Organisation.Name, "--address", (through ?? this).Address.AbsoluteUri];
    }

    /// <summary>The validators that this one knows as the present ones, once their era has come.</summary>
    public async Task<ValidatorSet> ReachEra(ulong era, CancellationToken cancellationToken)
    {
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        while (true)
        {
            Assert.True(GovernanceState.TryParse(await Get("governance", cancellationToken), out var state));
            if (state!.Present.Era >= era) return state.Present;
            await pause.WaitForNextTickAsync(cancellationToken);
        }
    }

    /// <summary>Every final block from height 1 to the one that ends the tree of this size, byte for byte.</summary>
    public async Task<List<byte[]>> Blocks(long size, CancellationToken cancellationToken)
    {
        await Reach(size, cancellationToken);
        var blocks = new List<byte[]>();
        while (true)
        {
            var bytes = await Get(string.Create(CultureInfo.InvariantCulture, $"blocks/{blocks.Count + 1}"), cancellationToken);
            Assert.True(ConsensusMessage.TryParse(bytes!, out var message), $"{Organisation} gave {bytes?.Length} bytes from height {blocks.Count + 1} on, and these are no blocks");
            foreach (var block in ((BlocksMessage)message!).Blocks)
            {
                blocks.Add(block.Encode());
                if (block.Header.TreeSize >= size) return blocks;
            }
        }
    }

    /// <summary>Its newest checkpoint of at least this size, and the blocks up to it.</summary>
    public async Task<SeatLedger> Show(long size, CancellationToken cancellationToken)
    {
        await Reach(size, cancellationToken);
        Assert.True(SignedNote.TryParse(System.Text.Encoding.UTF8.GetString(await Get("checkpoint", cancellationToken) ?? []), out var note));
        Assert.True(Checkpoint.TryParse(note!.Text, out var checkpoint));
        var blocks = await Blocks(checkpoint!.Size, cancellationToken);
        return new SeatLedger(Organisation, [.. blocks.Select(bytes => Block.TryParse(bytes, out var block) ? block! : throw new InvalidDataException("no block"))], note);
    }

    /// <summary>A transaction of this seat's organisation.</summary>
    public async Task<Transaction> Write(ContractCall call)
    {
        var signer = new KeyFolder(new ShardFiles(_root).KeyRoot, Organisation).Open("transaction");
        using var owned = (IDisposable)signer;
        return await new TransactionWriter(Genesis.Chain, Genesis.Shard, Organisation, signer, TimeProvider.System).Write(call, default, CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        await Kill();
        _process?.Dispose();
    }
}
