using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.Participants;
using Orleans.Training.Grains.History;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Simulation;
using Orleans.Training.Tests.Cluster;

namespace Orleans.Training.Tests.Rounds;

/// <summary>A host dies. It is run again from its files, unless <paramref name="forGood"/>.</summary>
internal sealed class HostKilledException(bool forGood = false) : Exception("killed")
{
    public bool ForGood => forGood;
}

/// <summary>
/// The hosts of a <see cref="MaskedLedger"/>'s participants, each with a journal and a list of its own on disk, and one store of blobs. They run by themselves; <see cref="Drive"/> makes the seats hold
/// what is there, and lets a deadline pass once all who are expected have said what the phase wants.
/// </summary>
internal sealed class MaskedHosts : IDisposable
{
    private static readonly byte[] Sealing = Digest.Of("sealing"u8).ToArray();
    private readonly TemporaryFolder _folder = new();
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _stop = new(TimeSpan.FromMinutes(5));
    private readonly FileBlobStore _store;
    private readonly CommittedChain _chain;
    private readonly MaskSetup[] _setups;
    private readonly MaskTail[] _tails;
    private readonly string _round;
    private readonly ConcurrentDictionary<int, Task> _running = [];

    public MaskedHosts(int count, ulong seed = 1)
    {
        Ledger = new MaskedLedger(count, seed);
        Assert.Equal(Rejection.None, Ledger.Open());
        _store = new FileBlobStore(_folder["blobs"]);
        _chain = new CommittedChain(Ledger.Shard.Blocks[0]);
        Do(ledger => ledger.Attempt);
        _setups = [.. Ledger.Everybody.Select(Ledger.Setup)];
        _tails = [.. Ledger.Everybody.Select(i => MaskTail.Of(Ledger.Masked.Terms.Weights[i]))];
        _round = Ledger.Round.StateKey;
    }

    public MaskedLedger Ledger { get; }
    /// <summary>Called wherever a host may die: the steps of its journal, "put" and "stored" with a blob, "submit" and "submitted" with a call's name. Ends the life by an exception or its token.</summary>
    public Action<int, string, CancellationTokenSource> Reach { get; set; } = static (_, _, _) => { };
    /// <summary>Called before a host runs, with the number of its life.</summary>
    public Action<int, int> BeforeLife { get; set; } = static (_, _) => { };
    /// <summary>What a participant trains in a life.</summary>
    public Func<int, int, int[]>? Train { get; set; }
    /// <summary>All that left a host: call and arguments.</summary>
    public ConcurrentQueue<(int Who, string Call, string Arguments)> Submitted { get; } = [];
    public ConcurrentQueue<(int Who, Digest Root)> Stored { get; } = [];
    public ConcurrentDictionary<int, (MaskPhase Phase, MaskFault Fault)> Ends { get; } = [];
    public ConcurrentDictionary<int, int> Lives { get; } = [];

    public string FolderOf(int who) => _folder[Ledger.Names[who]];

    public string JournalOf(int who) => Path.Combine(FolderOf(who), "attempt.journal");

    public ConsumedParents ConsumedOf(int who) => new(FolderOf(who));

    public IEnumerable<string> CallsOf(int who) => Submitted.Where(item => item.Who == who).Select(item => item.Call).Distinct();

    public void Start(params IEnumerable<int> who)
    {
        foreach (var i in who) _running[i] = Task.Run(() => Host(i));
    }

    /// <summary>Waits until all hosts have ended.</summary>
    public Task Ended() => Task.WhenAll(_running.Values);

    /// <summary>Waits until a host has ended, and says how.</summary>
    public async Task<(MaskPhase Phase, MaskFault Fault)> EndOf(int who)
    {
        await _running[who];
        return Ends[who];
    }

    /// <summary>Something on the ledger, and its blocks to all.</summary>
    public T Do<T>(Func<MaskedLedger, T> act)
    {
        lock (_lock)
        {
            var result = act(Ledger);
            while (_chain.Count < Ledger.Shard.Blocks.Count) _chain.Append(Ledger.Shard.Blocks[(int)_chain.Count], null);
            return result;
        }
    }

