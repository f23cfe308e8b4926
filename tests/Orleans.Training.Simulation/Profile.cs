using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Simulation;

/// <summary>How a seat behaves.</summary>
internal enum Behaviour
{
    Honest,
    /// <summary>Honest, but activated twice at once: both open one journal, and each opening ends the other one.</summary>
    ActivatedTwice,
    /// <summary>Honest, but activated twice at once with a journal each and one guard between them.</summary>
    SharesGuard,
    /// <summary>Byzantine: two honest programs with one key and two guards.</summary>
    Twins,
    /// <summary>Byzantine: equivocates in proposals and votes.</summary>
    Liar,
    /// <summary>Byzantine: says nothing.</summary>
    Silent,
    /// <summary>Byzantine: votes for nothing, and says wrong things about snapshots and about others.</summary>
    Forger,
    /// <summary>Honest, on a disk that flips bits, reads and writes in wrong places, and loses what it said it had synced.</summary>
    BadDisk,
}

/// <summary>The faults of one seed: every seed switches on another mix (swarm testing).</summary>
internal sealed class Profile
{
    /// <param name="chance">Where the numbers come from.</param>
    /// <param name="overBudget">One more lies than a shard of this size can bear.</param>
    /// <param name="onLedger">The real ledger, with those who join it late.</param>
    public Profile(Chance chance, bool overBudget = false, bool onLedger = false)
    {
        Seats = chance.Pick([4, 4, 4, 4, 4, 5, 5, 6, 7, 7, 10, 3, 2, 1]);
        Behaviours = new Behaviour[Seats];
        var faulty = chance.Percent(70) ? (Seats - 1) / 3 : 0;
        for (var i = 0; i < faulty; i++) Behaviours[chance.Below(Seats)] = chance.Pick([Behaviour.Twins, Behaviour.Liar, Behaviour.Liar, Behaviour.Silent, Behaviour.BadDisk, Behaviour.BadDisk]);
        if (chance.Percent(25) && Seats > 1)
        {
            var twice = chance.Below(Seats);
            if (Behaviours[twice] is Behaviour.Honest) Behaviours[twice] = chance.Pick([Behaviour.ActivatedTwice, Behaviour.SharesGuard]);
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
        Relays = chance.Percent(35) ? 2 + chance.Below(2) : 0;
        RelayedPercent = chance.Pick([15, 40, 100]);
        RelayFailures = chance.Below(4);
        if (onLedger)
        {
            Seats = chance.Pick([4, 4, 4, 5, 7]);
            Changes = 0;
            Behaviours = new Behaviour[Seats];
            var liars = chance.Percent(85) ? (Seats - 1) / 3 : 0;
            for (var i = 0; i < liars; i++) Behaviours[chance.Below(Seats)] = chance.Pick([Behaviour.Liar, Behaviour.Twins, Behaviour.Forger, Behaviour.Forger, Behaviour.Forger]);
            Transactions = 90 + chance.Below(40);
            Newcomers = 1 + chance.Below(2);
        }

        if (!overBudget) return;
        Seats = chance.Pick([4, 4, 5, 6, 7, 10]);
        Changes = Relays = 0;
        Behaviours = new Behaviour[Seats];
        var quorum = (Seats + (Seats - 1) / 3) / 2 + 1;
        var kinds = chance.Pick([new[] { Behaviour.Twins }, [Behaviour.Twins], [Behaviour.Twins, Behaviour.Liar], [Behaviour.Liar]]);
        for (var liars = 2 * quorum - Seats; liars > 0;)
        {
            var seat = chance.Below(Seats);
            if (Behaviours[seat] is not Behaviour.Honest) continue;
            Behaviours[seat] = chance.Pick(kinds);
            liars--;
        }

        IsSplit = chance.Percent(80);
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

    /// <summary>Machines without a seat that come late.</summary>
    public int Newcomers { get; }

    /// <summary>Relays, 0 for a seed in which everybody reaches everybody.</summary>
    public int Relays { get; }
    /// <summary>How many of all pairs have no other way.</summary>
    public int RelayedPercent { get; }
    /// <summary>How often each relay goes away.</summary>
    public int RelayFailures { get; }

    /// <summary>The honest are in two halves that do not hear of each other; of each pair of twins one is in each.</summary>
    public bool IsSplit { get; }

    public static bool IsHonest(Behaviour behaviour) => behaviour is Behaviour.Honest or Behaviour.ActivatedTwice or Behaviour.SharesGuard;

    public override string ToString() =>
        $"n={Seats} [{string.Join(' ', Behaviours)}] loss {LossPercent}% dup {DuplicatePercent}% delay ≤{SlowestMs} ms sync ≤{SyncMs} ms partitions {Partitions} crashes {Crashes} power cuts {PowerCuts} at points {CrashAtDurablePointPercent}% clocks ±{ClockSkewMs} ms timers ±{TimerSkewPercent}% tx {Transactions} changes ≤ {Changes}{(Relays > 0 ? $" {Relays} relays for {RelayedPercent}% of pairs" : "")}";
}
