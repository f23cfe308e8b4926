using System.Diagnostics;
using Xunit.Abstractions;

namespace Orleans.Training.EndToEnd;

/// <summary>The program behind <c>./run bench</c> and <c>./run evaluate</c>.</summary>
internal static class BenchmarkProgram
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    /// <summary>Runs it to its good end; what it said.</summary>
    public static async Task<string> Run(ITestOutputHelper output, params string[] arguments)
    {
        // It lies beside this project's output, built in the same configuration.
        var own = new DirectoryInfo(AppContext.BaseDirectory);
        var program = Path.Combine(own.Parent!.Parent!.FullName, "Orleans.Training.Benchmarks", own.Name, "Orleans.Training.Benchmarks.dll");
        using var process = Process.Start(new ProcessStartInfo("dotnet", [program, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        using var patience = new CancellationTokenSource(Patience);
        var said = process.StandardOutput.ReadToEndAsync(patience.Token);
        var error = await process.StandardError.ReadToEndAsync(patience.Token);
        await process.WaitForExitAsync(patience.Token);
        output.WriteLine(await said + error);
        Assert.Equal(0, process.ExitCode);
        return await said;
    }
}
