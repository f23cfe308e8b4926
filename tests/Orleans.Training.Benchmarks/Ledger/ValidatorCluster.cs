using Orleans.Training.Cli.Demo;
using Orleans.Training.Cli.Validators;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Benchmarks;

/// <summary>Four organisations with a validator process each on this machine, who talk by TLS links, and nobody else.</summary>
internal sealed class ValidatorCluster : IAsyncDisposable
{
    private static readonly string[] Names = ["alpha", "beta", "gamma", "delta"];
    private readonly string _folder = Directory.CreateTempSubdirectory("otrain-bench-").FullName;
    private readonly List<ISigner> _signers = [];
    private FinalityWatch? _watch;
    private int _written;

    private ValidatorCluster() => Genesis = null!;

    public Genesis Genesis { get; private set; }

    public List<ValidatorProcess> Validators { get; } = [];

    public ValidatorProcess this[int seat] => Validators[seat];

    /// <summary>Sees every final block of the first validator.</summary>
    public FinalityWatch Watch => _watch!;

    /// <summary>Processor time of all validators.</summary>
    public double ProcessorSeconds => Validators.Sum(validator => validator.ProcessorSeconds);

    /// <summary>Makes keys, genesis and folders, starts the four, and waits until they have made a block together.</summary>
    public static async Task<(ValidatorCluster Cluster, Readiness[] Ready)> Start(IReadOnlyDictionary<string, string>? environment = null)
    {
        var cluster = new ValidatorCluster();
        try
        {
            var seats = Names.Select(name => SeatFiles.MakeSeat(cluster.KeysOf(ParticipantId.Parse(name)))).ToArray();
            var genesis = new Genesis("bench.example/ledger", Identifier.Of("bench"u8), TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() - 1000, new ValidatorSet(1, seats));
            var file = Path.Combine(cluster._folder, "genesis.cbor");
            await File.WriteAllBytesAsync(file, genesis.Encode());
            cluster.Genesis = genesis;
            var ports = SiloProcess.FreePorts(Names.Length);
            foreach (var (seat, port) in seats.Zip(ports))
            {
                cluster._signers.Add(cluster.KeysOf(seat.Organisation).Open(KeyFolder.IdentityKey));
                cluster.Validators.Add(new ValidatorProcess(cluster.RootOf(seat.Organisation), genesis, file, seat.Organisation, port));
            }

            var ready = await Task.WhenAll(cluster.Validators.Select(validator => validator.Start(cluster.PeersOf(validator), environment)));
            cluster._watch = new FinalityWatch(cluster[0], 1);
            await new Client(cluster.Validators, 1).SubmitAll(await cluster.Transactions(4), cluster.Watch);
            return (cluster, ready);
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>The lines of a validator's file of peers: everybody reaches everybody.</summary>
    public IEnumerable<string> PeersOf(ValidatorProcess validator) => Validators.Where(other => other != validator).Select(other => $"seat {other.Organisation} {other.Address}");

    /// <summary>
    /// Transactions of about 430 bytes, each signed, of the four organisations in turn, which their contract refuses (validators register no data): the cheapest execution that an entry can have.
    /// </summary>
    public async Task<Transaction[]> Transactions(int count)
    {
        var call = new RegisterDataset("bench", Digest.Zero, 1, new string('x', 180));
        var (first, transactions) = (_written, new Transaction[count]);
        _written += count;
        await Task.WhenAll(_signers.Select((signer, seat) => Task.Run(async () =>
        {
            var writer = new TransactionWriter(Genesis.Chain, Genesis.Shard, Validators[seat].Organisation, signer, TimeProvider.System);
            for (var i = seat; i < count; i += _signers.Count) transactions[i] = await writer.Write(call, BitConverter.GetBytes(first + i), CancellationToken.None);
        })));
        return transactions;
    }

    public async ValueTask DisposeAsync()
    {
        if (_watch is not null) await _watch.DisposeAsync();
        foreach (var validator in Validators) await validator.DisposeAsync();
        foreach (var signer in _signers) (signer as IDisposable)?.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private string RootOf(ParticipantId organisation) => Path.Combine(_folder, organisation.Name);

    private KeyFolder KeysOf(ParticipantId organisation) => new(new ShardFiles(RootOf(organisation)).KeyRoot, organisation);
}
