using System.Formats.Cbor;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// What the ledger has fixed about a masked attempt, or about one of its groups: [roster, ctx, ctx1 | null, ctx2 | null, U1, dealers, U2, whose openings of seeds count, whose openings of b count, why the
/// group is left out | null]. It changes only when a phase ends; what one participant or seat says has a small record of its own, so that no transaction rewrites what grows with the cohort.
/// </summary>
public sealed record MaskedRoundRecord(
    Digest Roster, Digest Attempt, Digest? Cohort, Digest? Masks, PositionSet Members, PositionSet Dealers, PositionSet Maskers, PositionSet Revealed, PositionSet SilentRevealed, RoundFailure? Failure = null) : StateRecord
{
    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "masks/rounds/";

    internal static MaskedRoundRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(10);
        var record = new MaskedRoundRecord(
            reader.ReadDigest(), reader.ReadDigest(), reader.ReadOptional(Wire.ReadDigest), reader.ReadOptional(Wire.ReadDigest),
            PositionSet.Read(reader), PositionSet.Read(reader), PositionSet.Read(reader), PositionSet.Read(reader), PositionSet.Read(reader), (RoundFailure?)reader.ReadOptional(item => item.ReadNumber(99)));
        reader.ReadEndArray();
        return record;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(10);
        writer.Write(Roster);
        writer.Write(Attempt);
        if (Cohort is { } cohort) writer.Write(cohort); else writer.WriteNull();
        if (Masks is { } masks) writer.Write(masks); else writer.WriteNull();
        Members.Write(writer);
        Dealers.Write(writer);
        Maskers.Write(writer);
        Revealed.Write(writer);
        SilentRevealed.Write(writer);
        if (Failure is { } failure) writer.WriteInt32((int)failure); else writer.WriteNull();
        writer.WriteEndArray();
    }
}

/// <summary>A participant's keys for an attempt: [pkMask, pkEnc, nonce].</summary>
public sealed record MaskAdvertRecord(ReadOnlyMemory<byte> MaskKey, ReadOnlyMemory<byte> EnvelopeKey, Digest Nonce) : StateRecord
{
    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "masks/keys/";

    /// <summary>Whether one of both is this key.</summary>
    public bool Has(ReadOnlySpan<byte> key) => MaskKey.Span.SequenceEqual(key) || EnvelopeKey.Span.SequenceEqual(key);

    internal static MaskAdvertRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(3);
        var (maskKey, envelopeKey) = reader.ReadKeyPair();
        var record = new MaskAdvertRecord(maskKey, envelopeKey, reader.ReadDigest());
        reader.ReadEndArray();
        return record;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(3);
        writer.WriteByteString(MaskKey.Span);
        writer.WriteByteString(EnvelopeKey.Span);
        writer.Write(Nonce);
        writer.WriteEndArray();
    }
}

/// <summary>A dealer's commitment to its shares: [hB, name of the blob].</summary>
public sealed record MaskSharesRecord(Digest SelfCommitment, Digest BlobRoot) : StateRecord
{
    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "masks/shares/";

    internal static MaskSharesRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var record = new MaskSharesRecord(reader.ReadDigest(), reader.ReadDigest());
        reader.ReadEndArray();
        return record;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(2);
        writer.Write(SelfCommitment);
        writer.Write(BlobRoot);
        writer.WriteEndArray();
    }
}

/// <summary>Whose shares a participant holds: [a bit for each neighbour].</summary>
public sealed record MaskAcknowledgementRecord(ReadOnlyMemory<byte> Bits) : StateRecord
{
    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "masks/acks/";

    /// <summary>Bytes of the bits of as many neighbours as there may be.</summary>
    public const int MaximumBytes = (ShareBlob.MaximumNeighbours + 7) / 8;

    internal static MaskAcknowledgementRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(1);
        var record = new MaskAcknowledgementRecord(reader.ReadBytes(MaximumBytes));
        reader.ReadEndArray();
        return record;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(1);
        writer.WriteByteString(Bits.Span);
        writer.WriteEndArray();
    }
}

/// <summary>A participant's committed masked update: [name of y].</summary>
public sealed record MaskedInputRecord(Digest Root) : StateRecord
{
    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "masks/inputs/";

    internal static MaskedInputRecord Read(CborReader reader) => new(reader.ReadOnly());

    /// <inheritdoc/>
    public override void Write(CborWriter writer) => writer.WriteOnly(Root);
}

/// <summary>A survivor's word for the order: [digest of the order].</summary>
public sealed record MaskConfirmRecord(Digest Order) : StateRecord
{
    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "masks/confirms/";

    internal static MaskConfirmRecord Read(CborReader reader) => new(reader.ReadOnly());

    /// <inheritdoc/>
    public override void Write(CborWriter writer) => writer.WriteOnly(Order);
}

/// <summary>What a survivor revealed: [b, name of its openings of seeds].</summary>
public sealed record MaskRevealRecord(ReadOnlyMemory<byte> Self, Digest Openings) : StateRecord
{
    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "masks/reveals/";

    internal static MaskRevealRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var record = new MaskRevealRecord(reader.ReadKey(), reader.ReadDigest());
        reader.ReadEndArray();
        return record;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(2);
        writer.WriteByteString(Self.Span);
        writer.Write(Openings);
        writer.WriteEndArray();
    }
}

