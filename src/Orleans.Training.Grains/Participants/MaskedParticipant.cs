using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.History;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Participants;

/// <summary>What a participant has trained: its update as lanes, and what goes with it under the same masks.</summary>
public sealed record TrainedUpdate(int[] Lanes, MaskTail Tail);

/// <summary>
/// One participant in one masked attempt, on the machine that it chose: follows the final state, lets <see cref="MaskParticipant"/> decide, and for each step makes durable, stores and sends, in this
/// order. It may die at any moment and run again: it says the same bytes again, or nothing.
/// </summary>
internal sealed partial class MaskedParticipant
{
    private static readonly TimeSpan Retry = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan SendAgain = TimeSpan.FromSeconds(5);

    private readonly CommittedChain _chain;
    private readonly MaskSetup _setup;
    private readonly string _round;
    private readonly Digest _agreement;
    private readonly IBlobStore _blobs;
    private readonly ConsumedParents _consumed;
    private readonly Func<ContractCall, Task<Rejection>> _submit;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Dictionary<Digest, ReadOnlyMemory<byte>> _shares = [];
    private MaskState _state;
    private MaskMessage? _said;
    private long _sentAt;
    private bool _lacksInput;
    private MaskFault _refused;

    /// <summary>A participant that nothing is known of yet.</summary>
    /// <param name="chain">The final blocks as this machine knows them.</param>
    /// <param name="agreement">The agreement.</param>
    /// <param name="round">State key of the attempt.</param>
    /// <param name="setup">What the participant knows beforehand, from the model that it loaded itself.</param>
    /// <param name="blobs">Where blobs are stored and read.</param>
    /// <param name="consumed">The participant's own list.</param>
    /// <param name="submit">Signs and submits one of the participant's calls.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Where to log.</param>
    public MaskedParticipant(CommittedChain chain, Digest agreement, string round, MaskSetup setup, IBlobStore blobs, ConsumedParents consumed, Func<ContractCall, Task<Rejection>> submit, TimeProvider time, ILogger logger)
    {
        (_chain, _agreement, _round, _setup, _blobs, _consumed, _submit, _time, _logger) = (chain, agreement, round, setup, blobs, consumed, submit, time, logger);
        _state = MaskParticipant.Begin(setup);
    }

    /// <summary>Where it stands.</summary>
    public MaskPhase Phase => _state.Phase;

    /// <summary>Why it left, if it did.</summary>
    public MaskFault Fault => _state.Fault;

