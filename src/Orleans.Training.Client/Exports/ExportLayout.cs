using System.Formats.Cbor;
using System.Globalization;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Client.Exports;

/// <summary>The files of an export (docs/spec/export.md).</summary>
internal static class ExportLayout
{
    public const string Genesis = "genesis.cbor";
    public const string Checkpoint = "checkpoint.note";
    public const string Model = "model.safetensors";
    public const int MaximumBlobBytes = Protocol.Aggregation.ModelBlob.MaximumBytes;

    public static string Block(long height) => string.Create(CultureInfo.InvariantCulture, $"blocks/{height:D9}.cbor");

    public static string Receipt(long index) => string.Create(CultureInfo.InvariantCulture, $"receipts/{index:D9}.tlog-proof");

    public static string Statement(ParticipantId validator) => $"statements/{validator}.sigstore.json";

    public static string Blob(Digest root) => $"blobs/{root}";

    /// <summary>[block, finalization | null].</summary>
    public static byte[] EncodeBlock(Block block, Certificate? finalization) => Wire.Encode(writer =>
    {
        writer.WriteStartArray(2);
        writer.WriteByteString(block.Encode());
        if (finalization is null) writer.WriteNull(); else writer.WriteByteString(finalization.Encode().Span);
        writer.WriteEndArray();
    });

    public static (Block Block, Certificate? Finalization)? DecodeBlock(ReadOnlyMemory<byte> bytes) =>
        Wire.TryDecode(bytes, Limits.MessageBytes, Read, out var decoded) ? decoded : null;

    private static (Block Block, Certificate? Finalization) Read(CborReader reader)
    {
        reader.ReadArrayHead(2);
        Wire.Require(Protocol.Ledger.Block.TryParse(reader.ReadBytes(Limits.MessageBytes), out var block));
        Certificate? finalization = null;
        if (reader.PeekState() is CborReaderState.Null) reader.ReadNull();
        else Wire.Require(Certificate.TryParse(reader.ReadBytes(8192), out finalization));
        reader.ReadEndArray();
        return (block!, finalization);
    }
}
