namespace Orleans.Training.Protocol.Ledger;

/// <summary>What a validator of one shard is told before it starts; constant for an era.</summary>
public sealed record ConsensusSetup
{
    /// <summary>Digest of genesis.</summary>
    public required Digest Chain { get; init; }

    /// <summary>The shard.</summary>
    public required Identifier Shard { get; init; }

    /// <summary>Who votes.</summary>
    public required ValidatorSet Validators { get; init; }

    /// <summary>This validator's seat number.</summary>
    public required int Seat { get; init; }

    /// <summary>
    /// The root of the era, executed: final by definition. Or, for <see cref="ConsensusCore.Restore"/>, any later final block of the journal
    /// whose state the host has kept: what comes before it is then not executed again.
    /// </summary>
    public required ExecutedBlock Genesis { get; init; }

    /// <summary>Builds and executes blocks.</summary>
    public required IStateMachine Machine { get; init; }

    /// <summary>Δ, in milliseconds: what a message between two honest validators is expected to take at most. Timers are multiples of it. Default 100.</summary>
    public int DeltaMs { get; init; } = 100;

    /// <summary>Transactions that wait for a block; more are refused. Default 65,536.</summary>
    public int PoolTransactions { get; init; } = 65_536;

    /// <summary>Transactions of one actor that wait for a block. Default 16,384.</summary>
    public int PoolTransactionsPerActor { get; init; } = 16_384;

    /// <summary>Bytes of transactions that wait for a block. Default 64 MiB.</summary>
    public long PoolBytes { get; init; } = 64L * 1024 * 1024;

    /// <summary>Final blocks that are kept in memory for peers a little behind; older ones come from the host's store. Default 256, and at most 16 MiB.</summary>
    public int RecentBlocks { get; init; } = 256;

    internal ConsensusRules Rules { get; init; } = ConsensusRules.Correct;

    internal int Quorum => Validators.Quorum - Rules.MissingFromQuorum;

    internal ulong Era => Validators.Era;
}
