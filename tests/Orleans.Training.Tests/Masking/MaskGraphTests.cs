using System.Numerics;
using CsCheck;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Tests.Masking;

public sealed class MaskGraphTests
{
    private static readonly ContextFixture Fixture = new();

    [Theory]
    [InlineData(3, 2, 2)]
    [InlineData(4, 3, 3)]
    [InlineData(6, 5, 5)]
    [InlineData(7, 6, 5)]
    [InlineData(10, 9, 7)]
    [InlineData(100, 99, 67)]
    [InlineData(128, 127, 86)]
    [InlineData(129, 50, 31)]
    [InlineData(1000, 76, 47)]
    public void Parameters_AreThoseOfThePage(int participants, int degree, int threshold) => Assert.Equal(new GraphParameters(degree, threshold), GraphParameters.For(participants, FaultBound.Corrupt200Dropped100));

    [Fact]
    public void CompleteGraph_HidesFromAThirdAndEveryValidator()
    {
        // 2t > n + c: no two kinds of one victim's shares, whatever the ledger says to whom. And n − 1 − t others may drop out.
        for (var n = 3; n <= GraphParameters.LargestComplete; n++)
        {
            var (degree, threshold) = GraphParameters.For(n, FaultBound.Corrupt50Dropped50);
            Assert.Equal(n - 1, degree);
            var corrupt = (n - 1) / 3;
            Assert.True(threshold > corrupt && 2 * threshold > n - 1 - corrupt + (2 * corrupt), $"{n}");
            Assert.Equal(corrupt, GraphParameters.CorruptLimit(n, FaultBound.Corrupt50Dropped50));
        }
    }

    [Fact]
    public void Table_IsWhatTheExactComputationGives()
    {
        foreach (var bound in Enum.GetValues<FaultBound>())
        {
            var (smallest, before) = (GraphParameters.LargestComplete + 1, 20);
            foreach (var row in GraphParameters.RowsOf(bound))
            {
                Assert.Equal((row[2], row[3]), Thresholds(smallest, row[0], row[1], bound));
                // No smaller degree would do; degrees never fall.
                if (row[1] > before) Assert.Null(Thresholds(smallest, row[0], row[1] - 2, bound));
                (smallest, before) = (row[0] + 1, row[1]);
            }

            Assert.Equal(Limits.Participants, smallest - 1);
        }
    }

    // Smallest and largest threshold that serve every cohort of a row; null if none does. Exact: only integers are compared.
    private static (int Smallest, int Largest)? Thresholds(int from, int to, int degree, FaultBound bound)
    {
        var (corruptPermille, droppedPermille) = GraphParameters.Permille(bound);
        var (smallest, largest) = (1, degree);
        for (var n = from; n <= to; n++)
        {
            var (corrupt, dropped) = (((n * corruptPermille) + 999) / 1000, ((n * droppedPermille) + 999) / 1000);
            var all = Binomials(n - 1, degree)[degree];
            smallest = Math.Max(smallest, FirstBelow(n, corrupt, degree, all, 40));
            largest = Math.Min(largest, degree + 1 - FirstBelow(n, dropped, degree, all, 30));
            // Two windows of k ÷ 2 on the circle, all of whose members are gone, cut it: k given members out of those who are gone.
            BigInteger gone = (BigInteger)n * (n - 1) / 2 << 40, any = BigInteger.One;
            for (var i = 0; i < degree; i++) (gone, any) = (gone * Math.Max(0, corrupt + dropped - i), any * (n - i));
            if (smallest > largest || gone > any) return null;
        }

        return (smallest, largest);
    }

    // The smallest m for which n · P[at least m of a member's neighbours are marked] ≤ 2^−bits: hypergeometric, over all n members.
    private static int FirstBelow(int n, int marked, int degree, BigInteger all, int bits)
    {
        var (hit, miss) = (Binomials(marked, degree), Binomials(n - 1 - marked, degree));
        var tail = BigInteger.Zero;
        for (var m = degree; m >= 0; m--)
        {
            tail += hit[m] * miss[degree - m];
            if (n * tail << bits > all) return m + 1;
        }

        return 0;
    }

