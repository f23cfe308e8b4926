using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Orleans.Training.Tests.Cluster;
using Xunit.Abstractions;

namespace Orleans.Training.EndToEnd;

/// <summary>The small form of an evaluation as a user runs it: what it prints, and what it leaves in a folder.</summary>
public sealed class EvaluationTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Privacy_ShowsTheImageWithoutMasks_AndNotUnderThem_AndSpendsWhatWasAskedFor()
    {
        using var folder = new TemporaryFolder();
        var said = await BenchmarkProgram.Run(output, "evaluate", "privacy", "--quick", "--output", folder["report"]);
        double Number(string line) => double.Parse(Regex.Match(said, line).Groups[1].Value, CultureInfo.InvariantCulture);
        Assert.InRange(Number(@"the update, without masks \| ([\d.]+)"), 0.99, 1);
        Assert.InRange(Number(@"the masked update \| ([\d.]+)"), 0, 0.15);
        Assert.InRange(Number(@"the sum of 10 \| ([\d.]+)"), 0.1, 0.9);
        Assert.InRange(Number(@"with noise for .* \| ([\d.]+)"), 0, 0.3);
        Assert.InRange(Number(@"\| ε = 8 \| ([\d.]+)"), 7.9, 8);
        // What is left is what was said, and pictures that a browser can show: five rows of five.
        Assert.Contains((await File.ReadAllTextAsync(Path.Combine(folder["report"], "privacy.md"))).TrimEnd(), said, StringComparison.Ordinal);
        var pictures = XDocument.Load(Path.Combine(folder["report"], "inversion.svg")).Descendants(XName.Get("image", "http://www.w3.org/2000/svg")).Select(image => image.Attribute("href")!.Value).ToArray();
        Assert.Equal(25, pictures.Length);
        Assert.All(pictures, picture => Assert.StartsWith("BM", System.Text.Encoding.ASCII.GetString(Convert.FromBase64String(picture["data:image/bmp;base64,".Length..])), StringComparison.Ordinal));
        // The image and what came back of it without masks: the same picture, but for roundings.
        Assert.Equal(5, Enumerable.Range(0, 5).Count(row => Difference(pictures[row], pictures[5 + row]) < 2));
        Assert.Equal(5, Enumerable.Range(0, 5).Count(row => Difference(pictures[row], pictures[10 + row]) > 40));
    }

    // Mean difference of two pictures, in grey levels of 256.
    private static double Difference(string left, string right)
    {
        byte[] Pixels(string picture) => Convert.FromBase64String(picture["data:image/bmp;base64,".Length..])[54..];
        return Pixels(left).Zip(Pixels(right), (a, b) => Math.Abs(a - b)).Average();
    }
}
