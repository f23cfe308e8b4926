namespace Orleans.Training.Protocol.Ledger;

/// <summary>Rule 6: a final block makes its ancestors final, all are handed on in height order; a sealing block that is final ends the era.</summary>
internal sealed class Finality(ConsensusSetup setup, StepEffects effects, ViewTable views, LeaderSchedule leaders, BlockTree tree, TransactionPool pool)
{
    private Certificate? _pending;
    private Certificate? _near;

    /// <summary>Proof for the last final block; null for the era's root.</summary>
    public Certificate? Last { get; private set; }

    /// <summary>How the era ended, once it has.</summary>
    public EraEnded? Ended { get; private set; }

    /// <summary>A finalization whose block is not the tree's own: what kind of trouble it is; null for none.</summary>
    public string? Conflict { get; private set; }

    /// <summary>Takes note of a certificate; whether it is journaled as final in this very step, its block being here.</summary>
    public bool Note(Certificate certificate)
    {
        var finalizes = certificate.Kind is VoteKind.Finalize || (!setup.Rules.EraEndsWithFinalization && certificate.Kind is VoteKind.Notarize && tree.Find(certificate.Digest) is { } sealing && tree.EndsEra(sealing));
        var commits = finalizes && tree.Find(certificate.Digest) is not null;
        if (commits) _near = certificate;
        if (finalizes && certificate.View > (_pending?.View ?? 0)) _pending = certificate;
        return commits;
    }

    /// <summary>Commits the newest finalization whose block and ancestors are all here; false when there is none.</summary>
    public bool Commit()
    {
        var near = _near;
        _near = null;
        return (near is not null && Commit(near)) || (_pending is { } pending && Commit(pending));
    }

    private bool Commit(Certificate certificate)
    {
        if (certificate.View <= views.FinalView) return false;
        var path = tree.PathTo(certificate.Digest, out var conflict);
        if (conflict) Conflict = $"View {certificate.View} finalized a block that does not descend from final height {tree.Final.Block.Header.Height}.";
        if (path is null) return false;
        if (setup.Rules.KeepSealing || path[^1].Seals is null) effects.Write(JournalRecordKind.Final, certificate.Encode());
        foreach (var executed in path)
        {
            tree.Finalize(executed);
            pool.Committed(executed.Block);
            effects.Emit(new BlockCommitted(executed, certificate));
        }

        Last = certificate;
        if (_pending?.View <= certificate.View) _pending = null;
        views.Finalized(certificate.View);
        leaders.SawFinalization();
        effects.Deadline(tree.Final.NextDeadlineMs);
        if (tree.EndsEra(tree.Final)) End(certificate);
        return true;
    }

    // Whoever hears of it now need not ask later.
    private void End(Certificate certificate)
    {
        Ended = new EraEnded(tree.Final, certificate, tree.Final.Seals!);
        effects.Broadcast(new CertificateMessage([certificate]));
        effects.Emit(Ended);
    }
}
