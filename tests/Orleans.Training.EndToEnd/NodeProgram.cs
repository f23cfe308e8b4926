using System.Diagnostics;
using System.Text.Json;
using System.Threading.Channels;

namespace Orleans.Training.EndToEnd;

/// <summary>One of the programs in <c>npm</c>, whose packages are installed once, exactly as the lock file says.</summary>
internal sealed class NodeProgram : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);
    private static readonly string Folder = Path.Combine(Repository.Root, "tests", "Orleans.Training.EndToEnd", "npm");
    private static readonly Lazy<Task> Installed = new(Install);
    private readonly Process _process;
    private readonly Channel<JsonElement> _lines = Channel.CreateUnbounded<JsonElement>();
    private readonly Task _reading;

    private NodeProgram(Process process) => (_process, _reading) = (process, ReadLines(process));

    public static async Task<NodeProgram> Start(params string[] arguments)
    {
        await Installed.Value;
        return new NodeProgram(Run("node", arguments));
    }

    /// <summary>The next line.</summary>
    public async Task<JsonElement> Next()
    {
        using var limit = new CancellationTokenSource(Patience);
        return await _lines.Reader.ReadAsync(limit.Token);
    }

    /// <summary>All lines until the program ends.</summary>
    public async Task<List<JsonElement>> All()
    {
        using var limit = new CancellationTokenSource(Patience);
        var all = new List<JsonElement>();
        await foreach (var line in _lines.Reader.ReadAllAsync(limit.Token)) all.Add(line);
        return all;
    }

    public async Task Tell(string command)
    {
        await _process.StandardInput.WriteLineAsync(command);
        await _process.StandardInput.FlushAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        await _reading;
        _process.Dispose();
    }

    private static async Task Install()
    {
        using var process = Run("npm", "ci", "--silent");
        var output = process.StandardOutput.ReadToEndAsync();
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        await process.WaitForExitAsync(limit.Token);
        Assert.True(process.ExitCode == 0, $"npm ci failed: {await output}");
    }

    private static Process Run(string program, params string[] arguments) =>
        Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = Folder, RedirectStandardOutput = true, RedirectStandardInput = true })!;

    private async Task ReadLines(Process process)
    {
        while (await process.StandardOutput.ReadLineAsync() is { } line) _lines.Writer.TryWrite(JsonSerializer.Deserialize<JsonElement>(line));
        _lines.Writer.Complete();
    }
}
