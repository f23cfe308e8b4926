using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Orleans.Training.Benchmarks;

/// <summary>Rows of small grey pictures with captions, as SVG; each picture is a bitmap inside.</summary>
internal static class Pictures
{
    private const int Side = 28;
    private const int Shown = 112;
    private const int Gap = 14;
    private const int Head = 46;

    /// <summary>All rows, each with as many pictures as there are captions.</summary>
    public static string Draw(IReadOnlyList<string> captions, IReadOnlyList<IReadOnlyList<double[]>> rows)
    {
        var (width, height) = (Gap + (captions.Count * (Shown + Gap)), Head + (rows.Count * (Shown + Gap)));
        var svg = new StringBuilder();
        Add(svg, $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"11\">");
        Add(svg, $"<rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>");
        for (var column = 0; column < captions.Count; column++)
        {
            var x = Gap + (column * (Shown + Gap));
            foreach (var (line, number) in captions[column].Split('\n').Select((line, number) => (line, number))) Add(svg, $"<text x=\"{x}\" y=\"{16 + (14 * number)}\">{line}</text>");
            for (var row = 0; row < rows.Count; row++)
                Add(svg, $"<image x=\"{x}\" y=\"{Head + (row * (Shown + Gap))}\" width=\"{Shown}\" height=\"{Shown}\" style=\"image-rendering:pixelated\" href=\"data:image/bmp;base64,{Convert.ToBase64String(Bitmap(rows[row][column]))}\"/>");
        }

        return svg.Append("</svg>\n").ToString();
    }

    // 24 bits a pixel, the lowest row first; from the smallest to the largest value that is no outlier, black on white.
    private static byte[] Bitmap(double[] picture)
    {
        const int head = 54, stride = 3 * Side;
        var bytes = new byte[head + (stride * Side)];
        (bytes[0], bytes[1]) = ((byte)'B', (byte)'M');
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(2), bytes.Length);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(10), head);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(14), 40);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(18), Side);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(22), Side);
        BinaryPrimitives.WriteInt16LittleEndian(bytes.AsSpan(26), 1);
        BinaryPrimitives.WriteInt16LittleEndian(bytes.AsSpan(28), 24);
        double[] sorted = [.. picture.Order()];
        var (low, high) = (sorted[sorted.Length / 100], sorted[^(1 + (sorted.Length / 100))]);
        for (var i = 0; i < picture.Length; i++)
        {
            var grey = (byte)(255 - (255 * (high > low ? Math.Clamp((picture[i] - low) / (high - low), 0, 1) : 0)));
            bytes.AsSpan(head + ((Side - 1 - (i / Side)) * stride) + (3 * (i % Side)), 3).Fill(grey);
        }

        return bytes;
    }

    private static void Add(StringBuilder svg, FormattableString text) => svg.Append(text.ToString(CultureInfo.InvariantCulture)).Append('\n');
}
