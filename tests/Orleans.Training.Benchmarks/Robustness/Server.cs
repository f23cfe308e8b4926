using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Trainer;

namespace Orleans.Training.Benchmarks;

/// <summary>From updates to lanes, from lanes to the groups' sums, from these to the next model. Nothing but the sums is looked at where groups are of more than one.</summary>
internal sealed class Server(Arm arm, GroupLayout layout, int participants)
{
    private readonly FixedPoint _lanes = arm.Lanes(participants);
    private int[]? _last;

    /// <summary>Whether the rule goes out from the update of a trusted party.</summary>
    public bool NeedsRoot => arm.Rule is FlTrust;

    /// <summary>The next model, or null if it, or an honest update, is not finite.</summary>
    /// <param name="model">The parent.</param>
    /// <param name="updates">One of each participant.</param>
    /// <param name="attacks">Who does not keep to the client's rules.</param>
    /// <param name="root">Of the trusted party, or empty.</param>
    /// <param name="seed">Of the roundings. A participant draws its key from the system; a table must come out twice.</param>
    public float[]? Next(float[] model, IReadOnlyList<float[]> updates, Func<int, bool> attacks, float[] root, ulong seed)
    {
        var lanes = new int[updates.Count][];
        for (var i = 0; i < lanes.Length; i++)
        {
            // Where each update is seen, one that is too long is refused, and so an attacker keeps to the clip as well.
            if (attacks(i) && arm.IsMasked) lanes[i] = Unclipped(updates[i]);
            else if (Clipped(updates[i], SeededRandom.Derive(seed, i)) is { } clipped) lanes[i] = clipped;
            else return null;
        }

        return arm.Rule is null ? Mean(model, lanes) : Robust(model, arm.Rule, lanes, root.Length == 0 ? null : Clipped(root, SeededRandom.Derive(seed, -1)));
    }

    private float[]? Mean(float[] model, int[][] lanes) =>
        ModelStep.TryFedAvg(model, Sum(lanes), (long)lanes.Length * FixedPoint.WeightOne, _lanes, out var next) ? next : null;

    private float[]? Robust(float[] model, RobustRule rule, int[][] lanes, int[]? root)
    {
        var sums = layout.Groups.Select(group => (ReadOnlyMemory<int>)Sum([.. group.Select(member => lanes[member])])).ToArray();
        var reference = rule.NeedsReference ? root ?? _last ?? new int[model.Length] : [];
        var mean = rule.Apply(new GroupSums(sums, [.. layout.Groups.Select(group => group.Count)]), reference);
        if (rule is CentredClipping) _last = mean.ToReference();
        var (next, step) = (new float[model.Length], _lanes.Step);
        for (var i = 0; i < next.Length; i++) next[i] = (float)(model[i] + (step * mean[i]));
        return next.All(float.IsFinite) ? next : null;
    }

    private int[]? Clipped(float[] update, ulong seed) => _lanes.TryQuantize(update, FixedPoint.WeightOne, new SeededRandom(seed).Bytes(32), out var lanes) ? lanes : null;

    // What a participant under masks can send: every lane up to ±L, whatever the norm.
    private int[] Unclipped(float[] update)
    {
        var lanes = new int[update.Length];
        for (var i = 0; i < lanes.Length; i++) lanes[i] = (int)Math.Clamp(Math.Round(update[i] / _lanes.Step), -_lanes.Levels, _lanes.Levels);
        return lanes;
    }

    private static int[] Sum(int[][] lanes)
    {
        var sum = new int[lanes[0].Length];
        foreach (var one in lanes)
        {
            for (var i = 0; i < sum.Length; i++) sum[i] += one[i];
        }

        return sum;
    }
}
