using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>Width of the integers that a mask is added to, in bits.</summary>
public enum LaneWidth
{
    /// <summary>Bytes.</summary>
    Bits8 = 8,
    /// <summary>16-bit lanes.</summary>
    Bits16 = 16,
    /// <summary>32-bit lanes.</summary>
    Bits32 = 32,
    /// <summary>Whole 64-bit words, into which several numbers are packed.</summary>
    Bits64 = 64,
}

/// <summary>
/// G(K): AES-256 in counter mode, block c = AES(K, LE64(c) ‖ LE64(0)), so that any part of the stream is had without the parts before it
/// (docs/spec/fedmask.md §4). Adding it to lanes takes the same time whatever key and lanes are, and allocates nothing. One key, one use.
/// </summary>
public abstract class MaskStream : IDisposable
{
    /// <summary>Bytes of a key.</summary>
    public const int KeyBytes = 32;
    /// <summary>Bytes of a block.</summary>
    public const int BlockBytes = 16;
    /// <summary>Blocks in a chunk of <see cref="Limits.ChunkBytes"/>: chunk p begins with block p · 4096.</summary>
    public const int BlocksPerChunk = Limits.ChunkBytes / BlockBytes;

    private bool _disposed;

    /// <summary>The stream of a key on this machine.</summary>
    /// <exception cref="ArgumentException">The key has not 32 bytes.</exception>
    public static MaskStream Create(ReadOnlySpan<byte> key)
    {
        if (X86AesRounds.IsSupported) return new InstructionMaskStream<X86AesRounds>(key);
        if (ArmAesInstructions.IsSupported) return new InstructionMaskStream<ArmAesRounds<ArmAesInstructions>>(key);
        return new PortableMaskStream(key);
    }

    /// <summary>lanes += stream, modulo 2^width, from the given block on.</summary>
    /// <param name="lanes">Little-endian lanes; a multiple of 16 bytes.</param>
    /// <param name="width">Width of a lane.</param>
    /// <param name="firstBlock">Number of the block that meets the first lanes.</param>
    /// <exception cref="ArgumentException">The length is no multiple of 16.</exception>
    public void Add(Span<byte> lanes, LaneWidth width, long firstBlock) => Combine(Whole(lanes), width, firstBlock, subtract: false);

    /// <summary>lanes −= stream; see <see cref="Add"/>.</summary>
    public void Subtract(Span<byte> lanes, LaneWidth width, long firstBlock) => Combine(Whole(lanes), width, firstBlock, subtract: true);

    /// <inheritdoc/>
    public void Dispose()
    {
        _disposed = true;
        Zero();
        GC.SuppressFinalize(this);
    }

    private protected abstract void Combine(Span<byte> lanes, LaneWidth width, long firstBlock, bool subtract);

    private protected abstract void Zero();

    private protected static void RequireKey(ReadOnlySpan<byte> key)
    {
        if (key.Length != KeyBytes) throw new ArgumentException($"A mask's key has {KeyBytes} bytes, not {key.Length}.", nameof(key));
    }

    // Zeroed keys would still give a stream, one that everybody knows.
    private Span<byte> Whole(Span<byte> lanes)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return lanes.Length % BlockBytes == 0 ? lanes : throw new ArgumentException($"Lanes are masked in blocks of {BlockBytes} bytes; {lanes.Length} is no multiple.", nameof(lanes));
    }
}

/// <summary>The stream where the processor has instructions for AES.</summary>
internal sealed class InstructionMaskStream<TRounds> : MaskStream where TRounds : struct, IAesRounds
{
    private readonly Vector128<byte>[] _keys = GC.AllocateArray<Vector128<byte>>(15, pinned: true);

    public InstructionMaskStream(ReadOnlySpan<byte> key)
    {
        RequireKey(key);
        AesKeySchedule<TRounds>.Expand(key, _keys);
    }

