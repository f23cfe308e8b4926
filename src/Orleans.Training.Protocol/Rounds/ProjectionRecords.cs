using System.Formats.Cbor;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// The challenge to a proposed sum: [[[seat, value]…]], in the order in which they came. It is complete with f + 1 of them: one at least is an honest seat's, and nobody knew that one when the sum was proposed. Who comes last can
/// try values, and has so many tries at 2⁻¹²⁷ as it can compute.
/// </summary>
public sealed record ChallengeRecord(IReadOnlyList<(int Seat, Digest Value)> Values) : StateRecord
{
    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "checks/challenges/";

    /// <summary>The state key: proposals have different digests in all attempts.</summary>
    public static string Key(Digest proposal) => Prefix + proposal;

    /// <summary>What decides the image: SHA-256("FLv1-challenge\0" ‖ proposal ‖ values in their order).</summary>
    public Digest BeaconOf(Digest proposal) => Digest.Of([.. "FLv1-challenge\0"u8, .. proposal.ToArray(), .. Values.SelectMany(item => item.Value.ToArray())]);

    internal static ChallengeRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(1);
        var record = new ChallengeRecord(reader.ReadArray(Limits.Validators, ReadValue));
        reader.ReadEndArray();
        return record;
    }

    private static (int Seat, Digest Value) ReadValue(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var value = (reader.ReadNumber(Limits.Validators - 1), reader.ReadDigest());
        reader.ReadEndArray();
        return value;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(1);
        writer.WriteStartArray(Values.Count);
        foreach (var (seat, value) in Values)
        {
            writer.WriteStartArray(2);
            writer.WriteInt32(seat);
            writer.Write(value);
            writer.WriteEndArray();
        }

        writer.WriteEndArray();
        writer.WriteEndArray();
    }
}

/// <summary>What seats say is the image of one masked update: [[[image, seats]…]]. With f + 1 seats it is: one of them at least is honest, and an update has one image only.</summary>
public sealed record ImagesRecord(IReadOnlyList<(ReadOnlyMemory<byte> Image, uint Seats)> Images) : StateRecord
{
    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "checks/images/";

    /// <summary>The state key.</summary>
    public static string Key(Digest proposal, int position) => $"{Prefix}{proposal}/{position:D4}";

    /// <summary>The seats that have said something.</summary>
    public uint Seats => Images.Aggregate(0u, (seats, item) => seats | item.Seats);

    /// <summary>The image that more than f seats have named; null while there is none.</summary>
    public ReadOnlyMemory<byte>? Agreed(int maxFaulty)
    {
        foreach (var (image, seats) in Images)
        {
            if (RoundContract.Count(seats) > maxFaulty) return image;
        }

        return null;
    }

    /// <summary>The record with a seat's word.</summary>
    public ImagesRecord With(ReadOnlyMemory<byte> image, int seat)
    {
        var at = Images.ToList().FindIndex(item => item.Image.Span.SequenceEqual(image.Span));
        return new(at < 0 ? [.. Images, (image, 1u << seat)] : [.. Images.Select((item, index) => index == at ? (item.Image, item.Seats | 1u << seat) : item)]);
    }

    internal static ImagesRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(1);
        var record = new ImagesRecord(reader.ReadArray(Limits.Validators, ReadImage));
        reader.ReadEndArray();
        return record;
    }

    private static (ReadOnlyMemory<byte> Image, uint Seats) ReadImage(CborReader reader)
    {
        reader.ReadArrayHead(2);
        var image = (reader.ReadBytes(SumProjection.MaximumBytes), reader.ReadUInt32());
        reader.ReadEndArray();
        return image;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(1);
        writer.WriteStartArray(Images.Count);
        foreach (var (image, seats) in Images)
        {
            writer.WriteStartArray(2);
            writer.WriteByteString(image.Span);
            writer.WriteUInt32(seats);
            writer.WriteEndArray();
        }

        writer.WriteEndArray();
        writer.WriteEndArray();
    }
}
