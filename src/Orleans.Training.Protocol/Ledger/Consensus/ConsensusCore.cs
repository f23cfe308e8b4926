namespace Orleans.Training.Protocol.Ledger;

/// <summary>
/// One validator of one shard: FL-Simplex (docs/spec/consensus.md) without clock, randomness, network or disk. Deterministic and single-threaded:
/// the host gives one input at a time to <see cref="Step"/>, then persists, signs and sends, in that order (see <see cref="ConsensusStep"/>).
/// After a crash the host calls <see cref="Restore"/> with its journal. A core is for one era: when that has ended (<see cref="EraEnded"/>) the host goes on with <see cref="Successor()"/>.
/// </summary>
public sealed class ConsensusCore
{
    private const int FutureProposals = 4;
    private const int ResendInDeltas = 4;
    private const int IdleResendInDeltas = 100;

    private readonly ConsensusSetup _setup;
    private readonly StepEffects _effects = new();
    private readonly Timers _timers;
    private readonly LeaderSchedule _leaders;
    private readonly ViewTable _views;
    private readonly BlockTree _tree;
    private readonly TransactionPool _pool;
    private readonly Voter _voter;
    private readonly Work _work;
    private readonly CatchUp _catchUp;
    private readonly Peers _peers;
    private readonly NewsFilter _news;
    private readonly Admission _admission;
    private readonly Proposer _proposer;
    private readonly Finality _finality;

    private long _nowMs;
    private ulong _view = 1;
    private Certificate? _entry;
    private bool _viewExpired;
    private ulong _finalizeTried;
    private bool _resendsOften;
    private (ulong View, ulong Height) _atLastResend;
    private bool _halted;
    private bool _replaying;

    /// <summary>A validator that has not voted yet.</summary>
    /// <exception cref="ArgumentException">The seat does not exist.</exception>
    public ConsensusCore(ConsensusSetup setup) : this(setup, new TransactionPool(setup), 0)
    {
    }

    private ConsensusCore(ConsensusSetup setup, TransactionPool pool, ulong lastToken)
    {
        if (setup.Seat < -1 || setup.Seat >= setup.Validators.Count) throw new ArgumentException("The validator set has no such seat.", nameof(setup));
        _setup = setup;
        _timers = new Timers(_effects, lastToken);
        _leaders = new LeaderSchedule(setup);
        var watch = new VoteWatch(setup, _effects);
        _views = new ViewTable(setup, watch);
        _tree = new BlockTree(setup, _effects);
        _pool = pool;
        _voter = new Voter(setup, _effects);
        _work = new Work(setup, _views, _tree, _pool, _voter);
        _catchUp = new CatchUp(setup, _effects, _timers, _views, _tree);
        _news = new NewsFilter(setup, _views, _leaders, _catchUp, watch);
        _peers = new Peers(setup, _effects, _views, _tree);
        _admission = new Admission(setup, _effects, _tree, _pool, _peers);
        _finality = new Finality(setup, _effects, _views, _leaders, _tree, _pool);
        _proposer = new Proposer(setup, _timers, _leaders, _views, _tree, _pool, _voter, _admission);
    }

    /// <summary>The era's setup: what messages of this era are verified against.</summary>
    public ConsensusSetup Setup => _setup;

    /// <summary>The current view.</summary>
    public ulong View => _view;

    /// <summary>The view of the last finalization, 0 for the era's root.</summary>
    public ulong FinalView => _views.FinalView;

    /// <summary>The last final block and its state.</summary>
    public ExecutedBlock Final => _tree.Final;

    /// <summary>Proof for <see cref="Final"/>; null for genesis.</summary>
    public Certificate? Finalization => _finality.Last;

    /// <summary>The vote guard as last written.</summary>
    public VoteGuard Guard => _voter.Guard;

    /// <summary>Transactions that wait for a block.</summary>
    public int PoolCount => _pool.Count;

    /// <summary>Whether this validator has stopped voting: its guard was lost, or it disagrees with a certificate.</summary>
    public bool Stopped => _voter.Stopped;

