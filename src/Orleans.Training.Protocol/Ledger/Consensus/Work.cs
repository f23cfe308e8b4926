namespace Orleans.Training.Protocol.Ledger;

/// <summary>Whether there is anything to do: without work nobody votes, no view passes and no timer runs (docs/spec/consensus.md §6.3).</summary>
internal sealed class Work(ConsensusSetup setup, ViewTable views, BlockTree tree, TransactionPool pool, Voter voter)
{
    public bool IsAny(ulong view, long nowMs) => pool.Count > 0 || IsAnyBesidesPool(view, nowMs);

    /// <summary>The era's first block is missing, a notarized block that is not final, a deadline, an own vote whose view has not ended, or an honest validator that gives the view up.</summary>
    public bool IsAnyBesidesPool(ulong view, long nowMs) =>
        tree.IsUnopened || views.HighestNotarized > views.FinalView || tree.Final.NextDeadlineMs <= nowMs || voter.Guard.NotarizedView == view
        || views.Find(view)?.NullifyVotes > setup.Validators.MaxFaulty;
}
