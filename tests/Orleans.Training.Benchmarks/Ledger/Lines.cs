using System.Globalization;

namespace Orleans.Training.Benchmarks;

/// <summary>What one system did under the load that it bears.</summary>
/// <param name="Name">The system.</param>
/// <param name="What">One unit of its work.</param>
/// <param name="PerSecond">Units made durable a second.</param>
/// <param name="ProcessorSeconds">Of its processes, a unit.</param>
/// <param name="AloneMilliseconds">Median delay of one client, one unit at a time.</param>
internal sealed record Standing(string Name, string What, double PerSecond, double ProcessorSeconds, double AloneMilliseconds);

/// <summary>The lines of a benchmark, the same in every culture.</summary>
internal static class Lines
{
    public static void Say(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));

    /// <summary>The value below which this share of the values lies.</summary>
    public static double Percentile(IEnumerable<double> values, double share)
    {
        var sorted = values.Order().ToArray();
        return sorted[Math.Min(sorted.Length - 1, (int)(sorted.Length * share))];
    }

    /// <summary>Median and 99th percentile, in words.</summary>
    public static string Delays(IReadOnlyCollection<double> milliseconds) =>
        string.Create(CultureInfo.InvariantCulture, $"p50 {Percentile(milliseconds, 0.5):F1} ms, p99 {Percentile(milliseconds, 0.99):F1} ms, max {milliseconds.Max():F1} ms");

    /// <summary>Lets a while pass, under load or idle.</summary>
    public static async Task Pass(TimeSpan time)
    {
        using var timer = new PeriodicTimer(time);
        await timer.WaitForNextTickAsync();
    }

    /// <summary>The systems side by side, and the first one's ratio to each of the others.</summary>
    public static void Compare(IReadOnlyList<Standing> standings)
    {
        foreach (var standing in standings) Say($"  {standing.Name,-20} {standing.PerSecond,7:F0} a second, {1e6 * standing.ProcessorSeconds,5:F0} µs CPU each, {standing.AloneMilliseconds,6:F2} ms alone: {standing.What}");
        var own = standings[0];
        foreach (var other in standings.Skip(1)) Say($"{own.Name} : {other.Name} = {own.PerSecond / other.PerSecond:F2} in units a second, {own.ProcessorSeconds / other.ProcessorSeconds:F2} in CPU a unit, {own.AloneMilliseconds / other.AloneMilliseconds:F2} in delay alone");
        Say($"of another machine, for orientation, not measured here: CometBFT 0.37 with 4 validators 2,087 signed tx/s, 920 µs CPU each, 62 ms alone; Fabric 3 with 4 SmartBFT orderers and a peer 494 tx/s, 3,200 µs CPU each, 211 ms alone");
    }
}