/// <summary>What a survivor revealed about the silent ones: [name of its openings of b].</summary>
public sealed record SilentRevealRecord(Digest Openings) : StateRecord
{
    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "masks/silent/";

    internal static SilentRevealRecord Read(CborReader reader) => new(reader.ReadOnly());

    /// <inheritdoc/>
    public override void Write(CborWriter writer) => writer.WriteOnly(Openings);
}

/// <summary>The trusted participant's update: [name of its lanes].</summary>
public sealed record MaskReferenceRecord(Digest Root) : StateRecord
{
    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "masks/reference/";

    internal static MaskReferenceRecord Read(CborReader reader) => new(reader.ReadOnly());

    /// <inheritdoc/>
    public override void Write(CborWriter writer) => writer.WriteOnly(Root);
}

/// <summary>The blobs of one kind that one seat holds: [positions].</summary>
public sealed record MaskHoldingRecord(PositionSet Positions) : StateRecord
{
    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "masks/held/";

    internal static MaskHoldingRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(1);
        var record = new MaskHoldingRecord(PositionSet.Read(reader));
        reader.ReadEndArray();
        return record;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(1);
        Positions.Write(writer);
        writer.WriteEndArray();
    }
}

/// <summary>
/// Who survived, with which masked updates, and who dropped out: [ctx2, [[position, name of y]…], dropped]. Written once in an attempt; whoever survived has a sum
/// about this base model ordered with it from then on.
/// </summary>
public sealed record UnmaskOrderRecord(Digest Context, IReadOnlyList<CommittedInput> Inputs, PositionSet Dropped) : StateRecord
{
    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "masks/orders/";

    /// <summary>The state key of an attempt without groups.</summary>
    public static string Key(RoundRecord round) => Prefix + round.StateKey[RoundRecord.Prefix.Length..];

    /// <summary>The order as the mask library has it.</summary>
    public UnmaskOrder Order => new(MaskContext.Restore(Context), [.. Inputs.Select(input => input.Position)], Dropped.Members);

    internal static UnmaskOrderRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(3);
        var record = new UnmaskOrderRecord(reader.ReadDigest(), reader.ReadArray(Limits.Participants, ReadInput), PositionSet.Read(reader));
        for (var i = 1; i < record.Inputs.Count; i++) Wire.Require(record.Inputs[i - 1].Position < record.Inputs[i].Position);
        reader.ReadEndArray();
        return record;
    }

    private static CommittedInput ReadInput(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var input = new CommittedInput((ushort)reader.ReadNumber(Limits.Participants - 1), reader.ReadDigest());
        reader.ReadEndArray();
        return input;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(3);
        writer.Write(Context);
        writer.WriteStartArray(Inputs.Count);
        foreach (var (position, root) in Inputs)
        {
            writer.WriteStartArray(2);
            writer.WriteInt32(position);
            writer.Write(root);
            writer.WriteEndArray();
        }

        writer.WriteEndArray();
        Dropped.Write(writer);
        writer.WriteEndArray();
    }
}

/// <summary>The attempt that ordered a sum about a base model with a participant: [digest of the order].</summary>
public sealed record ConsumptionRecord(Digest Order) : StateRecord
{
    /// <summary>The state key: by model and participant, whatever agreement it was.</summary>
    public static string Key(Digest model, ParticipantId participant) => $"{Prefix}{model}/{participant}";

    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "masks/consumed/";

    internal static ConsumptionRecord Read(CborReader reader) => new(reader.ReadOnly());

    /// <inheritdoc/>
    public override void Write(CborWriter writer) => writer.WriteOnly(Order);
}

/// <summary>Forms that several records and calls of masked rounds share.</summary>
internal static class MaskWire
{
    /// <summary>Reads 32 bytes that are no digest: a key, or a secret that is one no more.</summary>
    public static ReadOnlyMemory<byte> ReadKey(this CborReader reader)
    {
        var key = reader.ReadBytes(MaskKeys.Size);
        Wire.Require(key.Length == MaskKeys.Size);
        return key;
    }

    /// <summary>Reads two public keys of one exchange.</summary>
    public static (ReadOnlyMemory<byte> MaskKey, ReadOnlyMemory<byte> EnvelopeKey) ReadKeyPair(this CborReader reader)
    {
        var (maskKey, envelopeKey) = (reader.ReadBytes(XWing.PublicKeyBytes), reader.ReadBytes(XWing.PublicKeyBytes));
        Wire.Require(KeyAdvert.ExchangeOf(maskKey.Length, envelopeKey.Length) is not null);
        return (maskKey, envelopeKey);
    }

    /// <summary>Reads [digest].</summary>
    public static Digest ReadOnly(this CborReader reader)
    {
        reader.ReadArrayHead(1);
        var digest = reader.ReadDigest();
        reader.ReadEndArray();
        return digest;
    }

    /// <summary>Writes [digest].</summary>
    public static void WriteOnly(this CborWriter writer, Digest digest)
    {
        writer.WriteStartArray(1);
        writer.Write(digest);
        writer.WriteEndArray();
    }
}
