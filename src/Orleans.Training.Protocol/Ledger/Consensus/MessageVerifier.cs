namespace Orleans.Training.Protocol.Ledger;

/// <summary>
/// The signature checks of consensus messages, apart from the core so that a host can run them in parallel. Pure. Transactions are not
/// checked here: their keys are in the state.
/// </summary>
public static class MessageVerifier
{
    /// <summary>Whether every signature that the message relies on is good and by the seat that must have made it.</summary>
    /// <param name="setup">The receiving validator's setup.</param>
    /// <param name="message">The message; who carried it does not matter.</param>
    public static bool Verify(ConsensusSetup setup, ConsensusMessage message) => message switch
    {
        Propose propose => Verify(setup, propose),
        VoteMessage vote => Verify(setup, vote.Vote),
        CertificateMessage certificates => certificates.Certificates.All(certificate => Verify(setup, certificate)),
        // Votes of another era, or of a key that is no longer here, mean nothing; where the sender stands does.
        StatusMessage status => status.Era != setup.Era || !setup.Validators.CanVote(setup.Seat) || status.VotesOfReceiver.All(vote => vote.Seat == setup.Seat && Verify(setup, vote)),
        BlocksMessage { Final: { } final } => Verify(setup, final),
        EraProof proof => EraLink.Follow(setup.Validators, setup.Chain, setup.Shard, proof.Links) is not null,
        _ => true,
    };

    private static bool Verify(ConsensusSetup setup, Propose propose)
    {
        var leader = LeaderSchedule.LeaderOf(setup.Validators, propose.View);
        return Verify(setup, new SignedVote(propose.Vote, leader, propose.Signature)) && propose.Justification.All(certificate => Verify(setup, certificate));
    }

    private static bool Verify(ConsensusSetup setup, SignedVote vote) => vote.Verify(setup.Validators, setup.Chain, setup.Shard);

    private static bool Verify(ConsensusSetup setup, Certificate certificate) => certificate.Verify(setup.Validators, setup.Chain, setup.Shard);
}
