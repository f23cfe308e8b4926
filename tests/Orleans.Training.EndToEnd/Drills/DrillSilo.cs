using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Orleans.Training.EndToEnd.Drills;

/// <summary>One silo of a drill: the real executable in a process of its own, on ports that stay the same when it is started again.</summary>
internal sealed class DrillSilo(string name, string root, int[] ports, IReadOnlyList<string> participants, string? postgres, int silos = 2) : IAsyncDisposable
{
    public const int Killed = 128 + 9;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    public static readonly string Executable = Find();
    private Process? _process;

    public Uri Gateway { get; } = new($"http://127.0.0.1:{ports[2].ToString(CultureInfo.InvariantCulture)}");

    /// <summary>Validators that have started in this silo, as its log says.</summary>
    public int Validators => Log.Split(") starts at height ").Length - 1;

    public int ProcessId => _process!.Id;

    public bool HasExited => _process!.HasExited;

    private string Log
    {
        get
        {
            using var log = new StreamReader(new FileStream(Path.Combine(root, name + ".log"), FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
            return log.ReadToEnd();
        }
    }

    /// <summary>Whether its log says this.</summary>
    public bool HasSaid(string text) => Log.Contains(text, StringComparison.Ordinal);

    /// <summary>Sends a signal by its name.</summary>
    public void Signal(string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", Text(ProcessId)]);
        kill.WaitForExit();
        Assert.Equal(0, kill.ExitCode);
    }

    /// <summary>The exit code of the process that runs now, once it has ended.</summary>
    public async Task<int> Exit(CancellationToken cancellationToken)
    {
        var process = _process!;
        await process.WaitForExitAsync(cancellationToken);
        return process.ExitCode;
    }

    /// <summary>Starts the process, with what crashes it in its environment, and waits until it is ready.</summary>
    public async Task Start(IReadOnlyDictionary<string, string>? environment = null)
    {
        _process?.Dispose();
        var start = new ProcessStartInfo("dotnet") { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        string[] fixedPart = [Executable, "serve", "--data", root, "--silo-port", Text(ports[0]), "--client-port", Text(ports[1]), "--http", Text(ports[2]), "--silos", Text(silos)];
        foreach (var argument in fixedPart.Concat(participants.SelectMany(participant => new[] { "--participant", participant })).Concat(postgres is null ? [] : ["--postgres", postgres])) start.ArgumentList.Add(argument);
        foreach (var (key, value) in environment ?? new Dictionary<string, string>()) start.Environment[key] = value;
        var process = Process.Start(start) ?? throw new InvalidOperationException("The silo's process did not start.");
        _process = process;
        var log = TextWriter.Synchronized(new StreamWriter(new FileStream(Path.Combine(root, name + ".log"), FileMode.Append, FileAccess.Write, FileShare.ReadWrite)) { AutoFlush = true });
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is not null) log.WriteLine($"{DateTime.UtcNow:HH:mm:ss.fff} {line.Data}");
            else log.Dispose();
        };
        process.BeginErrorReadLine();
        using var patience = new CancellationTokenSource(Patience);
        var ready = await process.StandardOutput.ReadLineAsync(patience.Token) ?? throw new InvalidOperationException($"{name} ended before it was ready.");
        Assert.True(JsonDocument.Parse(ready).RootElement.GetProperty("ready").GetBoolean());
    }

    /// <summary>kill -9.</summary>
    public async Task Kill()
    {
        if (_process is not { HasExited: false }) return;
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await Kill();
        _process?.Dispose();
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    // The command line lies beside this project's output, built in the same configuration.
    private static string Find()
    {
        var output = new DirectoryInfo(AppContext.BaseDirectory);
        return Path.Combine(output.Parent!.Parent!.FullName, "Orleans.Training.Cli", output.Name, "otrain.dll");
    }
}
