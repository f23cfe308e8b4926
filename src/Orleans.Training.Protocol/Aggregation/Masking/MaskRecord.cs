using System.Diagnostics.CodeAnalysis;
using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>What a record of a participant's journal keeps. The numbers are in the first item of each record.</summary>
public enum MaskRecordKind
{
    /// <summary>[1, ctx, secrets]: what was drawn.</summary>
    Keyed = 1,
    /// <summary>[2, beacon, [[position, mask key, envelope key, nonce]…]]: the cohort for which shares were dealt.</summary>
    Shared = 2,
    /// <summary>[3, [[dealer, envelope, and behind it where it came by a ciphertext the secret of the masks]…]]: the shares that were acknowledged.</summary>
    Acked = 3,
    /// <summary>[4, [acknowledgement or null…], root, length]: the graph, and the update that was masked on it.</summary>
    Masked = 4,
    /// <summary>[5, [[position, root]…]]: the inputs whose order was confirmed.</summary>
    Confirmed = 5,
    /// <summary>[6]: something was revealed.</summary>
    Revealed = 6,
    /// <summary>[7, [position…]]: the silent ones about whom something was revealed.</summary>
    RevealedSilent = 7,
    /// <summary>[8, fault]: the end.</summary>
    Ended = 8,
    /// <summary>[9, root]: this parent must not be summed up about again. It outlives the attempt.</summary>
    ParentConsumed = 9,
}

/// <summary>
/// One record of a participant's journal: durable before the message that goes with it leaves. Most hold secrets, so the journal is encrypted under a key that
/// is deleted with the attempt (docs/spec/fedmask.md §11).
/// </summary>
public sealed class MaskRecord
{
    /// <summary>The most bytes of a record.</summary>
    public const int MaximumBytes = 4 << 20;

    private MaskRecord(MaskRecordKind kind, ReadOnlyMemory<byte> bytes) => (Kind, Bytes) = (kind, bytes);

    /// <summary>What it keeps.</summary>
    public MaskRecordKind Kind { get; }

    /// <summary>The canonical bytes.</summary>
    public ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>Reads a record; false if it is not one in its one encoding.</summary>
    public static bool TryRead(ReadOnlyMemory<byte> bytes, [NotNullWhen(true)] out MaskRecord? record)
    {
        record = Wire.TryDecode(bytes, MaximumBytes, ReadContent, out var content) ? new(content.Kind, bytes) : null;
        return record is not null;
    }

    internal static MaskRecord Write(Content content) => new(content.Kind, Wire.Encode(content.Write));

    internal Content Decode() => Wire.TryDecode(Bytes, MaximumBytes, ReadContent, out var content) ? content : throw new InvalidOperationException("A record was read before.");

    private static Content ReadContent(CborReader reader)
    {
        var length = reader.ReadStartArray();
        var kind = (MaskRecordKind)reader.ReadNumber((int)MaskRecordKind.ParentConsumed);
        Content content = kind switch
        {
            MaskRecordKind.Keyed => new KeyedContent(reader.ReadDigest(), Exactly(reader, MaskSecrets.RandomBytes)),
            MaskRecordKind.Shared => new SharedContent(reader.ReadDigest(), reader.ReadArray(Limits.Participants, ReadAdvert)),
            MaskRecordKind.Acked => new AckedContent(reader.ReadArray(Limits.Participants, ReadEnvelope)),
            MaskRecordKind.Masked => new MaskedContent(reader.ReadArray(Limits.Participants, ReadBits), reader.ReadDigest(), reader.ReadNumber()),
            MaskRecordKind.Confirmed => new ConfirmedContent(reader.ReadArray(Limits.Participants, ReadInput)),
            MaskRecordKind.Revealed => new RevealedContent(),
            MaskRecordKind.RevealedSilent => new SilentContent(reader.ReadArray(Limits.Participants, ReadPosition)),
            MaskRecordKind.Ended => new EndedContent((MaskFault)reader.ReadNumber(9999)),
            MaskRecordKind.ParentConsumed => new ConsumedContent(reader.ReadDigest()),
            _ => throw new CborContentException("There is no such record."),
        };
        Wire.Require(length == content.Items);
        reader.ReadEndArray();
        return content;
    }

    private static KeyAdvert ReadAdvert(CborReader reader)
    {
        reader.ReadArrayHead(4);
        var (position, maskKey, envelopeKey) = (ReadPosition(reader), reader.ReadBytes(XWing.PublicKeyBytes), reader.ReadBytes(XWing.PublicKeyBytes));
        Wire.Require(KeyAdvert.ExchangeOf(maskKey.Length, envelopeKey.Length) is not null);
        var advert = KeyAdvert.Create(position, maskKey.Span, envelopeKey.Span, reader.ReadDigest());
        reader.ReadEndArray();
        return advert;
    }

