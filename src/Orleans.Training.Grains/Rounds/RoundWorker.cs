using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Rounds;

/// <summary>
/// What a validator does for rounds, beside voting and never inside it: it opens rounds that are due, holds updates, recomputes aggregates, proposes and
/// attests, all by transactions of its seat. It holds no rule: every step follows from the final state, so it may be lost and begun again at any time.
/// Every seat could do every step; to spare the ledger, a seat waits its turn (by its distance to the round's number) before it opens or proposes.
/// </summary>
public sealed partial class RoundWorker : IAsyncDisposable
{
    private static readonly TimeSpan Turn = TimeSpan.FromMilliseconds(1500);
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(400);
    private static readonly TimeSpan Retry = TimeSpan.FromMilliseconds(250);
    private static readonly byte[] OnceEach = [];

    private readonly ValidatorHost _host;
    private readonly TransactionWriter _writer;
    private readonly IBlobStore _blobs;
    private readonly IBlobStore _local;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly SortedSet<Digest> _runs = [];
    // When a wish was first felt, and whether it was sent: both forgotten when its run moves on.
    private readonly Dictionary<string, long> _since = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long> _sent = new(StringComparer.Ordinal);
    // By agreement: what this seat has read of the attempt that is under way, and the newest aggregate that it has computed.
    private readonly Dictionary<Digest, IAttemptInputs> _inputs = [];
    private readonly Dictionary<Digest, (string Round, RoundAggregate Aggregate)> _computed = [];
    // By agreement: the sums of the attempt that is under way, where they are projected.
    private readonly Dictionary<Digest, SumChecker> _checkers = [];
    // By agreement: what this seat puts into the draw that is under way, for the agreement itself or for ctx of an attempt.
    private readonly Dictionary<Digest, (Digest Subject, int Number, Digest Value)> _lots = [];
    private readonly Task _work;
    // Attempts whose updates this seat has deleted since it was started.
    private readonly HashSet<string> _expired = [];
    // As of the state that is being looked at.
    private ValidatorSet _validators;
    private int _seat;