    /// <summary>
    /// Rebuilds a validator from its journal, by replaying all records in order. The next input must be <see cref="Started"/>: it leads to the
    /// stored votes being signed and sent again.
    /// </summary>
    /// <param name="setup">The same setup as before: the first era's, or a later one's with the journal from there on.</param>
    /// <param name="records">Every durable record, in the order in which it was written.</param>
    /// <param name="committed">Called for every final block of the journal, in height order.</param>
    /// <exception cref="InvalidDataException">The journal is damaged.</exception>
    public static ConsensusCore Restore(ConsensusSetup setup, IEnumerable<JournalRecord> records, Action<BlockCommitted>? committed = null)
    {
        var core = new ConsensusCore(setup) { _replaying = true };
        foreach (var record in records)
        {
            core.Replay(record);
            foreach (var output in core._effects.Take().Outputs)
            {
                if (output is BlockCommitted block) committed?.Invoke(block);
            }

            if (core._finality.Ended is not null) core = core.Successor(replaying: true);
        }

        core._replaying = false;
        core._entry = core._views.Exit(core._views.HighestCertified) ?? core._finality.Last;
        core._view = Math.Max(core._views.HighestCertified + 1, Math.Max(core.Guard.NotarizedView, core.Guard.NullifiedView));
        return core;
    }

    /// <summary>The core of the next era, after <see cref="EraEnded"/>: it takes the waiting transactions and its timers' numbers along, nothing else.</summary>
    /// <exception cref="InvalidOperationException">The era goes on.</exception>
    public ConsensusCore Successor() => Successor(replaying: false);

    private ConsensusCore Successor(bool replaying) => _finality.Ended is { } ended
        ? new ConsensusCore(_setup.After(ended), _pool, _timers.LastToken) { _replaying = replaying }
        : throw new InvalidOperationException("The era has not ended.");

    /// <summary>The core of one who goes on from a later final block, whose state it was given; like a successor. Not for a seat of the present era: what it has voted for would be forgotten.</summary>
    public ConsensusCore From(ConsensusSetup setup) => _setup.Seat < 0 ? new ConsensusCore(setup, _pool, _timers.LastToken) : throw new InvalidOperationException("A seat goes on from what it has voted for.");

    /// <summary>Takes one input, and everything that now follows from the state.</summary>
    public ConsensusStep Step(ConsensusInput input)
    {
        if (_halted || (_finality.Ended is not null && input is not TransactionsSubmitted)) return _effects.Take();
        _nowMs = input.NowMs;
        switch (input)
        {
            case Started: Start(); break;
            case MessageReceived { From: >= 0 } received: Receive(received.From, received.Message); break;
            case VoteSigned signed: OwnVote(signed.Vote); break;
            case TimerExpired timer: Expire(timer.Token); break;
            case TransactionsSubmitted submitted: _admission.Submit(submitted.Transactions, _nowMs); break;
        }

        // Whatever changes the state lets all be asked again; own votes come back as inputs of their own.
        while (IsRunning && (CommitFinal() || EnterView() || VoteFinalize() || VoteOnProposal() || Propose() || VoteNullify())) { }
        if (IsRunning) SetTimers();
        return _effects.Take();
    }

    /// <summary>
    /// What of a message can tell this validator anything: null for nothing, else the message without the certificates that it holds
    /// already, so that the host verifies no signature in vain. Changes nothing.
    /// </summary>
    public ConsensusMessage? News(ConsensusMessage message) => _news.Of(message, _view);

    /// <summary>Views of which anything is remembered.</summary>
    internal int TrackedViews => _views.Count;

    private bool IsRunning => !_halted && _finality.Ended is null;

    private bool IsWork => _work.IsAny(_view, _nowMs);

    private void Start()
    {
        _effects.Emit(new SetDeadline(Final.NextDeadlineMs));
        _peers.SendStatus(_view, wantsReply: true);
        if (_tree.IsUnopened) _peers.ShowEnding();
        _voter.Resume();
    }

    private void Receive(int from, ConsensusMessage message)
    {
        switch (message)
        {
            case Propose propose: TakeProposal(from, propose); break;
            case VoteMessage { Vote: var vote }: TakeVote(vote); break;
            case CertificateMessage { Certificates: var certificates }: foreach (var certificate in certificates) Learn(certificate); break;
            case StatusMessage status:
                if (status.Era > _setup.Era || status.FinalHeight > Final.Block.Header.Height) _catchUp.Source = from;
                if (status.Era == _setup.Era) _voter.HeardFrom(from, status.VotesOfReceiver);
                _voter.Resume();
                _peers.Answer(from, status, _view, _entry, _finality.Last);
                break;
            case GetCertificates request: _peers.Answer(from, request, _finality.Last); break;
            case GetBlocks request: _peers.Answer(from, request, _finality.Last); break;
            case EraProof { Links: [var link, ..] }:
                _catchUp.Source = from;
                Learn(link.Final);
                break;
            case BlocksMessage blocks: TakeBlocks(from, blocks); break;
            case TransactionGossip gossip: foreach (var transaction in gossip.Transactions) _admission.Admit(transaction, _nowMs); break;
        }
    }

