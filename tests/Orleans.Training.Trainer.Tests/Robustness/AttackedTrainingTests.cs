using System.Xml.Linq;
using Orleans.Training.Benchmarks;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Trainer.Tests;

/// <summary>What the server of the suite lets pass, and training under attack from end to end.</summary>
public sealed class AttackedTrainingTests
{
    private const int Length = 100;

    private static readonly Func<int, bool> FirstAttacks = i => i == 0;

    [Fact]
    public void Update_ThatIsSeen_IsClipped_AndUnderMasksIsNot()
    {
        var updates = Enumerable.Range(0, 6).Select(i => Enumerable.Repeat(i == 0 ? 2f : 0f, Length).ToArray()).ToArray();
        var seen = Next(Arm.Mean(6, isMasked: false), updates, FirstAttacks)!;
        var masked = Next(Arm.Mean(6, isMasked: true), updates, FirstAttacks)!;
        Assert.Equal(Arm.Clip / 6, Norm(seen), 1e-4);
        Assert.Equal(2 * Math.Sqrt(Length) / 6, Norm(masked), 1e-4);
        // An honest client keeps to its clip where nobody sees it, too.
        Assert.Equal(Arm.Clip / 6, Norm(Next(Arm.Mean(6, isMasked: true), updates, _ => false)!), 1e-4);
    }

    [Fact]
    public void Lane_UnderMasks_EndsAtTheBound()
    {
        var updates = Enumerable.Range(0, 6).Select(i => Enumerable.Repeat(i == 0 ? 1e9f : 0f, Length).ToArray()).ToArray();
        Assert.All(Next(Arm.Mean(6, isMasked: true), updates, FirstAttacks)!, value => Assert.Equal(Arm.Clip / 6, value, 1e-5));
    }

    [Fact]
    public void EveryArm_OfUpdatesThatAgree_GivesThem()
    {
        var update = Enumerable.Range(0, Length).Select(i => (float)Math.Sin(i) / 100).ToArray();
        var updates = Enumerable.Repeat(update, 36).ToArray();
        foreach (var arm in Arm.Rules(36, 1, 8).Concat(Arm.Rules(36, 3, 2)).Append(Arm.Mean(36, true)).Append(Arm.Mean(36, false)))
        {
            var next = Next(arm, updates, _ => false)!;
            Assert.All(next.Zip(update), pair => Assert.Equal(pair.Second, pair.First, 1e-5f));
        }
    }

    [Fact]
    public void Clipping_GoesOutFromTheLastRoundsResult()
    {
        var updates = Enumerable.Repeat(Enumerable.Repeat(0.2f, Length).ToArray(), 12).ToArray();
        var arm = Arm.Rules(12, 3, 1).Single(rule => rule.Rule is CentredClipping);
        var server = new Server(arm, GroupLayout.Draw([.. Enumerable.Range(0, 12)], 3), 12);
        var (first, second) = (server.Next(new float[Length], updates, _ => false, [], 1)!, server.Next(new float[Length], updates, _ => false, [], 2)!);
        // Three steps of at most 0.5 towards a mean of norm 2: 1.5 from nothing, and the rest from there.
        Assert.Equal(1.5, Norm(first), 1e-4);
        Assert.Equal(2, Norm(second), 1e-4);
    }

    [Fact]
    public void FlTrust_GoesOutFromTheTrustedParty()
    {
        var updates = Enumerable.Range(0, 12).Select(i => Enumerable.Repeat(i < 7 ? -0.1f : 0.1f, Length).ToArray()).ToArray();
        var server = new Server(Arm.Trust(1), GroupLayout.Draw([.. Enumerable.Range(0, 12)], 1), 12);
        Assert.True(server.NeedsRoot);
        // Most point away from it, and have no weight; the others are brought to its length.
        Assert.All(server.Next(new float[Length], updates, _ => false, [.. Enumerable.Repeat(0.02f, Length)], 1)!, value => Assert.Equal(0.02f, value, 1e-5f));
    }

    [Fact]
    public void Update_ThatIsNotFinite_EndsTheTraining()
    {
        var updates = Enumerable.Range(0, 6).Select(i => Enumerable.Repeat(i == 0 ? float.NaN : 0f, Length).ToArray()).ToArray();
        Assert.Null(Next(Arm.Mean(6, isMasked: false), updates, _ => false));
    }

