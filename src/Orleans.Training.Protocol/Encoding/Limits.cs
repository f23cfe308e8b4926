namespace Orleans.Training.Protocol;

/// <summary>Every limit that parties must agree on (docs/spec/limits.md). What exceeds one is refused, never stored.</summary>
public static class Limits
{
    /// <summary>Bytes of one signed transaction.</summary>
    public const int TransactionBytes = 32 * 1024;

    /// <summary>Transactions in one block.</summary>
    public const int TransactionsPerBlock = 8192;

    /// <summary>Bytes of a block's body.</summary>
    public const int BlockBytes = 4 * 1024 * 1024;

    /// <summary>Bytes of a leaf of the ledger's tree (tlog-tiles entry bundles carry 16-bit lengths).</summary>
    public const int LeafBytes = 64 * 1024 - 1;

    /// <summary>How far after a block's time a transaction in it may expire, in milliseconds: 24 hours.</summary>
    public const long ExpiryWindowMs = 24L * 60 * 60 * 1000;

    /// <summary>How far ahead of a validator's own clock a block's time may be, in milliseconds.</summary>
    public const long ClockLeadMs = 5_000;

    /// <summary>Validators of one shard.</summary>
    public const int Validators = 31;

    /// <summary>Seats below which no change may bring a set that has as many: a set of fewer tolerates no liar.</summary>
    public const int LeastValidators = 4;

    /// <summary>Changes of the validator set that are open at one time.</summary>
    public const int OpenChanges = 16;

    /// <summary>How long a change may wait to be decided and sealed, in milliseconds: 7 days.</summary>
    public const long ChangeWindowMs = 7L * 24 * 60 * 60 * 1000;

    /// <summary>How long a seat's word that it is ready counts, in milliseconds: 10 minutes.</summary>
    public const long ReadyWindowMs = 10L * 60 * 1000;

    /// <summary>The least time between two vote keys that a seat gives itself, in milliseconds: 1 hour.</summary>
    public const long RedelegationMs = 60L * 60 * 1000;

    /// <summary>Participants of one federation, and of one training agreement.</summary>
    public const int Participants = 1024;

    /// <summary>Keys of one participant.</summary>
    public const int KeysPerParticipant = 8;

    /// <summary>Data sets that one participant may register.</summary>
    public const int DatasetsPerParticipant = 1024;

    /// <summary>Agreements that one participant may propose.</summary>
    public const int AgreementsPerParticipant = 4096;

    /// <summary>Views ahead of its own for which a validator keeps messages.</summary>
    public const int FutureViews = 64;

    /// <summary>Bytes of a consensus message: a block with its justification.</summary>
    public const int MessageBytes = BlockBytes + 1024 * 1024;

    /// <summary>Characters of a name (contract, method, data set, agreement).</summary>
    public const int NameLength = 64;

    /// <summary>Bytes of one chunk of a blob.</summary>
    public const int ChunkBytes = 64 * 1024;

    /// <summary>Parameters of one model.</summary>
    public const int Parameters = 100_000_000;

    /// <summary>How long single updates are kept after their attempt, at most: 366 days.</summary>
    public const long ChallengeWindowMs = 366L * 86_400_000;
    /// <summary>Rounds of one training agreement.</summary>
    public const int Rounds = 100_000;

    /// <summary>Characters of a ledger's origin.</summary>
    public const int OriginLength = 256;
    /// <summary>Characters of a trust policy, or of a checkpoint, in a transaction.</summary>
    public const int PolicyLength = 24 * 1024;
    /// <summary>Other ledgers that a ledger watches.</summary>
    public const int WatchedLedgers = 1024;
    /// <summary>Time between two anchors of a ledger, ms.</summary>
    public const long AnchorEveryMs = 60_000;
}
