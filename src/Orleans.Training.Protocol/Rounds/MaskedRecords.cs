using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>What the ledger has of a masked attempt by position, whatever group a participant is in. It reads and never writes.</summary>
/// <param name="find">The record at a key, or null.</param>
/// <param name="terms">An active agreement with masks.</param>
/// <param name="round">The attempt.</param>
public abstract class MaskedRecords(Func<string, StateRecord?> find, AgreementRecord terms, RoundRecord round)
{
    private readonly string _name = round.StateKey[RoundRecord.Prefix.Length..];

    /// <summary>The agreement.</summary>
    public AgreementRecord Terms => terms;

    /// <summary>The attempt.</summary>
    public RoundRecord Round => round;

    /// <summary>How it is masked.</summary>
    public MaskingTerms Masking => terms.Agreement.Masking!;

    /// <summary>The fewest survivors with whom a sum may be opened.</summary>
    public int MinParticipants => terms.Agreement.MinParticipants;

    /// <summary>How masked updates lie in bytes.</summary>
    public LaneLayout Layout => LaneLayout.Choose(terms.Agreement.FixedPoint, (int)terms.Agreement.UpdateLength);

    /// <summary>The keys of a participant, or null.</summary>
    public KeyAdvert? Advert(int position) =>
        Find<MaskAdvertRecord>(MaskAdvertRecord.Prefix, position) is { } record ? KeyAdvert.Create((ushort)position, record.MaskKey.Span, record.EnvelopeKey.Span, record.Nonce) : null;

    /// <summary>The commitment of a dealer, or null.</summary>
    public ShareCommit? Commit(int position) => Find<MaskSharesRecord>(MaskSharesRecord.Prefix, position) is { } record ? new((ushort)position, record.SelfCommitment, record.BlobRoot) : null;

    /// <summary>The name of a participant's blob of a kind; null where it has none.</summary>
    public Digest? RootOf(MaskBlobKind kind, int position) => kind switch
    {
        MaskBlobKind.Shares => Commit(position)?.BlobRoot,
        MaskBlobKind.Input => Find<MaskedInputRecord>(MaskedInputRecord.Prefix, position)?.Root,
        MaskBlobKind.Reference => Find<MaskReferenceRecord>(MaskReferenceRecord.Prefix, position)?.Root,
        MaskBlobKind.Openings => Find<MaskRevealRecord>(MaskRevealRecord.Prefix, position)?.Openings,
        _ => Find<SilentRevealRecord>(SilentRevealRecord.Prefix, position)?.Openings,
    };

    /// <summary>A survivor's b that it revealed itself, or null.</summary>
    public ReadOnlyMemory<byte>? SelfOf(int position) => Find<MaskRevealRecord>(MaskRevealRecord.Prefix, position)?.Self;

    /// <summary>Whether a participant may train; one that has spoilt a sum may not.</summary>
    public bool MayTrain(int position) => find(ParticipantRecord.Key(terms.Agreement.Datasets[position].Participant)) is ParticipantRecord participant && (participant.Roles & Roles.Trainer) != 0;

    /// <summary>Whether an ordered sum about a base model has a participant in it.</summary>
    public bool IsConsumed(int position) => find(ConsumptionRecord.Key(round.BaseModel, terms.Agreement.Datasets[position].Participant)) is not null;

    internal string Key(string prefix) => prefix + _name;

    internal string Key(string prefix, int position) => $"{prefix}{_name}/{position:D4}";

    internal bool Has(string prefix, int position) => find(Key(prefix, position)) is not null;

    /// <summary>The record at a key, or null.</summary>
    internal StateRecord? At(string key) => find(key);

    internal T? Find<T>(string prefix, int position) where T : StateRecord => find(Key(prefix, position)) as T;
}