    private static BigInteger[] Binomials(int from, int upTo)
    {
        var row = new BigInteger[upTo + 1];
        row[0] = 1;
        for (var i = 1; i <= upTo; i++) row[i] = row[i - 1] * (from - i + 1) / i;
        return row;
    }

    [Fact]
    public void SparseGraph_IsACircleInADrawnOrder()
    {
        ushort[] members = [.. Enumerable.Range(0, 200).Select(i => (ushort)i)];
        var graph = MaskGraph.Create(members, Fixture.Attempt, Fixture.Beacon, FaultBound.Corrupt200Dropped100);
        Assert.Equal(31, graph.Threshold);
        // The vector of docs/spec/fedmask.md §13, computed apart from this code.
        Assert.Equal("c7af9f3926b448c54cbb6db3a33cb454e28e626735748154998d878e9dcb1ba4", graph.EdgesDigest().ToString());
        Assert.Equal([5, 6, 15, 16, 17], graph.Neighbours(0)[..5].ToArray());
    }

    [Fact]
    public void EveryGraph_IsSymmetricRegularAndConnected() => Gen.Select(Gen.Int[3, 400], Gen.Int[0, 4], Gen.Int).Sample((count, bound, seed) =>
    {
        var random = new Random(seed);
        ushort[] members = [.. Enumerable.Range(0, Limits.Participants).OrderBy(_ => random.Next()).Take(count).Order().Select(i => (ushort)i)];
        var beacon = MaskBeacon.Derive(Fixture.Attempt, [Digest.Of(BitConverter.GetBytes(seed))], []);
        var graph = MaskGraph.Create(members, Fixture.Attempt, beacon, (FaultBound)bound);
        var degree = GraphParameters.For(count, (FaultBound)bound).Degree;
        Assert.True(graph.IsConnected());
        foreach (var member in members)
        {
            var neighbours = graph.Neighbours(member).ToArray();
            Assert.Equal(degree, neighbours.Distinct().Count());
            Assert.Equal(neighbours.Order(), neighbours);
            Assert.DoesNotContain(member, neighbours);
            foreach (var other in neighbours) Assert.Equal(graph.Neighbours(other).IndexOf(member) + 1, graph.PointOf(other, member));
        }

        Assert.Equal(0, graph.PointOf(members[0], members[0]));
        Assert.Equal(graph.EdgesDigest(), graph.Acknowledge([.. members.Select(_ => (ReadOnlyMemory<byte>?)Enumerable.Repeat((byte)0xff, (degree + 7) / 8).ToArray())]).EdgesDigest());
    }, seed: "0000FedMask03", iter: 60);

    [Fact]
    public void Acknowledge_KeepsMutualEdges_AndPrunesToTheEnd() => Gen.Select(Gen.Int[3, 20], Gen.Int[0, 100], Gen.Int).Sample((count, percent, seed) =>
    {
        var random = new Random(seed);
        ushort[] members = [.. Enumerable.Range(0, count).Select(i => (ushort)(3 * i))];
        var graph = MaskGraph.Create(members, Fixture.Attempt, Fixture.Beacon, FaultBound.Corrupt50Dropped50);
        var says = members.ToDictionary(member => member, member => random.Next(10) == 0 ? null : graph.Neighbours(member).ToArray().Where(_ => random.Next(100) < 70 + (percent / 3)).ToHashSet());
        var result = graph.Acknowledge([.. members.Select(member => says[member] is null ? (ReadOnlyMemory<byte>?)null : Bits(graph, member, says[member]!))]);

        // The same by hand: a set that shrinks until nobody in it has too few edges within it.
        var kept = members.ToHashSet();
        bool Edge(ushort a, ushort b) => a != b && says[a]?.Contains(b) is true && says[b]?.Contains(a) is true;
        while (kept.RemoveWhere(member => kept.Count(other => Edge(member, other)) < graph.Threshold) > 0);
        Assert.Equal(kept.Order(), result.Members.ToArray());
        foreach (var member in kept) Assert.Equal(kept.Where(other => Edge(member, other)).Order(), result.Neighbours(member).ToArray());
        Assert.Equal(graph.Threshold, result.Threshold);
    }, seed: "0000FedMask04", iter: 300);

