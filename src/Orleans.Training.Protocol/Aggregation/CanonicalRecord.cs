namespace Orleans.Training.Protocol.Aggregation;

/// <summary>The one encoding of a record (docs/spec/data.md §2).</summary>
public static class CanonicalRecord
{
    /// <summary>A row of a table: an array of its fields in column order, each the text as it stands in the file, or null where it is missing.</summary>
    public static byte[] OfRow(IReadOnlyList<string?> fields) => Wire.Encode(writer =>
    {
        writer.WriteStartArray(fields.Count);
        foreach (var field in fields)
        {
            if (field is null) writer.WriteNull(); else writer.WriteTextString(field);
        }

        writer.WriteEndArray();
    });

    /// <summary>A labelled image: [label, its bytes].</summary>
    public static byte[] OfImage(int label, ReadOnlySpan<byte> pixels)
    {
        var bytes = pixels.ToArray();
        return Wire.Encode(writer =>
        {
            writer.WriteStartArray(2);
            writer.WriteInt32(label);
            writer.WriteByteString(bytes);
            writer.WriteEndArray();
        });
    }
}
