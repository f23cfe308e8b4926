namespace Orleans.Training.Protocol.Ledger;

/// <summary>The rules that the simulator can switch off one at a time, to show that it notices. Production has <see cref="Correct"/> and no way to say otherwise.</summary>
internal sealed record ConsensusRules
{
    public static ConsensusRules Correct { get; } = new();

    /// <summary>Guard: one notarize vote per view.</summary>
    public bool NotarizeOnce { get; init; } = true;

    /// <summary>Guard: no nullify vote at or below a view that was voted final.</summary>
    public bool NullifyOnlyAboveFinalized { get; init; } = true;

    /// <summary>Guard: no finalize vote at or below a view that was voted null.</summary>
    public bool FinalizeOnlyAboveNullified { get; init; } = true;

    /// <summary>Voter and leader: every view between a block and its parent is nullified.</summary>
    public bool CheckGap { get; init; } = true;

    /// <summary>Voter: the parent is what the named view notarized.</summary>
    public bool CheckParent { get; init; } = true;

    /// <summary>Voter: a block's time is not far ahead of the own clock.</summary>
    public bool CheckClock { get; init; } = true;

    /// <summary>Signatures fewer than a quorum that make a certificate.</summary>
    public int MissingFromQuorum { get; init; }

    /// <summary>Certificates are journaled before a vote that relies on them.</summary>
    public bool KeepCertificates { get; init; } = true;

    /// <summary>Votes restored from the journal count in the own tally.</summary>
    public bool CountRestoredVotes { get; init; } = true;

    /// <summary>Leader and voter: a sealing block has no child in its era, and is proposed again unchanged.</summary>
    public bool SealingIsTerminal { get; init; } = true;

    /// <summary>An era ends with the finalization of its sealing block, not with its notarization.</summary>
    public bool EraEndsWithFinalization { get; init; } = true;

    /// <summary>The finalization of a sealing block is journaled before the next era's guard.</summary>
    public bool KeepSealing { get; init; } = true;

    /// <summary>Votes and certificates of another era are refused.</summary>
    public bool CheckEra { get; init; } = true;

    /// <summary>Certificates need the quorum of their own era's set.</summary>
    public bool QuorumOfOwnEra { get; init; } = true;

    /// <summary>The first leader of an era makes a block at once.</summary>
    public bool OpenEra { get; init; } = true;

    /// <summary>Stop when a peer shows an own vote that the guard does not cover. Off only for seats that the simulator runs twice.</summary>
    public bool DetectLostGuard { get; init; } = true;
}
