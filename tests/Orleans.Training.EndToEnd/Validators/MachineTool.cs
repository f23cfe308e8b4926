using System.Diagnostics;

namespace Orleans.Training.EndToEnd.Validators;

/// <summary>Programs that change the machine for a drill: they need root.</summary>
internal static class MachineTool
{
    /// <summary>Runs a program that must succeed.</summary>
    public static void Run(string program, params string[] arguments)
    {
        Assert.True(Environment.IsPrivilegedProcess, $"this drill runs '{program} {string.Join(' ', arguments)}', which needs root");
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        var problems = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"'{program} {string.Join(' ', arguments)}' failed: {problems}");
    }

    /// <summary>Requires a file that a package of the system brings.</summary>
    public static string Require(string package, params string[] paths) =>
        paths.FirstOrDefault(File.Exists) ?? throw new InvalidOperationException($"{paths[0]} is missing: apt-get install --no-install-recommends {package} (tests/run-tests does it when it runs as root)");
}
