using System.Numerics;

namespace Orleans.Training.Trainer;

/// <summary>The discrete Fourier transform of as many numbers as a power of two, in place (Cooley and Tukey 1965).</summary>
internal static class Fourier
{
    /// <summary>X_k = Σ x_j e^(−2πi jk ÷ n).</summary>
    public static void Transform(Complex[] values)
    {
        var count = values.Length;
        if (!BitOperations.IsPow2(count)) throw new ArgumentException($"{count} is no power of two.", nameof(values));
        for (int i = 1, j = 0; i < count; i++)
        {
            var bit = count >> 1;
            for (; (j & bit) != 0; bit >>= 1) j ^= bit;
            j ^= bit;
            if (i < j) (values[i], values[j]) = (values[j], values[i]);
        }

        var roots = new Complex[Math.Max(1, count / 2)];
        for (var k = 0; k < roots.Length; k++) roots[k] = Complex.FromPolarCoordinates(1, -2 * Math.PI * k / count);
        for (var size = 2; size <= count; size *= 2)
        {
            var (half, stride) = (size / 2, count / size);
            for (var start = 0; start < count; start += size)
            {
                for (var k = 0; k < half; k++)
                {
                    var (even, odd) = (values[start + k], values[start + k + half] * roots[k * stride]);
                    (values[start + k], values[start + k + half]) = (even + odd, even - odd);
                }
            }
        }
    }

    /// <summary>The circular convolution of a distribution with itself, so that it is there <paramref name="times"/> times.</summary>
    public static double[] Power(double[] values, int times)
    {
        var transformed = Array.ConvertAll(values, value => new Complex(value, 0));
        Transform(transformed);
        // Conjugates turn the transform into its inverse; the result is real.
        for (var i = 0; i < transformed.Length; i++) transformed[i] = Complex.Conjugate(Complex.Pow(transformed[i], times));
        Transform(transformed);
        return Array.ConvertAll(transformed, value => value.Real / values.Length);
    }
}
