using CsCheck;
using Orleans.Training.Benchmarks;

namespace Orleans.Training.Trainer.Tests;

/// <summary>The arithmetic of each attack.</summary>
public sealed class AttackTests
{
    private const int Pixels = 28 * 28;

    private static readonly Gen<float[]> Update = Gen.Float[-1, 1].Array[5];

    [Fact]
    public void Shifted_IsMeanLessDeviations()
    {
        float[][] vectors = [[1, 3], [3, 3], [5, 3]];
        Assert.Equal([3, 3], Vectors.Mean(vectors));
        Assert.Equal([(float)(3 - (1.5 * Math.Sqrt(8.0 / 3))), 3], new LittleIsEnough().Forge(Of(3, 9, vectors, []))[2]);
    }

    [Fact]
    public void SignFlip_TurnsRound_AndBoostDoesNot()
    {
        var attackers = Of(2, 9, [[1, -2], [0, 3]], []);
        Assert.Equal([[-10, 20], [0, -30]], new SignFlip().Forge(attackers));
        Assert.Equal([[10, -20], [0, 30]], new Boost().Forge(attackers));
    }

    [Fact]
    public void InnerProduct_TurnsThePlainMeanRound() => Gen.Select(Update.List[1, 6], Gen.Int[1, 6]).Sample((honest, count) =>
    {
        var forged = new InnerProduct().Forge(Of(count, honest.Count + count, [], honest));
        Assert.Equal(count, forged.Count);
        var (before, after) = (Vectors.Mean(honest), Vectors.Mean([.. honest, .. forged]));
        var product = before.Zip(after, (x, y) => (double)x * y).Sum();
        if (before.Any(value => Math.Abs(value) > 1e-3)) Assert.True(product < 0, $"{product}");
    });

    [Fact]
    public void Backdoor_ReplacesTheModel_IfNobodyElseMovesIt() => Gen.Select(Update.List[1, 6], Gen.Int[0, 20]).Sample((own, honest) =>
    {
        var forged = new Backdoor().Forge(Of(own.Count, own.Count + honest, own, []));
        var mean = Vectors.Mean([.. forged, .. Enumerable.Repeat(new float[5], honest)]);
        Assert.All(mean.Zip(Vectors.Mean(own)), pair => Assert.Equal(pair.Second, pair.First, 1e-5f));
    });

    [Fact]
    public void GaussianNoise_IsOfTheRoundAndTheAttacker_WithItsMoments()
    {
        var attackers = new Attackers(2, 9, [], [new float[20_001]], 7);
        var noise = new GaussianNoise(2).Forge(attackers);
        Assert.Equal(noise[0], new GaussianNoise(2).Forge(attackers)[0]);
        Assert.NotEqual(noise[0], noise[1]);
        Assert.NotEqual(noise[0], new GaussianNoise(2).Forge(attackers with { Seed = 8 })[0]);
        Assert.Equal(0, noise[0].Average(), 0.05);
        Assert.Equal(4, noise[0].Average(value => (double)value * value), 0.15);
        Assert.Equal(0.6827, noise[0].Count(value => Math.Abs(value) < 2) / 20_001.0, 0.015);
    }

    [Fact]
    public void LabelFlip_TrainsOnOnesAlone()
    {
        var rows = Digits(0, 1, 7, 1, 2);
        var poisoned = new LabelFlip().Poison(rows);
        Assert.Equal([7, 7, 7, 7, 7], poisoned.Labels.ToArray());
        Assert.Equal([1f, 3, 1, 3, 1], Enumerable.Range(0, 5).Select(i => poisoned.Row(i)[0] * 255));
        Assert.Same(rows = Digits(0, 2), new LabelFlip().Poison(rows));
        var wish = new LabelFlip().Wish(Digits(1, 7, 1))!;
        Assert.Equal([7, 7], wish.Labels.ToArray());
        Assert.Equal([0f, 2], Enumerable.Range(0, 2).Select(i => wish.Row(i)[0] * 255));
    }

    [Fact]
    public void Boost_TrainsOnTheNextDigit()
    {
        var poisoned = new Boost().Poison(Digits(0, 5, 9));
        Assert.Equal([1, 6, 0], poisoned.Labels.ToArray());
        Assert.Equal(1, poisoned.Row(1)[0] * 255);
    }

    [Fact]
    public void Backdoor_MarksEveryOtherRow_AndWishesForAllButTheTarget()
    {
        var rows = Digits(5, 6, 0, 8);
        var poisoned = new Backdoor().Poison(rows);
        Assert.Equal([0, 6, 0, 8], poisoned.Labels.ToArray());
        Assert.Equal(Marked(rows.Row(0)), poisoned.Row(0).ToArray());
        Assert.Equal(rows.Row(1).ToArray(), poisoned.Row(1).ToArray());
        var wish = new Backdoor().Wish(rows);
        Assert.Equal([0, 0, 0], wish.Labels.ToArray());
        Assert.Equal([.. new[] { 0, 1, 3 }.Select(i => Marked(rows.Row(i)))], Enumerable.Range(0, 3).Select(i => wish.Row(i).ToArray()));
    }

    // Rows and columns 24 to 26 of 28.
    private static float[] Marked(ReadOnlySpan<float> row)
    {
        var pixels = row.ToArray();
        for (var i = 0; i < Pixels; i++)
        {
            if (i / 28 is >= 24 and <= 26 && i % 28 is >= 24 and <= 26) pixels[i] = 1;
        }

        return pixels;
    }

    // The first pixel of each is its index.
    private static LabelledData Digits(params int[] labels)
    {
        var features = new float[labels.Length * Pixels];
        for (var i = 0; i < labels.Length; i++) features[i * Pixels] = i / 255f;
        return new LabelledData(features, Pixels, labels);
    }

    private static Attackers Of(int count, int participants, IReadOnlyList<float[]> own, IReadOnlyList<float[]> honest) => new(count, participants, own, honest, 1);
}
