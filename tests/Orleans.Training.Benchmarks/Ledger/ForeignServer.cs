using System.Diagnostics;

namespace Orleans.Training.Benchmarks;

/// <summary>Other people's programs that a benchmark compares with.</summary>
internal static class ForeignServer
{
    /// <summary>The path of a program; null, with a line that says what to install, when it is not there.</summary>
    public static string? Find(string program, string package)
    {
        var postgres = Directory.Exists("/usr/lib/postgresql") ? Directory.GetDirectories("/usr/lib/postgresql").OrderDescending().Select(version => Path.Combine(version, "bin")) : [];
        var path = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Concat(postgres).Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
        if (path is null) Console.Error.WriteLine($"OT-7012 {program} is missing, so this part is left out: run 'apt-get install --no-install-recommends {package}' as root");
        return path;
    }

    /// <summary>Starts a program whose output goes to a file: a pipe that nobody reads would stop it.</summary>
    public static Process Start(string log, string program, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo("/bin/sh") { WorkingDirectory = Path.GetTempPath() };
        foreach (var argument in (string[])["-c", "log=$1; shift; exec \"$@\" >\"$log\" 2>&1 </dev/null", "sh", log, program, .. arguments]) start.ArgumentList.Add(argument);
        return Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start.");
    }

    /// <summary>Runs a program to its end, and gives what it said; fails when it fails.</summary>
    public static async Task<string> Run(string program, params string[] arguments)
    {
        var log = Path.GetTempFileName();
        using var process = Start(log, program, arguments);
        await process.WaitForExitAsync();
        var said = await File.ReadAllTextAsync(log);
        File.Delete(log);
        return process.ExitCode == 0 ? said : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}: {said}");
    }
}
