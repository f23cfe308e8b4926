using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Benchmarks;

/// <summary>
/// From a gradient back to the image (Phong et al. 2018, §3): where one image made the step, the gradient of a linear layer is the error of each output times the image, and that of its bias the error itself,
/// so that the quotient of both is the image, whatever the label and the model.
/// </summary>
internal static class Inversion
{
    private const int Pixels = 28 * 28;
    private const int Classes = 10;

    /// <summary>The image that an update of the softmax model gives back, from the output whose bias moved most.</summary>
    /// <param name="update">Weights [10, 784], then biases; in any unit.</param>
    public static double[] Of(ReadOnlySpan<int> update)
    {
        var biases = update[(Classes * Pixels)..];
        var output = 0;
        for (var i = 1; i < Classes; i++)
        {
            if (Math.Abs((long)biases[i]) > Math.Abs((long)biases[output])) output = i;
        }

        var image = new double[Pixels];
        // A bias that did not move says nothing.
        for (var i = 0; i < Pixels && biases[output] != 0; i++) image[i] = (double)update[(output * Pixels) + i] / biases[output];
        return image;
    }

    /// <summary>What lies in the bytes of a masked update, read as if they had no masks.</summary>
    public static int[] Lanes(LaneLayout layout, ReadOnlySpan<byte> y)
    {
        var lanes = new int[layout.Length];
        for (var chunk = 0; chunk < layout.Chunks; chunk++) layout.Read(chunk, y.Slice(chunk * Protocol.Limits.ChunkBytes, layout.ChunkLength(chunk)), lanes);
        return lanes;
    }

    /// <summary>Pearson's correlation of two pictures: 1 for the same, 0 for nothing in common; 0 where one of them is flat.</summary>
    public static double Correlation(ReadOnlySpan<double> found, ReadOnlySpan<float> image)
    {
        double a = 0, b = 0, aa = 0, bb = 0, ab = 0;
        for (var i = 0; i < found.Length; i++) (a, b) = (a + found[i], b + image[i]);
        (a, b) = (a / found.Length, b / found.Length);
        for (var i = 0; i < found.Length; i++)
        {
            var (x, y) = (found[i] - a, image[i] - b);
            (aa, bb, ab) = (aa + (x * x), bb + (y * y), ab + (x * y));
        }

        return aa == 0 || bb == 0 ? 0 : ab / Math.Sqrt(aa * bb);
    }
}
