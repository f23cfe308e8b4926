using System.Diagnostics;
using System.Net;
using Orleans.Training.Cli.Demo;
using Orleans.Training.EndToEnd.Drills;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.EndToEnd.Validators;

/// <summary>Four organisations with a validator each, set up with the command line as they would do it, and nobody else: no silo, no operator.</summary>
internal sealed class SeatFederation : IAsyncDisposable
{
    private static readonly string[] Names = ["alpha", "beta", "gamma", "delta"];
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);
    private readonly string _folder = Directory.CreateTempSubdirectory("otrain-seats-").FullName;
    private readonly CancellationTokenSource _limit;
    private int _written;

    private SeatFederation(TimeSpan patience) => _limit = new CancellationTokenSource(patience);

    public Genesis Genesis { get; private set; } = null!;

    public List<SeatProcess> Seats { get; } = [];

    public TrustPolicy Policy { get; private set; } = null!;

    /// <summary>The folder that everything is below.</summary>
    public string Folder => _folder;

    /// <summary>The genesis file.</summary>
    public string GenesisFile => Path.Combine(_folder, "genesis.cbor");

    /// <summary>Ends when a test has taken too long.</summary>
    public CancellationToken Limit => _limit.Token;

    /// <summary>Makes keys, genesis and folders; starts nothing.</summary>
    /// <param name="patience">How long everything may take together.</param>
    /// <param name="hosts">Where each seat listens, if not on the loopback of this machine.</param>
    public static async Task<SeatFederation> Create(TimeSpan? patience = null, IReadOnlyList<IPAddress>? hosts = null)
    {
        var federation = new SeatFederation(patience ?? Patience);
        var folder = federation._folder;
        await Task.WhenAll(Names.Select(name => Run("validator", "keys", "--data", Path.Combine(folder, name), "--name", name, "--output", Path.Combine(folder, name + ".seat"))));
        var genesisFile = federation.GenesisFile;
        await Run(["validator", "genesis", "--origin", "fed.example/seats", "--at", "2026-11-01T00:00:00Z", "--output", genesisFile, .. Names.Select(name => Path.Combine(folder, name + ".seat"))]);
        Assert.True(Genesis.TryParse(await File.ReadAllBytesAsync(genesisFile), out var genesis));
        federation.Genesis = genesis!;
        federation.Policy = TrustPolicy.Of(genesis!.Origin, genesis.Validators);
        var ports = SiloProcess.FreePorts(Names.Length);
        for (var i = 0; i < Names.Length; i++) federation.Seats.Add(new SeatProcess(Path.Combine(folder, Names[i]), genesis, genesisFile, genesis.Validators.Seats[i].Organisation, ports[i], hosts?[i]));
        return federation;
    }

    /// <summary>The peers of a seat when everybody reaches everybody.</summary>
    public IEnumerable<string> AllPeers(SeatProcess seat) => Seats.Where(other => other != seat).Select(other => $"seat {other.Organisation} {other.Address}");

    public Task Start() => Task.WhenAll(Seats.Select(seat => seat.Start(AllPeers(seat))));

    /// <summary>A transaction that nobody has sent before: a seat's vote to admit somebody new.</summary>
    public async Task<Transaction> Something(SeatProcess seat)
    {
        var number = Interlocked.Increment(ref _written);
        using var key = new Ed25519Signer(Digest.Of(BitConverter.GetBytes(number)).ToArray());
        Assert.True(ParticipantId.TryParse($"somebody-{number}", out var somebody));
        return await seat.Write(new Admit(somebody, "Somebody", Roles.Trainer, key.PublicKey));
    }

    /// <summary>Has something committed through a seat and checks the receipt; gives the size of the tree that it is in.</summary>
    public async Task<long> Commit(SeatProcess through)
    {
        var (rejection, receipt) = await through.Submit(await Something(through), Limit);
        Assert.Equal(Rejection.None, rejection);
        Assert.Contains(through.Policies, policy => receipt!.Verify(policy) is ReceiptCheck.Good);
        return receipt!.Index + 1;
    }

    /// <summary>Has something committed through a seat, and gives the receipt.</summary>
    public async Task<Receipt> Last(SeatProcess through)
    {
        var (rejection, receipt) = await through.Submit(await Something(through), Limit);
        Assert.Equal(Rejection.None, rejection);
        return receipt!;
    }

    /// <summary>Requires that these seats hold the same blocks, byte for byte.</summary>
    public async Task RequireSameBlocks(IReadOnlyList<SeatProcess> seats, long size)
    {
        var first = await seats[0].Blocks(size, Limit);
        foreach (var seat in seats.Skip(1)) Assert.Equal(first, await seat.Blocks(size, Limit));
    }

    /// <summary>Requires that what clients were told is true of what these validators show.</summary>
    public async Task RequireGoodHistory(IReadOnlyList<Submission> submissions)
    {
        var size = submissions.Max(submission => submission.Receipt?.Index + 1) ?? 1;
        var ledgers = await Task.WhenAll(Seats.Select(seat => seat.Show(size, Limit)));
        var faults = LedgerHistory.Faults(Genesis, [Policy], submissions, ledgers);
        Assert.True(faults.Count == 0, string.Join('\n', faults.Take(20)));
        foreach (var seat in Seats) Assert.Empty(await seat.Get("evidence", Limit) ?? []);
    }

    /// <summary>Waits until something is so.</summary>
    public async Task Until(Func<bool> condition)
    {
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!condition()) await pause.WaitForNextTickAsync(Limit);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var seat in Seats) await seat.DisposeAsync();
        _limit.Dispose();
        if (Environment.GetEnvironmentVariable("OTRAIN_KEEP_DRILLS") is null) Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Runs a command that succeeds, and gives what it says.</summary>
    public static async Task<string> Run(params string[] arguments)
    {
        var (code, said, error) = await Try(arguments);
        Assert.True(code == 0, error);
        return said;
    }

    /// <summary>Runs a command, and gives its exit code and what it says.</summary>
    public static async Task<(int Code, string Said, string Error)> Try(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("dotnet", [DrillSilo.Executable, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var said = process.StandardOutput.ReadToEndAsync();
        var error = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, await said, error);
    }
}