    private protected override void Combine(Span<byte> lanes, LaneWidth width, long firstBlock, bool subtract)
    {
        var block = (ulong)firstBlock;
        switch (width)
        {
            case LaneWidth.Bits8: MaskKernel<TRounds>.Combine<byte>(_keys, lanes, block, subtract); break;
            case LaneWidth.Bits16: MaskKernel<TRounds>.Combine<ushort>(_keys, lanes, block, subtract); break;
            case LaneWidth.Bits32: MaskKernel<TRounds>.Combine<uint>(_keys, lanes, block, subtract); break;
            case LaneWidth.Bits64: MaskKernel<TRounds>.Combine<ulong>(_keys, lanes, block, subtract); break;
            default: throw new ArgumentOutOfRangeException(nameof(width));
        }
    }

    private protected override void Zero() => CryptographicOperations.ZeroMemory(MemoryMarshal.AsBytes(_keys.AsSpan()));
}

/// <summary>The stream anywhere else: the platform's AES makes some blocks at a time, which are then added.</summary>
internal sealed class PortableMaskStream : MaskStream
{
    private const int Blocks = 256;

    private readonly ICryptoTransform _aes;
    private readonly byte[] _counters = new byte[Blocks * BlockBytes];
    private readonly byte[] _stream = new byte[Blocks * BlockBytes];

    public PortableMaskStream(ReadOnlySpan<byte> key)
    {
        RequireKey(key);
        using var aes = Aes.Create();
        aes.Mode = CipherMode.ECB;
        aes.Padding = PaddingMode.None;
        aes.SetKey(key);
        _aes = aes.CreateEncryptor();
    }

    private protected override void Combine(Span<byte> lanes, LaneWidth width, long firstBlock, bool subtract)
    {
        for (var block = (ulong)firstBlock; !lanes.IsEmpty; block += Blocks)
        {
            var part = lanes[..Math.Min(lanes.Length, _stream.Length)];
            for (var i = 0; i < part.Length / BlockBytes; i++) System.Buffers.Binary.BinaryPrimitives.WriteUInt64LittleEndian(_counters.AsSpan(i * BlockBytes), block + (ulong)i);
            _aes.TransformBlock(_counters, 0, part.Length, _stream, 0);
            LaneAddition.Combine(part, _stream.AsSpan(0, part.Length), width, subtract);
            lanes = lanes[part.Length..];
        }
    }

    private protected override void Zero()
    {
        CryptographicOperations.ZeroMemory(_stream);
        _aes.Dispose();
    }
}

/// <summary>Addition of little-endian lanes modulo 2^width.</summary>
internal static class LaneAddition
{
    /// <summary>lanes += addend, or −= : both as lanes of this width.</summary>
    public static void Combine(Span<byte> lanes, ReadOnlySpan<byte> addend, LaneWidth width, bool subtract)
    {
        if (!BitConverter.IsLittleEndian) throw new PlatformNotSupportedException("Masks need a little-endian processor.");
        switch (width)
        {
            case LaneWidth.Bits8: Combine<byte>(lanes, addend, subtract); break;
            case LaneWidth.Bits16: Combine<ushort>(lanes, addend, subtract); break;
            case LaneWidth.Bits32: Combine<uint>(lanes, addend, subtract); break;
            case LaneWidth.Bits64: Combine<ulong>(lanes, addend, subtract); break;
            default: throw new ArgumentOutOfRangeException(nameof(width));
        }
    }

    private static void Combine<TLane>(Span<byte> bytes, ReadOnlySpan<byte> addendBytes, bool subtract) where TLane : unmanaged, IBinaryInteger<TLane>
    {
        var lanes = MemoryMarshal.Cast<byte, TLane>(bytes);
        var addend = MemoryMarshal.Cast<byte, TLane>(addendBytes);
        var i = 0;
        for (; i <= lanes.Length - Vector<TLane>.Count; i += Vector<TLane>.Count)
        {
            var (left, right) = (new Vector<TLane>(lanes[i..]), new Vector<TLane>(addend[i..]));
            (subtract ? left - right : left + right).CopyTo(lanes[i..]);
        }

        for (; i < lanes.Length; i++) lanes[i] = unchecked(subtract ? lanes[i] - addend[i] : lanes[i] + addend[i]);
    }
}
