namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// From what survivors revealed to the masks that are left in the sum of their inputs. Anybody can do it from public messages, and everybody gets the same masks. Each fault
/// names its culprit: <see cref="MaskFault.HolderFault"/> its author, <see cref="MaskFault.DealerFault"/> the dealer.
/// </summary>
/// <param name="cohort">ctx1.</param>
/// <param name="context">ctx2.</param>
/// <param name="graph">The graph of the cohort.</param>
/// <param name="masks">The graph of masks.</param>
/// <param name="order">The order.</param>
/// <param name="advertOf">Everybody's keys.</param>
/// <param name="commitOf">Every dealer's commitment.</param>
/// <param name="blobOf">Every dealer's blob, checked against its commitment.</param>
public sealed class MaskRemoval(
    CohortContext cohort, MaskContext context, MaskGraph graph, MaskGraph masks, UnmaskOrder order, Func<ushort, KeyAdvert> advertOf, Func<ushort, ShareCommit> commitOf, Func<ushort, ShareBlob> blobOf)
{
    private readonly SortedDictionary<ushort, Reveal> _reveals = [];
    private readonly SortedDictionary<ushort, RevealSilent> _silents = [];

    /// <summary>The survivors that have revealed nothing that counts, ascending: candidates for the silent set.</summary>
    public IReadOnlyList<ushort> Silent => [.. order.Survivors.Where(survivor => !_reveals.ContainsKey(survivor))];

    /// <summary>
    /// Takes a survivor's first Reveal: about this order, with the b that it committed to, and its shares of the seeds of all its dropped neighbours, each matching its leaf.
    /// <see cref="MaskFault.HolderFault"/> is proved by the signed message alone; the others carry on without it.
    /// </summary>
    public MaskFault TryAccept(Reveal reveal)
    {
        if (RefuseForeign(reveal.Position, reveal.Context, reveal.Order) is var fault and not MaskFault.None) return fault;
        if (_reveals.ContainsKey(reveal.Position)) return MaskFault.AlreadyRevealed;
        if (reveal.Self.Length != MaskKeys.Size || MaskKeys.SelfCommitment(cohort, reveal.Position, reveal.Self.Span) != commitOf(reveal.Position).SelfCommitment) return MaskFault.HolderFault;
        fault = reveal.Openings.Check(ShareKind.Seed, reveal.Position, Around(reveal.Position, order.Dropped), cohort, graph, blobOf);
        if (fault is MaskFault.None) _reveals.Add(reveal.Position, reveal);
        return fault;
    }

    /// <summary>Takes a survivor's shares of b of its neighbours among the silent ones, under the same rules.</summary>
    public MaskFault TryAccept(RevealSilent reveal, IReadOnlyList<ushort> silent)
    {
        if (RefuseForeign(reveal.Position, reveal.Context, reveal.Order) is var fault and not MaskFault.None) return fault;
        if (_silents.ContainsKey(reveal.Position)) return MaskFault.AlreadyRevealed;
        fault = reveal.Openings.Check(ShareKind.Self, reveal.Position, Around(reveal.Position, silent), cohort, graph, blobOf);
        if (fault is MaskFault.None) _silents.Add(reveal.Position, reveal);
        return fault;
    }

    /// <summary>The masks to subtract. <see cref="MaskFault.DegreeTooSmall"/> if too few shares of somebody are here yet; <see cref="MaskFault.DealerFault"/> if somebody's shares lie.</summary>
    /// <param name="terms">The masks; empty with a fault.</param>
    /// <param name="culprit">The dealer with the fault.</param>
    public MaskFault TryFinish(out MaskTerms terms, out ushort culprit) => TryFinish(MaskRules.Correct, out terms, out culprit);

    internal MaskFault TryFinish(MaskRules rules, out MaskTerms terms, out ushort culprit)
    {
        (terms, culprit) = (new MaskTerms(), 0);
        Span<byte> secret = stackalloc byte[MaskKeys.Size];
        ushort[] survivors = [.. order.Survivors];
        foreach (var survivor in survivors)
        {
            if (_reveals.TryGetValue(survivor, out var reveal))
            {
                terms.IncludeSelf(context, survivor, reveal.Self.Span);
                continue;
            }

            if (Recover(ShareKind.Self, survivor, rules, secret) is var fault and not MaskFault.None) return Fail(fault, survivor, ref terms, out culprit);
            terms.IncludeSelf(context, survivor, secret);
        }

        foreach (var dropped in order.Dropped)
        {
            if (Recover(ShareKind.Seed, dropped, rules, secret) is var fault and not MaskFault.None) return Fail(fault, dropped, ref terms, out culprit);
            var seed = secret.ToArray();
            // The keys of both are sound: what does not fit them is the ciphertext, which the smaller one has signed.
            if (!terms.TryIncludeDropped(context, masks, dropped, survivors, (other, shared) => PairSecrets.TryAgree(seed, dropped, advertOf(other), CiphertextOf(dropped, other), rules, shared), out var neighbour))
                return Fail(MaskFault.DealerFault, Math.Min(dropped, neighbour), ref terms, out culprit);
        }

        return MaskFault.None;
    }

    private ReadOnlySpan<byte> CiphertextOf(ushort one, ushort other)
    {
        var (smaller, larger) = (Math.Min(one, other), Math.Max(one, other));
        return advertOf(smaller).Exchange is KeyExchange.Hybrid ? blobOf(smaller).PairCiphertext(graph.PointOf(smaller, larger)) : [];
    }

    private MaskFault Recover(ShareKind kind, ushort dealer, MaskRules rules, Span<byte> secret)
    {
        var openings = kind is ShareKind.Seed
            ? _reveals.Values.Select(reveal => (reveal.Position, reveal.Openings))
            : _silents.Values.Select(reveal => (reveal.Position, reveal.Openings));
        var shares = openings.SelectMany(item => item.Openings.Entries.Where(entry => entry.Dealer == dealer).Select(entry => (item.Position, entry.Share)));
        return SecretRecovery.TryRecover(kind, cohort, graph, dealer, blobOf(dealer), advertOf(dealer), commitOf(dealer), shares, rules, secret);
    }

    private MaskFault RefuseForeign(ushort position, Digest about, Digest named)
    {
        if (about != context.Digest) return MaskFault.ContextMismatch;
        if (named != order.ComputeDigest()) return MaskFault.OrderConflict;
        return order.Survivors.Contains(position) ? MaskFault.None : MaskFault.NotTakingPart;
    }

    private ushort[] Around(ushort position, IReadOnlyList<ushort> among) => [.. masks.Neighbours(position).ToArray().Where(among.Contains)];

    private static MaskFault Fail(MaskFault fault, ushort dealer, ref MaskTerms terms, out ushort culprit)
    {
        terms.Dispose();
        (terms, culprit) = (new MaskTerms(), dealer);
        return fault;
    }
}
