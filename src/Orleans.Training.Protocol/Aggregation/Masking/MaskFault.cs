namespace Orleans.Training.Protocol.Aggregation;

/// <summary>Why a participant went no further in a masked attempt, or what is wrong with what another one gave. The numbers are shown as <c>OT-nnnn</c> and never change (docs/spec/errors.md).</summary>
public enum MaskFault
{
    /// <summary>Nothing is wrong.</summary>
    None = 0,

    /// <summary>About another attempt, cohort or graph than the participant's own.</summary>
    ContextMismatch = 5201,
    /// <summary>Two participants advertise one key, or one uses it twice.</summary>
    DuplicateKey = 5202,
    /// <summary>A public key of small order, or not in its one encoding.</summary>
    WeakKey = 5203,
    /// <summary>An envelope does not open.</summary>
    EnvelopeUnreadable = 5204,
    /// <summary>A share is not the one that its dealer committed to.</summary>
    LeafMismatch = 5205,
    /// <summary>Fewer neighbours are left than the threshold.</summary>
    DegreeTooSmall = 5206,
    /// <summary>After the deadline of the phase.</summary>
    Late = 5207,
    /// <summary>Not what the participant's own phase waits for.</summary>
    OutOfPhase = 5208,
    /// <summary>A blob that the ledger names is not here.</summary>
    BlobMissing = 5209,
    /// <summary>A blob is not the content that the ledger names.</summary>
    BlobMismatch = 5210,
    /// <summary>A blob or list has another length or form than it must have.</summary>
    WrongLength = 5211,
    /// <summary>Too few participants for the corruption that must be borne.</summary>
    CohortTooSmall = 5212,
    /// <summary>Those who are left do not hang together.</summary>
    GraphDisconnected = 5213,
    /// <summary>The order to unmask is not what the ledger's own facts give.</summary>
    OrderConflict = 5214,
    /// <summary>Something else was revealed before.</summary>
    AlreadyRevealed = 5215,
    /// <summary>Both kinds of one participant's shares are asked for.</summary>
    BothKinds = 5216,
    /// <summary>Fewer confirmations of exactly this order than must be seen before anything is revealed.</summary>
    ConfirmsMissing = 5217,
    /// <summary>Shares that their dealer committed to give another secret than it committed to.</summary>
    DealerFault = 5218,
    /// <summary>A signed opening misses the dealer's commitment, or leaves out what it must hold.</summary>
    HolderFault = 5219,
    /// <summary>The weights that the round starts from have been summed up once already.</summary>
    ParentConsumed = 5222,
    /// <summary>The sum's canaries do not count the survivors: masks are left in it.</summary>
    CanaryMismatch = 5223,
    /// <summary>The sum of weights is not possible.</summary>
    WeightOutOfRange = 5224,
    /// <summary>Another order was confirmed, or another input sealed, in this attempt.</summary>
    AlreadySealed = 5226,
    /// <summary>The ledger has a message of this participant that its journal lacks.</summary>
    JournalRolledBack = 5227,
    /// <summary>What the ledger has under the participant's name is not its own.</summary>
    NotOwn = 5228,
    /// <summary>The participant is not, or no longer, among those who take part.</summary>
    NotTakingPart = 5229,
    /// <summary>A number is beyond what its lane may hold.</summary>
    LaneOutOfRange = 5230,
}
