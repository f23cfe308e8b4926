using System.Diagnostics;
using Orleans.Training.Tests.Cluster;

namespace Orleans.Training.Tests.Foreign;

/// <summary>Programs that are not ours, and what they say about files.</summary>
internal static class ForeignTool
{
    private const string Install = "apt-get install --no-install-recommends golang-go golang-golang-x-mod-dev python3-cryptography python3-numpy (tests/run-tests does it when it runs as root)";
    private const string GoPath = "/usr/share/gocode";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    /// <summary>Verdicts of golang.org/x/mod/sumdb on the proofs in a folder, by name.</summary>
    public static Dictionary<string, string> Go(string logKey, string folder) => Verdicts(GoProgram("check.go", logKey, folder));

    /// <summary>What a program of this folder prints that uses golang.org/x/mod/sumdb.</summary>
    public static string GoProgram(string source, params string[] arguments)
    {
        Assert.True(Directory.Exists(GoPath + "/src/golang.org/x/mod/sumdb/tlog"), $"the Go package golang.org/x/mod is missing: {Install}");
        using var build = new TemporaryFolder();
        var environment = new Dictionary<string, string> { ["GO111MODULE"] = "off", ["GOPATH"] = GoPath, ["GOFLAGS"] = "", ["GOCACHE"] = build["cache"], ["CGO_ENABLED"] = "0", ["GOTOOLCHAIN"] = "local" };
        Run("go", ["build", "-o", build["program"], Tidy.Repository.Full("tests/Orleans.Training.Tests/Foreign/" + source)], environment);
        return Run(build["program"], arguments, []);
    }

    /// <summary>Verdicts of Python's cryptography on the files in a folder, by name.</summary>
    public static Dictionary<string, string> Python(string folder, string source = "check.py") => Verdicts(PythonProgram(0, source, folder));

    /// <summary>What a Python program of this folder prints. It ends with 0, or with another number that means that it has found something.</summary>
    public static string PythonProgram(int found, string source, params string[] arguments)
    {
        // The system's own Python has the system's packages; another may be first on the path.
        Assert.True(File.Exists("/usr/bin/python3"), $"/usr/bin/python3 is missing: {Install}");
        return Run("/usr/bin/python3", [Tidy.Repository.Full("tests/Orleans.Training.Tests/Foreign/" + source), .. arguments], [], found);
    }

    /// <summary>What the SDK, or a tool of this repository's manifest, prints. It ends with 0, or with another number that means that it has found something.</summary>
    public static string DotNet(int found, params string[] arguments) => Run("dotnet", arguments, new Dictionary<string, string> { ["DOTNET_ROLL_FORWARD"] = "Major", ["MSBUILDDISABLENODEREUSE"] = "1" }, found);

    private static Dictionary<string, string> Verdicts(string output) =>
        output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ', 2)).ToDictionary(parts => parts[0], parts => parts[1], StringComparer.Ordinal);

    private static string Run(string program, string[] arguments, Dictionary<string, string> environment, int found = 0)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Tidy.Repository.Full("") };
        foreach (var (name, value) in environment) start.Environment[name] = value;
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        Process? process = null;
        try
        {
            process = Process.Start(start);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Fail($"{program} is missing: {Install}");
        }

        using (process)
        {
            var problems = process!.StandardError.ReadToEndAsync();
            var output = process.StandardOutput.ReadToEnd();
            Assert.True(process.WaitForExit(Patience), $"{program} does not end");
            Assert.True(process.ExitCode == 0 || process.ExitCode == found, $"{program} failed ({Install}): {problems.GetAwaiter().GetResult()}");
            return output;
        }
    }
}
