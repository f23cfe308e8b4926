using Orleans.Training.Trainer;

namespace Orleans.Training.Benchmarks;

/// <summary>Participants with their rows, who of them attacks, and who shares a group: all by chance, and all by one seed.</summary>
internal sealed class Federation
{
    private readonly int[] _order;

    private Federation(LabelledData[] rows, LabelledData root, int[] attackers, int[] order, ulong seed) => (Rows, Root, Attackers, _order, Seed) = (rows, root, attackers.ToHashSet(), order, seed);

    /// <summary>Rows of each participant, equally many.</summary>
    public IReadOnlyList<LabelledData> Rows { get; }

    /// <summary>As many rows, of nobody's: what a party that all trust trains on.</summary>
    public LabelledData Root { get; }

    public IReadOnlySet<int> Attackers { get; }

    public ulong Seed { get; }

    /// <summary>Draws all of it.</summary>
    public static Federation Draw(LabelledData train, int participants, int attackers, ulong seed)
    {
        var (order, each) = (new SeededRandom(seed).Permutation(train.Count), RowsEach(train, participants));
        var parts = Enumerable.Range(0, participants + 1).Select(i => train.Select(order.AsSpan(i * each, each))).ToArray();
        var chosen = new SeededRandom(SeededRandom.Derive(seed, 1)).Permutation(participants)[..attackers];
        return new(parts[..participants], parts[participants], chosen, new SeededRandom(SeededRandom.Derive(seed, 2)).Permutation(participants), seed);
    }

    /// <summary>As many as all can have, and the trusted party, such that batches come out even: the step of a batch of few rows would be chance.</summary>
    public static int RowsEach(LabelledData train, int participants) => train.Count / (participants + 1) / AttackedTraining.BatchSize * AttackedTraining.BatchSize;

    /// <summary>The groups, for all rounds: new ones each round would tell more of each participant (docs/spec/robust.md §5).</summary>
    public GroupLayout Layout(int size) => GroupLayout.Draw(_order, size);
}
