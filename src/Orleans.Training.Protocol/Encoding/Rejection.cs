namespace Orleans.Training.Protocol;

/// <summary>
/// Why a transaction was refused. The numbers are shown as <c>OT-nnnn</c>, stand in the ledger and never change (docs/spec/errors.md).
/// 20xx are refused at admission and leave no trace; 21xx to 25xx are refused by a contract and become entries.
/// </summary>
public enum Rejection
{
    /// <summary>Not refused.</summary>
    None = 0,

    /// <summary>The bytes are no canonical transaction.</summary>
    Malformed = 2001,
    /// <summary>Larger than <see cref="Limits.TransactionBytes"/>.</summary>
    TooLarge = 2002,
    /// <summary>Signed for another chain.</summary>
    WrongChain = 2003,
    /// <summary>Signed for another shard.</summary>
    WrongShard = 2004,
    /// <summary>The block's time has reached the transaction's expiry.</summary>
    Expired = 2005,
    /// <summary>Expires more than <see cref="Limits.ExpiryWindowMs"/> after the block's time.</summary>
    ExpiryTooFar = 2006,
    /// <summary>The actor has no such key, or it was revoked.</summary>
    UnknownKey = 2007,
    /// <summary>The signature does not verify, or is not in the one accepted form.</summary>
    BadSignature = 2008,
    /// <summary>This transaction is on the ledger already; the first receipt stands.</summary>
    Duplicate = 2009,
    /// <summary>The actor used this transaction id for other content.</summary>
    TransactionIdReused = 2010,
    /// <summary>The validators' pool, or the actor's share of it, is full; try again later.</summary>
    PoolFull = 2011,

    /// <summary>No such contract or method.</summary>
    UnknownMethod = 2101,
    /// <summary>The arguments do not have the method's form.</summary>
    BadArguments = 2102,
    /// <summary>The actor lacks the role that the method asks for.</summary>
    MissingRole = 2103,
    /// <summary>There is already such a thing.</summary>
    AlreadyExists = 2104,
    /// <summary>The thing that is named does not exist.</summary>
    NotFound = 2105,
    /// <summary>A limit on how many there may be is reached.</summary>
    LimitReached = 2106,
    /// <summary>The key is already registered, by anyone.</summary>
    KeyInUse = 2107,
    /// <summary>A participant may not remove its last key.</summary>
    LastKey = 2108,

    /// <summary>The actor is not named in the training agreement.</summary>
    NotInAgreement = 2201,
    /// <summary>Not all participants of the agreement have accepted it.</summary>
    AgreementNotActive = 2202,
    /// <summary>The agreement breaks the policy that this participant attaches, or their meet.</summary>
    PolicyViolated = 2203,
    /// <summary>A data set of the agreement is not registered by its participant.</summary>
    DatasetUnknown = 2204,
    /// <summary>Too few participants for the corruption that their masks are to bear.</summary>
    MaskCohortTooSmall = 2206,
    /// <summary>A data set of the agreement would lose more than its owner's budget allows.</summary>
    BudgetExceeded = 2207,
    /// <summary>An agreement without noise has become active on the data set: no budget can hold any more.</summary>
    DatasetExposed = 2208,

    /// <summary>The round is not in the phase that the method needs.</summary>
    WrongPhase = 2301,
    /// <summary>Another round of this agreement is open.</summary>
    RoundInProgress = 2302,
    /// <summary>Not the next round of the agreement.</summary>
    WrongRound = 2303,
    /// <summary>Built on another base model than the round's.</summary>
    WrongBaseModel = 2304,
    /// <summary>After the deadline of the phase.</summary>
    Late = 2305,
    /// <summary>The agreement's last round is over.</summary>
    RunEnded = 2306,
    /// <summary>For rounds with masks, and the agreement's have none; or the other way round.</summary>
    WrongMasking = 2307,
    /// <summary>Names another context than the one that the ledger has for the attempt.</summary>
    WrongContext = 2308,
    /// <summary>A public key of small order, or not in its one encoding.</summary>
    MaskKeyWeak = 2309,
    /// <summary>The actor is not among those who take part at this stage.</summary>
    NotInCohort = 2310,
    /// <summary>The acknowledgement has not a bit for each neighbour, or one for a neighbour that dealt no shares.</summary>
    BadAcknowledgement = 2311,
    /// <summary>Another order to unmask than the ledger's.</summary>
    WrongOrder = 2312,
    /// <summary>Nothing is revealed before the actor has confirmed the order.</summary>
    NotConfirmed = 2313,
    /// <summary>Not the secret that the actor committed to.</summary>
    WrongSecret = 2314,
    /// <summary>A sum about the same base model was ordered with this participant, or with too many of these, already.</summary>
    ModelConsumed = 2315,
    /// <summary>The agreement's groups are not drawn yet.</summary>
    GroupsNotDrawn = 2316,

    /// <summary>The validator has already given its verdict on this proposal.</summary>
    AlreadyAttested = 2401,
    /// <summary>The proposal was refused by the validators.</summary>
    ProposalRefused = 2402,
    /// <summary>The proposal does not name the inputs that the ledger fixed.</summary>
    WrongInputs = 2403,
    /// <summary>Nobody can know yet whether the sum is right: the images of its updates are not all on the ledger.</summary>
    NotProjected = 2404,
    /// <summary>The agreement's seats check sums in another way.</summary>
    WrongCheck = 2405,

    /// <summary>Not for the era that comes next.</summary>
    WrongEra = 2501,
    /// <summary>The change cannot be made to this validator set.</summary>
    ChangeImpossible = 2502,
    /// <summary>The seat has already voted on this change.</summary>
    AlreadyVoted = 2503,
    /// <summary>The change is decided.</summary>
    ChangeDecided = 2504,
    /// <summary>The vote key's own signature is not on the statement that it must be on.</summary>
    BadProof = 2505,
    /// <summary>A seat gets another vote key at most once in an hour.</summary>
    TooSoon = 2506,
    /// <summary>The era ends as soon as no round is open, so none is opened.</summary>
    EraEnding = 2507,
    /// <summary>The file proves nothing against a seat of this ledger.</summary>
    NotProven = 2508,
    /// <summary>The seat was convicted: none of its keys may stand in a validator set again.</summary>
    Convicted = 2509,

    /// <summary>The trust policy of the watched ledger does not accept the checkpoint.</summary>
    CheckpointNotTrusted = 2701,
    /// <summary>The checkpoint is not shown to continue the newest anchor.</summary>
    NotConsistent = 2702,
    /// <summary>The checkpoint is older than the newest anchor, and its size is not anchored.</summary>
    OldCheckpoint = 2703,
    /// <summary>A ledger is anchored at most once in a minute.</summary>
    AnchoredJustNow = 2704,
}
