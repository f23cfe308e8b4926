namespace Orleans.Training.Protocol.Ledger;

/// <summary>What a validator did that no honest one does; the numbers stand in files and never change.</summary>
public enum FaultKind
{
    /// <summary>Nothing is proven.</summary>
    None = 0,
    /// <summary>Two different notarize votes in one view.</summary>
    TwoNotarizations = 1,
    /// <summary>A nullify and a finalize vote in one view.</summary>
    NullifiedAndFinalized = 2,
    /// <summary>Two different finalize votes in one view.</summary>
    TwoFinalizations = 3,
    /// <summary>Two checkpoints of one log that no one tree can have.</summary>
    TwoTrees = 4,
}

/// <summary>
/// Proof from bytes alone that the owners of keys broke a rule which no honest validator breaks (docs/spec/consensus.md §10). It names keys and nobody else; whose they are says a validator set.
/// </summary>
public abstract record FaultProof
{
    /// <summary>Bytes of the longest proof there can be.</summary>
    public const int MaximumBytes = 16 * 1024;

    /// <summary>The keys that are named: at least one, none twice, once <see cref="Check"/> has said what is proven.</summary>
    public abstract IReadOnlyList<PublicKey> Keys { get; }

    /// <summary>In which era's set the keys stand; null when the proof does not say.</summary>
    public abstract ulong? Era { get; }

    /// <summary>The view in which it happened; 0 for none.</summary>
    public abstract ulong View { get; }

    /// <summary>What is proven of every key; <see cref="FaultKind.None"/> when nothing is.</summary>
    public abstract FaultKind Check();

    /// <summary>Whether it happened on the ledger of this genesis.</summary>
    public abstract bool IsOf(Genesis genesis);

    /// <summary>The seat of a set that a named key belongs to, or null.</summary>
    public abstract Validator? SeatOf(ValidatorSet validators, PublicKey key);

    /// <summary>The bytes of a file.</summary>
    public abstract byte[] Encode();

    /// <summary>Parses a proof of any kind; proves nothing yet.</summary>
    public static bool TryParse(ReadOnlyMemory<byte> bytes, out FaultProof? proof)
    {
        proof = Evidence.TryParse(bytes, out var votes) ? votes : ForkProof.TryParse(bytes, out var fork) ? fork : SplitView.TryParse(bytes, out var split) ? split : null;
        return proof is not null;
    }

    private protected static Validator? VoterOf(ValidatorSet validators, ulong era, int seat, PublicKey key) =>
        validators.Era == era && seat < validators.Count && validators.Seats[seat].VoteKey == key ? validators.Seats[seat] : null;
}
