using System.Globalization;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Benchmarks;

/// <summary>What is run.</summary>
/// <param name="Seeds">Each is one federation of every kind.</param>
/// <param name="Rounds">Of every cell of a table.</param>
/// <param name="FigureRounds">Of every line of the figure.</param>
/// <param name="Output">A folder for the table and the figures, or null.</param>
internal sealed record RobustnessPlan(IReadOnlyList<ulong> Seeds, int Rounds, int FigureRounds, string? Output)
{
    /// <summary>What the command line may say.</summary>
    public const string Usage = "./run evaluate robustness [--quick] [--seed N] [--rounds N] [--output FOLDER]";
    /// <summary>With the root party's, the images are cut into one more part.</summary>
    public const int Participants = 60;

    private const int MostRounds = 1000;

    /// <summary>A perceptron with one hidden layer of 32.</summary>
    public static ModelSpec Network { get; } = ModelSpec.Perceptron(28 * 28, [32], 10);

    /// <summary>Multinomial logistic regression, as Biscotti's figure has it.</summary>
    public static ModelSpec Softmax { get; } = ModelSpec.Softmax(28 * 28, 10);

    /// <summary>Whether it is the small suite.</summary>
    public bool IsQuick { get; private init; }

    /// <summary>The plan of a command line; null if it is none.</summary>
    public static RobustnessPlan? Parse(IReadOnlyList<string> arguments)
    {
        var (isQuick, seed, rounds, output) = (false, (ulong?)null, (int?)null, (string?)null);
        for (var i = 0; i < arguments.Count; i++)
        {
            var value = i + 1 < arguments.Count ? arguments[i + 1] : null;
            switch (arguments[i])
            {
                case "--quick": isQuick = true; continue;
                case "--seed" when ulong.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number): seed = number; break;
                case "--rounds" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count is >= 1 and <= MostRounds: rounds = count; break;
                case "--output" when !string.IsNullOrEmpty(value): output = value; break;
                default: return null;
            }

            i++;
        }

        ulong[] seeds = seed is { } one ? [one] : isQuick ? [1] : [1, 2, 3];
        return new(seeds, rounds ?? (isQuick ? 2 : 12), rounds ?? (isQuick ? 10 : 100), output) { IsQuick = isQuick };
    }
}
