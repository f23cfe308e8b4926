using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Training.Grains.History;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Benchmarks;

/// <summary>
/// Four validators in this process, or one, as a silo hosts them: each with its own keys, its own verified signatures, its own execution, its own archive and its own journal, synced before
/// each vote. Messages pass between them encoded, through memory.
/// </summary>
internal sealed class LocalShard : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("otrain-bench-").FullName;
    private readonly ValidatorHost?[] _hosts;
    private readonly Ed25519Signer[] _signers;
    private int _next;

    private LocalShard(int count)
    {
        (_hosts, _signers) = (new ValidatorHost?[count], [.. Enumerable.Range(0, count).Select(seat => Signer($"{seat}"))]);
        var seats = Enumerable.Range(0, count).Select(seat => new Validator(NameOf(seat), _signers[seat].PublicKey, Signer($"{seat}/vote").PublicKey, Signer($"{seat}/cosign").PublicKey, Signer($"{seat}/log").PublicKey)).ToArray();
        Genesis = new Genesis("bench.example/ledger", Identifier.Of("bench"u8), TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() - 1000, new ValidatorSet(1, seats));
    }

    public Genesis Genesis { get; }

    public ValidatorHost this[int seat] => _hosts[seat]!;

    public static async Task<LocalShard> Start(int count = 4)
    {
        var shard = new LocalShard(count);
        for (var seat = 0; seat < count; seat++) await shard.Open(seat);
        return shard;
    }

    /// <summary>Stops a validator and starts it from its files, with those of its history or without.</summary>
    public async Task Restart(int seat, bool withHistory)
    {
        await _hosts[seat]!.DisposeAsync();
        if (!withHistory) Directory.Delete(FolderOf(seat, "history"), recursive: true);
        await Open(seat);
    }

    public string FolderOf(int seat, string what) => Path.Combine(_folder, $"{seat}", what);

    private async Task Open(int seat)
    {
        var keys = new ValidatorKeys(_signers[seat], Signer($"{seat}/vote"), Signer($"{seat}/cosign"), Signer($"{seat}/log"));
        var store = FileValidatorStore.Open(new FileValidatorStoreOptions { Folder = FolderOf(seat, "journal"), Validator = $"{seat}" });
        var history = new HistoryFolder(FolderOf(seat, "history"), NullLogger.Instance);
        _hosts[seat] = await ValidatorHost.Start(Genesis, NameOf(seat), [], keys, store, new Network(this, NameOf(seat)), TimeProvider.System, NullLogger.Instance, CancellationToken.None, history: history);
    }

    /// <summary>Individually signed transactions of about 512 bytes, which their contract refuses (the fifth has no such key): the cheapest execution there is.</summary>
    public async Task<Transaction[]> Transactions(int count)
    {
        var call = new RegisterDataset("bench", Digest.Zero, 1, new string('x', 180));
        var transactions = new Transaction[count];
        for (var i = 0; i < count; i++)
        {
            var seat = i % _signers.Length;
            var writer = new Grains.TransactionWriter(Genesis.Chain, Genesis.Shard, Genesis.Validators.Seats[seat].Organisation, _signers[seat], TimeProvider.System);
            transactions[i] = await writer.Write(call, BitConverter.GetBytes(_next++), CancellationToken.None);
        }

        return transactions;
    }

    /// <summary>Waits until a validator has this many entries more than <paramref name="before"/>.</summary>
    public async Task Entries(int seat, long before, long more)
    {
        for (long height = this[seat].Chain.Count - 1, entries = 0; ; height++)
        {
            await this[seat].Chain.WaitFor(height, CancellationToken.None);
            entries = EntriesOf(this[seat]);
            if (entries >= before + more) return;
        }
    }

    /// <summary>Entries of a validator's chain: every leaf but the first of each block.</summary>
    public static long EntriesOf(ValidatorHost host)
    {
        var head = host.Chain.Head;
        return LedgerState.Of(head).Tree.Size - (long)head.Block.Header.Height - 1;
    }

    public static TimeSpan ProcessorTime
    {
        get
        {
            using var process = Process.GetCurrentProcess();
            return process.TotalProcessorTime;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var host in _hosts)
        {
            if (host is not null) await host.DisposeAsync();
        }

        foreach (var signer in _signers) signer.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static Ed25519Signer Signer(string name) => new(Digest.Of(System.Text.Encoding.UTF8.GetBytes($"bench/{name}")).ToArray());

    private static ParticipantId NameOf(int seat) => ParticipantId.Parse($"validator-{seat}");

    private sealed class Network(LocalShard shard, ParticipantId from) : ITransport
    {
        public void Send(ParticipantId to, ReadOnlyMemory<byte> message)
        {
            for (var seat = 0; seat < shard._hosts.Length; seat++)
            {
                if (NameOf(seat) == to) shard._hosts[seat]?.Receive(from, message);
            }
        }
    }
}
