using Orleans.Training.Trainer;

namespace Orleans.Training.Benchmarks;

/// <summary>Each sends independent noise of one deviation in every parameter (Blanchard et al. 2017).</summary>
internal sealed record GaussianNoise(double Deviation = 1) : IAttack
{
    private const double Unit = 1.0 / (1L << 53);

    public string Name => "Gaussian noise";

    public string Description => $"N(0, {Deviation * Deviation}) in every parameter";

    public bool Trains => false;

    public IReadOnlyList<float[]> Forge(Attackers attackers) => [.. Enumerable.Range(0, attackers.Count).Select(i => Draw(attackers.Honest[0].Length, SeededRandom.Derive(attackers.Seed, i)))];

    // Box and Muller; the logarithm's argument is in (0, 1].
    private float[] Draw(int length, ulong seed)
    {
        var random = new SeededRandom(seed);
        var noise = new float[length];
        for (var i = 0; i < length; i += 2)
        {
            var radius = Deviation * Math.Sqrt(-2 * Math.Log(((random.Next() >> 11) + 1) * Unit));
            var (sine, cosine) = Math.SinCos(2 * Math.PI * (random.Next() >> 11) * Unit);
            noise[i] = (float)(radius * cosine);
            if (i + 1 < length) noise[i + 1] = (float)(radius * sine);
        }

        return noise;
    }
}
