using System.Runtime.Intrinsics;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Tests.Masking;

/// <summary>AESE and AESMC as the Arm Architecture Reference Manual describes them, from a substitution table that is computed here (FIPS 197 §5.1.1).</summary>
internal readonly struct EmulatedArmAes : IArmAesInstructions
{
    private static readonly byte[] Substitution = [.. Enumerable.Range(0, 256).Select(value => Substitute((byte)value))];

    public static Vector128<byte> Aese(Vector128<byte> state, Vector128<byte> key)
    {
        var shifted = new byte[16];
        for (var column = 0; column < 4; column++)
        {
            for (var row = 0; row < 4; row++)
            {
                var from = (4 * ((column + row) % 4)) + row;
                shifted[(4 * column) + row] = Substitution[state[from] ^ key[from]];
            }
        }

        return Vector128.Create(shifted);
    }

    public static Vector128<byte> Aesmc(Vector128<byte> state)
    {
        var mixed = new byte[16];
        for (var column = 0; column < 16; column += 4)
        {
            for (var row = 0; row < 4; row++)
            {
                mixed[column + row] = (byte)(GaloisTable.Multiply(2, state[column + row]) ^ GaloisTable.Multiply(3, state[column + ((row + 1) % 4)])
                    ^ state[column + ((row + 2) % 4)] ^ state[column + ((row + 3) % 4)]);
            }
        }

        return Vector128.Create(mixed);
    }

    private static byte Substitute(byte value)
    {
        var inverse = GaloisTable.Inverse(value);
        int result = inverse;
        for (var turn = 1; turn <= 4; turn++) result ^= (inverse << turn) | (inverse >> (8 - turn));
        return (byte)(result ^ 0x63);
    }
}

/// <summary>GF(2⁸) modulo x⁸ + x⁴ + x³ + x + 1, by school multiplication into a table: written apart from the code that it judges.</summary>
internal static class GaloisTable
{
    private static readonly byte[,] Products = Build();

    public static byte Multiply(byte left, byte right) => Products[left, right];

    public static byte Inverse(byte value) => value == 0 ? (byte)0 : (byte)Enumerable.Range(1, 255).First(other => Products[value, other] == 1);

    private static byte[,] Build()
    {
        var products = new byte[256, 256];
        for (var left = 0; left < 256; left++)
        {
            for (var right = 0; right < 256; right++)
            {
                var product = 0;
                for (var bit = 0; bit < 8; bit++) product ^= (right >> bit & 1) == 1 ? left << bit : 0;
                for (var bit = 15; bit >= 8; bit--) product ^= (product >> bit & 1) == 1 ? 0x11b << (bit - 8) : 0;
                products[left, right] = (byte)product;
            }
        }

        return products;
    }
}
