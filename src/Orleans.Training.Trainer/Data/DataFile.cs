using System.Buffers.Binary;
using System.IO.Compression;

namespace Orleans.Training.Trainer;

/// <summary>Reads a file as a whole, through gzip if its bytes begin so, and never more than a limit.</summary>
public static class DataFile
{
    /// <summary>Bytes of a file once unpacked.</summary>
    public const int UnpackedLimit = 256 * 1024 * 1024;

    /// <summary>The unpacked content.</summary>
    /// <exception cref="TrainerException">The file cannot be read, is too large, or is damaged gzip.</exception>
    public static byte[] Read(string path)
    {
        try
        {
            if (new FileInfo(path).Length > UnpackedLimit) throw new TrainerException(TrainerFault.TooLarge, $"{path} has more than {UnpackedLimit} bytes");
            return Unpack(File.ReadAllBytes(path));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new TrainerException(TrainerFault.Unreadable, $"{path} cannot be read: {exception.Message}", exception);
        }
    }

    /// <summary>The content of a gzip stream, or the bytes themselves if they are none.</summary>
    /// <exception cref="TrainerException">Too large, damaged or cut short.</exception>
    public static byte[] Unpack(byte[] bytes, int limit = UnpackedLimit)
    {
        if (bytes.Length < 2 || bytes[0] != 0x1f || bytes[1] != 0x8b) return bytes;
        using var unpacked = new MemoryStream();
        try
        {
            using var gzip = new GZipStream(new MemoryStream(bytes), CompressionMode.Decompress);
            var buffer = new byte[64 * 1024];
            for (int read; (read = gzip.Read(buffer)) > 0;)
            {
                if (unpacked.Length + read > limit) throw new TrainerException(TrainerFault.TooLarge, $"more than {limit} bytes once unpacked");
                unpacked.Write(buffer, 0, read);
            }
        }
        catch (InvalidDataException exception)
        {
            throw new TrainerException(TrainerFault.BadGzip, "the gzip stream is damaged", exception);
        }

        // A stream that is cut short may end without a complaint; its trailer says how long it should have been.
        if (bytes.Length < 18 || BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(bytes.Length - 4)) != unpacked.Length)
        {
            throw new TrainerException(TrainerFault.BadGzip, "the gzip stream is cut short");
        }

        return unpacked.ToArray();
    }
}
