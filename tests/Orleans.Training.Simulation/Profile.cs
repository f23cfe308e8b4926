using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Simulation;

/// <summary>How a seat behaves.</summary>
internal enum Behaviour
{
    Honest,
    /// <summary>Honest, but activated twice at once; both share one guard store.</summary>
    ActivatedTwice,
    /// <summary>Byzantine: two honest programs with one key and two guards.</summary>
    Twins,
    /// <summary>Byzantine: equivocates in proposals and votes.</summary>
    Liar,
    /// <summary>Byzantine: says nothing.</summary>
    Silent,
}

/// <summary>The faults of one seed: every seed switches on another mix (swarm testing).</summary>
internal sealed class Profile
{
    public Profile(Chance chance)
    {
        Seats = chance.Pick([4, 4, 4, 4, 4, 5, 5, 6, 7, 7, 10, 3, 2, 1]);
        Behaviours = new Behaviour[Seats];
        var faulty = chance.Percent(70) ? (Seats - 1) / 3 : 0;
        for (var i = 0; i < faulty; i++) Behaviours[chance.Below(Seats)] = chance.Pick([Behaviour.Twins, Behaviour.Liar, Behaviour.Liar, Behaviour.Silent]);
        if (chance.Percent(25) && Seats > 1)
        {
            var twice = chance.Below(Seats);
            if (Behaviours[twice] is Behaviour.Honest) Behaviours[twice] = Behaviour.ActivatedTwice;
        }

        LossPercent = chance.Percent(50) ? chance.Below(30) : 0;
        DuplicatePercent = chance.Percent(30) ? chance.Below(20) : 0;
        SlowestMs = chance.Pick([5, 20, 60, 300, 1000]);
        SyncMs = chance.Pick([1, 5, 30]);
        Partitions = chance.Percent(50) ? chance.Below(4) : 0;
        Crashes = chance.Percent(70) ? chance.Below(12) : 0;
        PowerCuts = chance.Percent(40) ? 1 + chance.Below(3) : 0;
        CrashAtDurablePointPercent = chance.Percent(50) ? 0.6 : 0;
        ClockSkewMs = chance.Pick([0, 50, 2_000]);
        TimerSkewPercent = chance.Pick([0, 10, 40]);
        Transactions = 6 + chance.Below(24);
        RecentBlocks = chance.Pick([256, 1]);
        WithDeadlines = chance.Percent(30);
        StabilizesAtMs = 4_000 + chance.Below(4_000);
        Changes = chance.Percent(60) ? 1 + chance.Below(3) : 0;
    }

    public int Seats { get; }
    public Behaviour[] Behaviours { get; }
    public int LossPercent { get; }
    public int DuplicatePercent { get; }
    public int SlowestMs { get; }
    public int SyncMs { get; }
    public int Partitions { get; }
    public int Crashes { get; }
    public int PowerCuts { get; }
    public double CrashAtDurablePointPercent { get; }
    public int ClockSkewMs { get; }
    public int TimerSkewPercent { get; }
    public int Transactions { get; }
    public int RecentBlocks { get; }
    public bool WithDeadlines { get; }
    public int StabilizesAtMs { get; }
    /// <summary>Changes of the validator set, at most.</summary>
    public int Changes { get; }

    public static bool IsHonest(Behaviour behaviour) => behaviour is Behaviour.Honest or Behaviour.ActivatedTwice;

    public override string ToString() =>
        $"n={Seats} [{string.Join(' ', Behaviours)}] loss {LossPercent}% dup {DuplicatePercent}% delay ≤{SlowestMs} ms sync ≤{SyncMs} ms partitions {Partitions} crashes {Crashes} power cuts {PowerCuts} at points {CrashAtDurablePointPercent}% clocks ±{ClockSkewMs} ms timers ±{TimerSkewPercent}% tx {Transactions} changes ≤ {Changes}";
}

/// <summary>A rule that is broken on purpose, to show that the simulator notices.</summary>
internal sealed record Mutant(string Name, ConsensusRules Rules, bool ReleasesBeforeSync = false, bool SealsUnready = false)
{
    public static Mutant None { get; } = new("none", ConsensusRules.Correct);

    public static IReadOnlyList<Mutant> All { get; } =
    [
        new("release-before-sync", ConsensusRules.Correct, ReleasesBeforeSync: true),
        new("no-rule-n", ConsensusRules.Correct with { NotarizeOnce = false }),
        new("no-rule-z", ConsensusRules.Correct with { NullifyOnlyAboveFinalized = false }),
        new("no-rule-f", ConsensusRules.Correct with { FinalizeOnlyAboveNullified = false }),
        new("no-gap-check", ConsensusRules.Correct with { CheckGap = false }),
        new("quorum-minus-one", ConsensusRules.Correct with { MissingFromQuorum = 1 }),
        new("certificates-not-durable", ConsensusRules.Correct with { KeepCertificates = false }),
        new("restored-votes-not-counted", ConsensusRules.Correct with { CountRestoredVotes = false }),
        new("children-of-sealing-block", ConsensusRules.Correct with { SealingIsTerminal = false }),
        new("era-ends-notarized", ConsensusRules.Correct with { EraEndsWithFinalization = false }),
        new("sealing-not-durable", ConsensusRules.Correct with { KeepSealing = false }),
        new("votes-of-other-eras", ConsensusRules.Correct with { CheckEra = false }),
        new("quorum-of-last-era", ConsensusRules.Correct with { QuorumOfOwnEra = false }),
        new("no-opening-block", ConsensusRules.Correct with { OpenEra = false }),
        new("seals-unready", ConsensusRules.Correct, SealsUnready: true),
    ];
}