    private void TakeProposal(int from, Propose propose)
    {
        foreach (var certificate in propose.Justification) Learn(certificate);
        if (IsForeign(propose.Vote.Era) || propose.View <= FinalView) return;
        TakeVote(new SignedVote(propose.Vote, _leaders.LeaderOf(propose.View), propose.Signature));
        if (_catchUp.Wants(propose.Block.Digest)) Disagree(_catchUp.Take(from, [propose.Block], _pool));
        var current = Math.Max(_view, _views.HighestCertified + 1);
        if (propose.View < current || propose.View > current + FutureProposals) return;
        var state = _views.At(propose.View);
        if (state.Proposal is not null) return;
        state.Proposal = propose;
    }

    private void TakeVote(SignedVote vote)
    {
        if (IsForeign(vote.Vote.Era)) return;
        if (vote.Seat == _setup.Seat)
        {
            _voter.Seen(vote);
            return;
        }

        Count(vote);
    }

    private bool IsForeign(ulong era) => era != _setup.Era && _setup.Rules.CheckEra;

    private void OwnVote(SignedVote vote)
    {
        if (vote.Vote.Era != _setup.Era) return;
        if (_voter.Signed(vote)) Count(vote);
        Say(vote);
    }

    private void Say(SignedVote own) => _effects.Broadcast(_proposer.Proposal(own) ?? (ConsensusMessage)new VoteMessage(own));

    private void Count(SignedVote vote)
    {
        var view = vote.Vote.View;
        _views.Remember(vote);
        _leaders.SawVote(vote.Seat, Math.Min(view, _view));
        if (view <= FinalView || view > _view + Limits.FutureViews) return;
        if (_views.At(view).Add(vote, _setup.Quorum) is { } certificate) Learn(certificate);
    }

    private void Learn(Certificate certificate)
    {
        if (IsForeign(certificate.Vote.Era) || _halted) return;
        // First of all: who signed what contradicts itself is named even when this is the last thing that is done here.
        _views.Remember(certificate);
        var contradicts = _views.Find(certificate.View)?.Contradicts(certificate) is true;
        if (contradicts) Halt($"Contradictory certificates for view {certificate.View}: more validators lie than the quorum tolerates.");
        if (contradicts || certificate.View <= FinalView || !_views.Add(certificate)) return;
        _leaders.SawVotes(certificate);
        if (certificate.SignedBy(_setup.Seat) && !_replaying) _voter.Seen(certificate.VoteOf(_setup.Seat));
        if (certificate.Kind is VoteKind.Nullify) _leaders.SawNullification(certificate.View);
        // One whose block is here is committed, and journaled as final, in this very step.
        if (!_finality.Note(certificate) && _setup.Rules.KeepCertificates) _effects.Write(JournalRecordKind.Certificate, certificate.Encode());
        if (certificate.Kind is not VoteKind.Nullify && _tree.Refused(certificate.Digest)) Disagree(certificate.Digest);
        _catchUp.Want(certificate);
    }

    private void TakeBlocks(int from, BlocksMessage message)
    {
        if (_catchUp.Expects(from)) Disagree(_catchUp.Take(from, message.Blocks, _pool));
        if (message.Final is { } final) Learn(final);
    }

    private bool CommitFinal()
    {
        var committed = _finality.Commit();
        if (_finality.Conflict is { } conflict && !_halted) Halt(conflict);
        return committed;
    }

    // Rule 1: any certificate for the current or a later view leads out of it.
    private bool EnterView()
    {
        if (_views.HighestCertified < _view) return false;
        _entry = _views.Exit(_views.HighestCertified);
        _view = _views.HighestCertified + 1;
        _viewExpired = false;
        _timers.Forget(TimerPurpose.View);
        _proposer.Enter();
        if (_entry is not null) _effects.Broadcast(new CertificateMessage([_entry]));
        return true;
    }

    // Rule 4.
    private bool VoteFinalize()
    {
        var view = _views.HighestNotarized;
        if (view <= FinalView || view <= Guard.FinalizedView || view == _finalizeTried || !_voter.MayVote || _views.Find(view)?.Notarization is not { } notarization) return false;
        _finalizeTried = view;
        return _voter.TryVote(Vote.Finalize(_setup.Era, view, notarization.Digest));
    }

