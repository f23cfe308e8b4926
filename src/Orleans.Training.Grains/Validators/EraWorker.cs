using Microsoft.Extensions.Logging;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>
/// What a validator does about eras (docs/spec/consensus.md §9.4, §10.4). It shows the ledger every proof of a fault that it holds, so that the guilty leave. It gives its seat another vote key when the present one
/// has served its time. It attests the snapshots that it writes. And when the era waits to end and it has caught up, it says on the ledger that it is ready for the next one, and again before its word is too old: one that is about to come in says so at
/// once; one that has a seat only when the era has waited for a while, because mostly nobody needs its word. Like <see cref="Rounds.RoundWorker"/> it follows from the final state and may be lost and begun again.
/// </summary>
internal sealed partial class EraWorker : IAsyncDisposable
{
    /// <summary>How long a vote key serves when nobody says otherwise.</summary>
    public static readonly TimeSpan DefaultKeyLife = TimeSpan.FromDays(7);

    private static readonly TimeSpan Freshness = TimeSpan.FromMilliseconds(Limits.ReadyWindowMs / 2);
    private static readonly TimeSpan Reluctance = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan SayAgain = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Glance = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Politeness = TimeSpan.FromSeconds(1);

    private readonly ValidatorHost _host;
    private readonly Genesis _genesis;
    private readonly ValidatorKeys _keys;
    private readonly TransactionWriter _writer;
    private readonly EvidenceFolder _evidence;
    // When a proof is to be shown.
    private readonly Dictionary<string, DateTimeOffset> _due = new(StringComparer.Ordinal);
    private readonly TimeSpan _keyLife;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _work;
    private (Digest Entry, ulong Era, long At)? _said;
    private (ulong Era, long At)? _waits;
    private DateTimeOffset _renewAgain;
    private (ulong Height, long At) _attested;

