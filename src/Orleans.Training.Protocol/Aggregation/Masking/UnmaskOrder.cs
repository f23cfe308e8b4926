namespace Orleans.Training.Protocol.Aggregation;

/// <summary>What the ledger fixes once inputs are in: who survived (U3) and who dropped out (D), of whom shares of different kinds will be opened.</summary>
/// <param name="Context">ctx2.</param>
/// <param name="Survivors">U3, ascending.</param>
/// <param name="Dropped">D, ascending.</param>
public sealed record UnmaskOrder(MaskContext Context, IReadOnlyList<ushort> Survivors, IReadOnlyList<ushort> Dropped)
{
    /// <summary>What a Confirm names.</summary>
    public Digest ComputeDigest()
    {
        var preimage = new Preimage("order").Add(Context.Digest).Add((ulong)Survivors.Count);
        foreach (var position in Survivors) preimage.Add(position);
        preimage.Add((ulong)Dropped.Count);
        foreach (var position in Dropped) preimage.Add(position);
        return preimage.Finish();
    }

    /// <summary>The order that follows from the graph and the inputs that the ledger fixed.</summary>
    public static UnmaskOrder Of(MaskContext context, MaskGraph masks, IEnumerable<CommittedInput> inputs)
    {
        var committed = inputs.Select(input => input.Position).ToHashSet();
        return new(context, [.. masks.Members.ToArray().Where(committed.Contains)], [.. masks.Members.ToArray().Where(member => !committed.Contains(member))]);
    }

    /// <summary>
    /// Whether this order can be carried out without harm, R1, R3, R4 and R5 of docs/spec/fedmask.md §10: it is about these masks; nobody is in it twice; it is
    /// what the committed inputs give; enough survive, everybody keeps t surviving neighbours, and the survivors hang together.
    /// </summary>
    public MaskFault Check(MaskContext context, MaskGraph masks, IEnumerable<CommittedInput> inputs, int minParticipants) => Check(context, masks, inputs, minParticipants, MaskRules.Correct);

    internal MaskFault Check(MaskContext context, MaskGraph masks, IEnumerable<CommittedInput> inputs, int minParticipants, MaskRules rules)
    {
        if (rules.CheckContext && Context != context) return MaskFault.ContextMismatch;
        if (rules.OneKind && Survivors.Intersect(Dropped).Any()) return MaskFault.BothKinds;
        var own = Of(context, masks, inputs);
        if (rules.RecomputeOrder && !(own.Survivors.SequenceEqual(Survivors) && own.Dropped.SequenceEqual(Dropped))) return MaskFault.OrderConflict;
        if (Survivors.Count < minParticipants) return MaskFault.CohortTooSmall;
        var surviving = masks.Restrict([.. Survivors]);
        if (rules.CheckDegrees)
        {
            foreach (var member in masks.Members)
            {
                var kept = 0;
                foreach (var neighbour in masks.Neighbours(member)) kept += surviving.Contains(neighbour) ? 1 : 0;
                if (kept < masks.Threshold) return MaskFault.DegreeTooSmall;
            }
        }

        return rules.CheckConnected && !surviving.IsConnected() ? MaskFault.GraphDisconnected : MaskFault.None;
    }
}

/// <summary>A masked update that the ledger fixed: whose it is, and its blob's name.</summary>
public readonly record struct CommittedInput(ushort Position, Digest Root);