    [Fact]
    public void Connectivity_IsFoundOut()
    {
        var parameters = new GraphParameters(2, 1);
        ushort[] members = [.. Enumerable.Range(0, 8).Select(i => (ushort)i)];
        var ring = MaskGraph.Create(members, Fixture.Attempt, Fixture.Beacon, parameters);
        Assert.True(ring.IsConnected());
        var first = ring.Neighbours(0)[0];
        Assert.True(ring.Restrict([.. members.Where(member => member != first)]).IsConnected());
        var opposite = members.First(member => member != first && member != 0 && ring.PointOf(first, member) == 0 && ring.PointOf(0, member) == 0);
        Assert.False(ring.Restrict([.. members.Where(member => member != first && member != opposite)]).IsConnected());
        Assert.False(ring.Restrict([]).IsConnected());
    }

    [Fact]
    public void A24_WithheldEnvelopesAndChosenDropouts_NeverSplitTheHonest()
    {
        var random = new Random(24);
        var (split, accepted) = (0, 0);
        for (var attack = 0; attack < 3000; attack++)
        {
            var n = random.Next(4, 25);
            var corrupt = (n - 1) / 3;
            ushort[] members = [.. Enumerable.Range(0, n).Select(i => (ushort)i)];
            // The adversary sets apart a part of the honest and withholds what passes between them and the other honest; then it lets some drop out.
            var apart = random.Next(1, n - corrupt);
            var noise = random.Next(0, 3) * 5;
            bool Honest(int member) => member >= corrupt;
            bool Withheld(int a, int b) => (Honest(a) && Honest(b) && a - corrupt < apart != b - corrupt < apart) || random.Next(100) < noise;
            foreach (var trustLedger in new[] { false, true })
            {
                var parameters = GraphParameters.For(n, FaultBound.Corrupt50Dropped50);
                if (trustLedger) parameters = parameters with { Threshold = (n / 2) + 1 };
                var graph = MaskGraph.Create(members, Fixture.Attempt, Fixture.Beacon, parameters);
                var masks = graph.Acknowledge([.. members.Select(member => (ReadOnlyMemory<byte>?)Bits(graph, member, graph.Neighbours(member).ToArray().Where(other => !Withheld(member, other)).ToHashSet()))]);
                var survivors = masks.Restrict([.. masks.Members.ToArray().Where(_ => random.Next(100) >= 8)]);
                if (!masks.Members.ToArray().All(member => masks.Neighbours(member).ToArray().Count(survivors.Contains) >= graph.Threshold)) continue;
                var honest = survivors.Restrict([.. survivors.Members.ToArray().Where(member => Honest(member))]);
                if (honest.Members.IsEmpty) continue;
                if (!trustLedger)
                {
                    accepted++;
                    Assert.True(honest.IsConnected(), $"{n}");
                }
                else if (!honest.IsConnected())
                {
                    split++;
                }
            }
        }

        // With the threshold of a trusted ledger the attack succeeds: it is the threshold that stops it.
        Assert.True(split > 10 && accepted > 100, $"{split} {accepted}");
    }

    private static byte[] Bits(MaskGraph graph, ushort member, HashSet<ushort> said)
    {
        var neighbours = graph.Neighbours(member);
        var bits = new byte[(neighbours.Length + 7) / 8];
        for (var i = 0; i < neighbours.Length; i++) bits[i / 8] |= (byte)(said.Contains(neighbours[i]) ? 1 << (i % 8) : 0);
        return bits;
    }
}
