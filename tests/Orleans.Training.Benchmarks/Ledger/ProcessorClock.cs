using System.Globalization;

namespace Orleans.Training.Benchmarks;

/// <summary>Processor time of processes, user and system together, as the kernel counts it in /proc.</summary>
internal static class ProcessorClock
{
    private const double TicksPerSecond = 100;

    /// <summary>Seconds of one process.</summary>
    public static double Of(int process) => Fields(process) is { } fields ? (fields[11] + fields[12]) / TicksPerSecond : 0;

    /// <summary>Seconds of a process, of all that descend from it and live, and of its children that have ended.</summary>
    public static double OfTree(int root)
    {
        var parents = Directory.EnumerateDirectories("/proc").Select(path => int.TryParse(Path.GetFileName(path), CultureInfo.InvariantCulture, out var id) ? id : 0)
            .Where(id => id > 0).Select(id => (Id: id, Parent: (int)(Fields(id)?[1] ?? 0))).ToLookup(process => process.Parent, process => process.Id);
        return Ended(root) + Living(root);

        double Living(int process) => Of(process) + parents[process].Sum(Living);
        static double Ended(int process) => Fields(process) is { } fields ? (fields[13] + fields[14]) / TicksPerSecond : 0;
    }

    /// <summary>Seconds of this process.</summary>
    public static double Own => Of(Environment.ProcessId);

    /// <summary>Seconds of this process's children that have ended and been waited for.</summary>
    public static double OfEndedChildren => Fields(Environment.ProcessId) is { } fields ? (fields[13] + fields[14]) / TicksPerSecond : 0;

    /// <summary>Bytes that a process has in memory.</summary>
    public static long Memory(int process)
    {
        var line = File.ReadLines($"/proc/{process.ToString(CultureInfo.InvariantCulture)}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
        return 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }

    // What stands behind the name, which may hold anything; the state, which is no number, counts as 0. Null when there is no such process any more.
    private static long[]? Fields(int process)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{process.ToString(CultureInfo.InvariantCulture)}/stat");
            return [.. text[(text.LastIndexOf(')') + 2)..].Split(' ').Select(field => long.TryParse(field, CultureInfo.InvariantCulture, out var number) ? number : 0)];
        }
        catch (IOException)
        {
            return null;
        }
    }
}
