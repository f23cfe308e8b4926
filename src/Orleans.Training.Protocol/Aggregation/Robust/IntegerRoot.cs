namespace Orleans.Training.Protocol.Aggregation;

/// <summary>Square roots that are the same everywhere.</summary>
internal static class IntegerRoot
{
    /// <summary>⌈√value⌉ for a value of at most 2¹²⁷, bit by bit from the highest.</summary>
    public static ulong Ceiling(UInt128 value)
    {
        var root = 0UL;
        for (var bit = 1UL << 63; bit > 0; bit >>= 1)
        {
            if (Square(root | bit) <= value) root |= bit;
        }

        return Square(root) == value ? root : root + 1;
    }

    private static UInt128 Square(ulong root) => (UInt128)root * root;
}
