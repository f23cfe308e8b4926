using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>The parameters that a run starts from: a function of spec and seed alone, bit for bit the same everywhere (docs/spec/model.md §4).</summary>
public static class InitialModel
{
    /// <summary>Bytes of the seed.</summary>
    public const int SeedBytes = 32;

    private const int Levels = 1 << 24;
    private const int PerBlock = 8;

    /// <summary>
    /// Uniform in ±1/√fan-in, weight and bias alike, as PyTorch starts its Linear and Conv2d layers; the numbers are not PyTorch's.
    /// </summary>
    /// <exception cref="ArgumentException">The seed has not 32 bytes.</exception>
    public static float[] Create(ModelSpec spec, ReadOnlySpan<byte> seed)
    {
        if (seed.Length != SeedBytes) throw new ArgumentException($"A seed has {SeedBytes} bytes, not {seed.Length}.", nameof(seed));
        Span<byte> preimage = stackalloc byte[SeedBytes + sizeof(ulong)];
        Span<byte> block = stackalloc byte[Digest.Size];
        seed.CopyTo(preimage);
        var parameters = new float[spec.ParameterCount];
        foreach (var tensor in spec.Parameters)
        {
            var bound = 1.0 / Math.Sqrt(tensor.FanIn);
            for (var index = tensor.Offset; index < tensor.Offset + tensor.Length; index++)
            {
                if (index % PerBlock == 0)
                {
                    BinaryPrimitives.WriteUInt64LittleEndian(preimage[SeedBytes..], (ulong)(index / PerBlock));
                    SHA256.HashData(preimage, block);
                }

                var level = (int)(BinaryPrimitives.ReadUInt32LittleEndian(block[(4 * (index % PerBlock))..]) >> 8);
                parameters[index] = (float)((double)((2 * level) + 1 - Levels) / Levels * bound);
            }
        }

        return parameters;
    }
}
