using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Training.Grains.History;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Ledger;

/// <summary>
/// One silo's own copy of a shard, which its grains read: pulls final blocks from any validator, believes nothing but certificates, and executes every block itself.
/// </summary>
internal sealed partial class ShardFollower : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Grace = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Retry = TimeSpan.FromMilliseconds(200);
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ConcurrentDictionary<ulong, TrustPolicy> _policies = [];
    private readonly ConcurrentDictionary<TransactionKey, long> _index = [];
    private readonly SemaphoreSlim _advancing = new(1);
    private readonly FinalRun _run;
    private readonly CancellationTokenSource _stop;
    private readonly Task _following;

    /// <summary>Begins to follow.</summary>
    /// <param name="genesis">The shard's genesis.</param>
    /// <param name="validators">The validators that may be asked, at least one.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Where to log.</param>
    /// <param name="stopping">Ends the following.</param>
    public ShardFollower(Genesis genesis, IReadOnlyList<ValidatorAccess> validators, TimeProvider time, ILogger logger, CancellationToken stopping)
    {
        (Genesis, Validators, _time, _logger) = (genesis, validators, time, logger);
        Machine = new LedgerMachine(genesis, new VerifiedSignatures().Verify);
        Chain = new CommittedChain(Machine.CreateGenesis());
        _run = new FinalRun(genesis, Machine);
        _stop = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        _following = Task.Run(Follow, CancellationToken.None);
    }

    public Genesis Genesis { get; }

    /// <summary>Executes blocks and checks transactions.</summary>
    public LedgerMachine Machine { get; }

    /// <summary>The final blocks so far.</summary>
    public CommittedChain Chain { get; }

    /// <summary>The validators that may be asked: those of this cluster, and those elsewhere whose address is known.</summary>
    public IReadOnlyList<ValidatorAccess> Validators { get; }

    /// <summary>The state after the newest final block.</summary>
    public LedgerState Head => LedgerState.Of(Chain.Head);

    /// <summary>Where the entry of a transaction stands; null when it is not on the ledger.</summary>
    public long? IndexOf(TransactionKey key) => _index.TryGetValue(key, out var index) && index < Head.Tree.Size ? index : null;

    /// <summary>Waits until there are this many leaves; false when that does not happen within some seconds.</summary>
    public async Task<bool> Reach(long size)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        patience.CancelAfter(Patience);
        try
        {
            await Chain.WaitForLeaf(size - 1, patience.Token);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>Goes as far as the newest checkpoint that the validators have at hand. When they do not answer in time, following will get there.</summary>
    public async Task CatchUp()
    {
        using var asking = new CancellationTokenSource(Patience, _time);
        var sizes = await Task.WhenAll(Enumerable.Range(0, Validators.Count).Select(seat => SizeAt(seat, asking)));
        using var patience = new CancellationTokenSource(Patience, _time);
        foreach (var (seat, size) in sizes.Index().Where(item => item.Item > 0).OrderByDescending(item => item.Item))
        {
            try
            {
                while (Head.Tree.Size < size && await Advance(await Validators[seat].Follow(_run.Next(Chain.Head)).WaitAsync(patience.Token)))
                {
                    // Until its checkpoint is reached.
                }
            }
            catch (Exception exception)
            {
                LogUnreachable(_logger, seat, exception.Message);
            }
        }
    }

    /// <summary>The newest checkpoint of a validator, if the policy of its era accepts it and it is about this very tree; else null.</summary>
    public async Task<SignedNote?> CheckpointOf(int seat)
    {
        if (await Validators[seat].Checkpoint() is not { } text || !SignedNote.TryParse(text, out var note) || !Accepts(note!)) return null;
        return Checkpoint.TryParse(note!.Text, out var checkpoint) && Chain.RootAt(checkpoint!.Size) == checkpoint.Root ? note : null;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _following.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
        _advancing.Dispose();
    }

    // The size of the validator's checkpoint, if a quorum has cosigned it; else 0. Once one has answered, the others have a little time left: their silo may be dead.
    private async Task<long> SizeAt(int seat, CancellationTokenSource asking)
    {
        try
        {
            if (await Validators[seat].Checkpoint().WaitAsync(asking.Token) is not { } text || !SignedNote.TryParse(text, out var note) || !Accepts(note!) || !Checkpoint.TryParse(note!.Text, out var checkpoint)) return 0;
            asking.CancelAfter(Grace);
            return checkpoint!.Size;
        }
        catch (Exception exception)
        {
            LogUnreachable(_logger, seat, exception.Message);
            return 0;
        }
    }

    // The present era's policy, or the last one's: a checkpoint may be from just before the change.
    private bool Accepts(SignedNote note)
    {
        var state = Head;
        TrustPolicy PolicyOf(ulong era) => _policies.GetOrAdd(era, key => TrustPolicy.Of(Genesis.Origin, state.Contracts.Find<ValidatorsRecord>(ValidatorsRecord.Key(key))!.Set));
        var now = state.Validators.Era;
        return PolicyOf(now).Accepts(note) is ReceiptCheck.Good || (now > Genesis.Validators.Era && PolicyOf(now - 1).Accepts(note) is ReceiptCheck.Good);
    }

    private async Task Follow()
    {
        for (var seat = 0; !_stop.IsCancellationRequested; seat = (seat + 1) % Validators.Count)
        {
            try
            {
                while (await Advance(await Validators[seat].Follow(_run.Next(Chain.Head)).WaitAsync(_stop.Token)))
                {
                    // As long as this validator gives blocks or an honest 'none yet'.
                }
            }
            catch (Exception exception) when (!_stop.IsCancellationRequested)
            {
                LogUnreachable(_logger, seat, exception.Message);
            }

            await Task.Delay(Retry, _time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<bool> Advance(FinalBlocks final)
    {
        await _advancing.WaitAsync(_stop.Token);
        try
        {
            if (final.Blocks.Length == 0) return true;
            if (Certificate.TryParse(final.Finalization, out var certificate) != final.Finalization is not null || Parsed(final.Blocks) is not { } blocks || _run.Take(Chain.Head, blocks, certificate) is not { } executed)
            {
                _run.Forget();
                return false;
            }

            foreach (var block in executed) Append(block, block == executed[^1] ? certificate : null);
            return true;
        }
        finally
        {
            _advancing.Release();
        }
    }

    private static List<Block>? Parsed(byte[][] encoded)
    {
        var blocks = new List<Block>(encoded.Length);
        foreach (var bytes in encoded)
        {
            if (!Block.TryParse(bytes, out var block)) return null;
            blocks.Add(block!);
        }

        return blocks;
    }

    // The index comes first, so that whoever sees the block finds its transactions.
    private void Append(ExecutedBlock executed, Certificate? finalization)
    {
        var (block, state) = (executed.Block, LedgerState.Of(executed));
        for (var i = 0; i < block.Transactions.Count; i++)
        {
            if (Transaction.TryParse(block.Transactions[i], out var transaction) is Rejection.None) _index[new TransactionKey(transaction!.Payload.Actor, transaction.Payload.Id)] = state.FirstIndex + 1 + i;
        }

        CrashPoints.Reach("final-before-shard-read-model");
        Chain.Append(executed, finalization);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Validator {Seat} did not answer: {Reason}")]
    private static partial void LogUnreachable(ILogger logger, int seat, string reason);
}

/// <summary>The shards that this silo follows, each from the moment at which a grain first asks for it.</summary>
internal sealed class ShardFollowers(ShardFiles files, IGrainFactory grains, TimeProvider time, IHostApplicationLifetime host, ILogger<ShardFollower> logger) : IAsyncDisposable
{
    private readonly ConcurrentDictionary<Identifier, Lazy<ShardFollower>> _followers = [];
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(20) };

    /// <summary>The silo's copy of a shard.</summary>
    /// <exception cref="OperationalException">OT-7023: there is no genesis here.</exception>
    public ShardFollower Of(Identifier shard)
    {
        var genesis = files.Genesis(shard);
        return _followers.GetOrAdd(shard, _ => new Lazy<ShardFollower>(() => new ShardFollower(genesis, Validators(genesis), time, logger, host.ApplicationStopping))).Value;
    }

    // Those of the cluster first: they are near.
    private ValidatorAccess[] Validators(Genesis genesis)
    {
        var peers = files.PeersOf(genesis.Shard);
        var key = files.ReadingKeyOf(genesis.Shard);
        var here = genesis.Validators.Seats.Where(seat => peers?.Seats.ContainsKey(seat.Organisation) is not true)
            .Select(seat => (ValidatorAccess)new ValidatorInCluster(grains.GetGrain<IValidatorGrain>(GrainKeys.Of(genesis.Shard, seat.Organisation.Name))));
        var elsewhere = (peers?.Seats.Values ?? []).OfType<Uri>().Select(address => new ValidatorElsewhere(_http, address, genesis.Shard, key));
        ValidatorAccess[] all = [.. here, .. elsewhere];
        return all.Length > 0 ? all : throw new OperationalException("OT-7042", $"No validator of shard {genesis.Shard} can be asked: all seats live elsewhere, and the file 'peers' gives no address.");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var follower in _followers.Values) await follower.Value.DisposeAsync();
        _http.Dispose();
    }
}
