using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// Keystream and addition in one pass: eight counter blocks are in flight, and the stream itself is never stored. Each method that holds a
/// loop is kept out of its callers: inlined into them after profiling, the loop loses its registers and nearly all of its speed.
/// </summary>
internal static class MaskKernel<TRounds> where TRounds : struct, IAesRounds
{
    private const int BlockBytes = 16;
    private const int InFlight = 8;

    /// <summary>Adds the stream from <paramref name="block"/> on to the lanes, or subtracts it.</summary>
    /// <param name="keys">The 15 round keys of AES-256.</param>
    /// <param name="lanes">A multiple of 16 bytes, as lanes of type <typeparamref name="TLane"/>.</param>
    /// <param name="block">Number of the first block.</param>
    /// <param name="subtract">Whether to subtract.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Combine<TLane>(ReadOnlySpan<Vector128<byte>> keys, Span<byte> lanes, ulong block, bool subtract) where TLane : struct
    {
        ref var key = ref MemoryMarshal.GetReference(keys);
        ref var at = ref MemoryMarshal.GetReference(lanes);
        var blocks = lanes.Length / BlockBytes;
        for (; blocks >= InFlight; blocks -= InFlight, block += InFlight)
        {
            Eight<TLane>(ref key, ref at, block, subtract);
            at = ref Unsafe.Add(ref at, InFlight * BlockBytes);
        }

        for (; blocks > 0; blocks--, block++)
        {
            Apply<TLane>(ref at, 0, Encrypt(ref key, Counter(block)), subtract);
            at = ref Unsafe.Add(ref at, BlockBytes);
        }
    }

    /// <summary>One block.</summary>
    public static Vector128<byte> Encrypt(ref Vector128<byte> key, Vector128<byte> block)
    {
        var state = TRounds.Begin(block, key);
        for (var round = 1; round < 14; round++) state = TRounds.Middle(state, Unsafe.Add(ref key, round - 1), Unsafe.Add(ref key, round));
        return TRounds.End(state, Unsafe.Add(ref key, 13), Unsafe.Add(ref key, 14));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Eight<TLane>(ref Vector128<byte> key, ref byte at, ulong block, bool subtract) where TLane : struct
    {
        var k = key;
        var (a, b, c, d) = (TRounds.Begin(Counter(block), k), TRounds.Begin(Counter(block + 1), k), TRounds.Begin(Counter(block + 2), k), TRounds.Begin(Counter(block + 3), k));
        var (e, f, g, h) = (TRounds.Begin(Counter(block + 4), k), TRounds.Begin(Counter(block + 5), k), TRounds.Begin(Counter(block + 6), k), TRounds.Begin(Counter(block + 7), k));
        for (var round = 1; round < 14; round++)
        {
            var (p, q) = (Unsafe.Add(ref key, round - 1), Unsafe.Add(ref key, round));
            a = TRounds.Middle(a, p, q);
            b = TRounds.Middle(b, p, q);
            c = TRounds.Middle(c, p, q);
            d = TRounds.Middle(d, p, q);
            e = TRounds.Middle(e, p, q);
            f = TRounds.Middle(f, p, q);
            g = TRounds.Middle(g, p, q);
            h = TRounds.Middle(h, p, q);
        }

        var (m, n) = (Unsafe.Add(ref key, 13), Unsafe.Add(ref key, 14));
        Apply<TLane>(ref at, 0, TRounds.End(a, m, n), subtract);
        Apply<TLane>(ref at, 1, TRounds.End(b, m, n), subtract);
        Apply<TLane>(ref at, 2, TRounds.End(c, m, n), subtract);
        Apply<TLane>(ref at, 3, TRounds.End(d, m, n), subtract);
        Apply<TLane>(ref at, 4, TRounds.End(e, m, n), subtract);
        Apply<TLane>(ref at, 5, TRounds.End(f, m, n), subtract);
        Apply<TLane>(ref at, 6, TRounds.End(g, m, n), subtract);
        Apply<TLane>(ref at, 7, TRounds.End(h, m, n), subtract);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Apply<TLane>(ref byte at, int block, Vector128<byte> stream, bool subtract) where TLane : struct
    {
        ref var place = ref Unsafe.Add(ref at, block * BlockBytes);
        var lanes = Vector128.LoadUnsafe(ref place).As<byte, TLane>();
        var masks = stream.As<byte, TLane>();
        (subtract ? lanes - masks : lanes + masks).AsByte().StoreUnsafe(ref place);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Counter(ulong block) => Vector128.CreateScalar(block).AsByte();
}
