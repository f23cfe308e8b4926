namespace Orleans.Training.Benchmarks;

/// <summary>
/// All send one vector: the mean of their own honest updates minus z standard deviations in each parameter, near enough that it does not stand out (ALIE: Baruch et al. 2019). 1.5 is their z for 50 workers with
/// 24 attackers.
/// </summary>
internal sealed record LittleIsEnough(double Z = 1.5) : IAttack
{
    public string Name => "ALIE";

    public string Description => $"all send mean − {Z} deviations of their own honest updates";

    public IReadOnlyList<float[]> Forge(Attackers attackers) => [.. Enumerable.Repeat(Vectors.Shifted(attackers.Own, Z), attackers.Count)];
}
