using Microsoft.Extensions.Logging;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.History;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>How a host begins: from the newest snapshot that its archive and its journal agree with, else by executing the whole journal.</summary>
public sealed partial class ValidatorHost
{
    // Missing: the snapshot whose past is still to be fetched, and what there is of that.
    private sealed record Opening(ConsensusSetup Setup, CommittedChain Chain, JournalTail Journal, HistoryFolder? History, SnapshotRecord? Missing = null, CommittedChain? Past = null);

    /// <summary>The height of the snapshot that it began at; 0 for genesis.</summary>
    public long StartedFrom { get; private set; }

    /// <summary>Opens a seat: reads its journal, then takes part. Without a seat in the newest era that the journal knows, it follows until it has one.</summary>
    /// <param name="genesis">The shard's genesis.</param>
    /// <param name="self">The organisation.</param>
    /// <param name="known">The organisations that the transport has a way to, beside those with a seat: they are asked too.</param>
    /// <param name="keys">The organisation's keys.</param>
    /// <param name="store">The journal.</param>
    /// <param name="transport">The way to the others.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Where to log.</param>
    /// <param name="cancellationToken">Ends the opening.</param>
    /// <param name="evidence">Keeps proofs of faults; null for a host that keeps none.</param>
    /// <param name="history">Keeps final blocks and snapshots, belongs to the host from now on; null for a host that has all in memory and executes its whole journal when it starts.</param>
    /// <param name="blobs">Where snapshots of others can be had; null for a host that executes every block.</param>
    /// <exception cref="LedgerCorruptException">The journal is damaged.</exception>
    public static async Task<ValidatorHost> Start(Genesis genesis, ParticipantId self, IReadOnlyCollection<ParticipantId> known, ValidatorKeys keys, IValidatorStore store, ITransport transport, TimeProvider time, ILogger logger, CancellationToken cancellationToken, EvidenceFolder? evidence = null, HistoryFolder? history = null, IBlobStore? blobs = null)
    {
        var started = time.GetTimestamp();
        try
        {
            var machine = new LedgerMachine(genesis, new VerifiedSignatures().Verify);
            var setup = new ConsensusSetup { Chain = genesis.Chain, Shard = genesis.Shard, Validators = genesis.Validators, Seat = keys.SeatIn(genesis.Validators), Genesis = machine.CreateGenesis(), Machine = machine, SeatIn = keys.SeatIn, OtherPeers = known.Count };
            var opening = await FromSnapshot(setup, keys, store, history, cancellationToken) ?? await FromGenesis(setup, store, history, cancellationToken);
            var from = opening.Chain.Count - 1;
            var host = new ValidatorHost(genesis, self, known, keys, store, transport, time, logger, opening, evidence, blobs) { StartedFrom = from };
            LogStarted(logger, self, host.Seat, host.Chain.Head.Block.Header.Height, from, opening.Journal.Read, (long)time.GetElapsedTime(started).TotalMilliseconds);
            return host;
        }
        catch (InvalidDataException exception)
        {
            // Every frame was whole, so what does not fit was written so, or belongs to another genesis.
            throw new LedgerCorruptException("OT-4012", $"The journal of {self} does not add up: {exception.Message}", exception);
        }
    }

    private static async Task<Opening?> FromSnapshot(ConsensusSetup setup, ValidatorKeys keys, IValidatorStore store, HistoryFolder? history, CancellationToken cancellationToken)
    {
        foreach (var executed in history?.Snapshots.Read() ?? [])
        {
            if (executed.Block.Header.Chain != setup.Chain || executed.Block.Header.Shard != setup.Shard) continue;
            // A block that the journal does not hold as final is nobody's.
            var journal = await ReadJournal(store, executed.Block, cancellationToken);
            if (!journal.Reached) continue;
            if (CommittedChain.Open(history!.Archive, executed) is not { } chain)
            {
                if (journal.Joined is not { Snapshot: { } joined } offer || joined.Block != executed.Block.Digest) continue;
                // Where this validator has joined: what of the past was here is fetched again, because the states between are not kept.
                return new Opening(SnapshotJoining.SetupAt(setup, executed, offer, keys.SeatIn), CommittedChain.After(executed), journal, history, joined, new CommittedChain(setup.Genesis, history.Archive));
            }

            var validators = LedgerState.Of(executed).Validators;
            return new Opening(setup with { Genesis = executed, Validators = validators, Seat = keys.SeatIn(validators), Past = chain.PastEras }, chain, journal, history);
        }

        return null;
    }

    private static async Task<Opening> FromGenesis(ConsensusSetup setup, IValidatorStore store, HistoryFolder? history, CancellationToken cancellationToken)
    {
        var journal = await ReadJournal(store, null, cancellationToken);
        if (journal.Joined is { Snapshot: { } joined }) throw new LedgerCorruptException("OT-4016", $"This validator has joined at block {joined.Height}: its journal begins there, and neither its snapshot nor its archive is what was written. Move the journal away and start again, which fetches everything from the others; then 'otrain validator redelegate', because the vote guard is gone with the journal.");
        history?.Snapshots.Clear();
        return new Opening(setup, new CommittedChain(setup.Genesis, history?.Archive), journal, history);
    }

    private static async Task<JournalTail> ReadJournal(IValidatorStore store, Block? from, CancellationToken cancellationToken)
    {
        var journal = new JournalTail(from);
        await foreach (var records in store.Read(cancellationToken)) journal.Add(records);
        return journal;
    }
}
