using System.Buffers.Binary;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>Orders that follow from a key and that nobody could foresee without it.</summary>
internal static class Shuffle
{
    /// <summary>0 to count − 1 in an order drawn by Fisher and Yates' shuffle from AES-256 in counter mode under the key: little-endian 32-bit numbers, those below a limit by rejection, so that all orders are equally likely.</summary>
    public static int[] Order(int count, ReadOnlySpan<byte> key)
    {
        using var stream = MaskStream.Create(key);
        var (block, at, numbers) = (0L, 0, new byte[MaskStream.BlockBytes]);
        uint Next()
        {
            if (at == 0)
            {
                Array.Clear(numbers);
                stream.Add(numbers, LaneWidth.Bits8, block++);
            }

            var number = BinaryPrimitives.ReadUInt32LittleEndian(numbers.AsSpan(at));
            at = (at + sizeof(uint)) % MaskStream.BlockBytes;
            return number;
        }

        int[] order = [.. Enumerable.Range(0, count)];
        for (var last = count - 1; last > 0; last--)
        {
            var limit = (uint)(last + 1);
            var whole = (1UL << 32) / limit * limit;
            uint number;
            do number = Next();
            while (number >= whole);
            var other = (int)(number % limit);
            (order[last], order[other]) = (order[other], order[last]);
        }

        return order;
    }
}
