namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// ctx: what an attempt at a round is about. The three contexts are three types, so that none is taken for another: a key or commitment
/// that names the wrong one would let two forks of the ledger share it (docs/spec/fedmask.md §3).
/// </summary>
public readonly record struct AttemptContext
{
    private AttemptContext(Digest digest) => Digest = digest;

    /// <summary>The 32 bytes.</summary>
    public Digest Digest { get; }

    /// <summary>The context that the ledger has.</summary>
    internal static AttemptContext Restore(Digest digest) => new(digest);

    /// <summary>The context of an attempt.</summary>
    /// <param name="chain">The chain.</param>
    /// <param name="run">The run, by its agreement's digest.</param>
    /// <param name="round">Number of the round.</param>
    /// <param name="attempt">Number of the attempt: keys are for one only.</param>
    /// <param name="parentModel">Digest of the model that the round starts from.</param>
    /// <param name="configuration">Digest of everything that is configured.</param>
    /// <param name="roster">Digest of the roster; see <see cref="RosterDigest"/>.</param>
    public static AttemptContext Derive(Digest chain, Digest run, int round, int attempt, Digest parentModel, Digest configuration, Digest roster) =>
        new(new Preimage("fedmask/1/ctx").Add(chain).Add(run).Add((ulong)round).Add((ulong)attempt).Add(parentModel).Add(configuration).Add(roster).Finish());

    /// <summary>The digest of a roster: the encoded identity keys of its participants, which ascend as bytes. A participant's position is its place here, from 0.</summary>
    /// <exception cref="ArgumentException">They do not ascend.</exception>
    public static Digest RosterDigest(IReadOnlyList<ReadOnlyMemory<byte>> identityKeys)
    {
        var preimage = new Preimage("fedmask/1/roster");
        for (var i = 0; i < identityKeys.Count; i++)
        {
            if (i > 0 && identityKeys[i].Span.SequenceCompareTo(identityKeys[i - 1].Span) <= 0) throw new ArgumentException("The keys of a roster ascend.", nameof(identityKeys));
            preimage.Add(Digest.Of(identityKeys[i].Span));
        }

        return preimage.Finish();
    }
}

/// <summary>β: what nobody could know when keys were advertised. It decides who shares with whom.</summary>
public readonly record struct MaskBeacon
{
    private MaskBeacon(Digest digest) => Digest = digest;

    /// <summary>The 32 bytes.</summary>
    public Digest Digest { get; }

    /// <summary>The beacon that a journal kept.</summary>
    internal static MaskBeacon Restore(Digest digest) => new(digest);

    /// <summary>The beacon of an attempt: the first q preimages that validators released after the keys were final, in the ledger's order, and every nonce, by ascending position.</summary>
    public static MaskBeacon Derive(AttemptContext attempt, IReadOnlyList<Digest> released, IReadOnlyList<KeyAdvert> adverts)
    {
        var preimage = new Preimage("fedmask/1/beacon").Add(attempt.Digest).Add((ulong)released.Count);
        foreach (var value in released) preimage.Add(value);
        foreach (var advert in adverts) preimage.Add(advert.Nonce);
        return new(preimage.Finish());
    }
}

/// <summary>ctx1: an attempt with those who advertised keys and the beacon. Envelopes and commitments to shares carry it.</summary>
public readonly record struct CohortContext
{
    private CohortContext(Digest digest) => Digest = digest;

    /// <summary>The 32 bytes.</summary>
    public Digest Digest { get; }

    /// <summary>The context that the ledger has.</summary>
    internal static CohortContext Restore(Digest digest) => new(digest);

    /// <summary>The context of the cohort U1.</summary>
    public static CohortContext Derive(AttemptContext attempt, ReadOnlySpan<ushort> cohort, MaskBeacon beacon) =>
        new(new Preimage("fedmask/1/ctx1").Add(attempt.Digest).Add(Preimage.OfSet(cohort)).Add(beacon.Digest).Finish());
}

/// <summary>ctx2: a cohort with those who may send inputs and the edges between them. Masks are salted with it: under two graphs they do not cancel.</summary>
public readonly record struct MaskContext
{
    private MaskContext(Digest digest) => Digest = digest;

    /// <summary>The 32 bytes.</summary>
    public Digest Digest { get; }

    /// <summary>The context that the ledger has.</summary>
    internal static MaskContext Restore(Digest digest) => new(digest);

    /// <summary>The context of the graph (U2, E′).</summary>
    public static MaskContext Derive(CohortContext cohort, MaskGraph masks) =>
        new(new Preimage("fedmask/1/ctx2").Add(cohort.Digest).Add(Preimage.OfSet(masks.Members)).Add(masks.EdgesDigest()).Finish());
}