    /// <summary>Takes part until the attempt is over, or the participant is out of it. The journal is destroyed then.</summary>
    /// <param name="journal">The attempt's journal.</param>
    /// <param name="train">Gives the update; called once, at once, unless the journal has it already.</param>
    /// <param name="cancellationToken">Leaves everything as it is; secrets in memory are zeroed.</param>
    public async Task Run(MaskJournal journal, Func<CancellationToken, Task<TrainedUpdate>> train, CancellationToken cancellationToken)
    {
        _state = MaskParticipant.Restore(_setup, journal.Records);
        using var training = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            Task<TrainedUpdate>? update = null;
            if (MaskParticipant.LastMessage(_state) is { } last && Look().Masked is { } before) await SayLast(before, last, cancellationToken);
            while (true)
            {
                var height = _chain.Count;
                var (masked, timeMs) = Look();
                if (masked is null || _state.Phase is MaskPhase.Idle && masked.Round.Phase != Protocol.Contracts.Phase.AdvertiseKeys && MaskedParticipation.OwnMessage(masked, _setup.Position) is null) break;
                // Training needs nothing of the first phases, and they nothing of it.
                if (_state.Phase <= MaskPhase.Acked || _lacksInput) update ??= train(training.Token);
                await Advance(journal, masked, timeMs, update, cancellationToken);
                if (_state.Phase >= MaskPhase.Done) break;
                await SayAgain(masked, cancellationToken);
                await Wait(height, _state.Phase is MaskPhase.Acked || _lacksInput ? update : null, cancellationToken);
            }

            LogLeft(_logger, _round, _setup.Position, _state.Phase, (int)_state.Fault, _state.Fault);
            journal.Destroy();
        }
        finally
        {
            await training.CancelAsync();
            // Zeroes what is in memory; the journal alone says where to go on.
            if (_state.Phase < MaskPhase.Done) _ = MaskParticipant.Step(_state, new AttemptClosed());
        }
    }

    // All steps that this state asks for.
    private async Task Advance(MaskJournal journal, MaskedGroup masked, long timeMs, Task<TrainedUpdate>? update, CancellationToken cancellationToken)
    {
        while (await Next(masked, timeMs, update, cancellationToken) is { } happened)
        {
            var step = MaskParticipant.Step(_state, happened);
            if (step.Fault is not MaskFault.None && step.Records.Count == 0)
            {
                if (_refused != step.Fault) LogRefused(_logger, _round, _setup.Position, happened.GetType().Name, (int)step.Fault, step.Fault);
                _refused = step.Fault;
                return;
            }

            // What outlives the attempt comes first: a confirmed order without it could be followed by a second one.
            // Another attempt may have been faster since this one looked; then this one finds it at its next look.
            if (step.Records.Any(record => record.Kind is MaskRecordKind.ParentConsumed) && !_consumed.TryAdd(_setup.Parent, step.State.Order!.ComputeDigest())) continue;
            journal.Append(step.Records);
            CrashPoints.Reach("mask-journaled-before-say");
            _state = step.State;
            if (step.Message is not null) await Say(masked, step.Message, cancellationToken);
            if (_state.Phase >= MaskPhase.Done) return;
        }
    }

    private async Task<MaskEvent?> Next(MaskedGroup masked, long timeMs, Task<TrainedUpdate>? update, CancellationToken cancellationToken)
    {
        if (_state.Phase is MaskPhase.Idle && MaskedParticipation.OwnMessage(masked, _setup.Position) is null)
        {
            if (masked.Round.Phase != Protocol.Contracts.Phase.AdvertiseKeys || !masked.MayTrain(_setup.Position)) return null;
            var random = GC.AllocateArray<byte>(MaskSecrets.RandomBytes, pinned: true);
            RandomNumberGenerator.Fill(random);
            var opened = new AttemptOpened(new MaskSecrets(random), _consumed.Besides(null));
            CryptographicOperations.ZeroMemory(random);
            return opened;
        }

        if (_state.Phase is MaskPhase.Shared && masked.Round.Phase is Protocol.Contracts.Phase.AcknowledgeShares && !await HasShares(masked, timeMs, cancellationToken)) return null;
        if (MaskedParticipation.Next(masked, _state, root => _shares.TryGetValue(root, out var bytes) ? bytes : (ReadOnlyMemory<byte>?)null, timeMs, _consumed.Besides(masked.Order?.Order.ComputeDigest())) is { } next) return next;
        var isReady = (_state is { Phase: MaskPhase.Acked, Masks: not null } || _lacksInput) && masked.Round.Phase is Protocol.Contracts.Phase.Input && update is { IsCompleted: true };
        if (!isReady) return null;
        _lacksInput = false;
        var trained = await update!;
        return new UpdateReady(trained.Lanes, trained.Tail);
    }

    // f + 1 seats hold each neighbour's shares, so they come; whoever does not get them in half of the time goes without.
    private async Task<bool> HasShares(MaskedGroup masked, long timeMs, CancellationToken cancellationToken)
    {
        var all = true;
        foreach (var dealer in _state.Graph!.Neighbours(_setup.Position).ToArray().Where(neighbour => masked.Fixed.Dealers.Contains(neighbour)))
        {
            var root = masked.RootOf(MaskBlobKind.Shares, dealer)!.Value;
            if (_shares.ContainsKey(root)) continue;
            if (await _blobs.Find(root, ShareBlob.MaximumBytes, cancellationToken) is { } blob && blob.Length <= ShareBlob.MaximumBytes && await _blobs.ReadAll(root, cancellationToken) is { } bytes) _shares[root] = bytes;
            else all = false;
        }

        return all || masked.Round.DeadlineMs - timeMs < masked.Masking.AcknowledgeWindowMs / 2;
    }

    // A masked update whose record is durable and whose bytes are not is made again first: the same one, or none (docs/spec/fedmask.md §11).
    private async Task SayLast(MaskedGroup masked, MaskMessage last, CancellationToken cancellationToken)
    {
        _lacksInput = last is CommitInput input && await _blobs.Find(input.Root, cancellationToken) is null;
        if (!_lacksInput) await Say(masked, last, cancellationToken);
    }

    // The blob is durable where others can get it before the ledger names it.
    private async Task Say(MaskedGroup masked, MaskMessage message, CancellationToken cancellationToken)
    {
        if (MaskedParticipation.BlobOf(message) is { } blob) await _blobs.Put(new MemoryStream(System.Runtime.InteropServices.MemoryMarshal.TryGetArray(blob, out var array) ? array.Array! : blob.ToArray(), array.Offset, blob.Length, writable: false), null, cancellationToken);
        CrashPoints.Reach("mask-blob-stored-before-say");
        var answer = await _submit(MaskedParticipation.CallOf(masked, message));
        (_said, _sentAt) = (message, _time.GetTimestamp());
        CrashPoints.Reach("mask-said");
        if (answer is not (Rejection.None or Rejection.Duplicate or Rejection.TransactionIdReused)) LogNotTaken(_logger, _round, _setup.Position, message.GetType().Name, (int)answer, answer);
    }

    // The pool may have lost it.
    private async Task SayAgain(MaskedGroup masked, CancellationToken cancellationToken)
    {
        if (_said is null || _time.GetElapsedTime(_sentAt) < SendAgain || IsOnLedger(masked, _said)) return;
        await Say(masked, _said, cancellationToken);
    }

    private bool IsOnLedger(MaskedGroup masked, MaskMessage message) => message is RevealSilent
        ? masked.RootOf(MaskBlobKind.SilentOpenings, _setup.Position) is not null
        : MaskedParticipation.OwnMessage(masked, _setup.Position) >= _state.Phase;

    private async Task Wait(long height, Task? update, CancellationToken cancellationToken)
    {
        using var pause = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        pause.CancelAfter(Retry);
        var grown = _chain.WaitFor(height, pause.Token);
        // Once it is trained there is nothing to wait for but the ledger.
        await (update is null or { IsCompleted: true } ? grown : Task.WhenAny(grown, update)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await pause.CancelAsync();
        // A training that failed is told to whoever asked for it.
        if (update is { IsFaulted: true }) await update;
        cancellationToken.ThrowIfCancellationRequested();
    }

    private (MaskedGroup? Masked, long TimeMs) Look()
    {
        var head = _chain.Head;
        var contracts = LedgerState.Of(head).Contracts;
        var round = contracts.Find<RoundRecord>(_round);
        var terms = contracts.Find<AgreementRecord>(AgreementRecord.Key(_agreement));
        return (round is null || terms is null ? null : new MaskedAttempt(contracts.Find<StateRecord>, terms, round).GroupOf(_setup.Position), head.Block.Header.TimeMs);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Round}: position {Position} is through: {Phase}, OT-{Number} {Fault}")]
    private static partial void LogLeft(ILogger logger, string round, int position, MaskPhase phase, int number, MaskFault fault);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Round}: position {Position} does not follow {Event}: OT-{Number} {Fault}")]
    private static partial void LogRefused(ILogger logger, string round, int position, string @event, int number, MaskFault fault);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Round}: {Message} of position {Position} was not taken: OT-{Number} {Rejection}")]
    private static partial void LogNotTaken(ILogger logger, string round, int position, string message, int number, Rejection rejection);
}