    [Fact]
    public async Task Attack_HurtsTheMean_AndNotTheMedian_TheSameTwice()
    {
        var (spec, data) = (ModelSpec.Softmax(2, 3), Corners(600, 1));
        using var pool = new TrainerPool(1);
        var training = new AttackedTraining(spec, Corners(150, 2), pool);
        Task<IReadOnlyList<Score>> Run(IAttack? attack, Arm arm) => training.Run(Federation.Draw(data, 12, 3, 5), attack, arm, 30, each: true);
        var (mean, median) = (Arm.Mean(12, isMasked: true), Arm.Rules(12, 1, 3)[0]);
        var (clean, hurt, held) = (await Run(null, mean), await Run(new InnerProduct(), mean), await Run(new InnerProduct(), median));
        Assert.Equal(30, held.Count);
        Assert.True(clean[^1].Accuracy > 0.95, $"{clean[^1]}");
        Assert.True(hurt[^1].Accuracy < 0.5, $"{hurt[^1]}");
        Assert.True(held[^1].Accuracy > 0.95, $"{held[^1]}");
        Assert.Equal(held, await Run(new InnerProduct(), median));
        Assert.All(clean, score => Assert.Null(score.Success));
        var flipped = await training.Run(Federation.Draw(data, 12, 6, 5), new LabelFlip(1, 2), mean, 30);
        Assert.True(Assert.Single(flipped).Success > 0.5, $"{flipped[0]}");
        Assert.True((await training.Run(Federation.Draw(data, 12, 0, 5), new LabelFlip(1, 2), mean, 30))[0].Success < 0.1);
    }

    [Fact]
    public void Federation_IsOfItsSeed()
    {
        var data = Corners((13 * 70) + 12, 3);
        var (one, same, other) = (Federation.Draw(data, 12, 3, 5), Federation.Draw(data, 12, 3, 5), Federation.Draw(data, 12, 3, 6));
        Assert.Equal(3, one.Attackers.Count);
        Assert.Equal(12, one.Rows.Count);
        Assert.All(one.Rows.Append(one.Root), rows => Assert.Equal(64, rows.Count));
        // No two rows have the same first feature.
        Assert.Equal(13 * 64, one.Rows.Append(one.Root).SelectMany(rows => Enumerable.Range(0, 64).Select(i => rows.Row(i)[0])).Distinct().Count());
        Assert.Equal(one.Attackers.Order(), same.Attackers.Order());
        Assert.Equal(one.Layout(3).Groups, same.Layout(3).Groups);
        Assert.NotEqual(one.Layout(3).Groups, other.Layout(3).Groups);
    }

    [Theory]
    [InlineData("", "1 2 3", 12, 100)]
    [InlineData("--quick", "1", 2, 10)]
    [InlineData("--seed 9 --rounds 2 --quick", "9", 2, 2)]
    public void CommandLine_IsRead(string line, string seeds, int rounds, int figureRounds)
    {
        var plan = RobustnessPlan.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries))!;
        Assert.Equal((seeds, rounds, figureRounds), (string.Join(' ', plan.Seeds), plan.Rounds, plan.FigureRounds));
    }

    [Theory]
    [InlineData("--slow")]
    [InlineData("--seed")]
    [InlineData("--seed -1")]
    [InlineData("--rounds 0")]
    [InlineData("--rounds 1001")]
    [InlineData("--output")]
    public void CommandLine_ThatIsNone_IsRefused(string line) => Assert.Null(RobustnessPlan.Parse(line.Split(' ')));

    [Fact]
    public void Chart_IsXml_WithTwoLinesForEachArm()
    {
        var svg = XDocument.Parse(Chart.Draw("title", [new("one", [0.9, 0.2, 0.1], [1, 0.5, 0]), new("two", [0.9, 0.1, 0.1], [0, 0, 0])]));
        var lines = svg.Descendants().Where(element => element.Name.LocalName == "polyline").ToArray();
        Assert.Equal(4, lines.Length);
        Assert.All(lines, line => Assert.Equal(3, line.Attribute("points")!.Value.Split(' ').Length));
    }

    private static float[]? Next(Arm arm, float[][] updates, Func<int, bool> attacks)
    {
        var layout = GroupLayout.Draw([.. Enumerable.Range(0, updates.Length)], arm.GroupSize);
        return new Server(arm, layout, updates.Length).Next(new float[Length], updates, attacks, arm.Rule is FlTrust ? updates[0] : [], 1);
    }

    private static double Norm(float[] values) => Math.Sqrt(values.Sum(value => (double)value * value));

    // Three classes around the corners of a triangle.
    private static LabelledData Corners(int count, ulong seed)
    {
        var random = new SeededRandom(seed);
        var (features, labels) = (new float[2 * count], new int[count]);
        for (var i = 0; i < count; i++)
        {
            labels[i] = random.Below(3);
            for (var k = 0; k < 2; k++) features[(2 * i) + k] = (k == 0 ? i / (2f * count) : random.Below(1000) / 2000f) + (labels[i] == k ? 2 : 0);
        }

        return new LabelledData(features, 2, labels);
    }
}
