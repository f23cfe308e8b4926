namespace Orleans.Training.Protocol.Ledger;

/// <summary>Who leads which view, how long to wait for it, and when to pass it over (docs/spec/consensus.md §6).</summary>
internal sealed class LeaderSchedule(ConsensusSetup setup)
{
    /// <summary>Views that one leader leads in a row.</summary>
    public const int Tenure = 4;

    private const ulong DeadAfterViews = 10;
    private const int MaximumBackOff = 6;

    private readonly ulong[] _lastVote = new ulong[setup.Validators.Count];
    private readonly int[] _skipped = new int[setup.Validators.Count];
    private ulong _highestNullified;
    private ulong? _lastExpired;
    private ulong? _decidedTenure;
    private bool _skipThisTenure;
    private int _backOff;

    /// <summary>The seat that leads a view: V[(era + ⌊(view−1)/K⌋) mod n].</summary>
    public static int LeaderOf(ValidatorSet validators, ulong view) => (int)((validators.Era + TenureOf(view)) % (ulong)validators.Count);

    public int LeaderOf(ulong view) => LeaderOf(setup.Validators, view);

    /// <summary>How long a view may take before it is given up.</summary>
    public long ViewMs => 2L * setup.DeltaMs << _backOff;

    public void SawVote(int seat, ulong view)
    {
        if (view <= _lastVote[seat]) return;
        _lastVote[seat] = view;
        _skipped[seat] = 0;
    }

    /// <summary>Whether even a vote that comes too late to count says something: that the seat is alive.</summary>
    public bool IsSignOfLife(int seat, ulong view) => view >= _lastVote[seat] + DeadAfterViews / 2;

    public void SawVotes(Certificate certificate)
    {
        for (var seat = 0; seat < _lastVote.Length; seat++)
        {
            if (certificate.SignedBy(seat)) SawVote(seat, certificate.View);
        }
    }

    public void SawNullification(ulong view) => _highestNullified = Math.Max(_highestNullified, view);

    public void SawFinalization() => _backOff = 0;

    /// <summary>A tenure that ends by an expired timer doubles the next one's timer, up to a limit, until something is final.</summary>
    public void SawExpiry(ulong view)
    {
        if (_lastExpired == TenureOf(view)) return;
        _lastExpired = TenureOf(view);
        _backOff = Math.Min(_backOff + 1, MaximumBackOff);
    }

    /// <summary>A tenure ends with its first nullified view.</summary>
    public bool TenureEnded(ulong view) => _highestNullified != 0 && _highestNullified < view && TenureOf(_highestNullified) == TenureOf(view);

    /// <summary>
    /// Whether the leader has been silent for ten views in which a quorum of others voted. After n tenures passed over in a row it gets one
    /// full timer, so that an outage shuts nobody out for ever.
    /// </summary>
    public bool LooksDead(ulong view)
    {
        var tenure = TenureOf(view);
        if (_decidedTenure != tenure)
        {
            var leader = LeaderOf(view);
            _decidedTenure = tenure;
            _skipThisTenure = leader != setup.Seat && SilentSince(leader, view) && _skipped[leader] < setup.Validators.Count;
            _skipped[leader] = _skipThisTenure ? _skipped[leader] + 1 : 0;
        }

        return _skipThisTenure && SilentSince(LeaderOf(view), view);
    }

    private bool SilentSince(int leader, ulong view)
    {
        if (view <= DeadAfterViews || _lastVote[leader] >= view - DeadAfterViews) return false;
        var others = 0;
        for (var seat = 0; seat < _lastVote.Length; seat++)
        {
            if (seat != leader && _lastVote[seat] >= view - DeadAfterViews) others++;
        }

        return others >= setup.Quorum;
    }

    private static ulong TenureOf(ulong view) => (view - 1) / Tenure;
}
