using Microsoft.Extensions.Logging;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.History;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Grains.Ledger;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Participants;

/// <summary>
/// Takes part in masked attempts for the participants that have chosen this machine. Secrets are drawn, kept and zeroed, and words signed, in this process and from these participants' own folders;
/// grains see only what is on the ledger anyway.
/// </summary>
public sealed partial class MaskedParticipants
{
    private static readonly TimeSpan SendAgain = TimeSpan.FromSeconds(5);

    private readonly ShardFollowers _followers;
    private readonly ShardFiles _files;
    private readonly IBlobStore _blobs;
    private readonly IGrainFactory _grains;
    private readonly TimeProvider _time;
    private readonly ILogger<MaskedParticipants> _logger;

    internal MaskedParticipants(ShardFollowers followers, ShardFiles files, IBlobStore blobs, IGrainFactory grains, TimeProvider time, ILogger<MaskedParticipants> logger) =>
        (_followers, _files, _blobs, _grains, _time, _logger) = (followers, files, blobs, grains, time, logger);

    /// <summary>Takes part in an attempt until it is over or the participant is out of it; begins where an earlier call ended.</summary>
    /// <param name="shard">The shard.</param>
    /// <param name="participant">The participant, whose folder this process may open.</param>
    /// <param name="terms">The agreement, in which it is.</param>
    /// <param name="round">The attempt.</param>
    /// <param name="model">The base model's parameters, checked against the digest that the attempt names.</param>
    /// <param name="train">Trains; called once unless the update is committed already.</param>
    /// <param name="cancellationToken">Ends the call; another one goes on.</param>
    /// <exception cref="OperationalException">OT-4061: another process takes part for the participant.</exception>
    /// <exception cref="LedgerCorruptException">OT-4060: its journal is damaged; it is out of the attempt.</exception>
    public async Task Run(Identifier shard, ParticipantId participant, AgreementRecord terms, RoundRecord round, float[] model, Func<CancellationToken, Task<TrainedUpdate>> train, CancellationToken cancellationToken)
    {
        var chain = _followers.Of(shard).Chain;
        var position = terms.Agreement.PositionOf(participant);
        var attempt = new MaskedAttempt(LedgerState.Of(chain.Head).Contracts.Find<StateRecord>, terms, round);
        if (position == attempt.Trusted)
        {
            await CommitReference(chain, shard, participant, attempt, train, cancellationToken);
            return;
        }

        var setup = attempt.GroupOf(position).SetupOf(position, ParentOf(model), (int)terms.Agreement.UpdateLength);
        var sealing = await SealingKey(participant, round);
        using var journal = MaskJournal.Open(_files.MaskFolder(shard, participant), $"{round.Agreement}-{round.Number}-{round.Attempt}", sealing);
        // Signed here: whoever could ask a grain to sign a Confirm would have the reveals of all who wait for it.
        var signer = new KeyFolder(_files.KeyRoot, participant).Open("transaction");
        using var owned = signer as IDisposable;
        var self = new MaskedParticipant(chain, round.Agreement, round.StateKey, setup, _blobs, new ConsumedParents(_files.MaskFolder(shard, participant)), call => Submit(shard, participant, signer, call, cancellationToken), _time, _logger);
        await self.Run(journal, train, cancellationToken);
    }

    // The one whose update is the measure of all others has no masks to take care of.
    private async Task CommitReference(CommittedChain chain, Identifier shard, ParticipantId participant, MaskedAttempt attempt, Func<CancellationToken, Task<TrainedUpdate>> train, CancellationToken cancellationToken)
    {
        if (attempt.Reference is not null) return;
        var round = attempt.Round;
        var trained = await train(cancellationToken);
        var update = UpdateBlob.Write(trained.Lanes);
        await _blobs.Put(new MemoryStream(update, writable: false), null, cancellationToken);
        var signer = new KeyFolder(_files.KeyRoot, participant).Open("transaction");
        using var owned = signer as IDisposable;
        var call = new CommitReference(round.Agreement, round.Number, round.Attempt, ChunkedBlob.Root(update));
        while (true)
        {
            var answer = await Submit(shard, participant, signer, call, cancellationToken);
            if (answer is not (Rejection.None or Rejection.Duplicate or Rejection.TransactionIdReused)) LogNotTaken(_logger, round.StateKey, participant.Name, (int)answer, answer);
            // Sent again after a while when the ledger shows no effect: the pool may have lost it.
            var sent = _time.GetTimestamp();
            while (_time.GetElapsedTime(sent) < SendAgain)
            {
                var height = chain.Count;
                var contracts = LedgerState.Of(chain.Head).Contracts;
                if (contracts.Find<RoundRecord>(round.StateKey) is { } now && new MaskedAttempt(contracts.Find<StateRecord>, attempt.Terms, now) is not { TakesReference: true, Reference: null }) return;
                using var pause = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                pause.CancelAfter(SendAgain);
                await chain.WaitFor(height, pause.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                cancellationToken.ThrowIfCancellationRequested();
            }
        }
    }

    private async Task<Rejection> Submit(Identifier shard, ParticipantId participant, ISigner signer, ContractCall call, CancellationToken cancellationToken)
    {
        var writer = new TransactionWriter(_files.Genesis(shard).Chain, shard, participant, signer, _time);
        return (Rejection)(await _grains.GetGrain<ILedgerShardGrain>(shard.ToString()).Submit((await writer.Write(call, default, cancellationToken)).Encoded.ToArray())).Rejection;
    }

    // What may be summed up about only once: the weights themselves, whatever else stands with them in a model.
    private static Digest ParentOf(float[] model) => Digest.Of(System.Runtime.InteropServices.MemoryMarshal.AsBytes(model.AsSpan()));

    private async Task<byte[]> SealingKey(ParticipantId participant, RoundRecord round)
    {
        var signer = new KeyFolder(_files.KeyRoot, participant).Open(ParticipantSecrets.KeyName);
        using (signer as IDisposable) return await ParticipantSecrets.Derive(signer, ParticipantSecrets.MaskingContext(round.Agreement, round.Number, round.Attempt), CancellationToken.None);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Round}: the update that {Participant} is trusted with was not taken: OT-{Number} {Rejection}")]
    private static partial void LogNotTaken(ILogger logger, string round, string participant, int number, Rejection rejection);
}
