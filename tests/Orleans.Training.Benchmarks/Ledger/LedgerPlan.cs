using System.Globalization;

namespace Orleans.Training.Benchmarks;

/// <summary>What <c>./run bench ledger</c> is told.</summary>
/// <param name="IsQuick">Everything small: under a minute, for a look and for a test.</param>
/// <param name="Seconds">Of each measurement under load.</param>
/// <param name="Only">One part alone, or null for all.</param>
internal sealed record LedgerPlan(bool IsQuick, int Seconds, string? Only)
{
    private static readonly string[] Parts = ["commits", "faults", "idle", "micro", "etcd", "postgres", "profile"];

    /// <summary>What the command line may say.</summary>
    public static string Usage { get; } = $"./run bench ledger [--quick] [--seconds N] [--only {string.Join('|', Parts)}]";

    /// <summary>Whether a part is run.</summary>
    public bool Has(string part) => Only is null || Only == part;

    /// <summary>The plan of a command line; null if it is none.</summary>
    public static LedgerPlan? Parse(IReadOnlyList<string> arguments)
    {
        var (isQuick, seconds, only) = (false, (int?)null, (string?)null);
        for (var i = 0; i < arguments.Count; i++)
        {
            var value = i + 1 < arguments.Count ? arguments[i + 1] : null;
            switch (arguments[i])
            {
                case "--quick": isQuick = true; continue;
                case "--seconds" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is >= 1 and <= 600: seconds = number; break;
                case "--only" when Parts.Contains(value): only = value; break;
                default: return null;
            }

            i++;
        }

        return new LedgerPlan(isQuick, seconds ?? (isQuick ? 2 : 20), only);
    }
}
