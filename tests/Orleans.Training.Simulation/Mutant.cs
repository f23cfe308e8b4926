using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Simulation;

/// <summary>A rule of the core, of the guard, of the host's duties or of the journal's recovery that is broken on purpose, to show that the simulator notices.</summary>
internal sealed record Mutant(string Name)
{
    public ConsensusRules Rules { get; init; } = ConsensusRules.Correct;

    /// <summary>Signs and sends before the journal is synced.</summary>
    public bool ReleasesBeforeSync { get; init; }

    /// <summary>The contract seals an era before those that enter are ready.</summary>
    public bool SealsUnready { get; init; }

    /// <summary>A block that claims another result than its execution has is taken.</summary>
    public bool BelievesHeaders { get; init; }

    /// <summary>Records of this kind are never written.</summary>
    public JournalRecordKind? Loses { get; init; }

    /// <summary>The journal takes writes of every opener.</summary>
    public bool WithoutFence { get; init; }

    /// <summary>How recovery is wrong.</summary>
    public RecoveryFault Recovery { get; init; }

    /// <summary>Timers for this never run out.</summary>
    public TimerPurpose? StopsTimer { get; init; }

    /// <summary>Messages of this type are never sent.</summary>
    public Type? NeverSends { get; init; }

    /// <summary>How the contracts are wrong; then the seeds run on the real ledger.</summary>
    public LedgerRules? Contracts { get; init; }

    /// <summary>Whoever joins believes an offer without its proof.</summary>
    public bool BelievesOffers { get; init; }

    /// <summary>Whoever joins takes bytes for a snapshot that do not have its name.</summary>
    public bool BelievesBytes { get; init; }

    /// <summary>What is broken is there on the real ledger only.</summary>
    public bool OnLedger => Contracts is not null || BelievesOffers || BelievesBytes;

    /// <summary>Seeds within which it must die.</summary>
    public ulong Seeds { get; init; } = 100;

    public static Mutant None { get; } = new("none");

    public static IReadOnlyList<Mutant> All { get; } =
    [
        // The guard, and the order in which it is made durable.
        Of("no-rule-n", rules => rules with { NotarizeOnce = false }),
        Of("no-rule-z", rules => rules with { NullifyOnlyAboveFinalized = false }),
        Of("no-rule-f", rules => rules with { FinalizeOnlyAboveNullified = false }),
        new("release-before-sync") { ReleasesBeforeSync = true },
        new("guard-not-written") { Loses = JournalRecordKind.Guard },
        new("votes-not-written") { Loses = JournalRecordKind.Vote },
        // The core.
        Of("no-gap-check", rules => rules with { CheckGap = false }),
        // Harmful only while a view is known to be notarized and not yet to be final.
        Of("no-parent-check", rules => rules with { CheckParent = false }) with { Seeds = 1_000 },
        Of("no-clock-check", rules => rules with { CheckClock = false }),
        Of("quorum-minus-one", rules => rules with { MissingFromQuorum = 1 }),
        Of("certificates-not-durable", rules => rules with { KeepCertificates = false }),
        Of("restored-votes-not-counted", rules => rules with { CountRestoredVotes = false }),
        Of("children-of-sealing-block", rules => rules with { SealingIsTerminal = false }),
        Of("era-ends-notarized", rules => rules with { EraEndsWithFinalization = false }),
        Of("sealing-not-durable", rules => rules with { KeepSealing = false }),
        Of("votes-of-other-eras", rules => rules with { CheckEra = false }),
        Of("quorum-of-last-era", rules => rules with { QuorumOfOwnEra = false }),
        Of("no-opening-block", rules => rules with { OpenEra = false }),
        new("seals-unready") { SealsUnready = true },
        new("believes-headers") { BelievesHeaders = true },
        new("view-never-expires") { StopsTimer = TimerPurpose.View },
        new("nothing-said-again") { StopsTimer = TimerPurpose.Resend },
        new("bodies-never-fetched") { StopsTimer = TimerPurpose.Fetch },
        new("no-empty-child") { StopsTimer = TimerPurpose.EmptyChild },
        new("no-status") { NeverSends = typeof(StatusMessage) },
        new("no-blocks-for-peers") { NeverSends = typeof(BlocksMessage) },
        new("no-certificates") { NeverSends = typeof(CertificateMessage) },
        new("no-era-proofs") { NeverSends = typeof(EraProof) },
        new("no-gossip") { NeverSends = typeof(TransactionGossip) },
        // The journal.
        new("blocks-not-written") { Loses = JournalRecordKind.Block },
        new("finals-not-written") { Loses = JournalRecordKind.Final },
        new("no-fence") { WithoutFence = true },
        new("recovery-cuts-damage") { Recovery = RecoveryFault.CutsDamage },
        new("recovery-refuses-torn-tail") { Recovery = RecoveryFault.RefusesTornTail },
        new("recovery-skips-hashes") { Recovery = RecoveryFault.SkipsHashes },
        new("recovery-looks-for-next-frame-only") { Recovery = RecoveryFault.LooksForNextFrameOnly },
        new("recovery-skips-headers") { Recovery = RecoveryFault.SkipsHeaders },
        // Snapshots and convictions.
        new("snapshot-attested-by-f") { Contracts = LedgerRules.Correct with { Attesters = validators => validators.MaxFaulty } },
        new("snapshot-offer-not-verified") { BelievesOffers = true },
        new("snapshot-bytes-not-checked") { BelievesBytes = true },
        new("convicts-by-first-signature") { Contracts = LedgerRules.Correct with { Proves = ByFirstSignature } },
        new("convicted-stay") { Contracts = LedgerRules.Correct with { Expels = false } },
    ];

    private static FaultKind ByFirstSignature(FaultProof proof)
    {
        if (proof is not Evidence { First: { } first } evidence) return proof.Check();
        Span<byte> preimage = stackalloc byte[Vote.PreimageSize];
        first.Vote.WritePreimage(evidence.Chain, evidence.Shard, preimage);
        return Signatures.Verify(evidence.Key, preimage, first.Signature.Span) ? Evidence.FaultOf(first.Vote, evidence.Second.Vote) : FaultKind.None;
    }

    private static Mutant Of(string name, Func<ConsensusRules, ConsensusRules> broken) => new(name) { Rules = broken(ConsensusRules.Correct) };
}
