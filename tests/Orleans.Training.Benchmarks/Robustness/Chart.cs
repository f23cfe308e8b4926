using System.Globalization;
using System.Text;

namespace Orleans.Training.Benchmarks;

/// <summary>A line of the figure: for every round a part of 1.</summary>
internal sealed record ChartLine(string Name, IReadOnlyList<double> Error, IReadOnlyList<double> Success);

/// <summary>Two panels over rounds, as SVG.</summary>
internal static class Chart
{
    private const int Width = 400;
    private const int Height = 260;
    private const int Left = 60;
    private const int Top = 50;
    private const int Gap = 90;
    private const int Legend = 22;
    private const int Ticks = 5;

    // Okabe and Ito's, told apart by all eyes; the two broad ones paler.
    private static readonly string[] Colours = ["#cccccc", "#f0c36d", "#0072b2", "#d55e00", "#009e73", "#cc79a7"];
    // Lines that lie upon each other stay visible: broad ones are drawn first.
    private static readonly (int Width, string Dash)[] Strokes = [(7, "none"), (7, "none"), (2, "none"), (2, "7 5"), (3, "none"), (2, "2 4")];

    /// <summary>Error on the left, the attackers' success on the right.</summary>
    public static string Draw(string title, IReadOnlyList<ChartLine> lines)
    {
        var (width, height) = ((2 * (Left + Width)) + Gap, Top + Height + 60 + (lines.Count * Legend));
        var svg = new StringBuilder();
        Add(svg, $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">");
        Add(svg, $"<rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>");
        Add(svg, $"<text x=\"{Left}\" y=\"22\" font-size=\"15\">{title}</text>");
        // The first rounds, of hardly trained models, may leave the panel.
        var top = lines.Max(line => line.Error.Skip(line.Error.Count / 20).Max()) <= 0.5 ? 0.5 : 1;
        Panel(svg, Left, "test error", top, lines.Select(line => line.Error));
        Panel(svg, Left + Width + Gap, "ones predicted 7", 1, lines.Select(line => line.Success));
        for (var i = 0; i < lines.Count; i++)
        {
            var y = Top + Height + 60 + (i * Legend);
            Add(svg, $"<line x1=\"{Left}\" y1=\"{y - 4}\" x2=\"{Left + 34}\" y2=\"{y - 4}\" {Stroke(i)}/><text x=\"{Left + 42}\" y=\"{y}\">{lines[i].Name}</text>");
        }

        return svg.Append("</svg>\n").ToString();
    }

    private static void Panel(StringBuilder svg, int left, string name, double top, IEnumerable<IReadOnlyList<double>> lines)
    {
        for (var tick = 0; tick <= Ticks; tick++)
        {
            var y = Y((double)tick / Ticks);
            Add(svg, $"<line x1=\"{left}\" y1=\"{y:F1}\" x2=\"{left + Width}\" y2=\"{y:F1}\" stroke=\"#dddddd\"/><text x=\"{left - 8}\" y=\"{y + 4:F1}\" text-anchor=\"end\">{top * tick / Ticks:0.##}</text>");
        }

        Add(svg, $"<text x=\"{left}\" y=\"{Top - 10}\">{name}</text>");
        var index = 0;
        foreach (var line in lines)
        {
            if (index == 0)
            {
                Add(svg, $"<text x=\"{left}\" y=\"{Top + Height + 18}\">1</text><text x=\"{left + Width}\" y=\"{Top + Height + 18}\" text-anchor=\"end\">{line.Count}</text><text x=\"{left + (Width / 2)}\" y=\"{Top + Height + 18}\" text-anchor=\"middle\">round</text>");
            }

            var points = line.Select((value, i) => string.Create(CultureInfo.InvariantCulture, $"{left + (Width * (double)i / Math.Max(1, line.Count - 1)):F1},{Y(Math.Min(1, value / top)):F1}"));
            Add(svg, $"<polyline points=\"{string.Join(' ', points)}\" fill=\"none\" {Stroke(index++)}/>");
        }
    }

    private static double Y(double part) => Top + (Height * (1 - part));

    private static string Stroke(int line) => $"stroke=\"{Colours[line % Colours.Length]}\" stroke-width=\"{Strokes[line % Strokes.Length].Width}\" stroke-dasharray=\"{Strokes[line % Strokes.Length].Dash}\"";

    private static void Add(StringBuilder svg, FormattableString text) => svg.Append(text.ToString(CultureInfo.InvariantCulture)).Append('\n');
}
