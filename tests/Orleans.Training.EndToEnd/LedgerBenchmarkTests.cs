using System.Globalization;
using System.Text.RegularExpressions;
using Orleans.Training.Benchmarks;
using Xunit.Abstractions;

namespace Orleans.Training.EndToEnd;

/// <summary>The parts of <c>./run bench ledger</c> that need no packages beyond those of the tests: each runs, and its lines say something.</summary>
[Collection(Drills.Drills.Name)]
public sealed class LedgerBenchmarkTests(ITestOutputHelper output)
{
    // Every group must be a number above zero.
    [Theory]
    [InlineData("commits", @"in flight: (\d+) tx/s final in (\d+) blocks of (\d+)", @"(\d+) µs CPU per transaction for all four, (\d+) µs per validator", @"finality at (\d+) tx/s offered.* p50 ([\d.]+) ms", @"one at a time: p50 ([\d.]+) ms", @"a receipt .* p50 ([\d.]+) ms")]
    [InlineData("faults", @"SIGKILL .* final block (\d+) ms", @"started again: ready in ([\d.]+) s", @"SIGSTOP .* final block (\d+) ms", @"emptied disk: at the newest of (\d+) blocks ([\d.]+) s .* all (\d+) leaves .* after ([\d.]+) s")]
    [InlineData("micro", @"in one process, .* (\d+) tx/s final; (\d+) µs", @"signature check ([\d.]+),", @": (\d+) bytes, verified offline in (\d+) µs")]
    [InlineData("postgres", @"\(PostgreSQL\) .* (\d+) commits/s; mean ([\d.]+) ms; (\d+) µs CPU", @"alone: mean ([\d.]+) ms")]
    public async Task APart_Runs_AndSaysWhatItMeasured(string part, params string[] lines)
    {
        var said = await BenchmarkProgram.Run(output, "ledger", "--quick", "--seconds", "1", "--only", part);
        foreach (var line in lines)
        {
            var match = Regex.Match(said, line);
            Assert.True(match.Success, $"no line matches {line}");
            Assert.All(match.Groups.Values.Skip(1), group => Assert.True(double.Parse(group.Value, CultureInfo.InvariantCulture) > 0, match.Value));
        }
    }

    [Fact]
    public void Samples_AreCountedByTheFirstFrameThatIsKnown()
    {
        const string script = """
            .NET TP Worker
            	    7f01 [unknown] (/usr/lib/libsodium.so)
            	    7f02 bool [Geralt] Geralt.Ed25519::Verify(valuetype SHA256)[Optimized] (/tmp/perf-7.map)

            .NET TP Worker
            	    7f01 ERR_clear_error (/usr/lib/libcrypto.so.3)

            .NET TP Worker
            	    7f01 tcp_sendmsg ([kernel.kallsyms])
            	    7f02 int32 [System.Net.Security] System.Net.Security.SslStream::Write(class X) (/tmp/perf-7.map)
            	    7f03 void [Orleans.Training.Protocol] Orleans.Training.Protocol.Ledger.LedgerMachine::Run() (/tmp/perf-7.map)

            .NET Tiered Com
            	    7f01 [unknown] (/usr/lib/libclrjit.so)

            .NET TP Worker
            	    7f01 memset (/usr/lib/libc.so.6)
            	    7f02 [unknown] (/usr/lib/libcoreclr.so)
            	    7f03 uint8[] [P] Orleans.Training.Protocol.Wire::Encode(class Y) (/tmp/perf-7.map)

            .NET TP Worker
            	    7f01 int32 [System.Linq] System.Linq.Enumerable::Sum(class LedgerMachine) (/tmp/perf-7.map)
            	    7f02 void [Orleans.Training.Protocol] Orleans.Training.Protocol.Ledger.LedgerMachine::Run() (/tmp/perf-7.map)
            	    7f03 [unknown] (/usr/lib/libcoreclr.so)

            .NET TP Worker
            	    7f01 schedule ([kernel.kallsyms])
            	    7f02 void [System.Private.CoreLib] System.Threading.Wait() (/tmp/perf-7.map)
            	    7f03 [unknown] (/usr/lib/libcoreclr.so)

            """;
        var shares = StackProfile.Count(new StringReader(script.ReplaceLineEndings("\n") + "\n"));
        Assert.Equal(["execution", "hashing", "just-in-time compiler", "links: TLS", "memory and runtime", "signatures", "threads and the rest"], shares.Select(share => share.Part).Order(StringComparer.Ordinal));
        Assert.All(shares, share => Assert.Equal(1 / 7.0, share.Share, 12));
    }

    [Theory]
    [InlineData(true, "--quick", "--only", "etcd")]
    [InlineData(true, "--seconds", "600")]
    [InlineData(false, "--seconds", "601")]
    [InlineData(false, "--only", "all")]
    [InlineData(false, "--only")]
    public void ACommandLine_IsReadInFull(bool good, params string[] arguments) => Assert.Equal(good, LedgerPlan.Parse(arguments) is not null);
}
