using System.Globalization;
using Orleans.Training.Tests.Cluster;
using Xunit.Abstractions;

namespace Orleans.Training.Tests.Foreign;

/// <summary>The model of the consensus in P (tests/model), compiled and explored by P's own tool.</summary>
public sealed class ModelTests(CompiledModel model, ITestOutputHelper output) : IClassFixture<CompiledModel>
{
    [Theory]
    [InlineData("allHonest", 300, null)]
    [InlineData("oneTwin", 500, null)]
    [InlineData("twoTwins", 5000, "FORK in view [0-9]+, 2 named")]
    // The checker finds what is there to be found when a rule is missing.
    [InlineData("smallQuorum", 5000, "FORK in view [0-9]+, [01] named")]
    [InlineData("notarizeTwice", 5000, "TWO NOTARIZED in view [0-9]+")]
    [InlineData("finalizeNullified", 5000, "FORK in view [0-9]+, [0-9] named")]
    public void TheProtocol_IsSafe_AndWithoutItsRulesItIsNot(string test, int schedules, string? fault)
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("OTRAIN_SEED"), CultureInfo.InvariantCulture, out var given) ? given : 1;
        var (explored, found) = model.Check(test, schedules, seed);
        output.WriteLine($"{test}, seed {seed}: {explored} schedules, {found ?? "nothing found"}");
        if (fault is null) Assert.Equal((schedules, null), (explored, found));
        else Assert.Matches($"^{fault}$", found);
    }
}

/// <summary>The model, compiled once.</summary>
public sealed class CompiledModel : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public CompiledModel()
    {
        ForeignTool.DotNet(0, "tool", "restore");
        ForeignTool.DotNet(0, "p", "compile", "--pproj", Tidy.Repository.Full("tests/model/Simplex.pproj"), "--outdir", _folder["model"]);
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>How many schedules were explored, and what the last one broke; null when nothing was.</summary>
    internal (int Explored, string? Found) Check(string test, int schedules, int seed)
    {
        var said = ForeignTool.DotNet(1, "p", "check", _folder["model/PChecker/net8.0/Simplex.dll"], "--testcase", test, "--schedules", schedules.ToString(CultureInfo.InvariantCulture), "--seed", seed.ToString(CultureInfo.InvariantCulture), "--outdir", _folder[test]);
        var explored = int.Parse(said.Split('\n').Single(line => line.Contains("Explored ", StringComparison.Ordinal) && line.Contains(" schedule", StringComparison.Ordinal)).Split("Explored ")[1].Split(' ')[0], CultureInfo.InvariantCulture);
        var log = Path.Combine(_folder[test], "BugFinding", "Simplex_0_0.txt");
        if (!File.Exists(log)) return (explored, null);
        // <ErrorLog> Assertion Failed: FILE:LINE:COLUMN what was asserted
        return (explored, File.ReadLines(log).First(line => line.StartsWith("<ErrorLog> ", StringComparison.Ordinal)).Split(' ', 5)[4]);
    }
}
