namespace Orleans.Training.Simulation;

/// <summary>A reconfiguration that a seed has in store.</summary>
/// <param name="Change">The change.</param>
/// <param name="AtMs">When it is submitted.</param>
/// <param name="NeverReady">Whoever it brings in never comes up: it must never be sealed.</param>
/// <param name="LosesDisk">The seat gets its new key because the old one went down with its guard.</param>
internal sealed record PlannedChange(Reconfiguration Change, long AtMs, bool NeverReady, bool LosesDisk)
{
    /// <summary>Changes that leave every era with enough honest seats, in whatever order they are sealed.</summary>
    public static IReadOnlyList<PlannedChange> Draw(Chance chance, Profile profile)
    {
        var plan = new List<PlannedChange>();
        var free = Enumerable.Range(0, profile.Seats).ToList();
        var (least, joiner) = (profile.Seats, profile.Seats);
        var faulty = profile.Behaviours.Count(behaviour => !Profile.IsHonest(behaviour));
        for (var i = 0; i < profile.Changes; i++)
        {
            var kind = chance.Pick([ReconfigurationKind.Add, ReconfigurationKind.Add, ReconfigurationKind.Remove, ReconfigurationKind.Replace, ReconfigurationKind.Redelegate, ReconfigurationKind.Redelegate]);
            var node = free.Count > 0 ? chance.Pick(free) : -1;
            var atMs = chance.Between(0, profile.StabilizesAtMs);
            var mayLose = least >= 4 && (least - 1) / 3 > faulty;
            if (kind is not ReconfigurationKind.Add && (node < 0 || !Profile.IsHonest(profile.Behaviours[node]) && kind is ReconfigurationKind.Redelegate)) continue;
            if (kind is ReconfigurationKind.Remove && (least <= 4 || (least - 2) / 3 < faulty)) continue;
            var loses = kind is ReconfigurationKind.Redelegate && mayLose && profile.Behaviours[node] is Behaviour.Honest && chance.Percent(60);
            var never = kind is ReconfigurationKind.Add or ReconfigurationKind.Replace && chance.Percent(20);
            if (loses) faulty++;
            if (kind is ReconfigurationKind.Remove) least--;
            if (kind is not ReconfigurationKind.Add) free.Remove(node);
            plan.Add(new PlannedChange(new Reconfiguration(kind, (byte)Math.Max(0, node), (byte)joiner, 1), atMs, never, loses));
            if (kind is ReconfigurationKind.Add or ReconfigurationKind.Replace) joiner++;
        }

        return plan;
    }
}
