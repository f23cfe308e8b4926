using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace Orleans.Training.Cli.Demo;

/// <summary>A silo in a process of its own: this program again, with <c>serve</c>. Its log goes to a file in the machine's folder.</summary>
internal sealed class SiloProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);
    private readonly Process _process;
    private readonly StreamWriter _log;

    private SiloProcess(Process process, StreamWriter log) => (_process, _log) = (process, log);

    /// <summary>Address of the silo's gateway.</summary>
    public Uri Address { get; private set; } = null!;

    /// <summary>Processor time so far.</summary>
    public TimeSpan ProcessorTime
    {
        get
        {
            _process.Refresh();
            return _process.HasExited ? TimeSpan.Zero : _process.TotalProcessorTime;
        }
    }

    /// <summary>Starts a silo and waits until it is ready.</summary>
    public static async Task<SiloProcess> Start(string root, string name, SiloPlan plan, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath!) == "dotnet") start.ArgumentList.Add(typeof(SiloProcess).Assembly.Location);
        foreach (var argument in Arguments(plan)) start.ArgumentList.Add(argument);
        var log = new StreamWriter(Path.Combine(root, $"{name}.log"), append: true) { AutoFlush = true };
        var process = Process.Start(start) ?? throw new IOException("The silo's process did not start.");
        var reason = "";
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is null) return;
            // What it dies of, if it does.
            if (line.Data.StartsWith("OT-", StringComparison.Ordinal)) reason = line.Data;
            lock (log) log.WriteLine(line.Data);
        };
        process.BeginErrorReadLine();
        var silo = new SiloProcess(process, log);
        try
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            patience.CancelAfter(Patience);
            var ready = await process.StandardOutput.ReadLineAsync(patience.Token) ?? throw await Ended();
            silo.Address = new Uri(JsonDocument.Parse(ready).RootElement.GetProperty("http").GetString()!);
            return silo;
        }
        catch
        {
            await silo.DisposeAsync();
            throw;
        }

        // Its last words may still be on their way.
        async Task<IOException> Ended()
        {
            await process.WaitForExitAsync(cancellationToken);
            return new IOException($"OT-7005 the silo ended before it was ready: {reason.TrimEnd('.')}{(reason.Length > 0 ? "; " : "")}see {Path.Combine(root, $"{name}.log")}");
        }
    }

    /// <summary>Ports that nothing listens on at this moment.</summary>
    public static int[] FreePorts(int count)
    {
        var listeners = Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0)).ToArray();
        foreach (var listener in listeners) listener.Start();
        var ports = listeners.Select(listener => ((IPEndPoint)listener.LocalEndpoint).Port).ToArray();
        foreach (var listener in listeners) listener.Dispose();
        return ports;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.StandardInput.Close();
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
            await _process.WaitForExitAsync(patience.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!_process.HasExited) _process.Kill();
        }

        _process.Dispose();
        await _log.DisposeAsync();
    }

    private static IEnumerable<string> Arguments(SiloPlan plan)
    {
        string[] fixedPart = ["serve", "--data", plan.Data, "--silo-port", Text(plan.SiloPort), "--client-port", Text(plan.ClientPort), "--http", Text(plan.HttpPort), "--trainers", Text(plan.Trainers), "--silos", Text(plan.Silos)];
        return [.. fixedPart, .. plan.Participants.SelectMany(participant => new[] { "--participant", participant })];

        static string Text(int number) => number.ToString(System.Globalization.CultureInfo.InvariantCulture);
    }
}