    // Rule 3: the first proposal of the current view, once everything that it rests on is here.
    private bool VoteOnProposal()
    {
        if (_views.Find(_view) is not { Proposal: { } proposal, ProposalDone: false } state || _leaders.LeaderOf(_view) == _setup.Seat) return false;
        if (!_voter.Admits(proposal.Vote)) return false;
        switch (_proposer.Judge(proposal, _nowMs))
        {
            case Judgement.Wrong: state.ProposalDone = true; return false;
            case Judgement.CertificatesMissing: _peers.AskCertificates(_view); return false;
            case Judgement.TooEarly or Judgement.ParentMissing: return false;
        }

        state.ProposalDone = true;
        if (_tree.Execute(proposal.Block) is null)
        {
            if (_tree.Refused(proposal.Block.Digest) && state.Notarization?.Digest == proposal.Block.Digest) Disagree(proposal.Block.Digest);
            return false;
        }

        _pool.Included(proposal.Block);
        return _voter.TryVote(proposal.Vote);
    }

    // Rule 2.
    private bool Propose()
    {
        if (!IsWork || _leaders.LeaderOf(_view) != _setup.Seat) return false;
        if (_proposer.Build(_view, _nowMs) is { } vote) return _voter.TryVote(vote);
        _peers.AskCertificates(_view);
        return false;
    }

    // Rule 5.
    private bool VoteNullify() =>
        Guard.NullifiedView < _view && _voter.MayVote && IsWork
        && (_viewExpired || _leaders.TenureEnded(_view) || _leaders.LooksDead(_view))
        && _voter.TryVote(Vote.Nullify(_setup.Era, _view));

    private void Expire(ulong token)
    {
        switch (_timers.Expire(token))
        {
            case TimerPurpose.View:
                if (!_work.IsAnyBesidesPool(_view, _nowMs)) _admission.Scrub(_nowMs);
                _viewExpired = IsWork;
                if (_viewExpired) _leaders.SawExpiry(_view);
                break;
            case TimerPurpose.Fetch: _catchUp.Ask(); break;
            case TimerPurpose.EmptyChild: _proposer.EmptyChildIsDue(); break;
            case TimerPurpose.Resend: Resend(); break;
        }
    }

    // Nothing was lost while things move; when they stand still, everything that could help is said again.
    private void Resend()
    {
        var busy = IsWork || !_voter.IsReady;
        var here = (_view, Final.Block.Header.Height);
        if (busy && here == _atLastResend)
        {
            foreach (var vote in _voter.LatestSigned().Where(vote => vote.Vote.View > FinalView)) Say(vote);
            _peers.Repeat(_view, _entry, _finality.Last, _pool.Oldest(256, 256 * 1024));
        }

        if (!busy || here == _atLastResend || !_voter.IsReady) _peers.SendStatus(_view, wantsReply: true);
        _atLastResend = here;
    }

    private void SetTimers()
    {
        if (!IsWork) _timers.Forget(TimerPurpose.View);
        else if (!_viewExpired && !_timers.IsRunning(TimerPurpose.View)) _timers.Set(TimerPurpose.View, _leaders.ViewMs);
        if (_proposer.HoldMs > 0 && !_timers.IsRunning(TimerPurpose.Hold)) _timers.Set(TimerPurpose.Hold, _proposer.HoldMs);
        _catchUp.Review(FinalView);
        var often = IsWork || !_voter.IsReady;
        if (_timers.IsRunning(TimerPurpose.Resend) && (_resendsOften || !often)) return;
        _resendsOften = often;
        _timers.Set(TimerPurpose.Resend, (long)_setup.DeltaMs * (often ? ResendInDeltas : IdleResendInDeltas));
    }

    private void Replay(JournalRecord record)
    {
        switch (record.Kind)
        {
            case JournalRecordKind.Guard: _voter.RestoreGuard(record.Content.Span); break;
            case JournalRecordKind.Vote: _voter.RestoreVote(record.Content); break;
            case JournalRecordKind.Block:
                if (!Block.TryParse(record.Content, out var block)) throw new InvalidDataException("A block in the journal is damaged.");
                if (_tree.Execute(block!) is null && _tree.Refused(block!.Digest)) throw new InvalidDataException($"Block {block.Digest} of the journal no longer executes.");
                break;
            case JournalRecordKind.Certificate or JournalRecordKind.Final:
                if (!Certificate.TryParse(record.Content, out var certificate)) throw new InvalidDataException("A certificate in the journal is damaged.");
                Learn(certificate!);
                if (record.Kind is JournalRecordKind.Final) CommitFinal();
                break;
        }
    }

    private void Disagree(Digest? refused)
    {
        if (refused is not null) Halt($"A quorum accepted block {refused}, which own execution refuses. Not following.");
    }

    private void Halt(string text)
    {
        _halted = true;
        _voter.Stop();
        _effects.Emit(new RaiseAlarm(text));
    }
}
