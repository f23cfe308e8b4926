namespace Orleans.Training.Benchmarks;

/// <summary>Each sends what it has learned, turned round and made longer.</summary>
internal sealed record SignFlip(double Factor = 10) : IAttack
{
    public string Name => "sign flip";

    public string Description => $"−{Factor} times the own honest update";

    public IReadOnlyList<float[]> Forge(Attackers attackers) => [.. attackers.Own.Select(update => Vectors.Scale(update, -Factor))];
}
