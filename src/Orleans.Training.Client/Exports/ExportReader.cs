using System.Globalization;
using System.Text;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Client.Exports;

/// <summary>Reads an export's files within their limits, and remembers which were read.</summary>
internal sealed class ExportReader(IExportFiles files)
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly SortedSet<string> _unread = new(files.Names, StringComparer.Ordinal);
    private readonly HashSet<string> _names = new(files.Names, StringComparer.Ordinal);

    /// <summary>Bytes of the blobs that were read, each counted once.</summary>
    public long BlobBytes { get; private set; }

    /// <summary>The first file that nobody asked for.</summary>
    public string? FirstUnread => _unread.Min;

    public bool Has(string file) => _names.Contains(file);

    public bool HasBlockAbove(long height) => _names.Any(name => name.Length == ExportLayout.Block(0).Length && HeightOf(name) > height);

    public byte[] Read(string file, int limit)
    {
        Expect(file);
        if (files.Length(file) > limit) throw new ExportException(ExportFault.TooLarge, file, $"is larger than {limit} bytes");
        return files.Read(file);
    }

    public string ReadText(string file, int limit)
    {
        try
        {
            return Utf8.GetString(Read(file, limit));
        }
        catch (DecoderFallbackException exception)
        {
            throw new ExportException(ExportFault.Malformed, file, "is no UTF-8 text", exception);
        }
    }

    /// <summary>The file must be there; its content may be anything.</summary>
    public void Expect(string file)
    {
        if (!Has(file)) throw new ExportException(ExportFault.MissingFile, file, "is missing");
        _unread.Remove(file);
    }

    public ReadOnlyMemory<byte>? ReadBlob(Digest root)
    {
        var file = ExportLayout.Blob(root);
        if (!Has(file)) throw new ExportException(ExportFault.MissingBlob, file, "is needed by a published round and missing");
        var first = _unread.Contains(file);
        var content = Read(file, ExportLayout.MaximumBlobBytes);
        if (first) BlobBytes += content.Length;
        return ChunkedBlob.Root(content) == root ? content : throw new ExportException(ExportFault.BadBlob, file, "is not the content that its name says");
    }

    private static long HeightOf(string name) =>
        long.TryParse(name.AsSpan(7, 9), NumberStyles.None, CultureInfo.InvariantCulture, out var height) && name == ExportLayout.Block(height) ? height : -1;
}
