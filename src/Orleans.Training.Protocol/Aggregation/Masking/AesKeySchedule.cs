using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>The key expansion of AES-256 (FIPS 197 §5.2), with the processor's own substitution box: no table is indexed by a secret.</summary>
internal static class AesKeySchedule<TRounds> where TRounds : struct, IAesRounds
{
    private const int KeyWords = 8;
    private const int Words = 60;

    /// <summary>Writes the 15 round keys.</summary>
    public static void Expand(ReadOnlySpan<byte> key, Span<Vector128<byte>> keys)
    {
        Span<uint> words = stackalloc uint[Words];
        for (var i = 0; i < KeyWords; i++) words[i] = BinaryPrimitives.ReadUInt32LittleEndian(key[(4 * i)..]);
        uint constant = 1;
        for (var i = KeyWords; i < Words; i++)
        {
            var word = words[i - 1];
            if (i % KeyWords == 0)
            {
                // RotWord turns bytes to the left, which in a little-endian word is a rotation to the right.
                word = BitOperations.RotateRight(Substitute(word), 8) ^ constant;
                constant <<= 1;
            }
            else if (i % KeyWords == 4)
            {
                word = Substitute(word);
            }

            words[i] = words[i - KeyWords] ^ word;
        }

        MemoryMarshal.AsBytes(words).CopyTo(MemoryMarshal.AsBytes(keys));
        words.Clear();
    }

    // With the same word in every column ShiftRows changes nothing, and without keys the last round is the substitution alone.
    private static uint Substitute(uint word) => TRounds.End(Vector128.Create(word).AsByte(), Vector128<byte>.Zero, Vector128<byte>.Zero).AsUInt32().ToScalar();
}
