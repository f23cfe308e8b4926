namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// Where a participant stands in an attempt. States are values and follow from a journal's records, but for the secrets, which they share and which are
/// zeroed once an attempt has ended.
/// </summary>
public sealed record MaskState
{
    internal MaskState(MaskSetup setup, MaskRules rules) => (Setup, Rules) = (setup, rules);

    /// <summary>What the attempt is about.</summary>
    public MaskSetup Setup { get; }

    /// <summary>The stage.</summary>
    public MaskPhase Phase { get; internal init; }

    /// <summary>Why the participant left, once <see cref="Phase"/> is Aborted.</summary>
    public MaskFault Fault { get; internal init; }

    /// <summary>The graph of the cohort, from Shared on: who shares with whom.</summary>
    public MaskGraph? Graph { get; internal init; }

    /// <summary>ctx1, from Shared on.</summary>
    public CohortContext Cohort { get; internal init; }

    /// <summary>The graph of masks (U2, E′), once acknowledgements are in.</summary>
    public MaskGraph? Masks { get; internal init; }

    /// <summary>ctx2, once acknowledgements are in.</summary>
    public MaskContext Context { get; internal init; }

    /// <summary>The one order that was confirmed.</summary>
    public UnmaskOrder? Order { get; internal init; }

    internal MaskRules Rules { get; }

    internal MaskSecrets? Secrets { get; init; }

    internal IReadOnlyList<KeyAdvert> Adverts { get; init; } = [];

    internal MaskBeacon Beacon { get; init; }

    internal ShareCommit? Commit { get; init; }

    internal ShareBlob? Blob { get; init; }

    internal IReadOnlyList<ReadOnlyMemory<byte>?> Acknowledgements { get; init; } = [];

    internal CommittedInput Input { get; init; }

    internal IReadOnlyList<CommittedInput> Inputs { get; init; } = [];

    internal IReadOnlyList<ushort>? Silent { get; init; }

    internal ushort Position => Setup.Position;

    internal KeyAdvert AdvertOf(ushort position) => Adverts.First(advert => advert.Position == position);

    /// <summary>A bit for each neighbour whose shares are here.</summary>
    internal byte[] OwnBits()
    {
        var neighbours = Graph!.Neighbours(Position);
        var bits = new byte[(neighbours.Length + 7) / 8];
        for (var i = 0; i < neighbours.Length; i++) bits[i / 8] |= (byte)(Secrets!.Received.ContainsKey(neighbours[i]) ? 1 << (i % 8) : 0);
        return bits;
    }
}

/// <summary>
/// What came of an event: the next state, what must be durable before anything else happens, and what to send then. With a fault and no record the event was
/// refused and nothing changed.
/// </summary>
/// <param name="State">The next state.</param>
/// <param name="Fault">Why the event was refused, or the attempt left.</param>
/// <param name="Records">What to write, in this order, and make durable.</param>
/// <param name="Message">What to send once that is done.</param>
public sealed record MaskStep(MaskState State, MaskFault Fault, IReadOnlyList<MaskRecord> Records, MaskMessage? Message);
