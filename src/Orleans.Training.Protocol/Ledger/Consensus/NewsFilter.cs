namespace Orleans.Training.Protocol.Ledger;

/// <summary>Says what of a message would be new, before anybody spends time on its signatures.</summary>
internal sealed class NewsFilter(ConsensusSetup setup, ViewTable views, LeaderSchedule leaders, CatchUp catchUp, VoteWatch watch)
{
    public ConsensusMessage? Of(ConsensusMessage message, ulong currentView) => message switch
    {
        VoteMessage { Vote: { } vote } => IsNew(vote, currentView) || watch.IsSuspicious(vote) ? message : null,
        CertificateMessage { Certificates: var all } => Unknown(all) is { Count: > 0 } unknown ? new CertificateMessage(unknown) : null,
        Propose propose => IsNew(propose, currentView)
            ? new Propose(propose.View, propose.ParentView, propose.Block, propose.Signature, Unknown(propose.Justification))
            : null,
        EraProof proof => proof.Links.Count > 0 && proof.Links[0].Era == setup.Era && Unknown([proof.Links[0].Final]).Count > 0 ? message : null,
        BlocksMessage => catchUp.IsMissing ? message : null,
        _ => message,
    };

    // What contradicts a known certificate, or what its signers said, is worth looking at however late it comes.
    private List<Certificate> Unknown(IReadOnlyList<Certificate> certificates) => [.. certificates.Where(certificate => views.IsUnknown(certificate) || IsSuspicious(certificate))];

    private bool IsSuspicious(Certificate certificate) =>
        certificate.Vote.Era == setup.Era && Enumerable.Range(0, setup.Validators.Count).Any(seat => certificate.SignedBy(seat) && watch.IsSuspicious(certificate.VoteOf(seat)));

    private bool IsNew(SignedVote vote, ulong currentView) =>
        vote.Seat < setup.Validators.Count && vote.Vote.View <= currentView + Limits.FutureViews && (vote.Vote.View > views.FinalView
            ? views.Find(vote.Vote.View)?.Has(vote.Vote.Kind, vote.Seat) is not true
            : leaders.IsSignOfLife(vote.Seat, vote.Vote.View));

    private bool IsNew(Propose propose, ulong currentView) =>
        (propose.View >= currentView && views.Find(propose.View)?.Proposal is null) || catchUp.Wants(propose.Block.Digest) 
        || (propose.View > views.FinalView && watch.IsSuspicious(new SignedVote(propose.Vote, leaders.LeaderOf(propose.View), propose.Signature)));
}
