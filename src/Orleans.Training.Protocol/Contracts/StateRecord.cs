using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// A value in the state of the contracts: immutable, with one encoding. State keys are ASCII paths (docs/spec/contracts.md) and are ordered as
/// their bytes are.
/// </summary>
public abstract record StateRecord
{
    /// <summary>Characters of a state key at most.</summary>
    internal const int MaximumKey = 512;

    /// <summary>Writes the record as one CBOR item.</summary>
    public abstract void Write(CborWriter writer);

    /// <summary>The bytes whose digest stands in the write set.</summary>
    public byte[] Encode() => Wire.Encode(Write);

    private static readonly (string Prefix, Func<CborReader, StateRecord> Read)[] Readers =
    [
        (EraRecord.Key, EraRecord.Read),
        (AgendaRecord.Key, AgendaRecord.Read),
        (CountRecord.Prefix, CountRecord.Read),
        (KeyRecord.Prefix, KeyRecord.Read),
        (AdmissionRecord.Prefix, AdmissionRecord.Read),
        (ParticipantRecord.Prefix, ParticipantRecord.Read),
        (DatasetRecord.Prefix, DatasetRecord.Read),
        (BudgetRecord.Prefix, BudgetRecord.Read),
        (AgreementRecord.Prefix, AgreementRecord.Read),
        (DrawRecord.Prefix, DrawRecord.Read),
        (RunRecord.Prefix, RunRecord.Read),
        (RoundRecord.Prefix, RoundRecord.Read),
        (ExpiryRecord.Prefix, ExpiryRecord.Read),
        (ModelRecord.Prefix, ModelRecord.Read),
        (MaskedRoundRecord.Prefix, MaskedRoundRecord.Read),
        (MaskAdvertRecord.Prefix, MaskAdvertRecord.Read),
        (MaskSharesRecord.Prefix, MaskSharesRecord.Read),
        (MaskAcknowledgementRecord.Prefix, MaskAcknowledgementRecord.Read),
        (MaskedInputRecord.Prefix, MaskedInputRecord.Read),
        (MaskReferenceRecord.Prefix, MaskReferenceRecord.Read),
        (MaskConfirmRecord.Prefix, MaskConfirmRecord.Read),
        (MaskRevealRecord.Prefix, MaskRevealRecord.Read),
        (SilentRevealRecord.Prefix, SilentRevealRecord.Read),
        (MaskHoldingRecord.Prefix, MaskHoldingRecord.Read),
        (BlameRecord.Prefix, BlameRecord.Read),
        (ChallengeRecord.Prefix, ChallengeRecord.Read),
        (ImagesRecord.Prefix, ImagesRecord.Read),
        (UnmaskOrderRecord.Prefix, UnmaskOrderRecord.Read),
        (ConsumptionRecord.Prefix, ConsumptionRecord.Read),
        (ValidatorsRecord.Prefix, ValidatorsRecord.Read),
        (ChangeRecord.Prefix, ChangeRecord.Read),
        (ReadyRecord.Prefix, ReadyRecord.Read),
        (DelegationRecord.Prefix, DelegationRecord.Read),
        (ConvictionRecord.Prefix, ConvictionRecord.Read),
        (WatchedRecord.Prefix, WatchedRecord.Read),
        (SplitViewRecord.Prefix, SplitViewRecord.Read),
        (SnapshotRecord.Prefix, SnapshotRecord.Read),
    ];

    /// <summary>Parses the record that stands at a key; false for keys of other kinds and for malformed bytes.</summary>
    public static bool TryParse(string key, ReadOnlyMemory<byte> encoded, out StateRecord? record)
    {
        record = null;
        foreach (var (prefix, read) in Readers)
        {
            if (key.StartsWith(prefix, StringComparison.Ordinal)) return Wire.TryDecode(encoded, 1 << 20, read, out record!);
        }

        return false;
    }
}

/// <summary>A fact that an execution wrote: its name, the state key that it is about and the record it left there.</summary>
public sealed record LedgerEvent(string Type, string Key, StateRecord Record)
{
    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    public static LedgerEvent Read(CborReader reader)
    {
        reader.ReadArrayHead(3);
        var (type, key) = (reader.ReadText(Limits.NameLength), reader.ReadText(StateRecord.MaximumKey));
        Wire.Require(StateRecord.TryParse(key, reader.ReadEncodedValue(), out var record));
        reader.ReadEndArray();
        return new LedgerEvent(type, key, record!);
    }

    /// <summary>Writes [type, key, record].</summary>
    public void Write(CborWriter writer)
    {
        writer.WriteStartArray(3);
        writer.WriteTextString(Type);
        writer.WriteTextString(Key);
        Record.Write(writer);
        writer.WriteEndArray();
    }

    /// <summary>SHA-256 of the CBOR array of the events: what a leaf binds.</summary>
    public static Digest DigestOf(IReadOnlyList<LedgerEvent> events) => events.Count == 0 ? None : Digest.Of(Wire.Encode(writer =>
    {
        writer.WriteStartArray(events.Count);
        foreach (var item in events) item.Write(writer);
        writer.WriteEndArray();
    }));

    private static readonly Digest None = Digest.Of([0x80]);
}

/// <summary>A time at which a contract must act on a state key, whether or not anybody sends anything.</summary>
public readonly record struct Deadline(long TimeMs, string Key) : IComparable<Deadline>
{
    /// <inheritdoc/>
    public int CompareTo(Deadline other) => TimeMs != other.TimeMs ? TimeMs.CompareTo(other.TimeMs) : string.CompareOrdinal(Key, other.Key);

    /// <summary>By time, then key.</summary>
    public static bool operator <(Deadline left, Deadline right) => left.CompareTo(right) < 0;

    /// <summary>By time, then key.</summary>
    public static bool operator >(Deadline left, Deadline right) => left.CompareTo(right) > 0;

    /// <summary>By time, then key.</summary>
    public static bool operator <=(Deadline left, Deadline right) => left.CompareTo(right) <= 0;

    /// <summary>By time, then key.</summary>
    public static bool operator >=(Deadline left, Deadline right) => left.CompareTo(right) >= 0;
}
