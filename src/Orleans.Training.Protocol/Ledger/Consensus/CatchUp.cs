namespace Orleans.Training.Protocol.Ledger;

/// <summary>
/// Fetches the bodies of blocks that a certificate names and this validator lacks: from one of the certificate's signers at a time, who must
/// hold them, lowest first, so that each can be executed as it comes.
/// </summary>
internal sealed class CatchUp(ConsensusSetup setup, StepEffects effects, Timers timers, ViewTable views, BlockTree tree)
{
    private readonly SortedDictionary<ulong, Certificate> _missing = [];
    private Digest? _askedFor;
    private int _askedWhom = -1;
    private ulong _askedAbove;
    private int _attempts;

    /// <summary>Who told of a finalization last: asked in turns with the signers, who may be gone when the era is long over.</summary>
    public int? Source { get; set; }

    /// <summary>Whether a certificate names this block and its body is missing.</summary>
    public bool Wants(Digest digest)
    {
        foreach (var certificate in _missing.Values)
        {
            if (certificate.Digest == digest) return true;
        }

        return false;
    }

    /// <summary>Whether any body is missing.</summary>
    public bool IsMissing => _missing.Count > 0;

    /// <summary>Whether an answer from this seat is expected.</summary>
    public bool Expects(int seat) => IsMissing && _askedWhom == seat;

    public void Want(Certificate certificate)
    {
        if (certificate.Kind is not VoteKind.Nullify && !tree.Has(certificate.Digest)) _missing[certificate.View] = certificate;
    }

    /// <summary>Forgets what came in and what is below the final view; starts the timer while something is missing.</summary>
    public void Review(ulong finalView)
    {
        if (_missing.Count == 0) return;
        var done = _missing.Where(pair => pair.Key < finalView || tree.Has(pair.Value.Digest)).Select(pair => pair.Key).ToList();
        foreach (var view in done) _missing.Remove(view);
        if (_missing.Count > 0 && !timers.IsRunning(TimerPurpose.Fetch)) timers.Set(TimerPurpose.Fetch, setup.DeltaMs);
    }

    /// <summary>The body has not come by itself: asks the next signer.</summary>
    public void Ask()
    {
        if (Target() is not { } certificate) return;
        if (tree.IsCrowded) tree.KeepOnly(views.NotarizedBlocks);
        if (_askedFor != certificate.Digest) _attempts = 0;
        _askedFor = certificate.Digest;
        var turn = Source is null ? _attempts : _attempts / 2;
        if (_attempts++ % 2 == 1 && Source is { } source)
        {
            Ask(source, certificate.Digest);
            return;
        }

        var seats = setup.Validators.Count;
        var start = (setup.Seat + 1 + turn) % seats;
        for (var i = 0; i < seats; i++)
        {
            var seat = (start + i) % seats;
            if (seat == setup.Seat || !certificate.SignedBy(seat)) continue;
            Ask(seat, certificate.Digest);
            return;
        }
    }

    private void Ask(int peer, Digest digest)
    {
        _askedWhom = peer;
        _askedAbove = tree.Final.Block.Header.Height;
        effects.Send(peer, new GetBlocks(_askedAbove, digest));
    }

    /// <summary>Executes the blocks of an answer as far as they connect, and asks for the rest; returns a refused block that a certificate names.</summary>
    public Digest? Take(int from, IReadOnlyList<Block> blocks, TransactionPool pool)
    {
        var reached = 0UL;
        foreach (var block in blocks)
        {
            var isNew = !tree.Has(block.Digest);
            if (isNew && tree.Execute(block) is null) return tree.Refused(block.Digest) && Wants(block.Digest) ? block.Digest : null;
            if (isNew) pool.Included(block);
            reached = block.Header.Height;
        }

        // A peer that repeats itself is not asked for more; the timer turns to another.
        if (reached > _askedAbove && Expects(from) && Target() is { } certificate && !tree.Has(certificate.Digest))
        {
            _askedAbove = reached;
            effects.Send(from, new GetBlocks(reached, certificate.Digest));
        }

        return null;
    }

    // The latest finalization first: it makes everything below it final; then the latest notarization.
    private Certificate? Target()
    {
        Certificate? target = null;
        foreach (var certificate in _missing.Values)
        {
            if (certificate.Kind is VoteKind.Finalize || target?.Kind is not VoteKind.Finalize) target = certificate;
        }

        return target;
    }
}
