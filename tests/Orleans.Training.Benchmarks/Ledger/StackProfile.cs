using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Orleans.Training.Benchmarks;

/// <summary>Samples what processes compute with Linux perf, and says which part of the work each sample was for.</summary>
internal static partial class StackProfile
{
    /// <summary>With these a .NET process tells perf the names of its methods.</summary>
    public static readonly IReadOnlyDictionary<string, string> Environment = new Dictionary<string, string> { ["DOTNET_PerfMapEnabled"] = "3", ["DOTNET_EnableWriteXorExecute"] = "0" };

    private const string Hash = "hashing";

    // The first frame from the leaf on that one of these knows decides; the order counts within a frame only.
    private static readonly (string Part, Regex Frame)[] Managed =
    [
        (Hash, Hashing()),
        ("journal and archive", Storing()),
        ("links: TLS", Tls()),
        ("links: frames and WebSockets", Links()),
        ("HTTP API, JSON included", Http()),
        ("sockets", Sockets()),
        ("encoding and parsing", Encoding()),
        ("execution", Execution()),
        ("consensus, pool and host", Consensus()),
    ];

    /// <summary>Shares of the samples by part, the largest first; they add up to 1.</summary>
    public static async Task<IReadOnlyList<(string Part, double Share)>> Record(string perf, IEnumerable<int> processes, TimeSpan time)
    {
        var file = Path.GetTempFileName();
        try
        {
            await ForeignServer.Run(perf, "record", "-q", "-F", "997", "-e", "cpu-clock", "-g", "-p", string.Join(',', processes), "-o", file, "--", "sleep", time.TotalSeconds.ToString(CultureInfo.InvariantCulture));
            using var script = Process.Start(new ProcessStartInfo(perf, ["script", "-i", file, "-F", "comm,ip,sym,dso"]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            script.ErrorDataReceived += (_, _) => { };
            script.BeginErrorReadLine();
            return Count(script.StandardOutput);
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>Reads what <c>perf script -F comm,ip,sym,dso</c> prints: a thread's name, then its frames from the leaf on, then an empty line.</summary>
    public static IReadOnlyList<(string Part, double Share)> Count(TextReader script)
    {
        var parts = new Dictionary<string, int>();
        var frames = new List<string>();
        var thread = "";
        while (script.ReadLine() is { } line)
        {
            if (string.IsNullOrWhiteSpace(line))
            {
                if (frames.Count > 0) parts[PartOf(thread, frames)] = parts.GetValueOrDefault(PartOf(thread, frames)) + 1;
                frames.Clear();
            }
            else if (char.IsWhiteSpace(line[0]) && line.TrimStart().Contains(' ', StringComparison.Ordinal)) frames.Add(line.TrimStart()[(line.TrimStart().IndexOf(' ', StringComparison.Ordinal) + 1)..]);
            else thread = line;
        }

        var all = parts.Values.Sum();
        return [.. parts.OrderByDescending(part => part.Value).Select(part => (part.Key, (double)part.Value / all))];
    }

    private static string PartOf(string thread, List<string> frames)
    {
        if (thread.Contains("Tiered", StringComparison.Ordinal)) return "just-in-time compiler";
        if (thread.Contains("GC", StringComparison.Ordinal)) return "memory and runtime";
        var native = true;
        foreach (var frame in frames)
        {
            native &= !frame.Contains(".map)", StringComparison.Ordinal) && !frame.Contains(".dll)", StringComparison.Ordinal);
            if (native && frame.Contains("libsodium", StringComparison.Ordinal)) return "signatures";
            if (native && frame.Contains("libclrjit", StringComparison.Ordinal)) return "just-in-time compiler";
            if (native && (frame.Contains("libcoreclr", StringComparison.Ordinal) || frame.Contains("libclrgc", StringComparison.Ordinal))) return "memory and runtime";
            // Parameters name types that have nothing to do with what is done; a library's name counts where its methods have none.
            var name = frame.IndexOf('(', StringComparison.Ordinal) is > 0 and var end && !frame.StartsWith("[unknown]", StringComparison.Ordinal) ? frame[..end] : frame;
            foreach (var (part, pattern) in Managed)
            {
                if (!native && pattern.IsMatch(name)) return part;
            }
        }

        // OpenSSL's loops use the register that leads to the caller. By far most of them hash; the links' AES is the rest.
        return frames[0].Contains("libcrypto", StringComparison.Ordinal) ? Hash : "threads and the rest";
    }

    [GeneratedRegex(@"SHA256|ChunkTree|Interop\+Crypto::(Evp(Md|Digest)|Sha)|IncrementalHash|HashProvider|HashAlgorithm|LiteHash|Digest::Of|MerkleHash")]
    private static partial Regex Hashing();

    [GeneratedRegex(@"FileValidatorStore|GroupCommit|Ledger\.Segment|Validators\.Segment|JournalFormat|ChainArchive|SubtreeFile|RandomAccess|Snapshots|HistoryFolder|FinalBlock::Encode")]
    private static partial Regex Storing();

    [GeneratedRegex(@"SslStream|Interop\+Ssl|SafeSsl|System\.Net\.Security")]
    private static partial Regex Tls();

    [GeneratedRegex(@"SeatLink|PeerLinks|LinkPipe|PipeStream|WebSocket")]
    private static partial Regex Links();

    [GeneratedRegex(@"AspNetCore|Kestrel|ValidatorEndpoint|PlainAnswer|ApiKeys|System\.Text\.Json|System\.IO\.Pipelines")]
    private static partial Regex Http();

    [GeneratedRegex(@"System\.Net\.Sockets|SocketAsync|SocketPal|Interop\+Sys::(Send|Receive|Poll|WaitForSocketEvents)")]
    private static partial Regex Sockets();

    [GeneratedRegex(@"Formats\.Cbor|Protocol\.Wire|CborExtensions|::TryParse|::Encode|::ReadFields|ConsensusMessage::|TransactionPayload")]
    private static partial Regex Encoding();

    [GeneratedRegex(@"LedgerMachine|Protocol\.Contracts|LedgerState|MerkleFrontier|MerkleTree|CommittedChain|CheckpointKeeper")]
    private static partial Regex Execution();

    [GeneratedRegex(@"Ledger\.(ConsensusCore|TransactionPool|Admission|Voter|Proposer|BlockTree|Finality|Peers|NewsFilter|ViewTable|VoteWatch|CatchUp|Work|JournalTail|MessageVerifier|StepEffects)|ValidatorHost|VerifiedSignatures|Inbox|ValidatorSeat")]
    private static partial Regex Consensus();
}
