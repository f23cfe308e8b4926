using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Orleans.Training.Benchmarks;

/// <summary>PostgreSQL on this disk: rows of 512 bytes, each committed by itself and durable when its client is told. One copy, one owner.</summary>
internal static partial class PostgresPart
{
    private const int Clients = 64;
    private const string User = "postgres";

    public static async Task<Standing?> Run(LedgerPlan plan)
    {
        if (ForeignServer.Find("pg_ctl", "postgresql") is null || ForeignServer.Find("pgbench", "postgresql") is null) return null;
        var folder = Directory.CreateTempSubdirectory("otrain-bench-").FullName;
        var data = Path.Combine(folder, "data");
        // PostgreSQL refuses to run as root; root borrows the user that its package made.
        if (Environment.IsPrivilegedProcess) await ForeignServer.Run("chown", User, folder);
        try
        {
            await Tool("initdb", "-D", data, "-U", "otrain", "--auth=trust", "-E", "UTF8", "--no-sync");
            await Tool("pg_ctl", "-D", data, "-l", Path.Combine(folder, "log"), "-o", $"-c listen_addresses= -k {folder} -c max_connections=200 -c fsync=on -c synchronous_commit=on", "-w", "start");
            await Tool("psql", "-h", folder, "-U", "otrain", "-d", "postgres", "-c", "CREATE TABLE entries (id bigserial PRIMARY KEY, content text NOT NULL)");
            var script = Path.Combine(folder, "insert.sql");
            await File.WriteAllTextAsync(script, $"INSERT INTO entries (content) VALUES ('{new string('x', 512)}');\n");
            var server = int.Parse(File.ReadLines(Path.Combine(data, "postmaster.pid")).First(), CultureInfo.InvariantCulture);
            return await Measure(folder, script, server, plan);
        }
        finally
        {
            if (File.Exists(Path.Combine(data, "postmaster.pid"))) await Tool("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop");
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<Standing> Measure(string folder, string script, int server, LedgerPlan plan)
    {
        var (before, own) = (ProcessorClock.OfTree(server), ProcessorClock.OfEndedChildren);
        var (many, delay) = Parse(await Insert(folder, script, Clients, plan.Seconds));
        // What its connections took is counted when the server has waited for their processes.
        var rows = many * plan.Seconds;
        var (used, clients) = (ProcessorClock.OfTree(server) - before, ProcessorClock.OfEndedChildren - own);
        var version = (await Tool("postgres", "--version")).Trim();
        Lines.Say($"{version}, fsync and synchronous_commit on, inserts of 512 bytes, {Clients} clients of pgbench, Unix socket: {many:F0} commits/s; mean {delay:F1} ms; {1e6 * used / rows:F0} µs CPU a commit, pgbench took {1e6 * clients / rows:F0} µs beside");
        var (_, alone) = Parse(await Insert(folder, script, 1, Math.Min(plan.Seconds, 3)));
        Lines.Say($"  one client alone: mean {alone:F2} ms");
        return new Standing("PostgreSQL, 1 server", "inserts of 512 bytes, no signatures, one copy", many, used / rows, alone);
    }

    private static Task<string> Insert(string folder, string script, int clients, int seconds) => Tool("pgbench", "-h", folder, "-U", "otrain", "-n", "-f", script,
        "-c", clients.ToString(CultureInfo.InvariantCulture), "-j", Math.Min(clients, 2).ToString(CultureInfo.InvariantCulture), "-T", seconds.ToString(CultureInfo.InvariantCulture), "postgres");

    private static (double PerSecond, double Milliseconds) Parse(string said) => (Number(Throughput().Match(said), said), Number(Latency().Match(said), said));

    private static double Number(Match match, string said) => match.Success ? double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture) : throw new InvalidOperationException($"pgbench said something else: {said}");

    private static Task<string> Tool(string tool, params string[] arguments) => ForeignServer.Find(tool, "postgresql") is not { } path ? throw new InvalidOperationException($"{tool} is missing.")
        : Environment.IsPrivilegedProcess ? ForeignServer.Run("runuser", ["-u", User, "--", path, .. arguments]) : ForeignServer.Run(path, arguments);

    [GeneratedRegex(@"^tps = ([0-9.]+)", RegexOptions.Multiline)]
    private static partial Regex Throughput();

    [GeneratedRegex(@"^latency average = ([0-9.]+) ms", RegexOptions.Multiline)]
    private static partial Regex Latency();
}