    private static (ushort Dealer, ReadOnlyMemory<byte> Plain) ReadEnvelope(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var (dealer, plain) = (ReadPosition(reader), reader.ReadBytes(ShareEnvelope.PlainBytes + MaskKeys.Size));
        Wire.Require(plain.Length is ShareEnvelope.PlainBytes or ShareEnvelope.PlainBytes + MaskKeys.Size);
        reader.ReadEndArray();
        return (dealer, plain);
    }

    private static CommittedInput ReadInput(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var input = new CommittedInput(ReadPosition(reader), reader.ReadDigest());
        reader.ReadEndArray();
        return input;
    }

    private static ReadOnlyMemory<byte>? ReadBits(CborReader reader) => reader.ReadOptional(item => item.ReadBytes((Shamir.MaximumShares / 8) + 1));

    private static ushort ReadPosition(CborReader reader) => (ushort)reader.ReadNumber(Limits.Participants - 1);

    private static ReadOnlyMemory<byte> Exactly(CborReader reader, int length)
    {
        var bytes = reader.ReadBytes(length);
        Wire.Require(bytes.Length == length);
        return bytes;
    }

    internal abstract record Content(MaskRecordKind Kind, int Items)
    {
        public void Write(CborWriter writer)
        {
            writer.WriteStartArray(Items);
            writer.WriteInt32((int)Kind);
            WriteItems(writer);
            writer.WriteEndArray();
        }

        protected abstract void WriteItems(CborWriter writer);

        protected static void WriteAll<T>(CborWriter writer, IReadOnlyCollection<T> items, Action<T> write)
        {
            writer.WriteStartArray(items.Count);
            foreach (var item in items) write(item);
            writer.WriteEndArray();
        }
    }

    internal sealed record KeyedContent(Digest Attempt, ReadOnlyMemory<byte> Secrets) : Content(MaskRecordKind.Keyed, 3)
    {
        protected override void WriteItems(CborWriter writer)
        {
            writer.Write(Attempt);
            writer.WriteByteString(Secrets.Span);
        }
    }

    internal sealed record SharedContent(Digest Beacon, IReadOnlyList<KeyAdvert> Adverts) : Content(MaskRecordKind.Shared, 3)
    {
        protected override void WriteItems(CborWriter writer)
        {
            writer.Write(Beacon);
            WriteAll(writer, Adverts, advert =>
            {
                writer.WriteStartArray(4);
                writer.WriteInt32(advert.Position);
                writer.WriteByteString(advert.MaskKey.Span);
                writer.WriteByteString(advert.EnvelopeKey.Span);
                writer.Write(advert.Nonce);
                writer.WriteEndArray();
            });
        }
    }

    internal sealed record AckedContent(IReadOnlyList<(ushort Dealer, ReadOnlyMemory<byte> Plain)> Envelopes) : Content(MaskRecordKind.Acked, 2)
    {
        protected override void WriteItems(CborWriter writer) => WriteAll(writer, Envelopes, envelope =>
        {
            writer.WriteStartArray(2);
            writer.WriteInt32(envelope.Dealer);
            writer.WriteByteString(envelope.Plain.Span);
            writer.WriteEndArray();
        });
    }

    internal sealed record MaskedContent(IReadOnlyList<ReadOnlyMemory<byte>?> Acknowledgements, Digest Root, long Length) : Content(MaskRecordKind.Masked, 4)
    {
        protected override void WriteItems(CborWriter writer)
        {
            WriteAll(writer, Acknowledgements, bits =>
            {
                if (bits is { } present) writer.WriteByteString(present.Span);
                else writer.WriteNull();
            });
            writer.Write(Root);
            writer.WriteInt64(Length);
        }
    }

    internal sealed record ConfirmedContent(IReadOnlyList<CommittedInput> Inputs) : Content(MaskRecordKind.Confirmed, 2)
    {
        protected override void WriteItems(CborWriter writer) => WriteAll(writer, Inputs, input =>
        {
            writer.WriteStartArray(2);
            writer.WriteInt32(input.Position);
            writer.Write(input.Root);
            writer.WriteEndArray();
        });
    }

    internal sealed record RevealedContent() : Content(MaskRecordKind.Revealed, 1)
    {
        protected override void WriteItems(CborWriter writer)
        {
        }
    }

    internal sealed record SilentContent(IReadOnlyList<ushort> Silent) : Content(MaskRecordKind.RevealedSilent, 2)
    {
        protected override void WriteItems(CborWriter writer) => WriteAll(writer, Silent, position => writer.WriteInt32(position));
    }

    internal sealed record EndedContent(MaskFault Fault) : Content(MaskRecordKind.Ended, 2)
    {
        protected override void WriteItems(CborWriter writer) => writer.WriteInt32((int)Fault);
    }

    internal sealed record ConsumedContent(Digest Parent) : Content(MaskRecordKind.ParentConsumed, 2)
    {
        protected override void WriteItems(CborWriter writer) => writer.Write(Parent);
    }
}
