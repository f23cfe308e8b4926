namespace Orleans.Training.Protocol.Ledger;

/// <summary>What this validator tells others outside the votes: where it stands, what they lack, and the transactions it was given.</summary>
internal sealed class Peers(ConsensusSetup setup, StepEffects effects, ViewTable views, BlockTree tree)
{
    private const int GossipBytes = 1024 * 1024;
    private ulong _askedInView;

    public void SendStatus(ulong view, bool wantsReply)
    {
        for (var peer = 0; peer < setup.Validators.Count + setup.OtherPeers; peer++)
        {
            if (peer != setup.Seat) effects.Send(peer, Status(peer, view, wantsReply));
        }
    }

    /// <summary>Says once more what let this validator into its view, what is final and what waits, and asks for what is missing.</summary>
    public void Repeat(ulong view, Certificate? entry, Certificate? lastFinal, List<Transaction> waiting)
    {
        var known = new List<Certificate>();
        if (entry is not null) known.Add(entry);
        if (lastFinal is not null && lastFinal != entry) known.Add(lastFinal);
        if (known.Count > 0) effects.Broadcast(new CertificateMessage(known));
        _askedInView = 0;
        AskCertificates(view);
        Gossip(waiting);
    }

    public void Answer(int to, StatusMessage status, ulong view, Certificate? entry, Certificate? lastFinal)
    {
        if (status.Era != setup.Era)
        {
            // Who is behind is shown the way over; who is ahead is asked for it.
            if (Ending(status.Era) is { } link) effects.Send(to, new EraProof([link]));
            else if (status.Era > setup.Era) effects.Send(to, Status(to, view, wantsReply: true));
            return;
        }

        if (status.WantsReply) effects.Send(to, Status(to, view, wantsReply: false));
        var news = new List<Certificate>();
        if (status.FinalView < views.FinalView && lastFinal is not null) news.Add(lastFinal);
        if (status.View < view && entry is not null && entry != lastFinal) news.Add(entry);
        if (news.Count > 0) effects.Send(to, new CertificateMessage(news));
    }

    /// <summary>Tells everyone how the era before this one ended.</summary>
    public void ShowEnding()
    {
        if (setup.Past.Count > 0) effects.Broadcast(new EraProof([setup.Past[^1]]));
    }

    public void Answer(int to, GetCertificates request, Certificate? lastFinal)
    {
        if (request.Era != setup.Era) return;
        var found = views.Range(request.First, request.Last, ConsensusMessage.MaximumCertificates - 1);
        if (request.First < views.FinalView && lastFinal is not null && request.Last < views.FinalView) found.Add(lastFinal);
        if (found.Count > 0) effects.Send(to, new CertificateMessage(found));
    }

    public void Answer(int to, GetBlocks request, Certificate? lastFinal)
    {
        if (tree.Serve(request.Above, request.Tip) is { } blocks)
        {
            effects.Send(to, new BlocksMessage(lastFinal?.Digest == blocks[^1].Digest ? lastFinal : null, blocks));
            return;
        }

        if (request.Above < tree.Final.Block.Header.Height) effects.Emit(new ServeBlocks(to, request.Above + 1));
    }

    /// <summary>Asks everyone, once per view and repetition, for certificates that the way from the final view to this one lacks.</summary>
    public void AskCertificates(ulong view)
    {
        if (_askedInView == view || FirstMissing(view) is not { } missing) return;
        _askedInView = view;
        var first = Math.Max(views.FinalView, missing - Math.Min(missing, ConsensusMessage.MaximumCertificates / 2 - 2));
        effects.Broadcast(new GetCertificates(setup.Era, first, missing));
    }

    public void Gossip(List<Transaction> transactions)
    {
        for (var start = 0; start < transactions.Count;)
        {
            var bytes = 0;
            var end = start;
            while (end < transactions.Count && end - start < ConsensusMessage.MaximumGossip && bytes <= GossipBytes) bytes += transactions[end++].Encoded.Length;
            effects.Broadcast(new TransactionGossip(transactions[start..end]));
            start = end;
        }
    }

    // The first view, downwards, that blocks the way to an executed parent: neither nullified nor known with its body.
    private ulong? FirstMissing(ulong view)
    {
        for (var below = view - 1; below > views.FinalView; below--)
        {
            var state = views.Find(below);
            if (state?.Nullification is not null) continue;
            return state?.Notarization is { } notarization && tree.Has(notarization.Digest) ? null : below;
        }

        return null;
    }

    private StatusMessage Status(int to, ulong view, bool wantsReply) =>
        new(setup.Era, view, views.FinalView, tree.Final.Block.Header.Height, to < setup.Validators.Count ? views.HighestVotesOf(to) : [], wantsReply);

    private EraLink? Ending(ulong era) => setup.Past.Count > 0 && era >= setup.Past[0].Era && era < setup.Era ? setup.Past[(int)(era - setup.Past[0].Era)] : null;
}
