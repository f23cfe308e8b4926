using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Orleans.Training.Cli.Demo;
using Orleans.Training.EndToEnd.Drills;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Cluster;

namespace Orleans.Training.EndToEnd;

/// <summary>How the real executable answers whoever mistypes: one numbered line, and the exit code of wrong use.</summary>
public sealed class CommandLineTests
{
    private const int Usage = 2;

    [Theory]
    [InlineData("nonsense", "OT-7014", "'nonsense'")]
    [InlineData("", "OT-7014", "./run --help")]
    [InlineData("verify", "OT-7014", "./run verify --help")]
    [InlineData("verify .", "OT-7002", "--trust is missing")]
    [InlineData("verify --trust none none", "OT-7002", "no folder none")]
    [InlineData("verify --nonsense", "OT-7014", "./run verify --help")]
    [InlineData("demo nonsense", "OT-7002", "heart or mnist")]
    [InlineData("demo heart nonsense", "OT-7014", "'nonsense'")]
    [InlineData("demo heart --scaffold --normalised", "OT-7002", "leave --proximal, --normalised, --row-noise and --groups out")]
    [InlineData("demo heart --row-noise 0.05", "OT-7014", "from 0.1 to 1000")]
    [InlineData("demo heart --proximal 10.1", "OT-7014", "from 0 to 10")]
    [InlineData("demo heart --proximal -1", "OT-7014", "from 0 to 10")]
    [InlineData("up nonsense", "OT-7002", "heart or mnist")]
    [InlineData("serve --data none", "OT-7014", "--silo-port")]
    [InlineData("serve --data none --silo-port x --client-port 2", "OT-7014", "--silo-port")]
    [InlineData("serve --data none --silo-port 1 --client-port 1", "OT-7011", "SiloPort")]
    [InlineData("serve --data none --silo-port 1 --client-port 2 --device tpu", "OT-7014", "cuda")]
    [InlineData("serve --data none --silo-port 1 --client-port 2 --trainers -1", "OT-7014", "--trainers")]
    [InlineData("validator", "OT-7014", "./run validator --help")]
    [InlineData("validator keys --data none --name Alpha --output none", "OT-7014", "--name")]
    [InlineData("validator genesis --origin a --at 2026-01-01T00:00:00Z --output none none.seat", "OT-7045", "no file none.seat")]
    [InlineData("validator run --data none --name alpha --genesis none --peers none", "OT-7045", "no file none")]
    [InlineData("validator run --data none --name alpha --genesis none --peers none --listen here", "OT-7014", "--listen")]
    [InlineData("validator run --data none --name alpha --genesis none --peers none --listen 0.0.0.0:7443", "OT-7044", "--behind-proxy")]
    [InlineData("validator run --data none --name alpha --genesis none --peers none --vote-key-days 0", "OT-7014", "from 1 to 30")]
    [InlineData("validator run --data none --name alpha --genesis none --peers none --vote-key-days 31", "OT-7014", "from 1 to 30")]
    [InlineData("validator run --data none --name alpha --genesis none --peers none --snapshot-every 63", "OT-7014", "from 64 to 1000000")]
    [InlineData("validator run --data none --name alpha --genesis none --peers none --snapshot-every 1000001", "OT-7014", "from 64 to 1000000")]
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
    public async Task Evidence_IsProven_AndChangedEvidenceIsNot()
    {
        using var folder = new TemporaryFolder();
        using var key = new Ed25519Signer(new byte[32]);
        var (chain, shard) = (Digest.Of([1]), Identifier.Of([2]));
        var votes = new List<SignedVote>();
        foreach (var block in new byte[] { 1, 2 })
        {
            var vote = Vote.Notarize(1, 7, 6, Digest.Of([block]));
            votes.Add(new SignedVote(vote, 0, await key.Sign(vote.Preimage(chain, shard), CancellationToken.None)));
        }

        var evidence = new Evidence(chain, shard, key.PublicKey, votes[0], votes[1]).Encode();
        await File.WriteAllBytesAsync(folder["good.evidence"], evidence);
        var (code, output, error) = await Run($"verify {folder["good.evidence"]}");
        Assert.Equal((0, ""), (code, error));
        Assert.Contains("two notarize votes for different blocks in view 7 of era 1", output, StringComparison.Ordinal);
        Assert.Contains(Convert.ToHexStringLower(key.PublicKey.Bytes.Span), output, StringComparison.Ordinal);
        Assert.EndsWith("PROVEN\n", output, StringComparison.Ordinal);

        evidence[^1] ^= 1;
        await File.WriteAllBytesAsync(folder["bad.evidence"], evidence);
        (code, output, _) = await Run($"verify {folder["bad.evidence"]}");
        Assert.Equal(1, code);
        Assert.Contains("OT-3202", output, StringComparison.Ordinal);
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
