using Orleans.Training.Benchmarks;
using Orleans.Training.Protocol.Privacy;

namespace Orleans.Training.Trainer.Tests;

/// <summary>Members are told by their losses where a model knows them by heart, and the accountant's noise is neither more nor less than a budget asks for.</summary>
public sealed class MembershipTests
{
    private static readonly (LabelledData Train, LabelledData Test) Images = Mnist.Load(Path.Combine(Repository.Root, "data", "mnist"));

    [Fact]
    public void Rates_AreThoseOfConstructedLosses()
    {
        Assert.Equal(new Membership(1, 1, 1), Membership.Of([1, 2, 3], [4, 5, 6]));
        Assert.Equal(new Membership(0, 0, 0), Membership.Of([4, 5, 6], [1, 2, 3]));
        Assert.Equal(0.5, Membership.Of([1, 1], [1, 1]).Area);
        Assert.Equal(0, Membership.Of([1, 1], [1, 1]).Advantage);
        // Of 200 others two may be named wrongly.
        double[] others = [.. Enumerable.Range(0, 200).Select(i => (double)i)];
        var found = Membership.Of([0.5, 1.5, 2.5, 300], others);
        Assert.Equal(0.5, found.AtOnePercent);
        Assert.Equal((199.5 + 198.5 + 197.5 + 0.5 - 0.5 - 0.5 - 0.5 - 0.5) / 800, found.Area, 12);
        Assert.Equal(0.75 - (3.0 / 200), found.Advantage, 12);
    }

    [Fact]
    public void Bounds_AreThoseOfThePages()
    {
        Assert.Equal(0.01 * Math.E, Membership.BoundAtOnePercent(1, 0), 12);
        Assert.Equal(1, Membership.BoundAtOnePercent(8, 1e-5));
        Assert.Equal(Math.Tanh(0.5), Membership.BoundOfAdvantage(1, 0), 12);
        Assert.Equal(0, Membership.BoundOfAdvantage(0, 0));
    }

    [Fact]
    public async Task Members_AreFound_WhereAModelKnowsThemByHeart_AndHardlyWithNoise()
    {
        using var pool = new TrainerPool(2, 64);
        var training = new PrivateTraining(new PrivateFederation(32, 4, 3), Images.Train, Images.Test, pool);
        var variance = training.VarianceFor(1);
        var (byHeart, plain, noisy) = (await training.Pool(1, 200), await training.Run(1, 0), await training.Run(1, variance));
        Assert.InRange(byHeart.Inference.Area, 0.75, 1);
        Assert.InRange(noisy.Inference.Area, 0.4, 0.6);
        // As much as was asked for, and not a level squared more than it takes.
        Assert.InRange(noisy.Epsilon!.Value, 0.99, 1);
        Assert.Equal((null, 0), (plain.Epsilon, plain.Variance));
        var less = await training.Run(1, variance - 1);
        Assert.True(less.Epsilon > 1, $"{less.Epsilon}");
        // What noise costs shows, and a table comes out twice.
        Assert.True(plain.Accuracy > noisy.Accuracy + 0.1, $"{plain.Accuracy} {noisy.Accuracy}");
        Assert.Equal(noisy, await training.Run(1, variance));
    }

    [Fact]
    public void NoiseForABudget_FallsAsOne_DividedByItsSquare()
    {
        using var pool = new TrainerPool(1, 2);
        var training = new PrivateTraining(new PrivateFederation(128, 8, 12), Images.Train, Images.Test, pool);
        var (one, eight) = (training.VarianceFor(1), training.VarianceFor(8));
        Assert.InRange((double)one / eight, 30, 64);
        Assert.True(one <= SkellamSampler.LargestVariance);
    }
}
