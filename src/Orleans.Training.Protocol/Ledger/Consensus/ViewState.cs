namespace Orleans.Training.Protocol.Ledger;

/// <summary>What is known about one view: the first vote of each seat and kind, the certificates, the first proposal.</summary>
internal sealed class ViewState(ulong view, int seats)
{
    private readonly SignedVote?[] _notarize = new SignedVote?[seats];
    private readonly SignedVote?[] _nullify = new SignedVote?[seats];
    private readonly SignedVote?[] _finalize = new SignedVote?[seats];

    public ulong View { get; } = view;

    /// <summary>A notarization, or a finalization, which counts as one.</summary>
    public Certificate? Notarization { get; set; }

    public Certificate? Nullification { get; set; }

    /// <summary>The first proposal of the view's leader.</summary>
    public Propose? Proposal { get; set; }

    /// <summary>The proposal was found wrong, or voted for: it is not looked at again.</summary>
    public bool ProposalDone { get; set; }

    public int NullifyVotes { get; private set; }

    public bool Has(VoteKind kind, int seat) => Votes(kind)[seat] is not null;

    public Certificate? CertificateOf(VoteKind kind) => kind is VoteKind.Nullify ? Nullification : kind is VoteKind.Notarize || Notarization?.Kind is VoteKind.Finalize ? Notarization : null;

    /// <summary>Counts a vote, if it is the seat's first of this kind; returns the certificate that it completes.</summary>
    public Certificate? Add(SignedVote vote, int quorum)
    {
        var votes = Votes(vote.Vote.Kind);
        if (votes[vote.Seat] is not null) return null;
        votes[vote.Seat] = vote;
        if (vote.Vote.Kind is VoteKind.Nullify) NullifyVotes++;
        if (CertificateOf(vote.Vote.Kind) is not null) return null;

        var same = 0;
        foreach (var other in votes)
        {
            if (other?.Vote == vote.Vote) same++;
        }

        return same >= quorum ? Certificate.Join([.. votes.Where(other => other?.Vote == vote.Vote).Take(quorum).Select(other => other!)]) : null;
    }

    /// <summary>Whether this certificate and a known one cannot both exist while at most f seats lie.</summary>
    public bool Contradicts(Certificate certificate) => certificate.Kind switch
    {
        VoteKind.Nullify => Notarization?.Kind is VoteKind.Finalize,
        VoteKind.Finalize when Nullification is not null => true,
        _ => Notarization is { } other && other.Digest != certificate.Digest,
    };

    private SignedVote?[] Votes(VoteKind kind) => kind switch
    {
        VoteKind.Notarize => _notarize,
        VoteKind.Nullify => _nullify,
        _ => _finalize,
    };
}

/// <summary>The views from the last final one on: nothing below is kept, and nothing further ahead than <see cref="Limits.FutureViews"/> but certificates.</summary>
internal sealed class ViewTable(ConsensusSetup setup, VoteWatch watch)
{
    private readonly SortedDictionary<ulong, ViewState> _views = [];
    private readonly SignedVote?[,] _highest = new SignedVote?[setup.Validators.Count, 3];

    /// <summary>View of the last finalization, 0 for the root of the era.</summary>
    public ulong FinalView { get; private set; }

    /// <summary>The highest view with any certificate: the way into the next one.</summary>
    public ulong HighestCertified { get; private set; }

    /// <summary>The highest view known to be notarized.</summary>
    public ulong HighestNotarized { get; private set; }

    public int Count => _views.Count;

    public ViewState At(ulong view)
    {
        if (!_views.TryGetValue(view, out var state)) _views.Add(view, state = new ViewState(view, setup.Validators.Count));
        return state;
    }

    public ViewState? Find(ulong view) => _views.GetValueOrDefault(view);

    /// <summary>The certificate that leads out of a view: a notarization before a nullification.</summary>
    public Certificate? Exit(ulong view) => Find(view) is { } state ? state.Notarization ?? state.Nullification : null;

    /// <summary>Files a certificate; false when one of its kind is there already.</summary>
    public bool Add(Certificate certificate)
    {
        var state = At(certificate.View);
        if (state.CertificateOf(certificate.Kind) is not null) return false;
        if (certificate.Kind is VoteKind.Nullify) state.Nullification = certificate; else state.Notarization = certificate;
        HighestCertified = Math.Max(HighestCertified, certificate.View);
        if (certificate.Kind is not VoteKind.Nullify) HighestNotarized = Math.Max(HighestNotarized, certificate.View);
        return true;
    }

    /// <summary>Remembers the highest vote of each seat and kind, to show it to that seat.</summary>
    public void Remember(SignedVote vote)
    {
        watch.See(vote);
        ref var highest = ref _highest[vote.Seat, (int)vote.Vote.Kind - 1];
        if (highest is null || highest.Vote.View < vote.Vote.View) highest = vote;
    }

    public void Remember(Certificate certificate)
    {
        for (var seat = 0; seat < setup.Validators.Count; seat++)
        {
            if (!certificate.SignedBy(seat)) continue;
            if (_highest[seat, (int)certificate.Kind - 1]?.Vote.View >= certificate.View) watch.See(certificate.VoteOf(seat));
            else Remember(certificate.VoteOf(seat));
        }
    }

    public IReadOnlyList<SignedVote> HighestVotesOf(int seat) => [.. Enumerable.Range(0, 3).Select(kind => _highest[seat, kind]).Where(vote => vote is not null).Select(vote => vote!)];

    /// <summary>Moves the floor up to a final view and forgets what is below it.</summary>
    public void Finalized(ulong view)
    {
        FinalView = view;
        while (_views.Count > 0)
        {
            var lowest = _views.Keys.First();
            if (lowest >= view) break;
            _views.Remove(lowest);
        }
    }

    /// <summary>Whether a certificate would be new here, or contradicts one that is.</summary>
    public bool IsUnknown(Certificate certificate) =>
        certificate.View >= FinalView && (Find(certificate.View) is not { } state || state.CertificateOf(certificate.Kind) is null || state.Contradicts(certificate));

    /// <summary>The blocks that certificates name, from the final view on.</summary>
    public IEnumerable<Digest> NotarizedBlocks => _views.Values.Where(state => state.Notarization is not null).Select(state => state.Notarization!.Digest);

    /// <summary>The certificates of a range of views, ascending, at most <paramref name="limit"/>.</summary>
    public List<Certificate> Range(ulong first, ulong last, int limit)
    {
        var found = new List<Certificate>();
        foreach (var (view, state) in _views)
        {
            if (view < first) continue;
            if (view > last || found.Count + 2 > limit) break;
            if (state.Notarization is { } notarization) found.Add(notarization);
            if (state.Nullification is { } nullification) found.Add(nullification);
        }

        return found;
    }
}
