namespace Orleans.Training.Trainer;

/// <summary>SplitMix64: the same numbers from the same seed on every machine and in every release. Not for secrets.</summary>
public sealed class SeededRandom(ulong seed)
{
    private ulong _state = seed;

    /// <summary>A seed of its own for every combination of a seed and two indices (round and participant, say).</summary>
    public static ulong Derive(ulong seed, int first, int second = 0)
    {
        var random = new SeededRandom(seed);
        var mixed = new SeededRandom(random.Next() ^ ((ulong)(uint)first << 32) ^ (uint)second);
        return mixed.Next();
    }

    /// <summary>64 bits.</summary>
    public ulong Next()
    {
        var z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>A number from 0 to <paramref name="limit"/> − 1, each as likely as the others.</summary>
    public int Below(int limit)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        while (true)
        {
            var product = (UInt128)Next() * (ulong)limit;
            // The lowest 2^64 mod limit fractions would favour some numbers.
            if ((ulong)product >= unchecked(0 - (ulong)limit) % (ulong)limit) return (int)(product >> 64);
        }
    }

    /// <summary>Fisher and Yates.</summary>
    public void Shuffle(Span<int> items)
    {
        for (var i = items.Length - 1; i > 0; i--)
        {
            var j = Below(i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }

    /// <summary>0 to <paramref name="count"/> − 1 in random order.</summary>
    public int[] Permutation(int count)
    {
        var order = new int[count];
        for (var i = 0; i < count; i++) order[i] = i;
        Shuffle(order);
        return order;
    }

    /// <summary>Bytes.</summary>
    public byte[] Bytes(int count)
    {
        var bytes = new byte[count];
        for (var i = 0; i < count; i++) bytes[i] = (byte)Next();
        return bytes;
    }
}
