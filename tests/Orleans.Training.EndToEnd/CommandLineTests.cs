using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Orleans.Training.Cli.Demo;
using Orleans.Training.EndToEnd.Drills;

namespace Orleans.Training.EndToEnd;

/// <summary>How the real executable answers whoever mistypes: one numbered line, and the exit code of wrong use.</summary>
public sealed class CommandLineTests
{
    private const int Usage = 2;

    [Theory]
    [InlineData("nonsense", "OT-7014", "'nonsense'")]
    [InlineData("", "OT-7014", "./run --help")]
    [InlineData("verify", "OT-7014", "--trust")]
    [InlineData("verify --trust none none", "OT-7002", "no folder none")]
    [InlineData("verify --nonsense", "OT-7014", "./run verify --help")]
    [InlineData("demo nonsense", "OT-7002", "heart or mnist")]
    [InlineData("demo heart nonsense", "OT-7014", "'nonsense'")]
    [InlineData("up nonsense", "OT-7002", "heart or mnist")]
    [InlineData("serve --data none", "OT-7014", "--silo-port")]
    [InlineData("serve --data none --silo-port x --client-port 2", "OT-7014", "--silo-port")]
    [InlineData("serve --data none --silo-port 1 --client-port 1", "OT-7011", "SiloPort")]
    [InlineData("serve --data none --silo-port 1 --client-port 2 --device tpu", "OT-7014", "cuda")]
    [InlineData("serve --data none --silo-port 1 --client-port 2 --trainers -1", "OT-7014", "--trainers")]
    public async Task WrongUse_GivesOneNumberedLine(string line, string number, string part)
    {
        var (code, output, error) = await Run(line);
        Assert.Equal(Usage, code);
        Assert.Empty(output);
        Assert.Single(error.TrimEnd('\n').Split('\n'));
        Assert.StartsWith(number + " ", error, StringComparison.Ordinal);
        Assert.Contains(part, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cuda_WithoutACudaDevice_EndsAtStart()
    {
        // A machine that has one, and a build for it, starts: then there is nothing to refuse.
        if (TorchSharp.torch.cuda.is_available()) return;
        var (code, _, error) = await Run("serve --data none --silo-port 1 --client-port 2 --device cuda");
        Assert.Equal(Usage, code);
        Assert.StartsWith("OT-5094 ", Assert.Single(error.TrimEnd('\n').Split('\n')), StringComparison.Ordinal);
    }

    [Fact]
    public async Task TakenPort_IsNamed()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port.ToString(CultureInfo.InvariantCulture);
        using var federation = new TestFederation("port");
        var ports = SiloProcess.FreePorts(2);
        var (code, output, error) = await Run(string.Create(CultureInfo.InvariantCulture, $"serve --data {federation.Folder} --silo-port {ports[0]} --client-port {ports[1]} --http {port}"), keepInput: true);
        Assert.Equal((Usage, ""), (code, output));
        var line = Assert.Single(error.TrimEnd('\n').Split('\n'), said => said.StartsWith("OT-", StringComparison.Ordinal));
        Assert.StartsWith("OT-7016 ", line, StringComparison.Ordinal);
        Assert.Contains(port, line, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("help", "Commands:")]
    [InlineData("--help", "Commands:")]
    [InlineData("help verify", "--trust")]
    public async Task Help_IsShown(string line, string part)
    {
        var (code, output, error) = await Run(line);
        Assert.Equal((0, ""), (code, error));
        Assert.Contains(part, output, StringComparison.Ordinal);
    }

    private static async Task<(int Code, string Output, string Error)> Run(string line, bool keepInput = false)
    {
        var start = new ProcessStartInfo("dotnet", [DrillSilo.Executable, .. line.Split(' ', StringSplitOptions.RemoveEmptyEntries)])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        if (!keepInput) process.StandardInput.Close();
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return (process.ExitCode, await output, await error);
    }
}
