namespace Orleans.Training.Protocol.Ledger;

/// <summary>What is to be said of a proposal before it is executed.</summary>
internal enum Judgement
{
    /// <summary>Execute it.</summary>
    Good,
    /// <summary>Never vote for it.</summary>
    Wrong,
    /// <summary>Its parent's notarization, or a nullification between, is not known.</summary>
    CertificatesMissing,
    /// <summary>Its parent is not executed yet.</summary>
    ParentMissing,
    /// <summary>Its time is too far ahead of the own clock.</summary>
    TooEarly,
}

/// <summary>Rules 2 and 3: which block a leader builds, and what a voter asks of one (docs/spec/consensus.md §6).</summary>
internal sealed class Proposer(ConsensusSetup setup, Timers timers, LeaderSchedule leaders, ViewTable views, BlockTree tree, TransactionPool pool, Voter voter, Admission admission)
{
    private bool _emptyChildDue;
    private ulong _builtFor;
    private (ulong View, int Waiting) _triedInVain;

    /// <summary>How long until the held proposal's time is acceptable, 0 for none held.</summary>
    public long HoldMs { get; private set; }

    public void Enter()
    {
        _emptyChildDue = false;
        HoldMs = 0;
        timers.Forget(TimerPurpose.EmptyChild);
        timers.Forget(TimerPurpose.Hold);
    }

    public void EmptyChildIsDue() => _emptyChildDue = true;

    /// <summary>Builds this view's block and returns the own vote for it; null when it is not this seat's turn, there is no reason, or something is missing.</summary>
    public Vote? Build(ulong view, long nowMs)
    {
        if (!voter.MayVote || _builtFor == view || leaders.TenureEnded(view)) return null;
        if (setup.Rules.NotarizeOnce && voter.Guard.NotarizedView >= view) return null;
        if (ChooseParent(view) is not { } choice) return null;
        var (parentView, parent) = choice;
        if (setup.Rules.SealingIsTerminal && tree.EndsEra(parent)) return ProposeAgain(view, parentView, parent);
        var branch = tree.Branch(parent);
        var mayBeEmpty = parent.NextDeadlineMs <= nowMs || (tree.IsUnopened && ReferenceEquals(parent, tree.Final)) || IsEmptyChildDue();
        if (!mayBeEmpty && (!pool.HasCandidates(branch) || _triedInVain == (view, pool.Count))) return null;

        var timeMs = Math.Max(nowMs, parent.Block.Header.TimeMs + 1);
        var executed = setup.Machine.Build(parent, timeMs, setup.Seat, pool.Candidates(branch));
        if (executed.Block.Transactions.Count == 0 && !mayBeEmpty)
        {
            // Nothing that waits is admissible any more: let the rest of the view be quiet.
            admission.Scrub(timeMs);
            _triedInVain = (view, pool.Count);
            return null;
        }

        _builtFor = view;
        tree.Add(executed);
        pool.Included(executed.Block);
        return Vote.Notarize(setup.Era, view, parentView, executed.Block.Digest);
    }

    // A block that ends the era has no children in it; all that can be done for its finalization is to propose it once more.
    private Vote? ProposeAgain(ulong view, ulong parentView, ExecutedBlock sealing)
    {
        if (!IsEmptyChildDue()) return null;
        _builtFor = view;
        return Vote.Notarize(setup.Era, view, parentView, sealing.Block.Digest);
    }

    /// <summary>The message that carries an own notarize vote, when this seat leads its view; null for any other vote.</summary>
    public Propose? Proposal(SignedVote own)
    {
        var vote = own.Vote;
        if (vote.Kind is not VoteKind.Notarize || vote.View <= views.FinalView || vote.ParentView < views.FinalView || leaders.LeaderOf(vote.View) != setup.Seat || tree.Find(vote.Digest) is not { } executed) return null;
        var justification = new List<Certificate>();
        if (views.Find(vote.ParentView)?.Notarization is { } notarization) justification.Add(notarization);
        for (var view = vote.ParentView + 1; view < vote.View && justification.Count < ConsensusMessage.MaximumCertificates; view++)
        {
            if (views.Find(view)?.Nullification is { } nullification) justification.Add(nullification);
        }

        return new Propose(vote.View, vote.ParentView, executed.Block, own.Signature, justification);
    }

    /// <summary>Everything about a proposal for the current view that can be said without executing it.</summary>
    public Judgement Judge(Propose proposal, long nowMs)
    {
        HoldMs = 0;
        var header = proposal.Block.Header;
        if (proposal.ParentView < views.FinalView) return Judgement.Wrong;
        if (NotarizedIn(proposal.ParentView) is not { } parentDigest) return Judgement.CertificatesMissing;
        var isAgain = parentDigest == proposal.Block.Digest && proposal.Block.IsSealing && setup.Rules.SealingIsTerminal;
        if (!isAgain && (header.Proposer != leaders.LeaderOf(proposal.View) || (parentDigest != header.Parent && setup.Rules.CheckParent))) return Judgement.Wrong;
        if (setup.Rules.CheckGap && !IsGapNullified(proposal.ParentView, proposal.View)) return Judgement.CertificatesMissing;
        if (tree.Find(header.Parent) is not { } parent) return tree.Find(proposal.Block.Digest) is null ? Judgement.ParentMissing : Judgement.Good;
        if (setup.Rules.SealingIsTerminal && tree.EndsEra(parent)) return Judgement.Wrong;
        if (header.TimeMs <= nowMs + Limits.ClockLeadMs || !setup.Rules.CheckClock) return Judgement.Good;
        HoldMs = header.TimeMs - nowMs - Limits.ClockLeadMs;
        return Judgement.TooEarly;
    }

    // The highest notarized and executed block below the view such that everything between is nullified.
    private (ulong View, ExecutedBlock Block)? ChooseParent(ulong view)
    {
        for (var parentView = view - 1; parentView >= views.FinalView; parentView--)
        {
            if (NotarizedIn(parentView) is { } digest && tree.Find(digest) is { } executed) return (parentView, executed);
            if (parentView == 0 || (views.Find(parentView)?.Nullification is null && setup.Rules.CheckGap)) return null;
        }

        return null;
    }

    private Digest? NotarizedIn(ulong view) => view == views.FinalView ? tree.Final.Block.Digest : views.Find(view)?.Notarization?.Digest;

    private bool IsGapNullified(ulong parentView, ulong view)
    {
        for (var between = parentView + 1; between < view; between++)
        {
            if (views.Find(between)?.Nullification is null) return false;
        }

        return true;
    }

    // A finalization is normally one message delay away: only when it stays away does the leader make an empty child to carry it.
    private bool IsEmptyChildDue()
    {
        if (views.HighestNotarized <= views.FinalView) return false;
        if (!_emptyChildDue && !timers.IsRunning(TimerPurpose.EmptyChild)) timers.Set(TimerPurpose.EmptyChild, leaders.ViewMs / 2);
        return _emptyChildDue;
    }
}
