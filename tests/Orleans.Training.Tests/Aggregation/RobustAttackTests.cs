using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Tests.Aggregation;

/// <summary>Attacks that carry the plain mean away, and what is left of them under each rule. Honest groups lie around one update.</summary>
public sealed class RobustAttackTests
{
    private const int Length = 200;
    private const int Groups = 11;
    private const int Poisoned = 2;
    private const int Members = 8;

    private static readonly RobustRule[] Rules = [new CoordinateMedian(), new TrimmedMean(Poisoned), new MultiKrum(Poisoned, 5), new Bulyan(Poisoned), new CentredClipping(4000, 3), new FlTrust()];

    public static TheoryData<string, string> All
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var rule in Rules)
            {
                foreach (var attack in Attacks.Keys) data.Add(rule.Name, attack);
            }

            return data;
        }
    }

    // What a poisoned group sends instead of an honest sum, on average of all honest ones.
    private static readonly Dictionary<string, Func<int, int, int>> Attacks = new()
    {
        ["turned and magnified"] = (honest, _) => -50 * honest,
        ["far away"] = (_, _) => int.MaxValue,
        ["another far corner"] = (_, lane) => lane % 2 == 0 ? int.MinValue : int.MaxValue,
        ["one lane"] = (honest, lane) => lane == 7 ? 1 << 24 : honest,
    };

    [Theory]
    [MemberData(nameof(All))]
    public void Attack_CarriesThePlainMeanAway_AndNotTheRule(string name, string attack)
    {
        var rule = Rules.Single(item => item.Name == name);
        var random = new Random(8);
        var target = Enumerable.Range(0, Length).Select(_ => random.Next(-1000, 1001)).ToArray();
        int[] Honest() => [.. target.Select(lane => Members * (lane + random.Next(-100, 101)))];
        var sums = Enumerable.Range(0, Groups).Select(_ => Honest()).ToArray();
        for (var a = 0; a < Poisoned; a++) sums[(a * 5) + 1] = [.. target.Select((lane, i) => Attacks[attack](Members * lane, i))];
        var example = new RobustCase(rule, sums, [.. Enumerable.Repeat(Members, Groups)], rule.NeedsReference ? [.. Honest().Select(lane => lane / Members)] : []);

        var plain = Enumerable.Range(0, Length).Select(i => sums.Average(sum => (double)sum[i] / Members)).ToArray();
        var mean = example.Mean();
        var robust = Enumerable.Range(0, Length).Select(i => mean[i]).ToArray();
        var length = Distance(target, new double[Length]);
        Assert.True(Distance(target, plain) > 2 * length, $"The attack moves the plain mean by {Distance(target, plain)} of {length} only.");
        Assert.True(Distance(target, robust) < length / 4, $"{rule}: {Distance(target, robust)} of {length}");
    }

    private static double Distance(int[] target, double[] vector) => Math.Sqrt(target.Select((lane, i) => (lane - vector[i]) * (lane - vector[i])).Sum());
}
