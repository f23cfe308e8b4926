using System.Globalization;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Tests.Cluster;
using Orleans.Training.Tests.Foreign;
using Xunit.Abstractions;

namespace Orleans.Training.Tests.Aggregation;

/// <summary>A program written after the page in another language computes the same numerators and denominators.</summary>
public sealed class RobustByPythonTests(ITestOutputHelper output)
{
    [Fact]
    public void EveryRule_GivesTheNumbersOfPython()
    {
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        using var folder = new TemporaryFolder();
        var ours = new Dictionary<string, string>();
        for (var i = 0; i < 6 * 4 * 25; i++)
        {
            var example = RobustCase.Of(i % 6, i / 6 % 4, seed + i);
            var lines = new[] { Text(example.Rule), example.Reference.Length == 0 ? "-" : Join(example.Reference) }.Concat(example.Sums.Select((sum, a) => $"{example.Members[a]} {Join(sum)}"));
            File.WriteAllLines(folder[$"{i}.case"], lines);
            var mean = example.Mean();
            ours.Add($"{i}", $"{mean.Denominator} {string.Join(' ', mean.Numerators.ToArray())}");
        }

        var python = ForeignTool.Python(folder.Path, "robust.py");
        Assert.Equal(ours.Count, python.Count);
        foreach (var (name, numbers) in ours) Assert.True(python[name] == numbers, $"seed {seed}, {File.ReadLines(folder[name + ".case"]).First()}:\nPython {python[name]}\nwe     {numbers}");
    }

    private static string Text(RobustRule rule) => rule switch
    {
        TrimmedMean trimmed => $"{rule.Name} {trimmed.Trim}",
        MultiKrum krum => $"{rule.Name} {krum.Poisoned} {krum.Kept}",
        Bulyan bulyan => $"{rule.Name} {bulyan.Poisoned}",
        CentredClipping clipping => $"{rule.Name} {clipping.Radius} {clipping.Iterations}",
        _ => rule.Name,
    };

    private static string Join(int[] lanes) => string.Join(' ', lanes.Select(lane => lane.ToString(CultureInfo.InvariantCulture)));
}
