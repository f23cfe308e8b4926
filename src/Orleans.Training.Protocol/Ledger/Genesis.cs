using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>What a chain begins with: [1, origin, shard, time, validator set]. Its digest names the chain, so nothing in it can be argued about later.</summary>
public sealed record Genesis(string Origin, Identifier Shard, long TimeMs, ValidatorSet Validators)
{
    private static readonly byte[] DigestDomain = "FLv1-genesis\0"u8.ToArray();

    /// <summary>SHA-256("FLv1-genesis\0" ‖ <see cref="Encode"/>): the chain.</summary>
    public Digest Chain { get; } = Digest.Of([.. DigestDomain, .. EncodeParts(Origin, Shard, TimeMs, Validators)]);

    /// <summary>The bytes of the genesis file.</summary>
    public byte[] Encode() => EncodeParts(Origin, Shard, TimeMs, Validators);

    /// <summary>Parses a genesis file.</summary>
    public static bool TryParse(ReadOnlyMemory<byte> bytes, out Genesis? genesis)
    {
        var parsed = Wire.TryDecode(bytes, 64 * 1024, Read, out genesis);
        return parsed && genesis is not null;
    }

    private static Genesis Read(CborReader reader)
    {
        reader.ReadArrayHead(5);
        reader.ReadVersion(1);
        var origin = reader.ReadText(256);
        Wire.Require(NoteKey.IsName(origin));
        var genesis = new Genesis(origin, reader.ReadIdentifier(), reader.ReadNumber(), ValidatorSet.Read(reader));
        Wire.Require(genesis.Validators.Seats.All(seat => seat.VoteKey is not null));
        reader.ReadEndArray();
        return genesis;
    }

    private static byte[] EncodeParts(string origin, Identifier shard, long timeMs, ValidatorSet validators) => Wire.Encode(writer =>
    {
        writer.WriteStartArray(5);
        writer.WriteUInt32(1);
        writer.WriteTextString(origin);
        writer.Write(shard);
        writer.WriteInt64(timeMs);
        writer.WriteEncodedValue(validators.Encode());
        writer.WriteEndArray();
    });
}