    /// <summary>Begins to work.</summary>
    /// <param name="host">The seat.</param>
    /// <param name="genesis">The shard's genesis.</param>
    /// <param name="writer">Signs with the seat's transaction key.</param>
    /// <param name="blobs">Where updates are read: this machine, and others if it has links.</param>
    /// <param name="local">Where aggregates are kept: this machine.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Where to log.</param>
    public RoundWorker(ValidatorHost host, Genesis genesis, TransactionWriter writer, IBlobStore blobs, IBlobStore local, TimeProvider time, ILogger logger)
    {
        (_host, _validators, _seat, _writer, _blobs, _local, _time, _logger) = (host, genesis.Validators, host.Seat, writer, blobs, local, time, logger);
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
        var height = -1L;
        var ending = new List<string>();
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                // At the beginning, and when the validator has joined at a later state: the runs of that state.
                if (height < _host.Chain.First)
                {
                    var head = _host.Chain.Head;
                    _runs.UnionWith(LedgerState.Of(head).Contracts.All<RunRecord>("runs/").Select(run => run.Agreement));
                    height = (long)head.Block.Header.Height + 1;
                    ending.AddRange(LedgerState.Of(head).Contracts.Range(ExpiryRecord.Prefix).Where(pair => pair.Value is ExpiryRecord { IsOver: true }).Select(pair => pair.Key));
                }

                foreach (var block in _host.Chain.From(height))
                {
                    foreach (var item in block.Events.SelectMany(events => events))
                    {
                        if (item is { Type: "AgreementActivated", Record: AgreementRecord agreement }) _runs.Add(agreement.Digest);
                        if (item.Type is "ModelPublished" or "RoundFailed") Forget();
                        if (item.Type is "UpdatesExpired") ending.Add(item.Key);
                    }

                    height++;
                }

                var state = LedgerState.Of(_host.Chain.Head);
                _validators = state.Validators;
                _seat = _host.SeatIn(_validators);
                foreach (var key in ending) await Expire(state.Contracts, key);
                ending.Clear();
                foreach (var agreement in _runs.ToArray()) await Advance(state.Contracts, agreement);
                using var pause = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
                pause.CancelAfter(Retry);
                await _host.Chain.WaitFor(height, pause.Token);
            }
            catch (OperationCanceledException)
            {
                // Stopped, or time to look again.
            }
            catch (Exception exception)
            {
                LogTrouble(_logger, _host.Seat, exception);
                await Task.Delay(Retry, _time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async ValueTask Advance(ContractState state, Digest agreement)
    {
        var terms = state.Find<AgreementRecord>(AgreementRecord.Key(agreement))!;
        var run = state.Find<RunRecord>(RunRecord.Key(agreement))!;
        if (run.Failure is not null || run.PublishedRounds >= terms.Agreement.Rounds)
        {
            _runs.Remove(agreement);
            _inputs.Remove(agreement);
            _computed.Remove(agreement);
            _checkers.Remove(agreement);
            _lots.Remove(agreement);
            return;
        }

        if (_seat < 0) return;
        if (!terms.IsReady)
        {
            await Draw(state, agreement, agreement);
            return;
        }

        var number = run.PublishedRounds + 1;
        var round = state.Find<RoundRecord>(RoundRecord.Key(agreement, number, run.Attempts + 1));
        if (round is null)
        {
            var wish = $"open {agreement} {number} {run.Attempts}";
            if (terms.Agreement.Masks && !MayOpen(state, terms, run)) return;
            if (IsMyTurn(wish, number)) await Send(wish, new RoundOpen(agreement, number, run.Model), [(byte)run.Attempts]);
            return;
        }

        if (round.Phase is Phase.DrawGraph) await Draw(state, agreement, new MaskedAttempt(key => state.Find<StateRecord>(key), terms, round).Groups[0].Fixed.Attempt);
        else if (round.InputsDigest is null) await Hold(state, terms, round);
        else if (terms.Agreement.Masking is { Check: SumCheck.Projected }) await Check(state, terms, round);
        else await Aggregate(state, terms, round);
    }

    // What a crash leaves undone, the next start does: all that has expired is gone through again.
    private async ValueTask Expire(ContractState state, string key)
    {
        if (!_expired.Add(key)) return;
        foreach (var name in ExpiryContract.Expired(state, ExpiryRecord.RoundOf(key)))
        {
            CrashPoints.Reach("expired-before-delete");
            await _local.Delete(name, _stop.Token);
        }
    }

    // A seat's number is in memory only. One that has forgotten its number shows none, and if too many have, the draw begins anew.
    private async ValueTask Draw(ContractState state, Digest agreement, Digest subject)
    {
        var draw = state.Find<DrawRecord>(DrawRecord.Key(subject))!;
        if (!_lots.TryGetValue(agreement, out var lot) || (lot.Subject, lot.Number) != (subject, draw.Number)) _lots[agreement] = lot = (subject, draw.Number, Digest.From(RandomNumberGenerator.GetBytes(Digest.Size)));
        var seat = _validators.Seats[_seat].TransactionKey.Id;
        var own = draw.LotOf(seat);
        var commitment = DrawContract.Commit(subject, draw.Number, seat, lot.Value);
        if (!draw.IsCommitted && own is null) await Send($"draw {subject} {draw.Number}", new CommitLot(subject, draw.Number, commitment), OnceEach);
        else if (draw.IsCommitted && own is { Value: null } && own.Commitment == commitment) await Send($"show {subject} {draw.Number}", new RevealLot(subject, draw.Number, lot.Value), OnceEach);
    }

    // Wishes of rounds that are over; those of others are felt anew.
    private void Forget()
    {
        _since.Clear();
        _sent.Clear();
    }

    private async ValueTask Hold(ContractState state, AgreementRecord terms, RoundRecord round)
    {
        if (await InputsOf(terms, round).Look(state, round, _validators, _seat, _stop.Token) is not { } holding) return;
        // One word for many: it waits a little as long as more may come. Where fewer seats suffice than there are, the others wait to see whether they are needed.
        var pause = (holding.MayGrow ? Gather : TimeSpan.Zero) + (Rank(round.Number) >= holding.Needed ? Gather : TimeSpan.Zero);
        if (!HasWaited($"hold {round.StateKey} {holding.Kind} {holding.Seen}", pause)) return;
        CrashPoints.Reach("held-before-submit");
        await Send($"hold {round.StateKey} {holding.Kind} {string.Join(',', holding.Positions)}", holding.Call, OnceEach);
    }

    private async ValueTask Aggregate(ContractState state, AgreementRecord terms, RoundRecord round)
    {
        // Missing bytes are no verdict.
        if (await Compute(state, terms, round) is not { } own) return;
        foreach (var proposal in round.Proposals)
        {
            if (((proposal.Ok | proposal.Wrong) >> _seat & 1) != 0) continue;
            var ok = own.SumRoot == proposal.SumRoot && own.Model == proposal.Model && own.ModelRoot == proposal.ModelRoot;
            // Who attests to a model can also serve it.
            if (ok) await Keep(own);
            CrashPoints.Reach("summed-before-attest");
            await Send($"attest {proposal.Digest}", new Attest(round.Agreement, round.Number, round.Attempt, proposal.Digest, ok, RoundAggregate.WorkOf(_validators.Seats[_seat].Organisation, own.Sum)), OnceEach);
            CrashPoints.Reach("attest-submitted");
        }

        if (MayPropose(round)) await Propose(round, own);
    }

    // Where sums are projected, only who proposes reads all updates.
    private async ValueTask Check(ContractState state, AgreementRecord terms, RoundRecord round)
    {
        var open = round.Proposals.Where(proposal => ((proposal.Ok | proposal.Wrong) >> _seat & 1) == 0).ToArray();
        if (open.Length > 0 && await BaseModel(state, terms, round, _computed.GetValueOrDefault(round.Agreement).Aggregate) is { } parent) await Check(state, terms, round, open, parent);
        if (MayPropose(round) && await Compute(state, terms, round) is { } own) await Propose(round, own);
    }

    private async ValueTask Check(ContractState state, AgreementRecord terms, RoundRecord round, Proposal[] open, byte[] parent)
    {
        if (!_checkers.TryGetValue(round.Agreement, out var checker) || checker.Round != round.StateKey)
            _checkers[round.Agreement] = checker = new SumChecker(_blobs, _local, (MaskedInputs)InputsOf(terms, round), IsOverdue);
        var masked = new MaskedAttempt(key => state.Find<StateRecord>(key), terms, round);
        foreach (var proposal in open)
        {
            var call = await checker.Next(masked, proposal, parent, _validators, _seat, _stop.Token);
            // A sum that nobody can read could stand in the way for ever. Who has computed it knows whether it is another, and serves it if it is not.
            if (call is null && checker.IsMissing(proposal.Digest) && HasWaited($"missing {proposal.Digest}", 4 * Turn) && await Compute(state, terms, round) is { } own)
            {
                await Keep(own);
                if (own.SumRoot != proposal.SumRoot || own.Model != proposal.Model || own.ModelRoot != proposal.ModelRoot) call = SumChecker.Refuse(masked, proposal, _validators, _seat);
            }

            if (call is null) continue;
            // Where fewer seats suffice than there are, the others wait to see whether they are needed.
            if (call is ChallengeSum && Rank(round.Number) > _validators.MaxFaulty && !HasWaited($"challenge {proposal.Digest}", Turn)) continue;
            if (call is Attest { Ok: true } && checker.AggregateOf(proposal.Digest) is { } aggregate)
            {
                await Keep(aggregate);
                _computed[round.Agreement] = (round.StateKey, aggregate);
            }

            var what = call is ProjectInputs images ? string.Join(',', images.Images.Select(item => item.Position)) : "";
            CrashPoints.Reach("summed-before-attest");
            await Send($"{call.Method} {proposal.Digest} {what}", call, OnceEach);
        }
    }

    private bool MayPropose(RoundRecord round)
    {
        var refused = _validators.Count - _validators.Quorum;
        return round.Proposals.All(proposal => System.Numerics.BitOperations.PopCount(proposal.Wrong) > refused) && IsMyTurn($"propose {round.StateKey}", round.Number);
    }

    private async ValueTask Propose(RoundRecord round, RoundAggregate own)
    {
        await Keep(own);
        CrashPoints.Reach("aggregate-stored-before-propose");
        await Send($"propose {round.StateKey}", new AggregateProposal(round.Agreement, round.Number, round.Attempt, round.InputsDigest!.Value, own.SumRoot, own.Model, own.ModelRoot), OnceEach);
    }

    private Task Keep(RoundAggregate aggregate)
    {
        return Task.WhenAll(Put(aggregate.Sum, aggregate.SumRoot), Put(aggregate.ModelBytes, aggregate.ModelRoot));

        async Task Put(byte[] content, Digest root)
        {
            if (await _local.Find(root, _stop.Token) is null) await _local.Put(new MemoryStream(content, writable: false), root, _stop.Token);
        }
    }

    private async ValueTask<RoundAggregate?> Compute(ContractState state, AgreementRecord terms, RoundRecord round)
    {
        if (_computed.TryGetValue(round.Agreement, out var computed) && computed.Round == round.StateKey) return computed.Aggregate;
        if (await BaseModel(state, terms, round, computed.Aggregate) is not { } parent) return null;
        var inputs = InputsOf(terms, round);
        var found = await inputs.Compute(state, round, _validators.Quorum, parent, _stop.Token);
        foreach (var culprit in inputs.Culprits) await Send($"blame {culprit} {round.StateKey}", new BlameDealer(round.Agreement, round.Number, round.Attempt, culprit), OnceEach);
        if (found is not { } aggregate) return null;
        _computed[round.Agreement] = (round.StateKey, aggregate);
        _inputs.Remove(round.Agreement);
        return aggregate;
    }

    // Mostly what this seat computed itself in the round before.
    private async ValueTask<byte[]?> BaseModel(ContractState state, AgreementRecord terms, RoundRecord round, RoundAggregate? before) =>
        round.Number == 1 ? RoundAggregate.InitialModelOf(terms.Agreement)
        : before?.Model == round.BaseModel ? before.ModelBytes
        : await _blobs.ReadAll(state.Find<ModelRecord>(ModelRecord.Key(round.Agreement, round.Number - 1))!.Root, _stop.Token);

    private IAttemptInputs InputsOf(AgreementRecord terms, RoundRecord round)
    {
        if (_inputs.TryGetValue(round.Agreement, out var inputs) && inputs.Round == round.StateKey) return inputs;
        return _inputs[round.Agreement] = terms.Agreement.Masks ? new MaskedInputs(_blobs, terms, round.StateKey, _host.Seat, IsOverdue, _logger) : new RoundInputs(_blobs, terms, round.StateKey);
    }

    // What is refused for as long as nothing changes is not asked for: too many have a sum about the base model ordered with them, or a budget is spent.
    private static bool MayOpen(ContractState state, AgreementRecord terms, RunRecord run)
    {
        var next = new RoundRecord(terms.Digest, run.PublishedRounds + 1, run.Attempts + 1, run.Model, Phase.AdvertiseKeys, 0, [], null, [], null);
        var masked = new MaskedAttempt(state.Find<StateRecord>, terms, next);
        return masked.CanSucceed && masked.IsAffordable;
    }

    // Seat (number mod n) comes first, then the next one, and so on.
    private int Rank(int number) => (_seat - number % _validators.Count + _validators.Count) % _validators.Count;

    // The first at once, the others a turn later each: any one of them suffices.
    private bool IsMyTurn(string wish, int number) => HasWaited(wish, Rank(number) * Turn);

    // What another seat was to do, and did not.
    private bool IsOverdue(string wish) => HasWaited(wish, 2 * Turn);

    private bool HasWaited(string wish, TimeSpan duration)
    {
        var now = _time.GetTimestamp();
        _since.TryAdd(wish, now);
        return _time.GetElapsedTime(_since[wish], now) >= duration;
    }

    // Sent again after a while when the ledger shows no effect: the pool may have lost it.
    private async ValueTask Send(string wish, ContractCall call, byte[] salt)
    {
        var now = _time.GetTimestamp();
        if (_sent.TryGetValue(wish, out var sent) && _time.GetElapsedTime(sent, now) < 4 * Turn) return;
        _sent[wish] = now;
        var transaction = await _writer.Write(call, salt, _stop.Token);
        var answer = (await _host.Submit([transaction]))[0];
        if (answer is not (Rejection.None or Rejection.Duplicate or Rejection.TransactionIdReused)) LogRefused(_logger, _host.Seat, wish, answer);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Seat {Seat}: round work failed and is tried again")]
    private static partial void LogTrouble(ILogger logger, int seat, Exception exception);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Seat {Seat}: '{Wish}' was refused: {Rejection}")]
    private static partial void LogRefused(ILogger logger, int seat, string wish, Rejection rejection);
}
