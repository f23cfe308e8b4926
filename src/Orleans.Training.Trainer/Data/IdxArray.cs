using System.Buffers.Binary;

namespace Orleans.Training.Trainer;

/// <summary>An array of unsigned bytes in the IDX format of MNIST: 00 00 08 d, then d big-endian lengths, then the bytes in row-major order.</summary>
public sealed class IdxArray
{
    /// <summary>The first dimension: items.</summary>
    public const int ItemLimit = 1_000_000;
    /// <summary>Every other dimension.</summary>
    public const int SideLimit = 4096;

    private IdxArray(int[] shape, byte[] bytes) => (Shape, Bytes) = (shape, bytes);

    /// <summary>Length of every dimension.</summary>
    public IReadOnlyList<int> Shape { get; }

    /// <summary>All items, one after the other.</summary>
    public ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>Items.</summary>
    public int Count => Shape[0];

    /// <summary>Bytes of one item.</summary>
    public int ItemLength => Count == 0 ? 0 : Bytes.Length / Count;

    /// <summary>Reads a file, packed with gzip or not.</summary>
    /// <exception cref="TrainerException">The file cannot be read, or breaks the format or a limit.</exception>
    public static IdxArray Load(string path, int dimensions) => Parse(DataFile.Read(path), dimensions);

    /// <summary>Parses the bytes of a file that must have this many dimensions.</summary>
    /// <exception cref="TrainerException">They break the format or a limit.</exception>
    public static IdxArray Parse(ReadOnlySpan<byte> bytes, int dimensions)
    {
        var header = 4 + (4 * dimensions);
        if (bytes.Length < header) throw new TrainerException(TrainerFault.BadIdx, "shorter than its header");
        if (BinaryPrimitives.ReadUInt32BigEndian(bytes) != 0x800u + (uint)dimensions) throw new TrainerException(TrainerFault.BadIdx, $"not an IDX file of unsigned bytes in {dimensions} dimensions");
        var shape = new int[dimensions];
        var length = 1L;
        for (var i = 0; i < dimensions; i++)
        {
            var side = BinaryPrimitives.ReadUInt32BigEndian(bytes[(4 + (4 * i))..]);
            if (side > (i == 0 ? ItemLimit : SideLimit)) throw new TrainerException(TrainerFault.TooLarge, $"dimension {i + 1} has a length of {side}");
            shape[i] = (int)side;
            length *= side;
            if (length > DataFile.UnpackedLimit) throw new TrainerException(TrainerFault.TooLarge, $"more than {DataFile.UnpackedLimit} bytes");
        }

        if (bytes.Length - header != length) throw new TrainerException(TrainerFault.BadIdx, $"{bytes.Length - header} bytes where the header promises {length}");
        return new IdxArray(shape, bytes[header..].ToArray());
    }
}
