namespace Orleans.Training.Protocol.Ledger;

/// <summary>What a validator of one shard is told before it starts; constant for an era. <see cref="After"/> gives the next era's.</summary>
public sealed record ConsensusSetup
{
    /// <summary>Digest of genesis.</summary>
    public required Digest Chain { get; init; }

    /// <summary>The shard.</summary>
    public required Identifier Shard { get; init; }

    /// <summary>Who votes.</summary>
    public required ValidatorSet Validators { get; init; }

    /// <summary>This validator's seat number; −1 for one that has no seat in this era: it follows, answers, and never votes.</summary>
    public required int Seat { get; init; }

    /// <summary>The seat of this validator in the set of a later era, or −1. Default: the seat that has the same vote key.</summary>
    public Func<ValidatorSet, int>? SeatIn { get; init; }

    /// <summary>How the eras since genesis ended, in order: what a peer that is still in one of them is answered with.</summary>
    public IReadOnlyList<EraLink> Past { get; init; } = [];

    /// <summary>
    /// Peers beyond the seats that may be asked, numbered from n on: a host that knows none of an era's validators any more, or not yet, still finds its way. Default 0.
    /// </summary>
    public int OtherPeers { get; init; }

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

    internal int Quorum => (Rules.QuorumOfOwnEra || PreviousQuorum == 0 ? Validators.Quorum : PreviousQuorum) - Rules.MissingFromQuorum;

    internal int PreviousQuorum { get; init; }

    /// <summary>The setup of the era that begins where another ended.</summary>
    public ConsensusSetup After(EraEnded ended)
    {
        var own = Validators.CanVote(Seat) ? Validators.Seats[Seat].VoteKey : null;
        var seat = SeatIn is not null ? SeatIn(ended.Next) : own is null ? -1 : ended.Next.Seats.ToList().FindIndex(entry => entry.VoteKey == own);
        return this with
        {
            Validators = ended.Next,
            Seat = seat,
            Genesis = ended.Sealing,
            Past = [.. Past, new EraLink(ended.Final, ended.Sealing.Block.HeaderBytes, ended.Next)],
            PreviousQuorum = Validators.Quorum,
        };
    }

    internal ulong Era => Validators.Era;
}
