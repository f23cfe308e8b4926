using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using System.Security.Cryptography;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// Threshold sharing (Shamir, 1979) of each byte by itself over GF(2⁸) modulo x⁸ + x⁴ + x³ + x + 1. Share x is f(x), for x from 1, of
/// f(X) = secret + Σ aₘ Xᵐ with m from 1 to t − 1. Points are public; secrets, coefficients and shares meet only operations that take the
/// same time whatever they are (docs/spec/fedmask.md §6).
/// </summary>
public static class Shamir
{
    /// <summary>The most shares of one secret: as many points as there are beside 0.</summary>
    public const int MaximumShares = 255;
    /// <summary>The most bytes of one secret.</summary>
    public const int MaximumSecretBytes = 32;

    // Indexed by public points only.
    private static readonly byte[] Exponentials = BuildExponentials();
    private static readonly byte[] Logarithms = BuildLogarithms();

    /// <summary>The shares of a secret for the points 1, 2, … in their order.</summary>
    /// <param name="secret">1 to 32 bytes.</param>
    /// <param name="threshold">Shares that give the secret back; fewer tell nothing.</param>
    /// <param name="coefficients">a₁, …, a₍ₜ₋₁₎, each as long as the secret: uniform and secret bytes, all 256 values of the last included, or t − 1 shares would rule one secret out.</param>
    /// <param name="shares">Receives the shares; its length says how many.</param>
    /// <exception cref="ArgumentException">The lengths do not fit, or not 1 ≤ threshold ≤ shares ≤ 255.</exception>
    public static void Share(ReadOnlySpan<byte> secret, int threshold, ReadOnlySpan<byte> coefficients, Span<byte> shares)
    {
        var size = RequireSize(secret.Length);
        var count = shares.Length / size;
        if (shares.Length % size != 0 || count is < 1 or > MaximumShares) throw new ArgumentException($"Shares for 1 to {MaximumShares} points of {size} bytes each are asked for, not {shares.Length} bytes.", nameof(shares));
        if (threshold < 1 || threshold > count) throw new ArgumentException($"A threshold of {threshold} does not fit {count} shares.", nameof(threshold));
        if (coefficients.Length != (threshold - 1) * size) throw new ArgumentException($"A threshold of {threshold} needs {threshold - 1} coefficients of {size} bytes.", nameof(coefficients));
        for (var x = 1; x <= count; x++)
        {
            var value = Vector256<byte>.Zero;
            for (var m = threshold - 2; m >= 0; m--) value = MultiplyByPoint(value ^ Load(coefficients.Slice(m * size, size)), (byte)x);
            Store(value ^ Load(secret), shares.Slice((x - 1) * size, size));
        }
    }

    /// <summary>f(0) of the polynomial through these points: the secret, if they are t or more of its shares.</summary>
    /// <param name="points">Distinct points, none of them 0.</param>
    /// <param name="shares">Their shares, one behind the other.</param>
    /// <param name="secret">Receives the secret.</param>
    /// <exception cref="ArgumentException">No points, a point that is 0 or named twice, or lengths that do not fit.</exception>
    public static void Reconstruct(ReadOnlySpan<byte> points, ReadOnlySpan<byte> shares, Span<byte> secret)
    {
        var size = RequireSize(secret.Length);
        if (points.Length is < 1 or > MaximumShares || shares.Length != points.Length * size) throw new ArgumentException("Points and shares do not fit each other.", nameof(shares));
        var value = Vector256<byte>.Zero;
        for (var a = 0; a < points.Length; a++) value ^= MultiplyByPoint(Load(shares.Slice(a * size, size)), LagrangeAtZero(points, a));
        Store(value, secret);
    }

    // Π x_b ÷ (x_a ⊕ x_b) over b ≠ a, as a sum of logarithms.
    private static byte LagrangeAtZero(ReadOnlySpan<byte> points, int a)
    {
        var logarithm = 0;
        for (var b = 0; b < points.Length; b++)
        {
            if (b == a && points[a] != 0) continue;
            var difference = points[a] ^ points[b];
            if (difference == 0 || points[b] == 0) throw new ArgumentException("Points must be distinct and not 0.", nameof(points));
            logarithm += Logarithms[points[b]] + 255 - Logarithms[difference];
        }

        return Exponentials[logarithm % 255];
    }

    /// <summary>Every byte times a public point: by the instruction for this very field where there is one (GFNI), else by eight doublings.</summary>
    internal static Vector256<byte> MultiplyByPoint(Vector256<byte> value, byte point) =>
        Gfni.V256.IsSupported ? Gfni.V256.GaloisFieldMultiply(value, Vector256.Create(point)) : MultiplyByDoubling(value, point);

    /// <summary>The same on any machine. Only the point decides what is done.</summary>
    internal static Vector256<byte> MultiplyByDoubling(Vector256<byte> value, byte point)
    {
        var product = Vector256<byte>.Zero;
        for (var bit = 7; bit >= 0; bit--)
        {
            // x · product: the polynomial is taken off where the top bit falls out, by a mask, not by a branch.
            var overflow = Vector256.LessThan(product.AsSByte(), Vector256<sbyte>.Zero).AsByte();
            product = (product + product) ^ (overflow & Vector256.Create((byte)0x1b));
            if ((point >> bit & 1) == 1) product ^= value;
        }

        return product;
    }

    private static Vector256<byte> Load(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length == MaximumSecretBytes) return Vector256.Create(bytes);
        Span<byte> padded = stackalloc byte[MaximumSecretBytes];
        padded.Clear();
        bytes.CopyTo(padded);
        var value = Vector256.Create<byte>(padded);
        CryptographicOperations.ZeroMemory(padded);
        return value;
    }

    private static void Store(Vector256<byte> value, Span<byte> bytes)
    {
        Span<byte> padded = stackalloc byte[MaximumSecretBytes];
        value.CopyTo(padded);
        padded[..bytes.Length].CopyTo(bytes);
        CryptographicOperations.ZeroMemory(padded);
    }

    private static int RequireSize(int size) => size is >= 1 and <= MaximumSecretBytes ? size : throw new ArgumentException($"Secrets have 1 to {MaximumSecretBytes} bytes, not {size}.", nameof(size));

    // Powers of 3, which generates the field.
    private static byte[] BuildExponentials()
    {
        var powers = new byte[255];
        var power = 1;
        for (var i = 0; i < powers.Length; i++)
        {
            powers[i] = (byte)power;
            power ^= power << 1 ^ (power >= 0x80 ? 0x11b : 0);
        }

        return powers;
    }

    private static byte[] BuildLogarithms()
    {
        var logarithms = new byte[256];
        for (var i = 0; i < 255; i++) logarithms[Exponentials[i]] = (byte)i;
        return logarithms;
    }
}