    /// <summary>Begins to work.</summary>
    public EraWorker(ValidatorHost host, Genesis genesis, ValidatorKeys keys, TransactionWriter writer, EvidenceFolder evidence, TimeSpan keyLife, TimeProvider time, ILogger logger)
    {
        (_host, _genesis, _keys, _writer, _evidence, _keyLife, _time, _logger) = (host, genesis, keys, writer, evidence, keyLife, time, logger);
        _work = Task.Run(Work);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _work.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task Work()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var height = _host.Chain.Count;
                var state = LedgerState.Of(_host.Chain.Head);
                await Accuse(state);
                await Renew(state);
                await Attest(state);
                await Look(state);
                using var pause = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
                pause.CancelAfter(Glance);
                await _host.Chain.WaitFor(height, pause.Token);
            }
            catch (OperationCanceledException)
            {
                // Stopped, or time to look again.
            }
            catch (Exception exception)
            {
                LogTrouble(_logger, exception);
                await Task.Delay(Glance, _time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async ValueTask Look(LedgerState state)
    {
        var era = state.Validators.Era + 1;
        if (Entry(state) is not { } entry || _keys.Votes.Find(entry.VoteKey) is not { } vote || !_host.HasCaughtUp) return;
        var name = Digest.Of(entry.Encode());
        var known = state.Contracts.Find<ReadyRecord>(ReadyRecord.Key(entry.TransactionKey.Id));
        if (known?.Era == era && known.Seat == name && known.TimeMs + (long)Freshness.TotalMilliseconds > _time.GetUtcNow().ToUnixTimeMilliseconds()) return;
        if (_said is { } said && said.Entry == name && said.Era == era && _time.GetElapsedTime(said.At) < SayAgain) return;
        _said = (name, era, _time.GetTimestamp());
        var proof = await vote.Sign(EraContract.ReadyStatement(_genesis.Chain, _genesis.Shard, era, entry), _stop.Token);
        CrashPoints.Reach("ready-before-submit");
        // Each time is another wish.
        var transaction = await _writer.Write(new Ready(era, entry, proof), BitConverter.GetBytes(_time.GetUtcNow().ToUnixTimeMilliseconds()), _stop.Token);
        var answer = (await _host.Submit([transaction]))[0];
        if (answer is Rejection.None) LogReady(_logger, entry.Organisation, era);
        else LogRefused(_logger, entry.Organisation, era, answer);
    }

    // The seats have their turns, so that the second mostly finds the proof on the ledger.
    private async ValueTask Accuse(LedgerState state)
    {
        if (_host.Seat < 0 || !_host.HasCaughtUp) return;
        foreach (var (name, proof) in _evidence.Proofs)
        {
            if (!Convict.IsNews(state.Contracts, _genesis, proof)) continue;
            var now = _time.GetUtcNow();
            _due.TryAdd(name, now + Politeness * _host.Seat);
            if (now < _due[name]) continue;
            _due[name] = now + SayAgain;
            CrashPoints.Reach("proof-before-submit");
            var transaction = await _writer.Write(new Convict(proof.Encode()), BitConverter.GetBytes(_time.GetUtcNow().ToUnixTimeMilliseconds()), _stop.Token);
            LogAccused(_logger, string.Join(", ", Convict.SeatsOf(state.Contracts, _genesis, proof)!.Select(seat => seat.Organisation)), name, (await _host.Submit([transaction]))[0]);
        }
    }

    // Whoever comes later may begin at a state for which a quorum has said so.
    private async ValueTask Attest(LedgerState state)
    {
        if (_host.Seat < 0 || _host.Taken is not { } taken || _time.GetElapsedTime(_attested.At) < SayAgain && _attested.Height == taken.Height) return;
        if (!AttestSnapshot.IsNews(state.Contracts, _keys.Transaction.PublicKey.Id, taken.Height)) return;
        _attested = (taken.Height, _time.GetTimestamp());
        var transaction = await _writer.Write(new AttestSnapshot(taken.Height, taken.Block, taken.Name), BitConverter.GetBytes(_time.GetUtcNow().ToUnixTimeMilliseconds()), _stop.Token);
        LogAttested(_logger, taken.Height, (await _host.Submit([transaction]))[0]);
    }

    // Whoever may have copied the old key has nothing left; its own machine destroys it as soon as the new one is in force. A key that a crash has left is taken first.
    private async ValueTask Renew(LedgerState state)
    {
        var now = _time.GetUtcNow();
        if (now < _renewAgain || _host.Seat < 0 || !_host.HasCaughtUp || _host.VoteKeySinceMs is not { } since) return;
        // The seats have their turns: what is signed for the next era is nothing any more when another's key has begun it.
        if (now < DateTimeOffset.FromUnixTimeMilliseconds(since) + _keyLife + (Politeness * _host.Seat)) return;
        var id = _keys.Transaction.PublicKey.Id;
        if (state.Contracts.Find<DelegationRecord>(DelegationRecord.Key(id)) is { } last && (last.Waits || now.ToUnixTimeMilliseconds() < last.TimeMs + Limits.RedelegationMs)) return;
        if (state.Contracts.Find<ConvictionRecord>(ConvictionRecord.Key(id)) is not null || state.Validators.SeatOf(id) is not (>= 0 and var seat) || state.Validators.Seats[seat].VoteKey is not { } old) return;
        _renewAgain = now + SayAgain;
        if (_keys.Votes.Other(_host.Eras.Select(_keys.VoteKeyIn).OfType<PublicKey>().ToHashSet()) is not { } key) return;
        CrashPoints.Reach("vote-key-made-before-submit");
        var proof = await key.Sign(EraContract.ReadyStatement(_genesis.Chain, _genesis.Shard, state.Validators.Era + 1, state.Validators.Seats[seat] with { VoteKey = key.PublicKey }), _stop.Token);
        var transaction = await _writer.Write(new Redelegate(key.PublicKey, proof), BitConverter.GetBytes(now.ToUnixTimeMilliseconds()), _stop.Token);
        LogRenewed(_logger, old.Id, key.PublicKey.Id, (await _host.Submit([transaction]))[0]);
    }

    // The entry with which this organisation would sit in the next era, if the present one is to end and it is to say so.
    private Validator? Entry(LedgerState state)
    {
        var agenda = state.Contracts.Find<AgendaRecord>(AgendaRecord.Key) ?? AgendaRecord.Empty;
        if (agenda.Approved.Count == 0 && agenda.Delegated.Count == 0)
        {
            _waits = null;
            return null;
        }

        var id = _keys.Transaction.PublicKey.Id;
        foreach (var change in agenda.Approved)
        {
            if (state.Contracts.Find<ChangeRecord>(ChangeRecord.Key(change))!.Change.Entry is { } entering && entering.TransactionKey.Id == id) return entering;
        }

        if (state.Validators.SeatOf(id) is not (>= 0 and var seat)) return null;
        if (_waits?.Era != state.Validators.Era) _waits = (state.Validators.Era, _time.GetTimestamp());
        if (_time.GetElapsedTime(_waits.Value.At) < Reluctance) return null;
        var own = state.Validators.Seats[seat];
        return state.Contracts.Find<DelegationRecord>(DelegationRecord.Key(id)) is { Waits: true } delegation ? own with { VoteKey = delegation.VoteKey } : own;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Organisation} is ready for era {Era}, and has said so")]
    private static partial void LogReady(ILogger logger, ParticipantId organisation, ulong era);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Organisation} is ready for era {Era}; its word was refused: {Rejection}")]
    private static partial void LogRefused(ILogger logger, ParticipantId organisation, ulong era, Rejection rejection);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The proof {Name} against {Organisations} is handed in for the ledger: {Rejection}")]
    private static partial void LogAccused(ILogger logger, string organisations, string name, Rejection rejection);

    [LoggerMessage(Level = LogLevel.Information, Message = "The vote key {Old} has served its time; {New} is handed in for the next era: {Rejection}")]
    private static partial void LogRenewed(ILogger logger, Identifier old, Identifier @new, Rejection rejection);

    [LoggerMessage(Level = LogLevel.Debug, Message = "The snapshot of the state after block {Height} is attested: {Rejection}")]
    private static partial void LogAttested(ILogger logger, ulong height, Rejection rejection);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The work for the next era failed and is tried again")]
    private static partial void LogTrouble(ILogger logger, Exception exception);
}
