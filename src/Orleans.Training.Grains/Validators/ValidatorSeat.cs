using Microsoft.Extensions.Logging;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.History;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Grains.Links;
using Orleans.Training.Grains.Rounds;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>
/// One organisation's seat at work: its keys, its journal, its votes, its part in rounds and in changes of the set, and its links to seats that live elsewhere. A silo runs it in a grain, <c>otrain validator</c> without one.
/// </summary>
public sealed class ValidatorSeat : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(4);
    private readonly ValidatorHost _host;
    private readonly RoundWorker _rounds;
    private readonly EraWorker _eras;
    private readonly SeatLinks? _links;
    private readonly TimeProvider _time;
    private readonly Statements _statements;
    private readonly ISigner _signer;

    private ValidatorSeat(Genesis genesis, ParticipantId organisation, ISigner signer, ValidatorHost host, RoundWorker rounds, EraWorker eras, SeatLinks? links, IBlobStore blobs, EvidenceFolder evidence, TimeProvider time)
    {
        (Genesis, Organisation, _signer, _host, _rounds, _eras, _links, Blobs, Evidence, _time) = (genesis, organisation, signer, host, rounds, eras, links, blobs, evidence, time);
        _statements = new Statements(genesis, host.Chain, blobs);
    }

    /// <summary>The shard's genesis.</summary>
    public Genesis Genesis { get; }

    /// <summary>Whose seat it is.</summary>
    public ParticipantId Organisation { get; }

    /// <summary>The final blocks.</summary>
    public CommittedChain Chain => _host.Chain;

    /// <summary>The newest checkpoint that a quorum cosigned, or null.</summary>
    public SignedNote? Checkpoint => _host.Checkpoint;

    /// <summary>The blobs that this seat serves, and fetches from others when it has links.</summary>
    public IBlobStore Blobs { get; }

    /// <summary>The proofs of faults that this seat holds.</summary>
    public EvidenceFolder Evidence { get; }

    /// <summary>The organisations with a link at this moment.</summary>
    public IReadOnlyList<ParticipantId> Linked => _links?.Linked ?? [];

    /// <summary>The seat's number in the present era; −1 when it has none.</summary>
    public int Number => _host.Seat;

    /// <summary>The height of the snapshot that it began at; 0 for genesis.</summary>
    public long StartedFrom => _host.StartedFrom;

    /// <summary>Who may have links now, by the newest final state.</summary>
    public LinkMembers Members => _host.Members;

    /// <summary>Ends when the seat can no longer take part; faulted when something went wrong. If its vote guard was lost, its vote key has been destroyed by then.</summary>
    public Task Completion => _host.Completion;

    /// <summary>Opens a seat. It takes part from now on.</summary>
    /// <param name="genesis">The shard's genesis.</param>
    /// <param name="folder">The organisation's keys.</param>
    /// <param name="store">The seat's journal; belongs to the seat from now on.</param>
    /// <param name="blobs">The blobs of this machine.</param>
    /// <param name="evidenceFolder">Where proofs of faults are kept.</param>
    /// <param name="peers">The seats that are reached by links; null for none.</param>
    /// <param name="neighbours">The way to the other seats of the same house. Null when all are reached by links.</param>
    /// <param name="time">The clock.</param>
    /// <param name="loggers">Where to log.</param>
    /// <param name="cancellationToken">Ends the opening.</param>
    /// <param name="history">Where final blocks and snapshots are kept, belongs to the seat from now on; null for memory alone.</param>
    /// <param name="keyLife">How long a vote key serves before the seat gives itself another one; null for 7 days.</param>
    /// <exception cref="OperationalException">The keys or the journal cannot be had.</exception>
    /// <exception cref="LedgerCorruptException">The journal is damaged.</exception>
    public static async Task<ValidatorSeat> Open(Genesis genesis, KeyFolder folder, IValidatorStore store, IBlobStore blobs, string evidenceFolder, LinkPeers? peers, ITransport? neighbours, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken, HistoryFolder? history = null, TimeSpan? keyLife = null)
    {
        SeatLinks? links = null;
        try
        {
            var keys = ShardFiles.OpenSeat(folder);
            var self = folder.Participant;
            var served = history is null ? blobs : new WithSnapshots(blobs, history.Snapshots);
            if (peers is not null) links = await SeatLinks.Create(genesis, self, keys.Transaction, peers, served, time, loggers.CreateLogger<SeatLinks>(), cancellationToken);
            ITransport transport = (neighbours, links) switch
            {
                (null, null) => throw new ArgumentException("A seat needs a way to the others.", nameof(peers)),
                ({ } grains, null) => grains,
                (null, { } all) => all,
                ({ } grains, { } some) => new BothWays(grains, some),
            };
            ParticipantId[] known = [.. (neighbours is null ? [] : genesis.Validators.Seats.Select(seat => seat.Organisation)).Concat(peers?.Seats.Keys ?? []).Where(organisation => organisation != self).Distinct()];
            var evidence = new EvidenceFolder(evidenceFolder);
            var everywhere = links is null ? served : new LinkedBlobs(served, links);
            var host = await ValidatorHost.Start(genesis, self, known, keys, store, transport, time, loggers.CreateLogger<ValidatorHost>(), cancellationToken, evidence, history, everywhere);
            links?.Start(host.Receive, () => host.Members);
            var writer = new TransactionWriter(genesis.Chain, genesis.Shard, self, keys.Transaction, time);
            var rounds = new RoundWorker(host, genesis, writer, everywhere, blobs, time, loggers.CreateLogger<RoundWorker>());
            var eras = new EraWorker(host, genesis, keys, writer, evidence, keyLife ?? EraWorker.DefaultKeyLife, time, loggers.CreateLogger<EraWorker>());
            return new ValidatorSeat(genesis, self, keys.Transaction, host, rounds, eras, links, everywhere, evidence, time);
        }
        catch
        {
            if (links is not null) await links.DisposeAsync();
            if (history is not null) await history.DisposeAsync();
            await store.DisposeAsync();
            throw;
        }
    }

    /// <summary>A message from another seat of the same house.</summary>
    public void Receive(ParticipantId from, ReadOnlyMemory<byte> message) => _host.Receive(from, message);

    /// <summary>Serves a pipe that another seat opened, to its end; at once when this seat has no links.</summary>
    public Task Accept(Stream pipe, CancellationToken cancellationToken) => _links?.Accept(pipe, cancellationToken) ?? Task.CompletedTask;

    /// <summary>Hands in signed transactions; gives for each why it is refused, or None when it waits for a block.</summary>
    public async Task<Rejection[]> Submit(IReadOnlyList<ReadOnlyMemory<byte>> transactions)
    {
        var answers = new Rejection[transactions.Count];
        var parsed = new List<(int Position, Transaction Transaction)>();
        for (var i = 0; i < transactions.Count; i++)
        {
            answers[i] = Transaction.TryParse(transactions[i], out var transaction);
            if (answers[i] is Rejection.None) parsed.Add((i, transaction!));
        }

        var rejections = await _host.Submit([.. parsed.Select(item => item.Transaction)]);
        for (var i = 0; i < rejections.Count; i++) answers[parsed[i].Position] = rejections[i];
        return answers;
    }

    /// <summary>What this seat says about a round's model, signed, as a Sigstore bundle (docs/spec/statement.md); null when there is no such model here.</summary>
    public Task<byte[]?> Statement(Digest agreement, int round, CancellationToken cancellationToken) => _statements.Sign(agreement, round, _signer, cancellationToken);

    /// <summary>The proof that a quorum has attested a snapshot, from the links of genesis on; null when none is attested, or it cannot be shown now.</summary>
    public SnapshotOffer? Attested => _host.Offer(new GetSnapshot(Genesis.Validators.Era, 0));

    /// <summary>Final blocks from a height on; waits a while when there are none yet, then gives none.</summary>
    /// <exception cref="OperationalException">OT-7029: they lie in a past that is still being fetched.</exception>
    public async Task<FinalBlocks> Follow(long height, CancellationToken cancellationToken)
    {
        if (height < Chain.First) throw new OperationalException("OT-7029", $"This validator has joined at block {Chain.First - 1}, and what lies before it is still being fetched; ask another, or later.");
        using var patience = new CancellationTokenSource(Patience, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        try
        {
            await Chain.WaitFor(height, either.Token);
        }
        catch (OperationCanceledException)
        {
            return new FinalBlocks([], null);
        }

        var (blocks, finalization) = _host.FinalFrom(height);
        return new FinalBlocks([.. blocks.Select(block => block.Encode())], finalization?.Encode().ToArray());
    }

    public async ValueTask DisposeAsync()
    {
        if (_links is not null) await _links.DisposeAsync();
        await _rounds.DisposeAsync();
        await _eras.DisposeAsync();
        await _host.DisposeAsync();
    }

    private sealed class BothWays(ITransport grains, SeatLinks links) : ITransport
    {
        public void Send(ParticipantId to, ReadOnlyMemory<byte> message) => (links.Reaches(to) ? links : grains).Send(to, message);
    }
}
