namespace Orleans.Training.Benchmarks;

/// <summary>
/// All send −ε times the mean of the honest updates (IPM: Xie et al. 2019). The plain mean of n with f attackers points backwards if ε > (n − f) ÷ f; this ε is a multiple of that.
/// </summary>
internal sealed record InnerProduct(double Excess = 1.5) : IAttack
{
    public string Name => "inner product";

    public string Description => $"all send −{Excess} (n − f) ÷ f times the mean of the honest updates";

    public bool Trains => false;

    public IReadOnlyList<float[]> Forge(Attackers attackers)
    {
        var factor = Excess * (attackers.Participants - attackers.Count) / attackers.Count;
        return [.. Enumerable.Repeat(Vectors.Scale(Vectors.Mean(attackers.Honest), -factor), attackers.Count)];
    }
}
