namespace Orleans.Training.Protocol.Aggregation;

/// <summary>What a sparse graph must bear: corrupt participants, and others that drop out, in parts of a thousand of the cohort.</summary>
public enum FaultBound
{
    /// <summary>5 % corrupt, 5 % dropped.</summary>
    Corrupt50Dropped50,
    /// <summary>10 % corrupt, 10 % dropped.</summary>
    Corrupt100Dropped100,
    /// <summary>20 % corrupt, 10 % dropped.</summary>
    Corrupt200Dropped100,
    /// <summary>20 % corrupt, 20 % dropped.</summary>
    Corrupt200Dropped200,
    /// <summary>33 % corrupt, 10 % dropped.</summary>
    Corrupt330Dropped100,
}

/// <summary>Neighbours of each participant, and how many of them give a secret back.</summary>
public readonly record struct GraphParameters(int Degree, int Threshold)
{
    /// <summary>The most participants that all share with all.</summary>
    public const int LargestComplete = 128;
    /// <summary>The fewest participants that can mask.</summary>
    public const int Smallest = 3;

    // Largest cohort of the row; degree k; smallest and largest threshold. Every cohort of a row fails in privacy with less than 2⁻⁴⁰ and in
    // liveness with less than 2⁻³⁰ (docs/spec/fedmask.md §5); a test computes all of it again.
    private static readonly int[][] Rows50And50 = [[200, 22, 11, 12], [300, 26, 14, 14], [400, 28, 15, 15], [500, 30, 16, 17], [600, 32, 17, 18], [700, 32, 17, 18], [800, 32, 17, 18], [900, 34, 18, 19], [1024, 34, 18, 19]];
    private static readonly int[][] Rows100And100 = [[200, 36, 19, 19], [300, 42, 22, 23], [400, 46, 24, 25], [500, 48, 25, 26], [600, 48, 26, 26], [700, 50, 27, 27], [800, 50, 27, 27], [900, 50, 27, 27], [1024, 52, 28, 28]];
    private static readonly int[][] Rows200And100 = [[200, 50, 31, 31], [300, 58, 36, 36], [400, 64, 39, 40], [500, 68, 42, 42], [600, 68, 42, 42], [700, 70, 43, 43], [800, 72, 44, 44], [900, 74, 45, 45], [1024, 76, 46, 47]];
    private static readonly int[][] Rows200And200 = [[200, 68, 36, 36], [300, 80, 42, 42], [400, 90, 47, 47], [500, 96, 50, 50], [600, 102, 53, 54], [700, 106, 55, 56], [800, 108, 56, 57], [900, 110, 58, 58], [1024, 112, 59, 59]];
    private static readonly int[][] Rows330And100 = [[200, 68, 48, 48], [300, 82, 57, 57], [400, 90, 62, 62], [500, 98, 67, 67], [600, 102, 70, 70], [700, 108, 74, 74], [800, 110, 75, 75], [900, 110, 75, 75], [1024, 116, 79, 79]];

    /// <summary>The parameters of a cohort: all share with all up to 128, with ⌊2n ÷ 3⌋ + 1 but at most n − 1; above, the bound's row with its largest threshold.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Not 3 to 1,024 participants.</exception>
    public static GraphParameters For(int participants, FaultBound bound)
    {
        if (participants is < Smallest or > Limits.Participants) throw new ArgumentOutOfRangeException(nameof(participants));
        if (participants <= LargestComplete) return new(participants - 1, Math.Min((2 * participants / 3) + 1, participants - 1));
        var row = RowsOf(bound).First(row => participants <= row[0]);
        return new(row[1], row[3]);
    }

    /// <summary>The most corrupt participants that a cohort of this size bears.</summary>
    public static int CorruptLimit(int participants, FaultBound bound) =>
        participants <= LargestComplete ? (participants - 1) / 3 : participants * Permille(bound).Corrupt / 1000;

    /// <summary>Corrupt and dropped participants, in parts of a thousand.</summary>
    internal static (int Corrupt, int Dropped) Permille(FaultBound bound) => bound switch
    {
        FaultBound.Corrupt50Dropped50 => (50, 50),
        FaultBound.Corrupt100Dropped100 => (100, 100),
        FaultBound.Corrupt200Dropped100 => (200, 100),
        FaultBound.Corrupt200Dropped200 => (200, 200),
        FaultBound.Corrupt330Dropped100 => (330, 100),
        _ => throw new ArgumentOutOfRangeException(nameof(bound)),
    };

    /// <summary>The table of one bound: [largest cohort, k, smallest t, largest t].</summary>
    internal static IReadOnlyList<int[]> RowsOf(FaultBound bound) => bound switch
    {
        FaultBound.Corrupt50Dropped50 => Rows50And50,
        FaultBound.Corrupt100Dropped100 => Rows100And100,
        FaultBound.Corrupt200Dropped100 => Rows200And100,
        FaultBound.Corrupt200Dropped200 => Rows200And200,
        FaultBound.Corrupt330Dropped100 => Rows330And100,
        _ => throw new ArgumentOutOfRangeException(nameof(bound)),
    };
}
