using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.History;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Tests.Validators;

/// <summary>An organisation with its own folder of keys and its own journal, which runs a validator whether it has a seat or not.</summary>
internal sealed class House(string root, string name, ConcurrentDictionary<ParticipantId, House> network) : IAsyncDisposable
{
    private readonly ConcurrentDictionary<ParticipantId, House> _network = network;
    private ValidatorHost? _host;
    private EraWorker? _eras;
    private TransactionWriter? _writer;
    private int _salt;

    /// <summary>Leaves from one snapshot to the next: more than attesting one of them adds.</summary>
    public const int Interval = 32;

    public ParticipantId Name { get; } = ParticipantId.Parse(name);

    public ValidatorHost Host => _host!;

    public KeyFolder Keys { get; } = new(Path.Combine(root, "keys"), ParticipantId.Parse(name));

    /// <summary>Which messages reach this house.</summary>
    public Func<ConsensusMessage, bool> Passes { get; set; } = _ => true;

    /// <summary>What becomes of the blobs that this house fetches.</summary>
    public Action<byte[]> Tampers { get; set; } = _ => { };

    public LedgerState State => LedgerState.Of(Host.Chain.Head);

    public string EvidenceFolder => Path.Combine(root, "evidence", Name.Name);

    public string HistoryPath => Path.Combine(root, "history", Name.Name);

    public string JournalFolder => Path.Combine(root, "journals", Name.Name);

    /// <summary>Makes the keys of a seat, and gives their public halves.</summary>
    public Validator MakeKeys()
    {
        PublicKey Make(string key) => Keys.Create(key, SignatureAlgorithm.Ed25519).PublicKey;
        return new Validator(Name, Make("transaction"), Make("vote"), Make("cosign"), Make("log"));
    }

    public async Task Start(Genesis genesis, TimeSpan? keyLife = null)
    {
        var keys = ShardFiles.OpenSeat(Keys);
        var store = FileValidatorStore.Open(new FileValidatorStoreOptions { Folder = JournalFolder, Validator = Name.Name });
        ParticipantId[] known = [.. genesis.Validators.Seats.Select(seat => seat.Organisation).Where(other => other != Name)];
        var evidence = new EvidenceFolder(EvidenceFolder);
        var history = new HistoryFolder(HistoryPath, NullLogger.Instance, Interval);
        try
        {
            _host = await ValidatorHost.Start(genesis, Name, known, keys, store, new Wire(_network, Name), TimeProvider.System, NullLogger.Instance, CancellationToken.None, evidence, history, new OthersSnapshots(this));
        }
        catch
        {
            await history.DisposeAsync();
            await store.DisposeAsync();
            throw;
        }

        _writer = new TransactionWriter(genesis.Chain, genesis.Shard, Name, keys.Transaction, TimeProvider.System);
        _eras = new EraWorker(_host, genesis, keys, _writer, evidence, keyLife ?? EraWorker.DefaultKeyLife, TimeProvider.System, NullLogger.Instance);
        _network[Name] = this;
    }

    public async Task Stop()
    {
        _network.TryRemove(Name, out _);
        if (_eras is not null) await _eras.DisposeAsync();
        if (_host is not null) await _host.DisposeAsync();
        (_eras, _host) = (null, null);
    }

    public ValueTask<Transaction> Write(ContractCall call) => _writer!.Write(call, BitConverter.GetBytes(++_salt), CancellationToken.None);

    /// <summary>Has a call committed at these houses, and gives its result.</summary>
    public async Task<Rejection> Commit(ContractCall call, IEnumerable<House> at, CancellationToken limit)
    {
        var transaction = await Write(call);
        Assert.Equal([Rejection.None], await Host.Submit([transaction]));
        var result = Rejection.None;
        foreach (var house in at)
        {
            var key = new TransactionKey(Name, transaction.Payload.Id);
            await house.Until(state => state.Recent.ContainsKey(key), limit);
            var (block, position) = house.Host.Chain.Locate(house.State.Recent[key].Index)!.Value;
            Assert.True(Leaf.TryParse(block.Leaves[position], out var leaf));
            result = ((Entry)leaf!).Result;
        }

        return result;
    }

    /// <summary>Waits until the final state here is so.</summary>
    public async Task Until(Func<LedgerState, bool> holds, CancellationToken limit)
    {
        while (true)
        {
            var height = Host.Chain.Count;
            if (holds(State)) return;
            await Host.Chain.WaitFor(height, limit);
        }
    }

    /// <summary>A new vote key for the own seat, and the call that asks for it.</summary>
    public async Task<Redelegate> NewVoteKey(Genesis genesis)
    {
        var key = VoteKeys.Create(Keys);
        var entry = State.Validators.Seats.Single(seat => seat.Organisation == Name) with { VoteKey = key.PublicKey };
        return new Redelegate(key.PublicKey, await key.Sign(EraContract.ReadyStatement(genesis.Chain, genesis.Shard, State.Validators.Era + 1, entry), CancellationToken.None));
    }

    public async ValueTask DisposeAsync() => await Stop();

    private sealed class Wire(ConcurrentDictionary<ParticipantId, House> network, ParticipantId from) : ITransport
    {
        public void Send(ParticipantId to, ReadOnlyMemory<byte> message)
        {
            if (network.TryGetValue(to, out var house) && ConsensusMessage.TryParse(message, out var parsed) && house.Passes(parsed!)) house._host?.Receive(from, message);
        }
    }

    // As if fetched over links.
    private sealed class OthersSnapshots(House own) : IBlobStore
    {
        private IEnumerable<string> Files(Digest name) => own._network.Values.Where(house => house != own).Select(house => new Snapshots(house.HistoryPath).Find(name)).OfType<string>();

        public ValueTask<StoredBlob?> Find(Digest name, CancellationToken cancellationToken) => new(Files(name).Any() ? new StoredBlob(name, new FileInfo(Files(name).First()).Length) : null);

        public async ValueTask CopyTo(Digest name, Stream destination, long from, long count, CancellationToken cancellationToken)
        {
            var bytes = await File.ReadAllBytesAsync(Files(name).First(), cancellationToken);
            own.Tampers(bytes);
            await destination.WriteAsync(bytes, cancellationToken);
        }

        public ValueTask<bool> Delete(Digest name, CancellationToken cancellationToken) => new(false);

        public ValueTask<StoredBlob> Put(Stream content, Digest? expected, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask<byte[]?> FindLeaves(Digest name, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask<PartialBlob?> Resume(Digest name, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask<PartialBlob> Begin(Digest name, long length, ReadOnlyMemory<byte> leaves, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask<StoredBlob> Finish(PartialBlob partial, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask<int> Read(Digest name, int firstChunk, Memory<byte> destination, CancellationToken cancellationToken) => throw new NotSupportedException();
    }
}
