using Orleans.Training.Trainer;

namespace Orleans.Training.Benchmarks;

/// <summary>Each trains towards a goal of its own and makes the update longer, that it may outweigh the others (Bhagoji et al. 2019, explicit boosting). The goal here: every digit is the next one.</summary>
internal sealed record Boost(double Factor = 10) : IAttack
{
    private const int Digits = 10;

    public string Name => "boosted update";

    public string Description => $"{Factor} times an update trained on labels y + 1 mod {Digits}";

    public LabelledData Poison(LabelledData rows) => Rows.Relabel(rows, label => (label + 1) % Digits);

    public IReadOnlyList<float[]> Forge(Attackers attackers) => [.. attackers.Own.Select(update => Vectors.Scale(update, Factor))];
}