    /// <summary>Until everything is revealed, or the attempt has failed.</summary>
    /// <param name="mute">Hosts that are not waited for from a phase on.</param>
    public async Task<Phase> Drive(params (int Who, Phase From)[] mute)
    {
        while (true)
        {
            var phase = Do(ledger => ledger.Round.Phase);
            if (phase is Phase.Aggregate or Phase.Failed or Phase.Published) return phase;
            var expected = _running.Keys.Where(i => !mute.Any(item => item.Who == i && Array.IndexOf(MaskedLedger.Flow, item.From) <= Array.IndexOf(MaskedLedger.Flow, phase))).ToArray();
            await Until(() => Ledger.Round.Phase != phase || expected.All(i => _running[i].IsCompleted || HasSaid(i, phase)));
            await Fetch();
            Do(ledger =>
            {
                if (ledger.Round.Phase == phase) ledger.HoldAll();
                if (ledger.Round.Phase == phase) ledger.Expire();
                return phase;
            });
        }
    }

    public void Dispose()
    {
        _stop.Cancel();
        try
        {
            Task.WaitAll([.. _running.Values]);
        }
        catch (AggregateException)
        {
            // The test has seen what it wanted, or failed.
        }

        _stop.Dispose();
        _folder.Dispose();
    }

    private bool HasSaid(int who, Phase phase)
    {
        var masked = Ledger.Masked;
        if (phase is Phase.RevealSilent) return masked.RootOf(MaskBlobKind.SilentOpenings, who) is not null;
        return MaskedParticipation.OwnMessage(masked, who) >= MaskPhase.Keyed + Array.IndexOf(MaskedLedger.Flow, phase);
    }

    private async Task Until(Func<bool> reached)
    {
        while (true)
        {
            var height = _chain.Count;
            foreach (var ended in _running.Values.Where(task => task.IsCompleted)) await ended;
            if (Do(_ => reached())) return;
            await Task.WhenAny([_chain.WaitFor(height, _stop.Token), .. _running.Values.Where(task => !task.IsCompleted)]);
            _stop.Token.ThrowIfCancellationRequested();
        }
    }

    // What the ledger names and the store has, where the seats look for it.
    private async Task Fetch()
    {
        var roots = Do(ledger => Enum.GetValues<MaskBlobKind>().SelectMany(kind => ledger.Everybody.Select(i => ledger.Masked.RootOf(kind, i))).OfType<Digest>().ToArray());
        foreach (var root in roots)
        {
            if (await _store.ReadAll(root, _stop.Token) is { } bytes) Do(ledger => { ledger.Store(bytes); return root; });
        }
    }

    private async Task Host(int who)
    {
        for (var life = 0; ; life++)
        {
            Lives[who] = life + 1;
            BeforeLife(who, life);
            using var alive = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            try
            {
                using var journal = MaskJournal.Open(FolderOf(who), "attempt", Sealing, place => Reach(who, place, alive));
                var host = new MaskedParticipant(_chain, Ledger.Agreement.ComputeDigest(), _round, _setups[who], new Blobs(this, who, alive), ConsumedOf(who), call => Submit(who, call, alive), TimeProvider.System, NullLogger.Instance);
                var lanes = Train?.Invoke(who, life) ?? Ledger.Lanes[who];
                await host.Run(journal, _ => Task.FromResult(new TrainedUpdate(lanes, _tails[who])), alive.Token);
                Ends[who] = (host.Phase, host.Fault);
                return;
            }
            catch (HostKilledException killed)
            {
                if (killed.ForGood) return;
            }
            catch (OperationCanceledException) when (!_stop.IsCancellationRequested)
            {
                // Its own token: the next life.
            }
        }
    }

    private Task<Rejection> Submit(int who, ContractCall call, CancellationTokenSource alive)
    {
        var name = call.GetType().Name;
        Submitted.Enqueue((who, name, Convert.ToHexString(Wire.Encode(call.WriteArguments))));
        Reach(who, "submit " + name, alive);
        var answer = Do(ledger => ledger.Send(ledger.Names[who], call));
        Reach(who, "submitted " + name, alive);
        return Task.FromResult(answer);
    }

    // The store, with places to die at before and behind a put.
    private sealed class Blobs(MaskedHosts hosts, int who, CancellationTokenSource alive) : ForwardingBlobs(hosts._store)
    {
        public override async ValueTask<StoredBlob> Put(Stream content, Digest? expected, CancellationToken cancellationToken)
        {
            hosts.Reach(who, "put", alive);
            var blob = await base.Put(content, expected, cancellationToken);
            hosts.Stored.Enqueue((who, blob.Name));
            hosts.Reach(who, "stored", alive);
            return blob;
        }
    }
}
