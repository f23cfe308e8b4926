namespace Orleans.Training.Protocol.Ledger;

/// <summary>The way into the pool: a transaction is checked against the last final state before it is kept or told to anyone.</summary>
internal sealed class Admission(ConsensusSetup setup, StepEffects effects, BlockTree tree, TransactionPool pool, Peers peers)
{
    private const int ScrubAtOnce = 256;

    /// <summary>Takes in what clients hand in, answers each, and tells the peers of those that are new.</summary>
    public void Submit(IReadOnlyList<Transaction> transactions, long nowMs)
    {
        var fresh = new List<Transaction>();
        foreach (var transaction in transactions)
        {
            var waits = pool.Contains(transaction);
            var rejection = waits ? Rejection.None : Admit(transaction, nowMs);
            if (!waits && rejection is Rejection.None) fresh.Add(transaction);
            effects.Emit(new TransactionChecked(transaction, rejection));
        }

        peers.Gossip(fresh);
    }

    public Rejection Admit(Transaction transaction, long nowMs)
    {
        if (pool.Contains(transaction)) return Rejection.None;
        if (pool.Contradicts(transaction)) return Rejection.TransactionIdReused;
        var rejection = Check(transaction, nowMs);
        return rejection is Rejection.None ? pool.Add(transaction) : rejection;
    }

    /// <summary>Drops what waits in vain, so that it is no work any more.</summary>
    public void Scrub(long nowMs) => pool.Scrub(transaction => Check(transaction, nowMs) is Rejection.None, ScrubAtOnce);

    private Rejection Check(Transaction transaction, long nowMs) => setup.Machine.Check(tree.Final, transaction, Math.Max(nowMs, tree.Final.Block.Header.TimeMs + 1));
}
